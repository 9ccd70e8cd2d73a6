//! Fills a home with the history of a busy fleet, for measuring: days that are over, closed by the
//! real code.
//!
//! ```text
//! fill_history HOME DAYS PROCESSES SECONDS
//! ```

use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;

use fleet_core::{Health, MemoryBasis, Sample, Subject, Timestamp};
use fleet_history::{Recorder, Settings};

const DAY: i64 = 86_400;

/// Everything that was stored is kept.
const SETTINGS: Settings = Settings { keep: Duration::MAX, max_bytes: u64::MAX };

fn main() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1);
    let mut word = || words.next().ok_or("usage: fill_history HOME DAYS PROCESSES SECONDS");
    let folder = PathBuf::from(word()?).join("metrics");
    let (days, processes): (i64, usize) = (word()?.parse()?, word()?.parse()?);
    let interval: i64 = word()?.parse()?;
    let today = Timestamp::now().nanos() / 1_000_000_000 / DAY;
    let mut fleet = Fleet::new(processes);
    let mut recorder = Recorder::new(&folder, SETTINGS);
    let mut said = Vec::new();
    let moments = ((today - days) * DAY..today * DAY).step_by(usize::try_from(interval)?);
    for (round, second) in moments.enumerate() {
        // As timers do, they come a little late, each time by another bit.
        let late = 137_000 * (round as i64 % 1009);
        let ts = Timestamp::from_nanos(second * 1_000_000_000 + late);
        said.extend(recorder.store(&fleet.round(ts, interval as f64)));
    }
    said.extend(recorder.finish());
    // Who records today closes what is over.
    let mut recorder = Recorder::new(&folder, SETTINGS);
    said.extend(recorder.store(&fleet.round(Timestamp::now(), interval as f64)));
    said.extend(recorder.finish());
    if said.is_empty() { Ok(()) } else { Err(said.join("\n").into()) }
}

/// Processes whose usage wanders.
struct Fleet {
    samples: Vec<Sample>,
    chance: u64,
}

impl Fleet {
    fn new(processes: usize) -> Fleet {
        let ts = Timestamp::from_nanos(0);
        let mut host = Sample::new(Subject::Host, ts);
        host.host = Some("workstation".to_owned());
        let process = |number: usize| {
            let mut sample = Sample::new(Subject::Process, ts);
            sample.host.clone_from(&host.host);
            sample.id = format!("mission-{number:02}").parse().ok();
            (sample.run, sample.attempt, sample.restarts) = (Some(1), Some(1), Some(0));
            sample.labels.insert("team".to_owned(), ["vision", "speech"][number % 2].to_owned());
            sample.state = Some("running".to_owned());
            sample.pid = Some(4000 + number as i32);
            sample.health = Some(Health::Healthy);
            sample.memory_basis = Some(MemoryBasis::Pss);
            sample
        };
        let samples = (0..processes).map(process).chain([host.clone()]).collect();
        Fleet { samples, chance: 0x9e37_79b9_7f4a_7c15 }
    }

    /// A number below 1 (xorshift64).
    fn chance(&mut self) -> f64 {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        (self.chance >> 11) as f64 / (1u64 << 53) as f64
    }

    fn round(&mut self, ts: Timestamp, seconds: f64) -> Vec<Sample> {
        let mut samples = std::mem::take(&mut self.samples);
        for sample in &mut samples {
            sample.ts = ts;
            self.wander(sample, seconds);
        }
        self.samples.clone_from(&samples);
        samples
    }

    fn wander(&mut self, sample: &mut Sample, seconds: f64) {
        let m = &mut sample.measures;
        let percent =
            (m.cpu_percent.unwrap_or(150.0) + 20.0 * (self.chance() - 0.5)).clamp(0.0, 400.0);
        m.cpu_percent = Some((percent * 1000.0).round() / 1000.0);
        let ticks = m.cpu_seconds_total.unwrap_or(0.0) * 100.0 + percent * seconds;
        m.cpu_seconds_total = Some(ticks.round() / 100.0);
        let pages = m.memory_bytes.unwrap_or(4 << 30) / 4096;
        let memory = 4096 * (pages as f64 * (0.995 + 0.01 * self.chance())) as u64;
        m.memory_bytes = Some(memory);
        m.memory_resident_bytes = Some(memory + (64 << 20));
        m.memory_percent = Some((memory as f64 / (128u64 << 30) as f64 * 1e5).round() / 1e3);
        m.swap_bytes = Some(0);
        m.threads = Some(24 + (self.chance() * 3.0) as u64);
        m.processes = Some(5);
        m.fds = Some(60 + (self.chance() * 8.0) as u64);
        m.io_read_bytes =
            Some(m.io_read_bytes.unwrap_or(0) + 4096 * (self.chance() * 9000.0) as u64);
        m.io_write_bytes =
            Some(m.io_write_bytes.unwrap_or(0) + 4096 * (self.chance() * 90.0) as u64);
        m.uptime_seconds = Some(m.uptime_seconds.unwrap_or(0.0) + seconds);
    }
}
