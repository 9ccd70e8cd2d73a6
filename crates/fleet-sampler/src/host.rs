//! The sample of the host.

use fleet_core::{Sample, Subject};
use fleet_os::{Cpu, HostMemory, Load, Reader};

use crate::last::Series;
use crate::numbers::{hundredths, millis, share};
use crate::{Moment, Units};

/// Reads and understands one file of /proc itself, or says what failed.
pub(crate) fn collect<T>(
    reader: &mut Reader,
    file: &str,
    problems: &mut Vec<String>,
    parse: impl Fn(&[u8]) -> Option<T>,
) -> Option<T> {
    match reader.text(file) {
        Ok(text) => {
            let parsed = parse(text);
            if parsed.is_none() {
                problems.push(format!("'/proc/{file}' has a form that this build does not know"));
            }
            parsed
        }
        Err(e) => {
            problems.push(format!("cannot read '/proc/{file}': {e}"));
            None
        }
    }
}

/// Everything that the host's sample is made of but the memory, which the processes need too.
pub(crate) struct Readings {
    name: Option<String>,
    cpu: Option<Cpu>,
    load: Option<Load>,
    memory: Option<HostMemory>,
}

impl Readings {
    pub(crate) fn take(
        reader: &mut Reader,
        memory: Option<HostMemory>,
        problems: &mut Vec<String>,
    ) -> Readings {
        let name = |text: &[u8]| Some(String::from_utf8_lossy(text).trim().to_owned());
        Readings {
            name: collect(reader, "sys/kernel/hostname", problems, name),
            cpu: collect(reader, "stat", problems, Cpu::parse),
            load: collect(reader, "loadavg", problems, Load::parse),
            memory,
        }
    }

    /// The host's sample. `interval` is the age in seconds that the point should have that the
    /// share of CPU is counted from.
    pub(crate) fn sample(
        self,
        series: &mut Series,
        moment: &Moment,
        units: Units,
        interval: f64,
    ) -> Sample {
        let mut sample = Sample::new(Subject::Host, moment.ts);
        sample.host = self.name;
        let measures = &mut sample.measures;
        if let Some(cpu) = self.cpu {
            let at = moment.since_boot.as_secs_f64();
            let (total, rate) = series.cpu_at(at, cpu.busy_ticks, interval);
            let all = units.ticks_per_second * cpu.cpus.max(1) as f64;
            measures.cpu_seconds_total = Some(millis(total as f64 / units.ticks_per_second));
            measures.cpu_percent = rate.map(|rate| hundredths(rate / all * 100.0).min(100.0));
            measures.cpus = Some(cpu.cpus);
        }
        if let Some(memory) = self.memory {
            measures.memory_total_bytes = Some(memory.total_bytes);
            measures.memory_available_bytes = Some(memory.available_bytes);
            measures.memory_bytes = Some(memory.used_bytes());
            measures.memory_percent = share(measures.memory_bytes, Some(memory.total_bytes));
            measures.swap_bytes = Some(memory.swap_bytes());
            measures.swap_total_bytes = Some(memory.swap_total_bytes);
        }
        measures.load1 = self.load.map(|load| load.one);
        measures.load5 = self.load.map(|load| load.five);
        measures.load15 = self.load.map(|load| load.fifteen);
        measures.uptime_seconds = Some(millis(moment.since_boot.as_secs_f64()));
        sample
    }
}
