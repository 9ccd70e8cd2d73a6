//! The sample of the host.

use std::path::Path;

use fleet_core::{Measures, Sample, Subject};
use fleet_os::{Cpu, HostMemory, Load, Pressure, Reader, Sensor, Stall, sensors};

use crate::numbers::{hundredths, millis, share};
use crate::{Moment, Part};

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

/// Everything that the host's sample is made of, the memory, which the processes need too, from
/// outside.
pub(crate) struct Readings {
    pub(crate) name: Option<String>,
    cpu: Option<Cpu>,
    load: Option<Load>,
    memory: Option<HostMemory>,
    /// Of the CPU, of memory, of storage.
    pressure: [Option<Pressure>; 3],
}

impl Readings {
    pub(crate) fn take(
        reader: &mut Reader,
        memory: Option<HostMemory>,
        problems: &mut Vec<String>,
    ) -> Readings {
        let name = |text: &[u8]| Some(String::from_utf8_lossy(text).trim().to_owned());
        // A kernel without these files, or that was told to leave them, is no problem.
        let mut pressure = |file| Pressure::parse(reader.text(file).ok()?);
        Readings {
            pressure: ["pressure/cpu", "pressure/memory", "pressure/io"].map(&mut pressure),
            name: collect(reader, "sys/kernel/hostname", problems, name),
            cpu: collect(reader, "stat", problems, Cpu::parse),
            load: collect(reader, "loadavg", problems, Load::parse),
            memory,
        }
    }

    /// The host's sample.
    pub(crate) fn sample(&self, part: &mut Part<'_>) -> Sample {
        let mut sample = Sample::new(Subject::Host, part.at.ts);
        sample.host.clone_from(&self.name);
        let measures = &mut sample.measures;
        if let Some(cpu) = &self.cpu {
            let (seconds, percent) = share_of_time(part, "host", cpu.busy_ticks, cpu.cpus());
            (measures.cpu_seconds_total, measures.cpu_percent) = (Some(seconds), percent);
            measures.cpus = Some(cpu.cpus());
            measures.boot_time_seconds = cpu.booted_at;
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
        measures.uptime_seconds = Some(millis(part.at.since_boot.as_secs_f64()));
        self.pressure(measures);
        sample
    }

    fn pressure(&self, measures: &mut Measures) {
        let seconds = |stall: Stall| millis(stall.micros as f64 / 1e6);
        let [cpu, memory, io] = self.pressure;
        let some = |of: Option<Pressure>| of.map(|p| (p.some.percent, seconds(p.some))).unzip();
        let full = |of: Option<Pressure>| {
            let stall = of.and_then(|p| p.full);
            stall.map(|full| (full.percent, seconds(full))).unzip()
        };
        (measures.pressure_cpu_percent, measures.pressure_cpu_seconds_total) = some(cpu);
        (measures.pressure_memory_percent, measures.pressure_memory_seconds_total) = some(memory);
        (measures.pressure_memory_full_percent, measures.pressure_memory_full_seconds_total) =
            full(memory);
        (measures.pressure_io_percent, measures.pressure_io_seconds_total) = some(io);
        (measures.pressure_io_full_percent, measures.pressure_io_full_seconds_total) = full(io);
    }

    /// A sample of each processor.
    pub(crate) fn cores(&self, part: &mut Part<'_>) -> Vec<Sample> {
        let cores = self.cpu.iter().flat_map(|cpu| &cpu.cores);
        let core = |(number, ticks): &(u32, u64)| {
            let mut sample = Sample::new(Subject::Core, part.at.ts);
            sample.name = Some(number.to_string());
            let (seconds, percent) = share_of_time(part, &format!("core {number}"), *ticks, 1);
            sample.measures.cpu_seconds_total = Some(seconds);
            sample.measures.cpu_percent = percent;
            sample
        };
        cores.map(core).collect()
    }
}

/// CPU in seconds, and in percent of so many processors.
fn share_of_time(part: &mut Part<'_>, key: &str, ticks: u64, cpus: u64) -> (f64, Option<f64>) {
    let per_second = part.ticks_per_second;
    let (total, rate) = part.time(key, ticks);
    let all = per_second * cpus.max(1) as f64;
    let percent = rate.map(|rate| hundredths(rate / all * 100.0).min(100.0));
    (millis(total as f64 / per_second), percent)
}

/// A sample of each temperature.
pub(crate) fn temperatures(sys: &Path, at: &Moment) -> Vec<Sample> {
    let sample = |sensor: Sensor| {
        let mut sample = Sample::new(Subject::Sensor, at.ts);
        sample.name = Some(sensor.name);
        sample.measures.temperature_celsius = Some(sensor.celsius);
        sample.measures.temperature_limit_celsius = sensor.limit_celsius;
        sample
    };
    sensors(sys).into_iter().map(sample).collect()
}
