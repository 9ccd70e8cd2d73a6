//! What a rules file says, checked.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use fleet_core::{Labels, duration_text};

use crate::alert::fingerprint;
use crate::count::Count;
use crate::engine::FORGET_AFTER;
use crate::expression::Settled;
use crate::template::Template;
use crate::window::Window;

/// All rules of a file.
#[derive(Clone, Debug, Default)]
pub struct RuleSet {
    /// A hash of the file's path, empty where there is no file. What is remembered of a rule that
    /// is gone from this very file is over; that of another file's rules is not ours.
    pub source: String,
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
    /// Of a rule with levels, the mildest.
    pub severity: String,
    /// Whether it fires only after the condition was seen not to hold.
    pub crossed: bool,
    /// After how long without a record of an instance that is told.
    pub no_data: Option<Duration>,
    /// How many instances it watches at once.
    pub limit: usize,
    /// What is said.
    pub summary: Template,
    /// More that is said, by name: a description, a runbook.
    pub annotations: BTreeMap<String, Template>,
    /// Labels of its alerts, beside those of the record.
    pub labels: Labels,
    /// The rules whose alerts, while they fire for the same `by`, keep this one's from being told.
    pub inhibited_by: Vec<String>,
    /// The fields in which those must be alike; if nothing is said, those that both rules have in
    /// `by`.
    pub equal: Option<Vec<String>>,
    /// Whether its alerts pass by all that holds others back: grouping, silences, limits.
    pub immediate: bool,
    /// Whether it is looked at.
    pub enabled: bool,
}

impl Rule {
    /// What must be true for an alert, for people.
    pub fn condition_text(&self) -> String {
        self.condition.to_string()
    }

    /// Its levels, where it is about single records.
    pub(crate) fn levels(&self) -> &[Level] {
        if let Condition::Levels(levels) = &self.condition { levels } else { &[] }
    }

    /// What many records must show together, if it is about that.
    pub(crate) fn window(&self) -> Option<&Window> {
        if let Condition::Windowed { window, .. } = &self.condition { Some(window) } else { None }
    }

    /// Whether an instance is remembered from its first record on, not only while the condition
    /// holds.
    pub fn remembers(&self) -> bool {
        self.crossed || self.no_data.is_some() || self.condition.remembers()
    }

    /// How long an instance of which no record comes is remembered: a day, and where the rule
    /// is about that itself, that much longer.
    pub fn forget_after(&self) -> Duration {
        let absent = match self.condition {
            Condition::Absent { time, .. } => time,
            _ => Duration::ZERO,
        };
        FORGET_AFTER.saturating_add(absent.max(self.no_data.unwrap_or_default()))
    }

    /// A hash of all that decides whether it fires: what is remembered of a rule that reads
    /// otherwise now is not about this one.
    pub fn form(&self) -> String {
        let levels = self.levels().iter().map(|level| level.severity.as_str());
        let text = format!(
            "{}|{:?}|{:?}|{}|{}|{:?}",
            self.on, self.timing, self.by, self.severity, self.crossed, self.no_data
        );
        let clear = self.condition.expressions();
        let parts = clear.iter().map(|(name, settled)| (*name, settled.text.as_str()));
        let levels = levels.map(|severity| ("level", severity));
        let condition = self.condition.to_string();
        fingerprint(&text, parts.chain(levels).chain([("condition", condition.as_str())]))
    }
}

/// What must be true for an alert.
#[derive(Clone, Debug)]
pub enum Condition {
    /// Expressions over one record: at least one level, the mildest first.
    Levels(Vec<Level>),
    /// What the records of some time show together.
    Windowed {
        /// Which records are looked at; all of the kind, if nothing is said.
        admits: Option<Box<Settled>>,
        /// What they must show.
        window: Window,
        /// What must hold of a record to recover, where that is more than that they no longer
        /// show it.
        clear: Option<Box<Settled>>,
    },
    /// Nothing was seen for so long.
    Absent {
        /// Which records count as something; all of the kind, if nothing is said.
        admits: Option<Box<Settled>>,
        /// How long.
        time: Duration,
    },
}

/// One bound of a rule.
#[derive(Clone, Debug)]
pub struct Level {
    /// How bad it is beyond it.
    pub severity: String,
    /// What must hold to fire.
    pub when: Box<Settled>,
    /// What must hold to recover, where that is more than that `when` does not.
    pub clear: Option<Box<Settled>>,
}

impl Condition {
    /// The field that it is about, where that can be told.
    pub fn measured(&self) -> Option<String> {
        match self {
            Condition::Levels(levels) => levels.first()?.when.measured(),
            Condition::Windowed { window, .. } => Some(window.field().to_owned()),
            Condition::Absent { .. } => None,
        }
    }

    /// All expressions of it, with the name of the key that each stands under.
    pub fn expressions(&self) -> Vec<(&'static str, &Settled)> {
        type Named<'s> = Option<(&'static str, &'s Settled)>;
        fn named<'s>(name: &'static str, one: &'s Option<Box<Settled>>) -> Named<'s> {
            one.as_deref().map(|settled| (name, settled))
        }
        match self {
            Condition::Levels(levels) => levels
                .iter()
                .flat_map(|level| [Some(("when", &*level.when)), named("clear", &level.clear)])
                .flatten()
                .collect(),
            Condition::Windowed { admits, clear, .. } => {
                named("when", admits).into_iter().chain(named("clear", clear)).collect()
            }
            Condition::Absent { admits, .. } => named("when", admits).into_iter().collect(),
        }
    }

    /// Whether an instance is remembered from its first record on, not only while the condition
    /// holds.
    pub fn remembers(&self) -> bool {
        !matches!(self, Condition::Levels(_))
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Condition::Levels(levels) => {
                let many = levels.len() > 1;
                for (at, level) in levels.iter().enumerate() {
                    f.write_str(if at > 0 { "; " } else { "" })?;
                    if many {
                        write!(f, "{}: ", level.severity)?;
                    }
                    f.write_str(&level.when.text)?;
                }
                Ok(())
            }
            Condition::Windowed { admits, window, .. } => {
                write!(f, "{window}")?;
                admits.iter().try_for_each(|when| write!(f, ", where {}", when.text))
            }
            Condition::Absent { admits, time } => {
                let what = admits.as_ref().map_or("any record", |when| when.text.as_str());
                write!(f, "nothing seen for {}: {what}", duration_text(*time))
            }
        }
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
