//! Alerts and explanations in words.

use std::collections::BTreeMap;
use std::time::Duration;

use fleet_core::{Labels, Timestamp, duration_text};
use serde_json::Value;

use crate::alert::{AlertRecord, AlertState, fingerprint};
use crate::count::Count;
use crate::engine::FORGET_AFTER;
use crate::instance::Instance;
use crate::machine::{Phase, What};
use crate::rule::{Hold, Rule};
use crate::template::plain;

/// The state that an alert is told in.
pub(crate) fn state_of(what: What) -> AlertState {
    match what {
        What::PendingBegan => AlertState::Pending,
        What::Resolved | What::Vanished => AlertState::Resolved,
        _ => AlertState::Firing,
    }
}

/// The labels of the record, the fields of `by` that are not fields of the alert, and the rule's
/// own labels, each before the ones before it.
pub(crate) fn labels(rule: &Rule, whole: &Value, key: &BTreeMap<String, String>) -> Labels {
    let own = whole.get("labels").and_then(Value::as_object);
    let own = own.into_iter().flatten().map(|(name, value)| (name.clone(), plain(value)));
    let by = key.iter().filter(|(name, _)| !matches!(name.as_str(), "id" | "run" | "labels"));
    let by = by.map(|(name, value)| (name.clone(), value.clone()));
    let rules = rule.labels.iter().map(|(name, value)| (name.clone(), value.clone()));
    own.chain(by).chain(rules).collect()
}

/// The rule's annotations, filled in.
pub(crate) fn annotations(rule: &Rule, whole: &Value) -> BTreeMap<String, String> {
    rule.annotations.iter().map(|(name, text)| (name.clone(), text.render(whole))).collect()
}

pub(crate) fn reason(
    rule: &Rule,
    measured: Option<&str>,
    value: Option<&Value>,
    what: What,
    since: Timestamp,
    at: Timestamp,
) -> String {
    let found = match (measured, value) {
        (Some(name), Some(value)) => format!("{name} is {}", shortened(&plain(value))),
        _ if what == What::Resolved => "the condition is over".to_owned(),
        _ => "the condition is met".to_owned(),
    };
    let held = duration_text(between(since, at));
    match (what, rule.timing.hold) {
        (What::Fired, Hold::For(_)) => format!("{found}, met for {held}"),
        (What::Fired, Hold::Times(times)) => format!("{found}, met {times} times in a row"),
        (What::Fired, Hold::Count(counted)) => format!("{found}, {}", needs(Hold::Count(counted))),
        (What::Repeated, _) => format!("{found}, still firing after {held}"),
        (What::Resolved, _) => format!("{found}, resolved after {held}"),
        _ => found,
    }
}

/// A log line as a value can be long.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(120) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

fn between(since: Timestamp, at: Timestamp) -> Duration {
    Duration::try_from_secs_f64(at.seconds_since(since)).unwrap_or_default()
}

/// The alert that the clock brings about: the last one in a new state, or one made of nothing
/// but the rule where the instance was never told.
pub(crate) fn by_clock(
    instance: &mut Instance,
    rule: &Rule,
    what: What,
    clock: Timestamp,
) -> Option<AlertRecord> {
    let mut alert = match instance.alert.clone() {
        Some(alert) => alert,
        None if what == What::Vanished => return None,
        None => bare(instance, rule, clock),
    };
    let held = duration_text(between(alert.since, clock));
    alert.ts = clock;
    alert.state = state_of(what);
    alert.reason = match what {
        What::Vanished => format!("no record of it came for {}", duration_text(FORGET_AFTER)),
        What::Resolved => format!("the condition is over, resolved after {held}"),
        What::Repeated => format!("still firing after {held}"),
        _ => format!("the condition is met for {held} and no record said otherwise"),
    };
    instance.alert = Some(alert.clone());
    Some(alert)
}

fn bare(instance: &Instance, rule: &Rule, clock: Timestamp) -> AlertRecord {
    let key: Value =
        instance.key.iter().map(|(n, v)| (n.clone(), Value::from(v.clone()))).collect();
    AlertRecord {
        kind: "alert".to_owned(),
        ts: clock,
        alert: rule.name.clone(),
        state: AlertState::Firing,
        severity: rule.severity.clone(),
        id: instance.key.get("id").cloned(),
        run: instance.run,
        labels: labels(rule, &key, &instance.key),
        since: instance.phase.map_or(clock, Phase::since),
        value: None,
        summary: rule.summary.render(&key),
        annotations: annotations(rule, &key),
        reason: String::new(),
        fingerprint: fingerprint(&rule.name, instance.key.iter().map(|(n, v)| (&**n, &**v))),
    }
}

/// Why this came of it, in words.
pub(crate) fn explain(rule: &Rule, instance: &Instance, what: What, at: Timestamp) -> String {
    let text = explanation(rule, instance, what, at);
    format!("rule '{}' for {}: {text} ({})", rule.name, instance.name(), what.word())
}

fn explanation(rule: &Rule, instance: &Instance, what: What, at: Timestamp) -> String {
    let since = instance.phase.map_or(at, Phase::since);
    let needs = needs(rule.timing.hold);
    let keep = duration_text(rule.timing.keep_firing_for);
    match what {
        What::Unmet => "the condition is not met".to_owned(),
        What::PendingBegan | What::PendingWaits => {
            format!("pending since {since}, needs {needs}, has {}", has(rule, instance, at))
        }
        What::PendingDropped => format!("the condition ended before it held for {needs}"),
        What::Fired => format!("fires, met since {since}"),
        What::StillFiring => format!("fires since {since}, was told and {}", again(rule)),
        What::Repeated => format!("fires since {since}, {}", again(rule)),
        What::RecoveryBegan => format!("the condition is over, needs to be for {keep}"),
        What::KeepsFiring => format!("the condition is over, not yet for {keep}"),
        What::FiringAgain => "the condition is met again within keep_firing_for".to_owned(),
        What::Resolved => format!("resolved after {}", duration_text(between(since, at))),
        What::Vanished => {
            format!("no record came for {}, forgotten", duration_text(FORGET_AFTER))
        }
    }
}

fn needs(hold: Hold) -> String {
    match hold {
        Hold::Now => "nothing more".to_owned(),
        Hold::For(time) => duration_text(time),
        Hold::Times(times) => format!("{times} records in a row"),
        Hold::Count(Count { count, within }) => {
            format!("{count} records within {}", duration_text(within))
        }
    }
}

fn has(rule: &Rule, instance: &Instance, at: Timestamp) -> String {
    match (instance.phase, rule.timing.hold) {
        (Some(Phase::Pending { streak, .. }), Hold::Times(_) | Hold::Count(_)) => {
            streak.to_string()
        }
        (Some(phase), _) => duration_text(between(phase.since(), at)),
        (None, _) => "nothing".to_owned(),
    }
}

fn again(rule: &Rule) -> String {
    rule.timing.repeat.map_or("is not repeated".to_owned(), |time| {
        format!("is repeated every {}", duration_text(time))
    })
}
