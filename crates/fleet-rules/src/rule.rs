//! What a rules file says, checked.

use std::collections::BTreeMap;
use std::time::Duration;

use fleet_core::Labels;

use crate::count::Count;
use crate::expression::Settled;
use crate::template::Template;

/// All rules of a file.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    /// In the order of the file.
    pub rules: Vec<Rule>,
}

/// One rule.
#[derive(Clone, Debug)]
pub struct Rule {
    /// Its name, unique in the file.
    pub name: String,
    /// The kind of record that it looks at.
    pub on: String,
    /// What must be true.
    pub condition: Condition,
    /// For how long, and what else time has to do with it.
    pub timing: Timing,
    /// The fields that tell its instances apart.
    pub by: Vec<String>,
    /// How bad it is: any word; `info`, `warning`, `high` and `critical` are known to the tools.
    pub severity: String,
    /// What is said.
    pub summary: Template,
    /// More that is said, by name: a description, a runbook.
    pub annotations: BTreeMap<String, Template>,
    /// Labels of its alerts, beside those of the record.
    pub labels: Labels,
    /// The rules whose alerts, while they fire for the same `by`, keep this one's from being told.
    pub inhibited_by: Vec<String>,
    /// Whether its alerts pass by all that holds others back: grouping, silences, limits.
    pub immediate: bool,
    /// Whether it is looked at.
    pub enabled: bool,
}

/// What must be true for an alert.
#[derive(Clone, Debug)]
pub enum Condition {
    /// Expressions over one record.
    Expression {
        /// What must hold to fire.
        when: Box<Settled>,
        /// What must hold to recover, where that is more than that `when` does not.
        clear: Option<Box<Settled>>,
    },
}

impl Condition {
    /// The field that it is about, where that can be told.
    pub fn measured(&self) -> Option<String> {
        let Condition::Expression { when, .. } = self;
        when.measured()
    }
}

/// How long a condition must hold before it fires.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hold {
    /// Not at all.
    Now,
    /// For a time, by the records' own clock.
    For(Duration),
    /// For so many records in a row.
    Times(u32),
    /// For so many records within a time.
    Count(Count),
}

/// What time has to do with a rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How long the condition must hold.
    pub hold: Hold,
    /// How long it must have been over before the alert is.
    pub keep_firing_for: Duration,
    /// After how long a firing alert is told again, if at all.
    pub repeat: Option<Duration>,
}

impl Timing {
    /// What is counted, if the rule counts.
    pub(crate) fn counts(&self) -> Option<(Count, &Timing)> {
        match self.hold {
            Hold::Count(count) => Some((count, self)),
            _ => None,
        }
    }
}
