//! What is remembered of one rule and one process: in memory, and a line of the state file.

use std::collections::BTreeMap;
use std::time::Duration;

use fleet_core::Timestamp;
use serde::{Deserialize, Serialize};

use crate::alert::AlertRecord;
use crate::count::{Hits, after_resolved};
use crate::machine::{Phase, plus};

/// A record that is older than the newest by no more than this came late; by more, the clock
/// was set.
const LATE: Duration = Duration::from_secs(600);

/// One instance of a rule.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// Always `alert_state`.
    pub kind: String,
    /// Version of this form; absent means 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub v: Option<u32>,
    /// The rule.
    pub rule: String,
    /// The fields of `by` and their values.
    pub key: BTreeMap<String, String>,
    /// Where it is; absent means ok, and that the line ends what earlier ones say.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// When the records were that it counts, if it does.
    #[serde(default, skip_serializing_if = "Hits::is_empty")]
    pub hits: Hits,
    /// The newest moment known from its records.
    pub last: Timestamp,
    /// When its newest record came, by the clock of this machine.
    pub seen: Timestamp,
    /// The run that the newest record was of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<u64>,
    /// What was last told of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<AlertRecord>,
    /// Whether nobody took that over yet, so that it must be told again after a crash.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub untold: bool,
    /// Whether a record of it came in this life of the tool.
    #[serde(skip)]
    pub live: bool,
    /// Whether it differs from what is in the file by times of day alone.
    #[serde(skip)]
    pub touched: bool,
    /// Whether it differs from what is in the file in more than that.
    #[serde(skip)]
    pub changed: bool,
}

impl Instance {
    /// An instance of which nothing is known.
    pub fn new(rule: &str, key: BTreeMap<String, String>, at: Timestamp) -> Instance {
        Instance {
            kind: "alert_state".to_owned(),
            v: None,
            rule: rule.to_owned(),
            key,
            phase: None,
            hits: Hits::default(),
            last: at,
            seen: at,
            run: None,
            alert: None,
            untold: false,
            live: false,
            touched: false,
            changed: false,
        }
    }

    /// Takes note of a record and says what time it is for this instance.
    pub(crate) fn note(&mut self, ts: Timestamp, now: Timestamp) -> Timestamp {
        self.seen = now;
        self.live = true;
        self.touched = true;
        if ts >= self.last {
            self.last = ts;
        } else if plus(ts, LATE) < self.last {
            let by = ts.nanos().saturating_sub(self.last.nanos());
            self.phase = self.phase.map(|phase| phase.shifted(by));
            self.hits.shift(by);
            self.last = ts;
        }
        self.last
    }

    /// What time it is for this instance when no record came: its newest moment, and what has
    /// passed since on the clock of this machine.
    pub(crate) fn clock(&self, now: Timestamp) -> Timestamp {
        let passed = now.nanos().saturating_sub(self.seen.nanos()).max(0);
        plus(self.last, Duration::from_nanos(passed.unsigned_abs()))
    }

    /// Leaves the alert, which is over; what is counted goes on to be.
    pub(crate) fn resolve(&mut self) {
        self.phase = after_resolved(&self.hits);
    }

    /// Whether nothing needs to be kept of it.
    pub fn is_over(&self) -> bool {
        self.phase.is_none() && !self.untold
    }

    /// Whether it was told and is not over.
    pub fn is_firing(&self) -> bool {
        self.phase.is_some_and(Phase::is_firing)
    }

    /// Its key for people: the id, or what else tells it apart.
    pub fn name(&self) -> String {
        let values: Vec<&str> =
            self.key.values().map(String::as_str).filter(|value| !value.is_empty()).collect();
        if values.is_empty() { "all".to_owned() } else { values.join(" ") }
    }
}
