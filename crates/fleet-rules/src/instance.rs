//! What is remembered of one rule and one process: in memory, and a line of the state file.

use std::collections::BTreeMap;
use std::time::Duration;

use fleet_core::{RECORD_VERSION, Timestamp};
use serde::{Deserialize, Serialize};

use crate::alert::{AlertRecord, fingerprint};
use crate::count::Hits;
use crate::levels::worst;
use crate::machine::Phase;
use crate::memory::Memory;
use crate::rule::Rule;
use crate::window::Window;

/// A record that is older than the newest by no more than this came late; by more, the clock
/// was set.
const LATE: Duration = Duration::from_secs(600);

/// The name in the key of the instance that stands for the rule itself: it fires while the rule
/// watches as many instances as it may. No field is called so.
const ITSELF: &str = "";

/// One instance of a rule. What each record looks at lies together: there may be many instances, most
/// of them out of the processor's cache.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[repr(C)]
pub struct Instance {
    /// Always `alert_state`.
    pub kind: String,
    /// Version of this form; absent means 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub v: Option<u32>,
    /// The rule.
    pub rule: String,
    /// The form of the rule ([`Rule::form`]); absent in what older versions wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<String>,
    /// The file of the rule ([`crate::RuleSet::source`]).
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub source: String,
    /// The fields of `by` and their values.
    pub key: BTreeMap<String, String>,
    /// Where it is; absent means ok.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub phase: Option<Phase>,
    /// Where each of its levels is but the mildest; none if all of them are ok.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub higher: Vec<Option<Phase>>,
    /// When the records were that it counts, if it does.
    #[serde(default, skip_serializing_if = "Hits::is_empty")]
    pub hits: Hits,
    /// Whether the condition was seen not to hold.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub armed: bool,
    /// Whether it is remembered though it is ok. Where it is not, a line without a phase ends what
    /// earlier lines say.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub watched: bool,
    /// The newest moment known from its records.
    pub last: Timestamp,
    /// When its newest record came, by the clock of this machine.
    pub seen: Timestamp,
    /// How many nanoseconds since then no tool was at work, which do not count.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub down: i64,
    /// The run that the newest record was of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<u64>,
    /// Whether nobody took that over yet, so that it must be told again after a crash.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub untold: bool,
    /// For when it stands among what the clock has to do.
    #[serde(skip)]
    pub(crate) queued: Option<Timestamp>,
    /// Whether it differs from what is in the file by times of day and values alone.
    #[serde(skip)]
    pub touched: bool,
    /// Whether it differs from what is in the file in more than that.
    #[serde(skip)]
    pub changed: bool,
    /// What it knows of the records of some time, if its rule is about that.
    #[serde(default, skip_serializing_if = "Memory::is_none")]
    pub memory: Memory,
    /// What was last told of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alert: Option<AlertRecord>,
}

fn is_zero(number: &i64) -> bool {
    *number == 0
}

impl Instance {
    /// An instance of which nothing is known.
    pub fn new(rule: &str, key: BTreeMap<String, String>, at: Timestamp) -> Instance {
        Instance {
            kind: "alert_state".to_owned(),
            v: None,
            rule: rule.to_owned(),
            form: None,
            source: String::new(),
            key,
            phase: None,
            higher: Vec::new(),
            hits: Hits::default(),
            memory: Memory::None,
            armed: false,
            watched: false,
            last: at,
            seen: at,
            down: 0,
            run: None,
            alert: None,
            untold: false,
            queued: None,
            touched: false,
            changed: false,
        }
    }

    /// The instance that stands for the rule itself.
    pub(crate) fn itself(rule: &str, at: Timestamp) -> Instance {
        let key = BTreeMap::from([(ITSELF.to_owned(), "limit".to_owned())]);
        Instance::new(rule, key, at)
    }

    /// By what its alerts are known to be of the same.
    pub fn fingerprint(&self) -> String {
        fingerprint(&self.rule, self.key.iter().map(|(name, value)| (&**name, &**value)))
    }

    /// Whether it stands for the rule itself.
    pub fn is_itself(&self) -> bool {
        self.key.contains_key(ITSELF)
    }

    /// Takes note of a record and says what time it is for this instance.
    pub(crate) fn note(
        &mut self,
        ts: Timestamp,
        now: Timestamp,
        window: Option<&Window>,
    ) -> Timestamp {
        self.go_on(ts);
        self.seen = now;
        self.touched = true;
        if ts >= self.last {
            self.last = ts;
        } else if ts.plus(LATE) < self.last {
            let by = ts.nanos().saturating_sub(self.last.nanos());
            self.shift(by, window);
            self.last = ts;
        }
        self.last
    }

    /// Leaves out the time in which no tool was at work, as far as it lies between the last record
    /// and this one.
    fn go_on(&mut self, ts: Timestamp) {
        let passed = ts.nanos().saturating_sub(self.last.nanos()).max(0);
        let by = std::mem::take(&mut self.down).min(passed);
        if by > 0 {
            self.phase = self.phase.map(|phase| phase.paused(by));
            for phase in self.higher.iter_mut().flatten() {
                *phase = phase.paused(by);
            }
            self.memory.pause(by);
        }
    }

    fn shift(&mut self, by: i64, window: Option<&Window>) {
        self.phase = self.phase.map(|phase| phase.shifted(by));
        for phase in self.higher.iter_mut().flatten() {
            *phase = phase.shifted(by);
        }
        self.hits.shift(by);
        if let Some(window) = window {
            self.memory.shift(by, window);
        }
    }

    /// What time it is for this instance when no record came: its newest moment, and what has
    /// passed since on the clock of this machine.
    pub(crate) fn clock(&self, now: Timestamp) -> Timestamp {
        let passed = now.nanos().saturating_sub(self.seen.nanos()).max(0);
        self.last.plus(Duration::from_nanos(passed.unsigned_abs()))
    }

    /// The same without the time in which no tool was at work.
    pub(crate) fn worked(&self, now: Timestamp) -> Timestamp {
        let clock = self.clock(now).nanos().saturating_sub(self.down);
        Timestamp::from_nanos(clock.max(self.last.nanos()))
    }

    /// From when on a record of it is missed, by the clock of this machine.
    pub(crate) fn awaited(&self) -> Timestamp {
        Timestamp::from_nanos(self.seen.nanos().saturating_add(self.down))
    }

    /// Whether a newer version wrote it.
    pub(crate) fn is_newer(&self) -> bool {
        self.v.is_some_and(|v| v > RECORD_VERSION)
    }

    /// Whether nothing needs to be kept of it.
    pub fn is_over(&self) -> bool {
        self.phase.is_none() && !self.untold && !self.watched
    }

    /// Whether it was told and is not over.
    pub fn is_firing(&self) -> bool {
        self.phase.is_some_and(Phase::is_firing)
    }

    /// How bad it is.
    pub fn severity<'r>(&self, rule: &'r Rule) -> &'r str {
        rule.levels().get(worst(&self.higher)).map_or(&rule.severity, |level| &level.severity)
    }

    /// Its key for people: the id, or what else tells it apart.
    pub fn name(&self) -> String {
        let values: Vec<&str> =
            self.key.values().map(String::as_str).filter(|value| !value.is_empty()).collect();
        if values.is_empty() { "all".to_owned() } else { values.join(" ") }
    }
}
