//! The `alert` record.

use std::collections::BTreeMap;

use fleet_core::{Labels, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The state of an alert as it is told. `no_data` and `error` are kept for rules about missing
/// records.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AlertState {
    /// The condition holds, but not for long enough.
    Pending,
    /// It fires.
    Firing,
    /// It is over.
    Resolved,
    /// Nothing was heard.
    NoData,
    /// It cannot be told.
    Error,
}

impl AlertState {
    /// The word for it in records.
    pub fn word(self) -> &'static str {
        match self {
            AlertState::Pending => "pending",
            AlertState::Firing => "firing",
            AlertState::Resolved => "resolved",
            AlertState::NoData => "no_data",
            AlertState::Error => "error",
        }
    }
}

/// One change of an alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AlertRecord {
    /// Always `alert`.
    pub kind: String,
    /// When, by the clock of the record that brought it about.
    pub ts: Timestamp,
    /// The rule.
    pub alert: String,
    /// What it is now.
    pub state: AlertState,
    /// How bad it is.
    pub severity: String,
    /// The process that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Its run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub run: Option<u64>,
    /// Labels of the record and of the rule, and the other fields of `by`.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// Since when the condition holds, or held.
    pub since: Timestamp,
    /// The value of the field that the condition is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
    /// What the rule says of it.
    pub summary: String,
    /// More that the rule says of it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// Why it is told now.
    pub reason: String,
    /// The same for all records of one rule and instance.
    pub fingerprint: String,
}

/// A hash of the rule and its instance that stays the same for ever: FNV-1a, 64 bits.
pub fn fingerprint<'a>(rule: &'a str, key: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut take = |text: &str| {
        for byte in text.bytes().chain([0xff]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    take(rule);
    for (name, value) in key {
        take(name);
        take(value);
    }
    format!("{hash:016x}")
}
