//! What was wanted: all that a shim needs to run a command, and to run it again.

use std::ffi::{OsStr, OsString};
use std::fmt;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::str::FromStr;
use std::time::Duration;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::gpu::{GpuShare, GpuWish};
use crate::health::HealthCheck;
use crate::id::{Id, RunKey};
use crate::kpi::Kpis;
use crate::label::Labels;
use crate::limits::Limits;
use crate::log_limits::LogLimits;
use crate::signal::Signal;
use crate::time::Timestamp;
use crate::units::{BadUnit, parse_duration};
use crate::wait::{After, Queue};

/// A wanted process, stored in its run's `spec.json` (mode 0600: it holds the environment).
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Spec {
    /// Its name.
    pub id: Id,
    /// Which run of it.
    pub run: u32,
    /// The argument vector, never seen by a shell.
    #[serde(with = "raw_list")]
    pub command: Vec<OsString>,
    /// Where the command runs.
    #[serde(with = "raw")]
    pub cwd: OsString,
    /// The environment, `KEY=value` each.
    #[serde(with = "raw_list")]
    pub env: Vec<OsString>,
    /// The user's marks.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// Ports reserved for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<u16>,
    /// What it wants of the GPUs of the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gpu_wish: Option<GpuWish>,
    /// GPUs reserved for it at once; who waits gets them with its turn (see its record).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<GpuShare>,
    /// Whether it is started again when it ends.
    pub restart: Restart,
    /// How long to wait before that.
    pub backoff: Backoff,
    /// When to give up.
    pub crash_limit: CrashLimit,
    /// What asks it to end.
    pub stop_signal: Signal,
    /// How long it may take to end before it is killed.
    pub grace_seconds: f64,
    /// The longest that one attempt may run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_runtime_seconds: Option<f64>,
    /// How much of its output is kept.
    pub log: LogLimits,
    /// What it may use.
    #[serde(default, skip_serializing_if = "Limits::is_empty")]
    pub limits: Limits,
    /// How it is asked whether it is well.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<HealthCheck>,
    /// It has to say `WATCHDOG=1` at least this often (sd_notify(3)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub watchdog_seconds: Option<f64>,
    /// Whether an attempt that is unhealthy is ended and followed by another.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restart_unhealthy: bool,
    /// Runs that it waits for before its first attempt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<After>,
    /// The line that it stands in before its first attempt, and whose slot it holds then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<Queue>,
    /// What it is judged by.
    #[serde(default, skip_serializing_if = "Kpis::is_empty")]
    pub kpis: Kpis,
    /// The Jupyter connection file that was written for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_file: Option<String>,
    /// Files, folders and globs that its training curves are read from, all absolute.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curves: Vec<String>,
    /// The fleet file that names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<Origin>,
    /// Whether this user's fleet is so large that pipes must be small (see pipe(7) on limits).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub small_pipes: bool,
    /// When it was asked for.
    pub spawned_at: Timestamp,
}

/// Where a wish came from.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Origin {
    /// Absolute path of the fleet file.
    pub path: String,
    /// What the file said of it, profiles included: what a later version is compared with.
    pub wish: Value,
}

impl Spec {
    /// Whether it has to wait for something before its first attempt.
    pub fn waits(&self) -> bool {
        !self.after.is_empty() || self.queue.is_some()
    }

    /// The key of its history.
    pub fn key(&self) -> RunKey {
        RunKey { id: self.id.clone(), run: self.run }
    }
}

/// Whether a process is started again when it ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Restart {
    /// Never.
    #[default]
    No,
    /// After any end but code 0 and a stop.
    OnFailure,
    /// After any end but a stop.
    Always,
    /// As `always`, but not after a reboot that followed a stop.
    UnlessStopped,
}

impl Restart {
    /// The word that is typed for it.
    pub fn word(self) -> &'static str {
        match self {
            Restart::No => "no",
            Restart::OnFailure => "on-failure",
            Restart::Always => "always",
            Restart::UnlessStopped => "unless-stopped",
        }
    }

    /// Whether an end that nobody asked for is followed by a new attempt.
    pub fn wants(self, succeeded: bool) -> bool {
        match self {
            Restart::No => false,
            Restart::OnFailure => !succeeded,
            Restart::Always | Restart::UnlessStopped => true,
        }
    }
}

impl fmt::Display for Restart {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// Not a restart policy.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is no restart policy; write no, on-failure, always or unless-stopped")]
pub struct BadRestart(String);

impl FromStr for Restart {
    type Err = BadRestart;

    fn from_str(text: &str) -> Result<Restart, BadRestart> {
        [Restart::No, Restart::OnFailure, Restart::Always, Restart::UnlessStopped]
            .into_iter()
            .find(|policy| policy.word() == text)
            .ok_or_else(|| BadRestart(text.to_owned()))
    }
}

/// Pauses between attempts: doubled after each death up to `max`, begun anew after a life of
/// `reset`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Backoff {
    /// The first pause.
    pub initial_seconds: f64,
    /// The longest pause.
    pub max_seconds: f64,
    /// A life this long is a stable one.
    pub reset_seconds: f64,
}

impl Default for Backoff {
    fn default() -> Backoff {
        Backoff { initial_seconds: 1.0, max_seconds: 60.0, reset_seconds: 60.0 }
    }
}

impl Backoff {
    /// The pause before the attempt that follows `deaths` deaths in a row (at least one), made
    /// longer or shorter by up to a tenth as `jitter` goes from 0 to 1, so that processes that
    /// died together do not all come back together.
    pub fn pause(&self, deaths: u32, jitter: f64) -> Duration {
        let doublings = deaths.saturating_sub(1).min(62);
        let pause = (self.initial_seconds * f64::powi(2.0, doublings as i32)).min(self.max_seconds);
        Duration::try_from_secs_f64(pause * (0.9 + 0.2 * jitter)).unwrap_or(Duration::ZERO)
    }
}

/// Not a pair of pauses.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadBackoff {
    /// There is no pair.
    #[error("{0:?} is no pair of pauses; write the first and the longest as 1s-60s")]
    Form(String),
    /// One of the two is no duration.
    #[error(transparent)]
    Unit(#[from] BadUnit),
    /// The wrong way round.
    #[error("the longest pause is shorter than the first")]
    Order,
}

impl FromStr for Backoff {
    type Err = BadBackoff;

    fn from_str(text: &str) -> Result<Backoff, BadBackoff> {
        let (first, longest) =
            text.split_once('-').ok_or_else(|| BadBackoff::Form(text.to_owned()))?;
        let initial_seconds = parse_duration(first)?.as_secs_f64();
        let max_seconds = parse_duration(longest)?.as_secs_f64();
        if max_seconds < initial_seconds {
            return Err(BadBackoff::Order);
        }
        Ok(Backoff { initial_seconds, max_seconds, ..Backoff::default() })
    }
}

/// So many deaths within such a time are a crash loop.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct CrashLimit {
    /// How many deaths, at most [`CrashLimit::MOST`].
    pub deaths: u32,
    /// Within how long.
    pub within_seconds: f64,
}

impl CrashLimit {
    /// A shim remembers this many deaths at the most.
    pub const MOST: u32 = 32;
}

impl Default for CrashLimit {
    fn default() -> CrashLimit {
        CrashLimit { deaths: 10, within_seconds: 600.0 }
    }
}

/// Not a crash limit.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadCrashLimit {
    /// Not a number of deaths and a time.
    #[error("{0:?} is no crash limit; write deaths and time as 10/10m, with 1 to {most} deaths", most = CrashLimit::MOST)]
    Form(String),
    /// The time is none.
    #[error(transparent)]
    Unit(#[from] BadUnit),
}

impl FromStr for CrashLimit {
    type Err = BadCrashLimit;

    fn from_str(text: &str) -> Result<CrashLimit, BadCrashLimit> {
        let form = || BadCrashLimit::Form(text.to_owned());
        let (deaths, within) = text.split_once('/').ok_or_else(form)?;
        let deaths = deaths.parse().map_err(|_| form())?;
        if !(1..=CrashLimit::MOST).contains(&deaths) {
            return Err(form());
        }
        Ok(CrashLimit { deaths, within_seconds: parse_duration(within)?.as_secs_f64() })
    }
}

/// Arguments and paths are bytes on Linux: a JSON string where they are UTF-8, else a list of
/// byte values.
#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Raw {
    Text(String),
    Bytes(Vec<u8>),
}

impl From<&OsStr> for Raw {
    fn from(value: &OsStr) -> Raw {
        value.to_str().map_or_else(
            || Raw::Bytes(value.as_bytes().to_vec()),
            |text| Raw::Text(text.to_owned()),
        )
    }
}

impl From<Raw> for OsString {
    fn from(raw: Raw) -> OsString {
        match raw {
            Raw::Text(text) => text.into(),
            Raw::Bytes(bytes) => OsString::from_vec(bytes),
        }
    }
}

mod raw {
    use super::{Deserialize, Deserializer, OsStr, OsString, Raw, Serialize, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &OsStr, to: S) -> Result<S::Ok, S::Error> {
        Raw::from(value).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<OsString, D::Error> {
        Raw::deserialize(from).map(OsString::from)
    }
}

mod raw_list {
    use super::{Deserialize, Deserializer, OsString, Raw, Serializer};

    pub(super) fn serialize<S: Serializer>(list: &[OsString], to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(list.iter().map(|value| Raw::from(value.as_os_str())))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<OsString>, D::Error> {
        Ok(Vec::<Raw>::deserialize(from)?.into_iter().map(OsString::from).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_the_longest() {
        let backoff = Backoff::default();
        let seconds = |deaths| (backoff.pause(deaths, 0.5).as_secs_f64() * 10.0).round() / 10.0;
        assert_eq!([1, 2, 3, 7, 8, 1000].map(seconds), [1.0, 2.0, 4.0, 60.0, 60.0, 60.0]);
        assert!(backoff.pause(1, 0.0) < backoff.pause(1, 1.0));
    }

    #[test]
    fn pauses_and_limits_as_typed() {
        let backoff: Backoff = "100ms-5s".parse().unwrap();
        assert_eq!((backoff.initial_seconds, backoff.max_seconds), (0.1, 5.0));
        assert!("5s".parse::<Backoff>().is_err() && "5s-1s".parse::<Backoff>().is_err());
        assert_eq!("3/1m".parse::<CrashLimit>().unwrap().deaths, 3);
        for text in ["3", "0/1m", "33/1m", "x/1m", "3/x"] {
            assert!(text.parse::<CrashLimit>().is_err(), "{text}");
        }
    }

    #[test]
    fn arguments_that_are_not_text_survive() {
        #[derive(Serialize, Deserialize)]
        struct Command(#[serde(with = "raw_list")] Vec<OsString>);
        let wild = OsString::from_vec(vec![b'a', 0xff]);
        let json = serde_json::to_string(&Command(vec!["plain".into(), wild.clone()])).unwrap();
        assert_eq!(json, r#"["plain",[97,255]]"#);
        let back: Command = serde_json::from_str(&json).unwrap();
        assert_eq!(back.0, ["plain".into(), wild]);
    }
}
