//! The `sample` record: what a process, a host or a device uses at one moment.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::end::End;
use crate::health::Health;
use crate::id::Id;
use crate::label::Labels;
use crate::time::Timestamp;

/// What a sample is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// One process of the fleet with its whole tree.
    Process,
    /// The machine.
    Host,
    /// One GPU.
    Gpu,
    /// One file system.
    Disk,
    /// One container.
    Container,
    /// The fleet as a whole.
    Fleet,
    /// Whatever a program measured by itself.
    Custom,
}

impl Subject {
    /// The word for it in records and tables.
    pub fn word(self) -> &'static str {
        match self {
            Subject::Process => "process",
            Subject::Host => "host",
            Subject::Gpu => "gpu",
            Subject::Disk => "disk",
            Subject::Container => "container",
            Subject::Fleet => "fleet",
            Subject::Custom => "custom",
        }
    }
}

/// Which size `memory_bytes` is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MemoryBasis {
    /// Proportional: a page that n processes share counts as one n-th of a page for each.
    Pss,
    /// Resident: a page that several processes of the tree share counts once for each.
    Rss,
}

impl MemoryBasis {
    /// The word for it in records and tables.
    pub fn word(self) -> &'static str {
        match self {
            MemoryBasis::Pss => "pss",
            MemoryBasis::Rss => "rss",
        }
    }
}

/// The measures of a sample, flat in its JSON. What could not be read is absent, never 0, and
/// every number is finite.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Measures {
    /// Seconds of CPU since the start of the attempt (process: the whole tree, the members that
    /// ended included) or since boot (host: all that is not idle). Never goes down within one
    /// attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_seconds_total: Option<f64>,
    /// CPU since an earlier sample. Process: 100 means one core busy, so that four cores are 400.
    /// Host: 100 means all cores busy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_percent: Option<f64>,
    /// CPUs that are online (host).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<u64>,
    /// Memory in use: of the tree, or of the host what is not available.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Which size `memory_bytes` is (process).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_basis: Option<MemoryBasis>,
    /// Resident sizes of the members added up (process).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_resident_bytes: Option<u64>,
    /// `memory_bytes` of the host's memory, 0 to 100.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_percent: Option<f64>,
    /// Memory of the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_total_bytes: Option<u64>,
    /// Memory that the host could still give without swapping.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_available_bytes: Option<u64>,
    /// Swap in use, by the tree or of the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swap_bytes: Option<u64>,
    /// Swap of the host.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub swap_total_bytes: Option<u64>,
    /// Threads of all members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub threads: Option<u64>,
    /// Members of the tree.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub processes: Option<u64>,
    /// Open file descriptors of all members.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fds: Option<u64>,
    /// Bytes fetched from storage for the tree. Never goes down within one attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub io_read_bytes: Option<u64>,
    /// Bytes that the tree caused to be sent to storage. Never goes down within one attempt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub io_write_bytes: Option<u64>,
    /// Runnable or uninterruptible threads of the host, averaged over a minute.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load1: Option<f64>,
    /// The same over five minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load5: Option<f64>,
    /// The same over fifteen minutes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub load15: Option<f64>,
    /// Age of the main process of the attempt, or time since boot; a suspended machine ages too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uptime_seconds: Option<f64>,
}

/// What one subject uses at one moment: one line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Always `sample`.
    pub kind: String,
    /// When it was taken; all samples of one round have the same.
    pub ts: Timestamp,
    /// What it is about.
    pub subject: Subject,
    /// The host, where the sample is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// The process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// Which spawn of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<u32>,
    /// Which start within the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub attempt: Option<u32>,
    /// The process's labels.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// What is true of the process now, in the words of `fleet-ps`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// The main process, while it lives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// How often the run was started again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restarts: Option<u32>,
    /// How the process says it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// What it uses.
    #[serde(flatten)]
    pub measures: Measures,
    /// How the run, or during a pause its last attempt, ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<End>,
    /// Measures that have no field of their own, and fields that this build does not know.
    #[serde(flatten)]
    pub more: Map<String, Value>,
}

impl Sample {
    /// The value of `kind`.
    pub const KIND: &'static str = "sample";

    /// A sample with nothing measured yet.
    pub fn new(subject: Subject, ts: Timestamp) -> Sample {
        Sample {
            kind: Sample::KIND.to_owned(),
            ts,
            subject,
            host: None,
            id: None,
            run: None,
            attempt: None,
            labels: Labels::new(),
            state: None,
            pid: None,
            restarts: None,
            health: None,
            measures: Measures::default(),
            exit: None,
            more: Map::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sample_is_flat_and_what_is_not_known_is_absent() {
        let mut sample = Sample::new(Subject::Process, Timestamp::from_nanos(0));
        sample.id = "a".parse().ok();
        sample.measures.memory_bytes = Some(4096);
        sample.measures.memory_basis = Some(MemoryBasis::Pss);
        sample.measures.cpu_percent = Some(0.5);
        let json = serde_json::to_string(&sample).unwrap();
        assert_eq!(
            json,
            r#"{"kind":"sample","ts":"1970-01-01T00:00:00.000000Z","subject":"process","id":"a","cpu_percent":0.5,"memory_bytes":4096,"memory_basis":"pss"}"#
        );
        assert_eq!(serde_json::from_str::<Sample>(&json).unwrap(), sample);
    }

    #[test]
    fn unknown_fields_are_carried_through() {
        let json = r#"{"kind":"sample","ts":"1970-01-01T00:00:00.000000Z","subject":"custom","threads":2,"loss":"NaN","step":7}"#;
        let sample: Sample = serde_json::from_str(json).unwrap();
        assert_eq!(sample.measures.threads, Some(2));
        assert_eq!(serde_json::to_string(&sample).unwrap(), json);
    }
}
