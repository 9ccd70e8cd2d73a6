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
    /// The nearest one to a number, if there is any.
    fn of(number: f64) -> Option<Self>;
}

impl Value for f64 {
    fn value(self) -> f64 {
        self
    }

    fn of(number: f64) -> Option<f64> {
        Some(number).filter(|number| number.is_finite())
    }
}

impl Value for u64 {
    fn value(self) -> f64 {
        self as f64
    }

    fn of(number: f64) -> Option<u64> {
        Some(number.round() as u64).filter(|_| number.is_finite() && number > -0.5)
    }
}

impl Value for i64 {
    fn value(self) -> f64 {
        self as f64
    }

    fn of(number: f64) -> Option<i64> {
        Some(number.round() as i64).filter(|_| number.is_finite())
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

            /// Sets the measure of this name; whether there is one, and it can hold the number.
            pub fn set(&mut self, name: &str, number: f64) -> bool {
                match name {
                    $(stringify!($name) => {
                        self.$name = Value::of(number);
                        self.$name.is_some()
                    })+
                    _ => false,
                }
            }

            /// Forgets what was measured but for the measures of which `keep` says so by name.
            pub fn retain(&mut self, keep: impl Fn(&str) -> bool) {
                $(if !keep(stringify!($name)) {
                    self.$name = None;
                })+
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
    /// CPU since an earlier sample of what its limit allows, 0 to 100 (process with such a limit).
    cpu_limit_percent: f64, Gauge, "cpu_limit_used_ratio" * 0.01;
    /// Memory in use: of the tree, or of the host what is not available.
    memory_bytes: u64, Gauge, "memory_bytes";
    /// Resident sizes of the members added up (process).
    memory_resident_bytes: u64, Gauge, "resident_memory_bytes";
    /// Memory that nobody shares with the tree's members (process; where the proportional size is
    /// read): what would be free if they ended.
    memory_unique_bytes: u64, Gauge, "unique_memory_bytes";
    /// The most memory of the attempt so far (process): what its cgroup saw, page cache included,
    /// or else the peaks of the members added up, which is no less than the peak of the sum.
    memory_peak_bytes: u64, Gauge, "memory_peak_bytes";
    /// What the memory of the tree is limited to.
    memory_limit_bytes: u64, Gauge, "memory_limit_bytes";
    /// `memory_bytes` of that limit, 0 to 100.
    memory_limit_percent: f64, Gauge, "memory_limit_used_ratio" * 0.01;
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
    /// Descriptors that the main process, or the member, may have open: its soft limit.
    fds_limit: u64, Gauge, "max_fds";
    /// Open descriptors of their limit, 0 to 100, of the member that is nearest to it.
    fds_percent: f64, Gauge, "open_fds_ratio" * 0.01;
    /// TCP connections of the tree, however they are; listening sockets are none. A socket that
    /// several members hold counts once, and one that is closed (TIME_WAIT) belongs to nobody.
    connections: u64, Gauge, "connections";
    /// TCP connections that are established.
    connections_established: u64, Gauge, "established_connections";
    /// TCP connections that are being opened (SYN_SENT, SYN_RECV).
    connections_opening: u64, Gauge, "opening_connections";
    /// TCP connections that are being closed by the tree (FIN_WAIT1, FIN_WAIT2, CLOSING, LAST_ACK).
    connections_closing: u64, Gauge, "closing_connections";
    /// TCP connections whose other end is closed and which the tree keeps open: a leak if they grow.
    connections_close_wait: u64, Gauge, "close_wait_connections";
    /// Listening TCP sockets.
    sockets_listening: u64, Gauge, "listening_sockets";
    /// UDP sockets.
    sockets_udp: u64, Gauge, "udp_sockets";
    /// Bytes fetched from storage. Of a process never goes down within one attempt.
    io_read_bytes: u64, Counter, "storage_read_bytes_total";
    /// Bytes sent to storage, or caused to be. Of a process never goes down within one attempt.
    io_write_bytes: u64, Counter, "storage_written_bytes_total";
    /// Bytes read by system calls, from the page cache, pipes and terminals too (process).
    io_read_total_bytes: u64, Counter, "read_bytes_total";
    /// Bytes written by system calls, to pipes and terminals too (process).
    io_write_total_bytes: u64, Counter, "written_bytes_total";
    /// Page faults that needed no storage; children that were waited for are included (process).
    faults_minor: u64, Counter, "minor_page_faults_total";
    /// Page faults that waited for storage; children that were waited for are included (process).
    faults_major: u64, Counter, "major_page_faults_total";
    /// How often the first threads of the members waited for something, of their own accord.
    switches_voluntary: u64, Counter, "voluntary_context_switches_total";
    /// How often the first threads of the members had to make way for another thread.
    switches_involuntary: u64, Counter, "involuntary_context_switches_total";
    /// Nice value of the main process, or of the member: -20 is first, 19 is last.
    nice: i64, Gauge, "nice";
    /// Bytes that the run has printed so far.
    log_bytes: u64, Counter, "log_bytes_total";
    /// Lines that the run has printed so far.
    log_lines: u64, Counter, "log_lines_total";
    /// Bytes of its output that could not be stored, because the disk was full for example.
    log_dropped_bytes: u64, Counter, "log_dropped_bytes_total";
    /// Time since the last output, or since the start of the attempt while there is none.
    silent_seconds: f64, Gauge, "silent_seconds";
    /// Runnable or uninterruptible threads of the host, averaged over a minute.
    load1: f64, Gauge, "load1";
    /// Runnable or uninterruptible threads of the host, averaged over five minutes.
    load5: f64, Gauge, "load5";
    /// Runnable or uninterruptible threads of the host, averaged over fifteen minutes.
    load15: f64, Gauge, "load15";
    /// Age of the main process of the attempt, or time since boot; a suspended machine ages too.
    uptime_seconds: f64, Gauge, "uptime_seconds";
    /// When the host booted, in seconds since 1970, by the clock as it is set now.
    boot_time_seconds: u64, Gauge, "boot_time_seconds";
    /// Share of the last ten seconds in which some thread waited for a CPU, 0 to 100.
    pressure_cpu_percent: f64, Gauge, "pressure_cpu_waiting_ratio" * 0.01;
    /// Share of the last ten seconds in which some thread waited for memory, 0 to 100.
    pressure_memory_percent: f64, Gauge, "pressure_memory_waiting_ratio" * 0.01;
    /// Share of the last ten seconds in which all that could run waited for memory, 0 to 100.
    pressure_memory_full_percent: f64, Gauge, "pressure_memory_stalled_ratio" * 0.01;
    /// Share of the last ten seconds in which some thread waited for storage, 0 to 100.
    pressure_io_percent: f64, Gauge, "pressure_io_waiting_ratio" * 0.01;
    /// Share of the last ten seconds in which all that could run waited for storage, 0 to 100.
    pressure_io_full_percent: f64, Gauge, "pressure_io_stalled_ratio" * 0.01;
    /// Time since boot in which some thread waited for a CPU.
    pressure_cpu_seconds_total: f64, Counter, "pressure_cpu_waiting_seconds_total";
    /// Time since boot in which some thread waited for memory.
    pressure_memory_seconds_total: f64, Counter, "pressure_memory_waiting_seconds_total";
    /// Time since boot in which all that could run waited for memory.
    pressure_memory_full_seconds_total: f64, Counter, "pressure_memory_stalled_seconds_total";
    /// Time since boot in which some thread waited for storage.
    pressure_io_seconds_total: f64, Counter, "pressure_io_waiting_seconds_total";
    /// Time since boot in which all that could run waited for storage.
    pressure_io_full_seconds_total: f64, Counter, "pressure_io_stalled_seconds_total";
    /// Size of the file system.
    disk_total_bytes: u64, Gauge, "size_bytes";
    /// Bytes of the file system in use.
    disk_bytes: u64, Gauge, "used_bytes";
    /// What an ordinary user can still write to the file system.
    disk_available_bytes: u64, Gauge, "available_bytes";
    /// Bytes in use of those that an ordinary user could ever have, 0 to 100, as df(1) counts.
    disk_percent: f64, Gauge, "used_ratio" * 0.01;
    /// Files that the file system can hold; absent where it sets no number.
    inodes_total: u64, Gauge, "inodes";
    /// Files that it holds.
    inodes: u64, Gauge, "used_inodes";
    /// Files that it holds of those that it can hold, 0 to 100.
    inodes_percent: f64, Gauge, "used_inodes_ratio" * 0.01;
    /// Time in which the disk had something to do.
    busy_seconds_total: f64, Counter, "busy_seconds_total";
    /// Share of the time since an earlier sample in which the disk had something to do, 0 to 100.
    busy_percent: f64, Gauge, "busy_ratio" * 0.01;
    /// Bytes that came in: through the interface, or through all physical ones of the host.
    network_receive_bytes: u64, Counter, "network_receive_bytes_total";
    /// Bytes that went out: through the interface, or through all physical ones of the host.
    network_transmit_bytes: u64, Counter, "network_transmit_bytes_total";
    /// Packets that came in.
    network_receive_packets: u64, Counter, "network_receive_packets_total";
    /// Packets that went out.
    network_transmit_packets: u64, Counter, "network_transmit_packets_total";
    /// Packets that were spoilt, coming in or going out.
    network_errors: u64, Counter, "network_errors_total";
    /// Packets that were dropped, coming in or going out.
    network_dropped: u64, Counter, "network_dropped_total";
    /// Temperature (sensor, GPU).
    temperature_celsius: f64, Gauge, "temperature_celsius";
    /// Temperature at which the hardware protects itself (sensor, GPU).
    temperature_limit_celsius: f64, Gauge, "temperature_limit_celsius";
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
    /// How much of its work is done, 0 to 100, as the process says itself.
    progress_percent: f64, Gauge, "progress_ratio" * 0.01;
    /// How long the rest takes if it goes on as since its start; of the fleet the longest of all.
    eta_seconds: f64, Gauge, "eta_seconds";
    /// Processes of the fleet that wait for their turn.
    queued: u64, Gauge, "queued_processes";
    /// Processes of the fleet that are about to run.
    starting: u64, Gauge, "starting_processes";
    /// Processes of the fleet that run.
    running: u64, Gauge, "running_processes";
    /// Processes of the fleet that are suspended.
    paused: u64, Gauge, "paused_processes";
    /// Processes of the fleet that failed and wait to be started again.
    backoff: u64, Gauge, "backoff_processes";
    /// Processes of the fleet that are being stopped.
    stopping: u64, Gauge, "stopping_processes";
    /// Processes of the fleet that ended well, of those that are still reported.
    completed: u64, Gauge, "completed_processes";
    /// Processes of the fleet that failed, of those that are still reported.
    failed: u64, Gauge, "failed_processes";
    /// Processes of the fleet that were stopped, of those that are still reported.
    stopped: u64, Gauge, "stopped_processes";
    /// Processes of the fleet that are gone without a word, of those that are still reported.
    lost: u64, Gauge, "lost_processes";
    /// Processes of the fleet that live without a supervisor.
    orphaned: u64, Gauge, "orphaned_processes";
    /// Runs of the fleet that came to an end of their own while ended runs are reported:
    /// completed, failed or lost, but not stopped, which says nothing of how they would have ended.
    runs_ended: u64, Gauge, "ended_runs";
    /// Completed runs of `runs_ended`, 0 to 100 (fleet).
    success_percent: f64, Gauge, "success_ratio" * 0.01;
    /// CPU in use by the fleet's processes of what they may use: the sum of their limits, or all
    /// of the host where one has none. 0 to 100.
    cpu_efficiency_percent: f64, Gauge, "cpu_efficiency_ratio" * 0.01;
    /// Memory in use by the fleet's processes of what they may use: the sum of their limits, or
    /// all of the host where one has none. 0 to 100.
    memory_efficiency_percent: f64, Gauge, "memory_efficiency_ratio" * 0.01;
    /// `cpu_percent` of a process of the fleet, on average over those that were measured.
    cpu_average_percent: f64, Gauge, "cpu_average_ratio" * 0.01;
    /// `memory_bytes` of a process of the fleet, on average over those that were measured.
    memory_average_bytes: u64, Gauge, "memory_average_bytes";
    /// `threads` of a process of the fleet, on average over those that were measured.
    threads_average: f64, Gauge, "threads_average";
    /// `connections` of a process of the fleet, on average over those that were measured.
    connections_average: f64, Gauge, "connections_average";
    /// Processes on the GPU that its driver lists.
    gpu_processes: u64, Gauge, "gpu_processes";
    /// Share of the sample window in which the GPU's memory was read or written, 0 to 100.
    gpu_memory_busy_percent: f64, Gauge, "memory_busy_ratio" * 0.01;
    /// Share of the time in which the GPU encoded video, 0 to 100.
    gpu_encoder_percent: f64, Gauge, "encoder_ratio" * 0.01;
    /// Share of the time in which the GPU decoded video, 0 to 100.
    gpu_decoder_percent: f64, Gauge, "decoder_ratio" * 0.01;
    /// Power that the GPU draws; of a process the sum over its GPUs, whoever else is on them.
    gpu_power_watts: f64, Gauge, "power_watts";
    /// Power that the GPU may draw; of a process the sum over its GPUs.
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
        let mut narrow = measures.clone();
        narrow.retain(|name| name == "threads");
        assert_eq!(narrow, Measures { threads: Some(2), ..Measures::default() });
        assert_eq!(Measure::named("cpu_percent").unwrap().exported, Some("cpu_ratio"));
        assert_eq!(Measure::named("no"), None);
    }

    #[test]
    fn a_measure_is_set_by_its_name_to_what_it_can_hold() {
        let mut measures = Measures::default();
        assert!(measures.set("threads", 2.4) && measures.set("cpu_percent", 0.5));
        assert_eq!((measures.threads, measures.cpu_percent), (Some(2), Some(0.5)));
        assert!(!measures.set("threads", -1.0) && !measures.set("cpu_percent", f64::NAN));
        assert!(!measures.set("no", 1.0));
        assert_eq!(measures, Measures::default());
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
