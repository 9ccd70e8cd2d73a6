//! Which fields the records of fleet have, and what they hold.
//!
//! Of whole types the fields are asked of the type ([`super::shape`]). Samples are one type for all
//! subjects: which measures each has is said here, measured by its own name or a pattern, and tests
//! hold it against all measures that there are and against what the tools print.

use fleet_config::did_you_mean;
use fleet_core::{
    Cause, End, EventRecord, Health, Measure, MemoryBasis, ProcessRecord, State, Subject,
};
use fleet_logline::Level;
use fleet_rules::AlertRecord;
use fleet_rules::claims::Holds;

use super::shape::{fields_of, words_of};

/// The kinds of record that the tools of fleet print. A rule may be on another, but that is
/// rather a slip of the pen.
pub(super) const KINDS: [&str; 5] = ["process", "sample", "log", "event", "alert"];

/// What samples of every subject have.
const SAMPLE: &str = "kind ts v subject host name id run attempt labels";

/// Fields of samples by subject, measures among them; `*` stands for the rest of a name. Samples
/// of a subject that is not here have fields of their own.
const SAMPLES: [(Subject, &str); 11] = [
    (
        Subject::Process,
        "state pid restarts health memory_basis exit kpis gpus ports started_at ports_listening \
         connection_details connection_details_left_out cpu_seconds_total cpu_percent \
         cpu_limit_percent memory_bytes memory_resident_bytes memory_unique_bytes \
         memory_peak_bytes memory_limit_bytes memory_limit_percent memory_percent swap_bytes \
         threads processes fds fds_limit fds_percent connections connections_established \
         connections_opening connections_closing connections_close_wait sockets_* io_* faults_* \
         switches_* nice log_* silent_seconds uptime_seconds gpu_percent gpu_memory_bytes \
         gpu_power_watts gpu_power_limit_watts progress_percent eta_seconds",
    ),
    (
        Subject::Member,
        "pid parent_pid command state memory_basis cpu_seconds_total cpu_percent memory_bytes \
         memory_resident_bytes memory_unique_bytes memory_peak_bytes memory_percent swap_bytes \
         threads processes fds fds_limit fds_percent connections* sockets_* io_* faults_* \
         switches_* nice uptime_seconds gpu_percent gpu_memory_bytes",
    ),
    (
        Subject::Host,
        "cpu_seconds_total cpu_percent cpus memory_bytes memory_percent memory_total_bytes \
         memory_available_bytes swap_* load* uptime_seconds boot_time_seconds pressure_* network_*",
    ),
    (Subject::Core, "cpu_seconds_total cpu_percent"),
    (Subject::Network, "network_*"),
    (Subject::Sensor, "temperature_*"),
    (
        Subject::Gpu,
        "gpu_* temperature_* index vendor product pci driver numa parent divided lost \
         throttle_reasons reserved_by",
    ),
    (Subject::Disk, "state error device fs disk_* inodes* io_read_bytes io_write_bytes busy_*"),
    (
        Subject::Fleet,
        "restarts health reasons cpu_percent memory_bytes memory_resident_bytes memory_unique_bytes \
         memory_percent swap_bytes threads processes fds connections io_* gpu_percent \
         gpu_memory_bytes eta_seconds queued starting running paused backoff stopping completed \
         failed stopped lost orphaned runs_ended success_percent cpu_efficiency_percent \
         memory_efficiency_percent cpu_average_percent memory_average_bytes threads_average \
         connections_average",
    ),
    (Subject::Collector, "success duration_seconds age_seconds error"),
    (Subject::Log, "lines window_seconds"),
];

/// What fleet-logs prints of a line.
const LOG: &str = "kind ts id run attempt file labels stream level category rank fields traceback \
                   anomaly message message_base64 partial context";

/// Fields of processes beyond those of [`ProcessRecord`], which fleet-ps adds.
const PROCESS: &str = "uptime_seconds";

/// Fields of events beyond those of [`EventRecord`], which programs give by themselves.
const EVENT: &str = "v project_id task_id worker_id phase";

/// With a counter's name before it, less its `_total`: what fleet-metrics adds with `--type throughput`.
const PER_SECOND: &str = "_per_second";

/// What is known of a field.
#[derive(Debug, PartialEq)]
pub(super) enum Known {
    /// Records have it, and it holds this.
    Field(Holds),
    /// No record has it; perhaps another name was meant.
    Nothing(Option<String>),
}

/// The records that a rule is about.
#[derive(Debug)]
pub(super) struct Schema<'r> {
    kind: &'r str,
    /// The word of the subject, where the condition says one.
    subject: Option<&'r str>,
}

impl Schema<'_> {
    pub(super) fn of<'r>(kind: &'r str, subject: Option<&'r str>) -> Schema<'r> {
        Schema { kind, subject }
    }

    /// What these records are called in a sentence.
    pub(super) fn name(&self) -> String {
        match self.subject {
            Some(subject) => format!("{} about a {subject}", self.kind),
            None => self.kind.to_owned(),
        }
    }

    /// What is known of the field at this path.
    pub(super) fn look(&self, path: &str) -> Known {
        let (first, rest) = path.split_once('.').map_or((path, None), |(a, b)| (a, Some(b)));
        let Some(fields) = self.fields() else { return Known::Field(self.holds(path)) };
        let named = fields.iter().any(|field| fits(field, first)) || self.is_rate(first);
        match rest {
            _ if !named => Known::Nothing(did_you_mean(first, names(&fields).into_iter())),
            Some(rest) if first == "exit" => within_exit(rest, || self.holds(path)),
            _ => Known::Field(self.holds(path)),
        }
    }

    fn is_rate(&self, name: &str) -> bool {
        let Some(counter) = name.strip_suffix(PER_SECOND) else { return false };
        let is_measure = |name: &str| Measure::named(name).is_some();
        self.kind == "sample" && (is_measure(counter) || is_measure(&format!("{counter}_total")))
    }

    /// The fields that these records can have; nothing if they can have any.
    fn fields(&self) -> Option<Vec<&'static str>> {
        Some(match self.kind {
            "process" => {
                fields_of::<ProcessRecord>().iter().copied().chain(PROCESS.split(' ')).collect()
            }
            "alert" => fields_of::<AlertRecord>().to_vec(),
            "event" => fields_of::<EventRecord>().iter().copied().chain(EVENT.split(' ')).collect(),
            "log" => LOG.split_whitespace().collect(),
            "sample" => {
                let own = SAMPLES.iter().find(|(of, _)| Some(of.word()) == self.subject)?.1;
                SAMPLE.split(' ').chain(own.split(' ').filter(|name| !name.is_empty())).collect()
            }
            _ => return None,
        })
    }

    /// What the field holds, as far as it is known.
    fn holds(&self, path: &str) -> Holds {
        let words = |words: &[&str]| Holds::Words(words.iter().map(|w| (*w).to_owned()).collect());
        match (self.kind, path) {
            ("sample", "subject") => words(words_of::<Subject>()),
            ("sample", "state") if self.subject != Some("process") => Holds::Anything,
            ("sample" | "process", "state") => {
                words(&[words_of::<State>(), &["orphaned"]].concat())
            }
            ("sample" | "process", "health") => words(words_of::<Health>()),
            ("sample" | "process", "exit.cause") => words(words_of::<Cause>()),
            ("sample", "memory_basis") => words(words_of::<MemoryBasis>()),
            ("log", "level") => words(&Level::ALL.map(Level::word)),
            ("log", "stream") => words(&["stdout", "stderr", "fleet"]),
            ("alert", "state") => words(words_of::<fleet_rules::AlertState>()),
            ("sample" | "process", "run" | "attempt" | "restarts" | "pid") => Holds::Number,
            (_, "id" | "ts" | "kind" | "host" | "message" | "exit.reason") => Holds::Text,
            // A program may give a value of this name its own meaning.
            ("sample", _) if self.subject.is_none() || self.subject == Some("custom") => {
                Holds::Anything
            }
            ("sample", name) if Measure::named(name).is_some() => Holds::Number,
            _ => Holds::Anything,
        }
    }
}

fn within_exit(rest: &str, holds: impl Fn() -> Holds) -> Known {
    let known = fields_of::<End>();
    let first = rest.split('.').next().unwrap_or(rest);
    if known.contains(&first) {
        return Known::Field(holds());
    }
    Known::Nothing(did_you_mean(first, known.iter().copied()))
}

/// Whether a name is meant by a name or a pattern of it.
fn fits(field: &str, name: &str) -> bool {
    match field.strip_suffix('*') {
        Some(start) => name.starts_with(start) && Measure::named(name).is_some(),
        None => field == name,
    }
}

/// The names, patterns as the measures that they mean.
fn names(fields: &[&'static str]) -> Vec<&'static str> {
    let measures = |field: &&'static str| {
        let fitting = fleet_core::Measures::ALL.iter().map(|measure| measure.name);
        fitting.filter(|name| fits(field, name)).collect::<Vec<_>>()
    };
    let (patterns, plain): (Vec<_>, Vec<_>) = fields.iter().partition(|field| field.ends_with('*'));
    patterns.iter().flat_map(measures).chain(plain).collect()
}
