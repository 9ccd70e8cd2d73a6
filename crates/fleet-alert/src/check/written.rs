//! The rules file as it is written, with the place of each value.
//!
//! It is read a second time, after it was found good: what the rules mean is the business of
//! `fleet-rules`, but a finding wants to point at what somebody typed.

use std::collections::BTreeMap;
use std::time::Duration;

use fleet_core::parse_duration;
use fleet_rules::expression::Settled;
use serde::Deserialize;
use serde::de::IgnoredAny;
use toml::{Spanned, Value};

/// A text and where it stands.
pub(super) type Text = Spanned<String>;

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Written {
    #[serde(rename = "rule")]
    pub(super) rules: Vec<WrittenRule>,
    #[serde(rename = "channel")]
    pub(super) channels: BTreeMap<Spanned<String>, IgnoredAny>,
    pub(super) route: WrittenRoute,
}

/// `[route]`, of which the places of the severities are [`Severities`].
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct WrittenRoute {
    #[serde(rename = "match")]
    pub(super) matches: Vec<WrittenMatch>,
}

/// The keys of `[route]`: serde forgets places where a table has keys of both sorts.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Severities {
    pub(super) route: BTreeMap<Spanned<String>, IgnoredAny>,
}

#[derive(Debug, Deserialize)]
pub(super) struct WrittenMatch {
    pub(super) alert: Option<Text>,
    pub(super) severity: Option<Text>,
    pub(super) id: Option<Text>,
    #[serde(default)]
    pub(super) labels: BTreeMap<String, Text>,
    pub(super) channels: Spanned<Vec<String>>,
    #[serde(default, rename = "continue")]
    pub(super) goes_on: bool,
}

#[derive(Debug, Deserialize)]
pub(super) struct WrittenRule {
    pub(super) name: Text,
    pub(super) on: Text,
    pub(super) when: Option<Text>,
    pub(super) clear: Option<Text>,
    #[serde(rename = "for")]
    pub(super) hold: Option<Text>,
    pub(super) repeat: Option<Text>,
    pub(super) by: Option<Vec<Text>>,
    pub(super) severity: Option<Text>,
    pub(super) summary: Option<Text>,
    #[serde(default)]
    pub(super) annotations: BTreeMap<String, Text>,
    #[serde(default)]
    pub(super) inhibited_by: Vec<Text>,
    #[serde(default)]
    pub(super) levels: Vec<WrittenLevel>,
    pub(super) immediate: Option<Spanned<bool>>,
    #[serde(default = "yes")]
    pub(super) enabled: bool,
    /// All other keys: `times`, `count`, and what looks at more than one record.
    #[serde(flatten)]
    pub(super) more: BTreeMap<String, Value>,
}

#[derive(Debug, Deserialize)]
pub(super) struct WrittenLevel {
    pub(super) severity: Text,
    pub(super) when: Text,
    pub(super) clear: Option<Text>,
}

fn yes() -> bool {
    true
}

/// A condition of a rule, and the one for recovery that belongs to it.
pub(super) struct Pair<'r> {
    pub(super) when: &'r Text,
    pub(super) clear: Option<&'r Text>,
}

/// The keys of rules that look at more than one record.
const WINDOWED: [&str; 6] = ["rate", "change", "plateau", "stale", "trend", "absent"];

/// The keys beside `for` that need more than one record to fire.
const COUNTED: [&str; 2] = ["times", "count"];

impl WrittenRule {
    /// Its conditions: `when`, or one for each level.
    pub(super) fn conditions(&self) -> Vec<Pair<'_>> {
        let own = self.when.iter().map(|when| Pair { when, clear: self.clear.as_ref() });
        let levels = self.levels.iter();
        let levels = levels.map(|level| Pair { when: &level.when, clear: level.clear.as_ref() });
        own.chain(levels).collect()
    }

    /// Its severities as they are written.
    pub(super) fn severity_texts(&self) -> impl Iterator<Item = &Text> {
        self.severity.iter().chain(self.levels.iter().map(|level| &level.severity))
    }

    /// The severities that its alerts can have.
    pub(super) fn severities(&self) -> Vec<&str> {
        if self.levels.is_empty() {
            return vec![self.severity.as_ref().map_or("warning", |severity| severity.get_ref())];
        }
        self.levels.iter().map(|level| level.severity.get_ref().as_str()).collect()
    }

    /// Whether it looks at more than one record by itself.
    pub(super) fn is_windowed(&self) -> bool {
        WINDOWED.iter().any(|key| self.more.contains_key(*key))
    }

    /// Whether one record is enough to fire.
    pub(super) fn fires_at_once(&self) -> bool {
        let counted = COUNTED.iter().any(|key| self.more.contains_key(*key));
        self.hold.is_none() && !counted && !self.is_windowed()
    }

    /// The fields that a window is about.
    pub(super) fn window_fields(&self) -> Vec<&str> {
        let tables = WINDOWED.iter().filter_map(|key| self.more.get(*key)?.as_table());
        let fields = tables.flat_map(|table| ["field", "step_field"].map(|key| table.get(key)));
        fields.flatten().filter_map(Value::as_str).collect()
    }

    /// The texts that are filled in with fields of the record.
    pub(super) fn templates(&self) -> impl Iterator<Item = &Text> {
        self.summary.iter().chain(self.annotations.values())
    }

    /// What makes it fire, whatever is then said of it: two rules that are alike in it are one.
    pub(super) fn essence(&self) -> String {
        let words = |text: &Text| text.get_ref().split_whitespace().collect::<String>();
        let conditions = self.conditions();
        let pairs = conditions.iter().map(|pair| (words(pair.when), pair.clear.map(words)));
        let by: Option<Vec<&String>> =
            self.by.as_ref().map(|by| by.iter().map(Spanned::get_ref).collect());
        let hold = self.hold.as_ref().map(Spanned::get_ref);
        format!("{:?}", (self.on.get_ref(), pairs.collect::<Vec<_>>(), hold, by, &self.more))
    }
}

/// A duration that is known to be one.
pub(super) fn time(text: &Text) -> Option<Duration> {
    parse_duration(text.get_ref()).ok()
}

/// A condition that is known to be one.
pub(super) fn settled(text: &Text) -> Option<Settled> {
    Settled::parse(text.get_ref()).ok()
}
