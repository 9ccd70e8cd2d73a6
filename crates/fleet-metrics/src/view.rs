//! Views: the part of what is measured that a question is about.

use std::collections::HashMap;

use clap::ValueEnum;
use fleet_core::{MeasureKind, Sample, Subject, Timestamp};
use serde_json::Number;

/// A part of what is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum View {
    /// Memory and swap
    Memory,
    /// CPU, load, threads
    Cpu,
    /// Storage, network, descriptors
    Io,
    /// GPUs
    Gpu,
    /// Counters as rates since the round before (needs --count or --follow), and what programs
    /// measure by themselves
    Throughput,
}

/// Words in the names of the measures of a view. A measure that is declared tomorrow is in the
/// right view if it is called as its likes are.
const MEMORY: &[&str] = &["memory", "swap", "fault"];
const CPU: &[&str] = &["cpu", "load", "threads", "processes", "switches", "nice", "uptime"];
const IO: &[&str] = &[
    "io_",
    "read",
    "written",
    "write",
    "fds",
    "descriptors",
    "disk",
    "space",
    "inodes",
    "network",
    "receive",
    "transmit",
    "connections",
    "ports",
    "log_",
    "silent",
    "busy",
    "free_bytes",
    "used_bytes",
];
const GPU: &[&str] =
    &["gpu", "temperature", "power", "energy", "clock", "throttle", "ecc", "fan", "pcie"];

impl View {
    /// Whether a measure belongs to it.
    fn takes(self, measure: &str) -> bool {
        let any = |words: &[&str]| words.iter().any(|word| measure.contains(word));
        match self {
            View::Gpu => any(GPU),
            _ if measure.contains("gpu") => false,
            View::Memory => any(MEMORY),
            View::Cpu => any(CPU) && !any(MEMORY),
            View::Io => any(IO) && !any(MEMORY) && !measure.starts_with("threads"),
            View::Throughput => false,
        }
    }
}

/// Narrows rounds to a view.
#[derive(Debug)]
pub(crate) struct Narrowing {
    view: View,
    rates: Rates,
}

impl Narrowing {
    pub(crate) fn new(view: View) -> Narrowing {
        Narrowing { view, rates: Rates::default() }
    }

    /// Takes away what is not in the view: measures of every sample, and whole samples but those
    /// of processes, the host and the fleet, which stand for that nothing was measured. Answers with
    /// why, where that is so of all.
    pub(crate) fn round(&mut self, samples: &mut Vec<Sample>) -> Option<&'static str> {
        if self.view == View::Throughput {
            self.rates.round(samples);
        }
        let view = self.view;
        let mut measured = false;
        samples.retain_mut(|sample| {
            if sample.subject == Subject::Custom {
                return view == View::Throughput;
            }
            sample.measures.retain(|name| view.takes(name));
            let has = sample.measures.values().next().is_some()
                || sample.more.keys().any(|name| name.ends_with(PER_SECOND));
            measured |= has;
            has || matches!(sample.subject, Subject::Process | Subject::Host | Subject::Fleet)
        });
        match view {
            View::Gpu if !measured => Some("no GPU tells anything, and no process uses one"),
            _ => None,
        }
    }
}

/// What the name of a rate ends with, in the place of `_total` of its counter, if it has that.
pub(crate) const PER_SECOND: &str = "_per_second";

/// Which counters: what is about, its name and id, the run and the attempt.
type Key = (Subject, Option<String>, Option<String>, Option<(u32, u32)>);

/// Counters by the names of their measures.
type Counters = Vec<(&'static str, f64)>;

/// The counters of the last round.
#[derive(Debug, Default)]
struct Rates(HashMap<Key, (Timestamp, Counters)>);

impl Rates {
    /// Adds to each sample the rates of its counters since the round before. A counter that went
    /// down began anew, and has no rate this time.
    fn round(&mut self, samples: &mut [Sample]) {
        let mut now = HashMap::with_capacity(samples.len());
        for sample in samples {
            let counters = sample.measures.values().filter(|(m, _)| m.kind == MeasureKind::Counter);
            let counters: Counters = counters.map(|(m, value)| (m.name, value)).collect();
            let key = key(sample);
            if let Some((then, old)) = self.0.get(&key) {
                let seconds = sample.ts.seconds_since(*then);
                add_rates(sample, seconds, old, &counters);
            }
            now.insert(key, (sample.ts, counters));
        }
        self.0 = now;
    }
}

fn key(sample: &Sample) -> Key {
    let id = sample.id.as_ref().map(ToString::to_string);
    (sample.subject, sample.name.clone(), id, sample.run.zip(sample.attempt))
}

fn add_rates(sample: &mut Sample, seconds: f64, old: &[(&str, f64)], new: &[(&'static str, f64)]) {
    for (name, value) in new {
        let before = old.iter().find(|(of, _)| of == name).map(|(_, before)| *before);
        let Some(before) = before.filter(|before| before <= value && seconds > 0.0) else {
            continue;
        };
        let rate = ((value - before) / seconds * 1000.0).round() / 1000.0;
        let name = format!("{}{PER_SECOND}", name.strip_suffix("_total").unwrap_or(name));
        if let Some(rate) = Number::from_f64(rate) {
            sample.more.insert(name, rate.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleet_core::Measures;

    fn process(seconds: i64, read: u64) -> Sample {
        let ts = Timestamp::from_nanos(seconds * 1_000_000_000);
        let mut sample = Sample::new(Subject::Process, ts);
        sample.id = "a".parse().ok();
        sample.measures.io_read_bytes = Some(read);
        sample.measures.memory_bytes = Some(1);
        sample.measures.cpu_percent = Some(1.0);
        sample
    }

    fn names(view: View) -> Vec<&'static str> {
        Measures::ALL.iter().map(|m| m.name).filter(|name| view.takes(name)).collect()
    }

    #[test]
    fn every_view_has_its_measures() {
        assert!(names(View::Memory).contains(&"swap_bytes"));
        assert!(names(View::Cpu).contains(&"cpu_percent") && names(View::Cpu).contains(&"load1"));
        assert!(names(View::Io).contains(&"io_read_bytes") && names(View::Io).contains(&"fds"));
        assert!(names(View::Gpu).contains(&"gpu_memory_bytes"));
        assert!(!names(View::Memory).contains(&"gpu_memory_bytes"));
        assert!(!names(View::Io).contains(&"threads"));
    }

    #[test]
    fn a_view_narrows_records() {
        let mut samples = vec![process(0, 5), Sample::new(Subject::Disk, Timestamp::from_nanos(0))];
        Narrowing::new(View::Memory).round(&mut samples);
        assert_eq!(samples.len(), 1);
        let names: Vec<_> = samples[0].measures.values().map(|(m, _)| m.name).collect();
        assert_eq!(names, ["memory_bytes"]);
    }

    #[test]
    fn throughput_is_counted_from_the_round_before() {
        let mut narrowing = Narrowing::new(View::Throughput);
        let mut rate = |seconds, read| {
            let mut samples = vec![process(seconds, read)];
            narrowing.round(&mut samples);
            samples[0].more.get("io_read_bytes_per_second").and_then(serde_json::Value::as_f64)
        };
        assert_eq!(rate(0, 100), None);
        assert_eq!(rate(2, 300), Some(100.0));
        // A new attempt, or a clock that was set back.
        assert_eq!(rate(4, 10), None);
        assert_eq!(rate(3, 20), None);
    }
}
