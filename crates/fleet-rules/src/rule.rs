//! What a rules file says, checked.

use std::time::Duration;

use fleet_core::Labels;

use crate::count::Count;
use crate::expression::Settled;
use crate::template::Template;

/// All rules of a file, and where their alerts go.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    /// In the order of the file.
    pub rules: Vec<Rule>,
    /// By name.
    pub channels: Vec<Channel>,
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
    /// Labels of its alerts, beside those of the record.
    pub labels: Labels,
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

/// Where alerts are told.
#[derive(Clone, Debug)]
pub struct Channel {
    /// Its name.
    pub name: String,
    /// What it is.
    pub kind: ChannelKind,
    /// The severities that it is told; empty means all.
    pub severity: Vec<String>,
}

/// What a channel is.
#[derive(Clone, Debug)]
pub enum ChannelKind {
    /// A command that gets the alert as a line of JSON on its standard input.
    Exec {
        /// Program and arguments.
        command: Vec<String>,
        /// How long it may take.
        timeout: Duration,
    },
}

impl Channel {
    /// Whether it is told of alerts of this severity.
    pub fn takes(&self, severity: &str) -> bool {
        self.severity.is_empty() || self.severity.iter().any(|s| s == severity)
    }
}
