//! The `sample` record: what a process, a host or a device uses at one moment.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::end::End;
use crate::health::Health;
use crate::id::Id;
use crate::label::Labels;
use crate::measures::{Measure, Measures};
use crate::number::{number_value, value_number};
use crate::time::Timestamp;

/// What a sample is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Subject {
    /// One process of the fleet with its whole tree.
    Process,
    /// The machine.
    Host,
    /// One processor of the machine.
    Core,
    /// One network interface.
    Network,
    /// One temperature sensor.
    Sensor,
    /// One GPU.
    Gpu,
    /// One file system.
    Disk,
    /// One container.
    Container,
    /// The fleet as a whole.
    Fleet,
    /// One member of the tree of a process, which the sample of the process counts already.
    Member,
    /// Whatever a program measured by itself.
    Custom,
    /// One source of samples, and whether it works.
    Collector,
    /// Lines of logs, counted.
    Log,
}

impl Subject {
    /// The word for it in records and tables.
    pub fn word(self) -> &'static str {
        match self {
            Subject::Process => "process",
            Subject::Host => "host",
            Subject::Core => "core",
            Subject::Network => "network",
            Subject::Sensor => "sensor",
            Subject::Gpu => "gpu",
            Subject::Disk => "disk",
            Subject::Container => "container",
            Subject::Fleet => "fleet",
            Subject::Member => "member",
            Subject::Custom => "custom",
            Subject::Collector => "collector",
            Subject::Log => "log",
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

/// What one subject uses at one moment: one line.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sample {
    /// Always `sample`.
    pub kind: String,
    /// When it was taken; all samples of one round have the same, but for points of curves, which
    /// have the moment at which the program said them.
    pub ts: Timestamp,
    /// What it is about.
    pub subject: Subject,
    /// The host, where the sample is about one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// What tells it from others of its subject: the mount point of a disk, the interface of a
    /// network, the UUID of a GPU, the number of a core, the name of a sensor or a collector.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
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
    /// Which size `memory_bytes` is (process).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_basis: Option<MemoryBasis>,
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

/// The measure that programs give under its own name.
const PROGRESS: &str = "progress_percent";

/// The fields of a sample that are none of its measures, and those of a point of a curve.
const FIELDS: [&str; 21] = [
    "kind",
    "ts",
    "v",
    "subject",
    "host",
    "name",
    "id",
    "run",
    "attempt",
    "labels",
    "state",
    "pid",
    "restarts",
    "health",
    "memory_basis",
    "exit",
    "kpis",
    "reasons",
    "error",
    "step",
    "source",
];

impl Sample {
    /// Whether a field has this name already, so that nothing measured by a program can. The
    /// progress of a process is its own to say.
    pub fn is_reserved(name: &str) -> bool {
        name != PROGRESS && (FIELDS.contains(&name) || Measure::named(name).is_some())
    }

    /// The name in a sample of a value that a program measured: where samples have a field of that
    /// name already, `custom_` stands before it.
    pub fn own_name(name: &str) -> Cow<'_, str> {
        if Sample::is_reserved(name) { format!("custom_{name}").into() } else { name.into() }
    }

    /// The value of `kind`.
    pub const KIND: &'static str = "sample";

    /// A sample with nothing measured yet.
    pub fn new(subject: Subject, ts: Timestamp) -> Sample {
        Sample {
            kind: Sample::KIND.to_owned(),
            ts,
            subject,
            host: None,
            name: None,
            id: None,
            run: None,
            attempt: None,
            labels: Labels::new(),
            state: None,
            pid: None,
            restarts: None,
            health: None,
            memory_basis: None,
            measures: Measures::default(),
            exit: None,
            more: Map::new(),
        }
    }

    /// Puts in a value of the user's own, under its [own name](Sample::own_name).
    pub fn put(&mut self, name: &str, value: f64) {
        if name != PROGRESS || !self.measures.set(name, value) {
            self.more.insert(Sample::own_name(name).into_owned(), number_value(value));
        }
    }

    /// The value of this name, measured or of the user's own.
    pub fn value(&self, name: &str) -> Option<f64> {
        let measured = || self.measures.values().find(|(of, _)| of.name == name);
        self.more.get(name).map_or_else(|| measured().map(|(_, value)| value), value_number)
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
        sample.memory_basis = Some(MemoryBasis::Pss);
        sample.measures.cpu_percent = Some(0.5);
        let json = serde_json::to_string(&sample).unwrap();
        assert_eq!(
            json,
            r#"{"kind":"sample","ts":"1970-01-01T00:00:00.000000Z","subject":"process","id":"a","memory_basis":"pss","cpu_percent":0.5,"memory_bytes":4096}"#
        );
        assert_eq!(serde_json::from_str::<Sample>(&json).unwrap(), sample);
    }

    #[test]
    fn a_value_of_the_users_own_never_hides_a_field() {
        let mut sample = Sample::new(Subject::Custom, Timestamp::from_nanos(0));
        for (name, value) in [("depth", 7.0), ("threads", 1.5), ("id", f64::NAN)] {
            sample.put(name, value);
        }
        sample.put("progress_percent", 40.0);
        let json = serde_json::to_string(&sample).unwrap();
        assert!(json.ends_with(
            r#""progress_percent":40.0,"custom_id":"NaN","custom_threads":1.5,"depth":7}"#
        ));
        let back: Sample = serde_json::from_str(&json).unwrap();
        assert_eq!(back, sample);
        assert_eq!((back.value("depth"), back.value("no")), (Some(7.0), None));
        assert_eq!(back.value("progress_percent"), Some(40.0));
        let names: Vec<String> = json_names();
        assert!(names.iter().all(|name| FIELDS.contains(&name.as_str())), "{names:?}");
    }

    /// The fields that a sample can have beside its measures.
    fn json_names() -> Vec<String> {
        let mut sample = Sample::new(Subject::Process, Timestamp::from_nanos(0));
        sample.host = Some(String::new());
        sample.name = Some(String::new());
        sample.id = "a".parse().ok();
        (sample.run, sample.attempt, sample.restarts) = (Some(1), Some(1), Some(0));
        sample.labels.insert("a".into(), "b".into());
        sample.state = Some(String::new());
        sample.pid = Some(1);
        sample.health = Some(Health::Healthy);
        sample.memory_basis = Some(MemoryBasis::Rss);
        sample.exit = Some(End::new(crate::Cause::Exited, ""));
        let json = serde_json::to_value(&sample).unwrap();
        json.as_object().unwrap().keys().cloned().collect()
    }

    #[test]
    fn unknown_fields_are_carried_through() {
        let json = r#"{"kind":"sample","ts":"1970-01-01T00:00:00.000000Z","subject":"custom","threads":2,"loss":"NaN","step":7}"#;
        let sample: Sample = serde_json::from_str(json).unwrap();
        assert_eq!(sample.measures.threads, Some(2));
        assert_eq!(serde_json::to_string(&sample).unwrap(), json);
    }
}
