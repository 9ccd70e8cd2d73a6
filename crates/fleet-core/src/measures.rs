//! The measures of a sample: each declared once, with its meaning, its kind and its exported name.

use serde::{Deserialize, Serialize};

/// How a measure moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MeasureKind {
    /// Up and down.
    Gauge,
    /// Up only, until what is measured begins anew.
    Counter,
}

/// What is known of a measure.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Measure {
    /// The name of its field in records: unit at the end.
    pub name: &'static str,
    /// What it is, in a sentence or more.
    pub help: &'static str,
    /// How it moves.
    pub kind: MeasureKind,
    /// Its name in the Prometheus forms behind `fleet_<subject>_`, in base units and by their
    /// conventions. `None`: it is not exported, because another one says the same.
    pub exported: Option<&'static str>,
    /// What a value is multiplied by for that: a share in percent is exported as a ratio.
    pub factor: f64,
}

/// The value of a measure: of any type that one has.
trait Value: Copy {
    fn value(self) -> f64;
}

impl Value for f64 {
    fn value(self) -> f64 {
        self
    }
}

impl Value for u64 {
    fn value(self) -> f64 {
        self as f64
    }
}

impl Value for i64 {
    fn value(self) -> f64 {
        self as f64
    }
}

macro_rules! exported {
    () => {
        None
    };
    ($name:literal) => {
        Some($name)
    };
}

macro_rules! factor {
    () => {
        1.0
    };
    ($factor:literal) => {
        $factor
    };
}

macro_rules! measures {
    ($(
        $(#[doc = $doc:literal])+
        $name:ident: $type:ty, $kind:ident $(, $exported:literal $(* $factor:literal)?)?;
    )+) => {
        /// The measures of a sample, flat in its JSON. What could not be read is absent, never 0,
        /// and every number is finite.
        #[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
        pub struct Measures {
            $(
                $(#[doc = $doc])+
                #[serde(default, skip_serializing_if = "Option::is_none")]
                pub $name: Option<$type>,
            )+
        }

        impl Measures {
            /// All that may be measured, in the order of the fields.
            pub const ALL: &[Measure] = &[$(Measure {
                name: stringify!($name),
                help: concat!($($doc),+),
                kind: MeasureKind::$kind,
                exported: exported!($($exported)?),
                factor: factor!($($($factor)?)?),
            }),+];

            /// What was measured, in the order of [`Measures::ALL`].
            pub fn values(&self) -> impl Iterator<Item = (&'static Measure, f64)> {
                let values = [$(self.$name.map(Value::value)),+];
                Measures::ALL.iter().zip(values).filter_map(|(of, value)| Some((of, value?)))
            }
        }
    };
}

impl Measure {
    /// The measure of this name.
    pub fn named(name: &str) -> Option<&'static Measure> {
        Measures::ALL.iter().find(|measure| measure.name == name)
    }
}

// Processes and the host first, as people read records from the left.
measures! {
    /// Seconds of CPU since the start of the attempt (process: the whole tree, the members that
    /// ended included) or since boot (host: all that is not idle). Never goes down within one
    /// attempt.
    cpu_seconds_total: f64, Counter, "cpu_seconds_total";
    /// CPU since an earlier sample. Process: 100 means one core busy, so that four cores are 400.
    /// Host: 100 means all cores busy.
    cpu_percent: f64, Gauge, "cpu_ratio" * 0.01;
    /// CPUs that are online (host).
    cpus: u64, Gauge, "cpus";
    /// Memory in use: of the tree, or of the host what is not available.
    memory_bytes: u64, Gauge, "memory_bytes";
    /// Resident sizes of the members added up (process).
    memory_resident_bytes: u64, Gauge, "resident_memory_bytes";
    /// `memory_bytes` of the host's memory, 0 to 100.
    memory_percent: f64, Gauge, "memory_ratio" * 0.01;
    /// Memory of the host.
    memory_total_bytes: u64, Gauge, "memory_size_bytes";
    /// Memory that the host could still give without swapping.
    memory_available_bytes: u64, Gauge, "memory_available_bytes";
    /// Swap in use, by the tree or of the host.
    swap_bytes: u64, Gauge, "swap_bytes";
    /// Swap of the host.
    swap_total_bytes: u64, Gauge, "swap_size_bytes";
    /// Threads of all members.
    threads: u64, Gauge, "threads";
    /// Members of the tree.
    processes: u64, Gauge, "processes";
    /// Open file descriptors of all members.
    fds: u64, Gauge, "open_fds";
    /// Bytes fetched from storage. Of a process never goes down within one attempt.
    io_read_bytes: u64, Counter, "storage_read_bytes_total";
    /// Bytes sent to storage, or caused to be. Of a process never goes down within one attempt.
    io_write_bytes: u64, Counter, "storage_written_bytes_total";
    /// Runnable or uninterruptible threads of the host, averaged over a minute.
    load1: f64, Gauge, "load1";
    /// Runnable or uninterruptible threads of the host, averaged over five minutes.
    load5: f64, Gauge, "load5";
    /// Runnable or uninterruptible threads of the host, averaged over fifteen minutes.
    load15: f64, Gauge, "load15";
    /// Age of the main process of the attempt, or time since boot; a suspended machine ages too.
    uptime_seconds: f64, Gauge, "uptime_seconds";
    /// Temperature (sensor, GPU).
    temperature_celsius: f64, Gauge, "temperature_celsius";
    /// Share of the sample window in which the GPU ran anything, 0 to 100, as its driver says; of a
    /// process the sum over its GPUs.
    gpu_percent: f64, Gauge, "gpu_ratio" * 0.01;
    /// Memory of GPUs in use by the driver's account: of the device, or of the process's tree,
    /// with contexts and what allocators keep.
    gpu_memory_bytes: u64, Gauge, "gpu_memory_bytes";
    /// Memory of the GPU that nobody uses and the driver does not keep for itself.
    gpu_memory_free_bytes: u64, Gauge, "gpu_memory_free_bytes";
    /// Memory of the GPU.
    gpu_memory_total_bytes: u64, Gauge, "gpu_memory_size_bytes";
    /// `gpu_memory_bytes` of the GPU's memory, 0 to 100.
    gpu_memory_percent: f64, Gauge, "gpu_memory_ratio" * 0.01;
    /// Processes on the GPU that its driver lists.
    gpu_processes: u64, Gauge, "gpu_processes";
    /// Share of the sample window in which the GPU's memory was read or written, 0 to 100.
    gpu_memory_busy_percent: f64, Gauge, "memory_busy_ratio" * 0.01;
    /// Share of the time in which the GPU encoded video, 0 to 100.
    gpu_encoder_percent: f64, Gauge, "encoder_ratio" * 0.01;
    /// Share of the time in which the GPU decoded video, 0 to 100.
    gpu_decoder_percent: f64, Gauge, "decoder_ratio" * 0.01;
    /// Power that the GPU draws.
    gpu_power_watts: f64, Gauge, "power_watts";
    /// Power that the GPU may draw.
    gpu_power_limit_watts: f64, Gauge, "power_limit_watts";
    /// Energy that the GPU has drawn since its driver was loaded.
    gpu_energy_joules_total: f64, Counter, "energy_joules_total";
    /// Clock of the GPU's processors.
    gpu_clock_hertz: u64, Gauge, "clock_hertz";
    /// The highest clock of the GPU's processors.
    gpu_clock_max_hertz: u64, Gauge, "clock_max_hertz";
    /// Clock of the GPU's memory.
    gpu_memory_clock_hertz: u64, Gauge, "memory_clock_hertz";
    /// Speed of the GPU's fan in its range, 0 to 100.
    gpu_fan_percent: f64, Gauge, "fan_ratio" * 0.01;
    /// Whether the GPU's clocks are held down because of the power that it draws: 1 or 0.
    gpu_throttled_power: u64, Gauge, "throttled_power";
    /// Whether the GPU's clocks are held down because it is hot: 1 or 0.
    gpu_throttled_thermal: u64, Gauge, "throttled_thermal";
    /// Whether the GPU's hardware itself holds its clocks down, by half or more: 1 or 0.
    gpu_throttled_hardware: u64, Gauge, "throttled_hardware";
    /// Memory errors of the GPU that were corrected, since its driver was loaded.
    gpu_ecc_corrected_total: u64, Counter, "ecc_corrected_errors_total";
    /// Memory errors of the GPU that could not be corrected, since its driver was loaded.
    gpu_ecc_uncorrected_total: u64, Counter, "ecc_uncorrected_errors_total";
    /// Transfers that the GPU had to repeat on the PCI bus.
    gpu_pcie_replays_total: u64, Counter, "pcie_replays_total";
    /// Errors (XID) that NVIDIA's driver told of the GPU since it is being asked.
    gpu_xid_errors_total: u64, Counter, "xid_errors_total";
    /// Number of the last of these errors, by NVIDIA's table of XIDs.
    gpu_xid: u64, Gauge, "last_xid";
    /// Whether nothing can be had from the GPU any more: 1 or 0.
    gpu_lost: u64, Gauge, "lost";
    /// Whether the source answered the last time it was asked: 1 or 0 (collector).
    success: u64, Gauge, "success";
    /// How long the source took (collector).
    duration_seconds: f64, Gauge, "duration_seconds";
    /// How old the values are that the source's samples show now (collector).
    age_seconds: f64, Gauge, "age_seconds";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_named_and_what_was_not_measured_is_left_out() {
        let measures =
            Measures { cpu_percent: Some(50.0), threads: Some(2), ..Measures::default() };
        let values: Vec<_> = measures.values().map(|(of, value)| (of.name, value)).collect();
        assert_eq!(values, [("cpu_percent", 50.0), ("threads", 2.0)]);
        assert_eq!(Measure::named("cpu_percent").unwrap().exported, Some("cpu_ratio"));
        assert_eq!(Measure::named("no"), None);
    }

    /// The conventions of Prometheus on metric names: `_total` for counters and nothing else, base
    /// units, no percent.
    #[test]
    fn exported_names_follow_the_conventions() {
        for Measure { name, help, kind, exported, factor } in Measures::ALL {
            assert!(help.trim().len() > 8, "{name} has no help");
            assert_eq!(name.ends_with("_percent"), *factor == 0.01, "{name}");
            let Some(exported) = exported else { continue };
            assert_eq!(exported.ends_with("_total"), *kind == MeasureKind::Counter, "{name}");
            assert!(!exported.contains("percent") && !exported.contains("_ms"), "{name}");
            let once = Measures::ALL.iter().filter(|m| m.exported == Some(exported)).count();
            assert_eq!(once, 1, "{exported} is exported twice");
        }
    }
}
