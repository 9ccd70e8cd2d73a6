//! Limits and priorities as they are wanted.

use std::collections::BTreeMap;
use std::str::FromStr;

use clap::Args;
use fleet_core::{BadRlimit, BadUnit, Limits, Rlimit, parse_size};
use schemars::{JsonSchema, Schema, json_schema};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::wish::{Form, Size, Typed};

/// What it may use, and with what priority it runs.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Limits")]
pub struct LimitsWish {
    /// Memory of the whole tree; beyond it the kernel kills
    #[arg(long, value_name = "SIZE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Typed<Memory>>,
    /// Processors of the whole tree: 0.5 is half of one
    #[arg(long, value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0.01, max = 10000))]
    pub cpu: Option<Typed<Cpus>>,
    /// Processes and threads of the whole tree
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids: Option<Typed<Pids>>,
    /// Nice value, from -20 (first) to 19 (last)
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nice: Option<Typed<Nice>>,
    /// Priority of its input and output: idle, best-effort[:0-7], realtime[:0-7]
    #[arg(long, value_name = "CLASS[:LEVEL]")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ionice: Option<Typed<IoNice>>,
    /// How soon the kernel kills it when memory is short, from -1000 (never) to 1000 (first)
    #[arg(long, value_name = "N", allow_negative_numbers = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oom_score: Option<Typed<OomScore>>,
    /// Bits of file modes that it does not give, in octal: 027
    #[arg(long, value_name = "MODE")]
    #[serde(deserialize_with = "octal_text", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub umask: Option<Typed<Umask>>,
    /// A limit of each process (repeatable): nofile=4096, core=unlimited, stack=8M:64M (soft and
    /// hard); see getrlimit(2)
    #[arg(long = "rlimit", value_name = "NAME=VALUE")]
    #[serde(with = "rlimit_table", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "BTreeMap<String, Typed<String>>")]
    pub rlimits: Vec<NamedRlimit>,
}

impl LimitsWish {
    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        *self == LimitsWish::default()
    }

    /// What was said, as values; of an rlimit that was named twice the last.
    pub fn limits(&self) -> Limits {
        Limits {
            memory_bytes: self.memory.as_ref().map(|typed| typed.value.0),
            cpus: self.cpu.as_ref().map(|typed| typed.value.0),
            pids: self.pids.as_ref().map(|typed| typed.value.0),
            nice: self.nice.as_ref().map(|typed| typed.value.0),
            ionice: self.ionice.as_ref().map(|typed| typed.value.0),
            oom_score: self.oom_score.as_ref().map(|typed| typed.value.0),
            umask: self.umask.as_ref().map(|typed| typed.value.0),
            rlimits: self.rlimits.iter().map(|one| (one.name.clone(), one.value)).collect(),
            ..Limits::default()
        }
    }
}

/// Why a text is no limit.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadLimit {
    /// No size.
    #[error(transparent)]
    Size(#[from] BadUnit),
    /// A size of nothing.
    #[error("no program runs in {0:?} of memory; write 512M or 24G")]
    NoMemory(String),
    /// Not processors.
    #[error("{0:?} is no number of processors; write 0.5, 2 or 1.5 (0.01 to 10000)")]
    Cpus(String),
    /// Not a number of processes.
    #[error("{0:?} is no number of processes; write 1 or more")]
    Pids(String),
    /// Not a nice value.
    #[error("{0:?} is no nice value; write -20 (first) to 19 (last)")]
    Nice(String),
    /// Not an I/O priority.
    #[error(
        "{0:?} is no I/O priority; write idle, best-effort, realtime, or one of the last two with a level as best-effort:7 (0 first, 7 last)"
    )]
    IoNice(String),
    /// Not an OOM score.
    #[error("{0:?} is no OOM score; write -1000 (never killed) to 1000 (killed first)")]
    OomScore(String),
    /// Not a mask.
    #[error("{0:?} is no umask; write octal digits as text: \"027\"")]
    Umask(String),
}

/// The number that a text is, if it is within the bounds.
fn number<N: FromStr + PartialOrd>(text: &str, least: N, most: N) -> Option<N> {
    text.trim().parse().ok().filter(|number| (least..=most).contains(number))
}

/// A limit on memory in bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Memory(pub u64);

impl Form for Memory {
    fn form() -> Schema {
        Size::form()
    }
}

impl FromStr for Memory {
    type Err = BadLimit;

    fn from_str(text: &str) -> Result<Memory, BadLimit> {
        match parse_size(text)? {
            0 => Err(BadLimit::NoMemory(text.to_owned())),
            bytes => Ok(Memory(bytes)),
        }
    }
}

/// Processors' worth of time. The kernel gives at least a hundredth of one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cpus(pub f64);

impl Form for Cpus {
    fn form() -> Schema {
        json_schema!({ "type": ["number", "string"], "pattern": "^ *[0-9.]+ *$", "examples": [0.5, 2] })
    }
}

impl FromStr for Cpus {
    type Err = BadLimit;

    fn from_str(text: &str) -> Result<Cpus, BadLimit> {
        number(text, 0.01, 10_000.0).map(Cpus).ok_or_else(|| BadLimit::Cpus(text.to_owned()))
    }
}

/// A number of processes and threads.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Pids(pub u64);

impl Form for Pids {
    fn form() -> Schema {
        json_schema!({ "type": ["integer", "string"], "minimum": 1, "pattern": "^ *[1-9][0-9]* *$" })
    }
}

impl FromStr for Pids {
    type Err = BadLimit;

    fn from_str(text: &str) -> Result<Pids, BadLimit> {
        // Beyond this the kernel takes no number: no pid is larger (PID_MAX_LIMIT).
        number(text, 1, 4 << 20).map(Pids).ok_or_else(|| BadLimit::Pids(text.to_owned()))
    }
}

/// A nice value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Nice(pub i32);

impl Form for Nice {
    fn form() -> Schema {
        json_schema!({
            "type": ["integer", "string"], "minimum": -20, "maximum": 19, "pattern": "^ *-?[0-9]+ *$",
        })
    }
}

impl FromStr for Nice {
    type Err = BadLimit;

    fn from_str(text: &str) -> Result<Nice, BadLimit> {
        number(text, -20, 19).map(Nice).ok_or_else(|| BadLimit::Nice(text.to_owned()))
    }
}

/// `oom_score_adj`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OomScore(pub i32);

impl Form for OomScore {
    fn form() -> Schema {
        json_schema!({
            "type": ["integer", "string"],
            "minimum": -1000,
            "maximum": 1000,
            "pattern": "^ *-?[0-9]+ *$",
        })
    }
}

impl FromStr for OomScore {
    type Err = BadLimit;

    fn from_str(text: &str) -> Result<OomScore, BadLimit> {
        number(text, -1000, 1000).map(OomScore).ok_or_else(|| BadLimit::OomScore(text.to_owned()))
    }
}

/// An I/O priority as ioprio_set(2) takes it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct IoNice(pub u16);

impl Form for IoNice {
    fn form() -> Schema {
        json_schema!({
            "type": "string",
            "pattern": "^(idle|best-effort(:[0-7])?|realtime(:[0-7])?)$",
            "examples": ["idle", "best-effort:7"],
        })
    }
}

impl FromStr for IoNice {
    type Err = BadLimit;

    fn from_str(text: &str) -> Result<IoNice, BadLimit> {
        let bad = || BadLimit::IoNice(text.to_owned());
        let (class, level) = text.trim().split_once(':').unwrap_or((text.trim(), "4"));
        // IOPRIO_CLASS_RT, _BE and _IDLE of linux/ioprio.h, in the bits above IOPRIO_CLASS_SHIFT.
        let class = match class {
            "realtime" => 1,
            "best-effort" => 2,
            "idle" if !text.contains(':') => return Ok(IoNice(3 << 13)),
            _ => return Err(bad()),
        };
        let level = number(level, 0, 7).ok_or_else(bad)?;
        Ok(IoNice(class << 13 | level))
    }
}

/// A file mode creation mask.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Umask(pub u32);

impl FromStr for Umask {
    type Err = BadLimit;

    fn from_str(text: &str) -> Result<Umask, BadLimit> {
        let digits = text.trim();
        let mask = u32::from_str_radix(digits, 8).ok();
        let mask = mask.filter(|&mask| mask <= 0o777 && !digits.starts_with('+'));
        mask.map(Umask).ok_or_else(|| BadLimit::Umask(text.to_owned()))
    }
}

/// A mask is text in a file: a number there would be a decimal one, and mean another mask.
fn octal_text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Typed<Umask>>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    text.map(|text| text.parse().map_err(D::Error::custom)).transpose()
}

/// An rlimit as it is typed, `nofile=4096`.
#[derive(Clone, Debug, PartialEq)]
pub struct NamedRlimit {
    /// Its name.
    pub name: String,
    text: String,
    /// What the text means.
    pub value: Rlimit,
}

/// Why a text is no named rlimit.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadNamedRlimit {
    /// There is no name.
    #[error("{0:?} is no rlimit; write its name and value as nofile=4096")]
    Form(String),
    /// The name or the value is wrong.
    #[error(transparent)]
    Rlimit(#[from] BadRlimit),
}

impl NamedRlimit {
    fn new(name: &str, text: &str) -> Result<NamedRlimit, BadRlimit> {
        let value = Rlimit::parse(name, text)?;
        Ok(NamedRlimit { name: name.to_owned(), text: text.to_owned(), value })
    }
}

impl FromStr for NamedRlimit {
    type Err = BadNamedRlimit;

    fn from_str(text: &str) -> Result<NamedRlimit, BadNamedRlimit> {
        let (name, value) =
            text.split_once('=').ok_or_else(|| BadNamedRlimit::Form(text.to_owned()))?;
        Ok(NamedRlimit::new(name, value)?)
    }
}

/// Rlimits as a table.
mod rlimit_table {
    use super::{BTreeMap, Deserialize, Deserializer, Error, NamedRlimit, Serializer, Typed};

    pub(super) fn serialize<S: Serializer>(
        rlimits: &[NamedRlimit],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_map(rlimits.iter().map(|rlimit| (&rlimit.name, &rlimit.text)))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<NamedRlimit>, D::Error> {
        let table: BTreeMap<String, Typed<String>> = BTreeMap::deserialize(from)?;
        let rlimit = |(name, text): (String, Typed<String>)| NamedRlimit::new(&name, &text.value);
        table.into_iter().map(|pair| rlimit(pair).map_err(D::Error::custom)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(json: &str) -> Result<LimitsWish, String> {
        serde_json::from_str(json).map_err(|e| e.to_string())
    }

    #[test]
    fn a_table_of_a_file_means_what_is_typed() {
        let json = r#"{"memory":"24G","cpu":1.5,"pids":100,"nice":-5,"ionice":"best-effort:7",
            "oom_score":500,"umask":"027","rlimits":{"nofile":4096,"core":"unlimited"}}"#;
        let wish = read(json).unwrap();
        let limits = wish.limits();
        assert_eq!(limits.memory_bytes, Some(24 << 30));
        assert_eq!((limits.cpus, limits.pids, limits.nice), (Some(1.5), Some(100), Some(-5)));
        assert_eq!((limits.ionice, limits.umask), (Some(2 << 13 | 7), Some(0o27)));
        assert_eq!(limits.rlimits["nofile"], Rlimit { soft: Some(4096), hard: Some(4096) });
        assert_eq!(limits.rlimits["core"], Rlimit::default());
        let again = serde_json::to_string(&wish).unwrap();
        assert_eq!(read(&again).unwrap(), wish);
    }

    #[test]
    fn what_is_wrong_is_refused_with_what_would_be_right() {
        for (json, right) in [
            (r#"{"memory":"0"}"#, "512M"),
            (r#"{"memory":"lots"}"#, "10M"),
            (r#"{"cpu":0}"#, "0.5"),
            (r#"{"cpu":"nan"}"#, "0.5"),
            (r#"{"pids":0}"#, "1 or more"),
            (r#"{"nice":20}"#, "19"),
            (r#"{"ionice":"idle:3"}"#, "best-effort:7"),
            (r#"{"ionice":"best-effort:8"}"#, "best-effort:7"),
            (r#"{"oom_score":-1001}"#, "-1000"),
            (r#"{"umask":27}"#, "a string"),
            (r#"{"umask":"8"}"#, "027"),
            (r#"{"rlimits":{"files":1}}"#, "nofile"),
            (r#"{"rlimits":{"nofile":"many"}}"#, "4096"),
        ] {
            let why = read(json).expect_err(json);
            assert!(why.contains(right), "{json}: {why}");
        }
        assert!("nofile".parse::<NamedRlimit>().unwrap_err().to_string().contains("nofile=4096"));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".*") {
            let _ = text.parse::<Memory>();
            let _ = text.parse::<Cpus>();
            let _ = text.parse::<Pids>();
            let _ = text.parse::<Nice>();
            let _ = text.parse::<OomScore>();
            let _ = text.parse::<IoNice>();
            let _ = text.parse::<Umask>();
            let _ = text.parse::<NamedRlimit>();
        }

        #[test]
        fn whole_numbers_round_trip(nice in -20i32..=19, mask in 0u32..=0o777, level in 0u16..8) {
            prop_assert_eq!(nice.to_string().parse(), Ok(Nice(nice)));
            prop_assert_eq!(format!("{mask:o}").parse(), Ok(Umask(mask)));
            let best_effort = format!("best-effort:{level}").parse();
            prop_assert_eq!(best_effort, Ok(IoNice(2 << 13 | level)));
        }
    }
}
