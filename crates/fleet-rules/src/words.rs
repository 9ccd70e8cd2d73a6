//! Alerts and explanations in words.

use std::collections::BTreeMap;

use fleet_core::{Labels, Timestamp, duration_text};
use serde_json::Value;

use crate::alert::{AlertRecord, AlertState};
use crate::count::Count;
use crate::instance::Instance;
use crate::machine::{Phase, What};
use crate::rule::{Condition, Hold, Rule};
use crate::template::plain;
use crate::watch::Watch;

/// Longest text of a record, in bytes, that an alert repeats.
const LONGEST_TEXT: usize = 16 << 10;

/// The state that an alert is told in, being in this phase after what happened.
pub(crate) fn state_of(what: What, phase: Option<Phase>) -> AlertState {
    match what {
        What::PendingBegan => AlertState::Pending,
        What::Resolved | What::DataBack | What::Vanished | What::RuleChanged => {
            AlertState::Resolved
        }
        What::Full => AlertState::Error,
        _ if matches!(phase, Some(Phase::NoData { .. })) => AlertState::NoData,
        _ => AlertState::Firing,
    }
}

/// Cuts the texts of a record that nobody would read to their end, and that would fill the memory.
pub(crate) fn cut(value: &mut Value) {
    match value {
        Value::String(text) if text.len() > LONGEST_TEXT => {
            text.truncate(text.floor_char_boundary(LONGEST_TEXT));
            text.push('…');
        }
        Value::Array(all) => all.iter_mut().for_each(cut),
        Value::Object(all) => all.values_mut().for_each(cut),
        _ => {}
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

/// What was found: the value that the condition is about, or what many records show together.
pub(crate) fn found(
    watch: &Watch,
    instance: Option<&Instance>,
    value: Option<&Value>,
    what: What,
    at: Timestamp,
) -> String {
    let shows = |window| instance.and_then(|instance| instance.memory.text(window, at));
    if let Some(text) = watch.rule.window().and_then(shows) {
        return text;
    }
    match (watch.measured.as_deref(), value) {
        (Some(name), Some(value)) => format!("{name} is {}", shortened(&plain(value))),
        _ if matches!(watch.rule.condition, Condition::Absent { .. }) => "it was seen".to_owned(),
        _ if what == What::Resolved => "the condition is over".to_owned(),
        _ => "the condition is met".to_owned(),
    }
}

/// Why a record's alert is told now.
pub(crate) fn reason(
    rule: &Rule,
    found: &str,
    severity: &str,
    what: What,
    since: Timestamp,
    at: Timestamp,
) -> String {
    let held = duration_text(since.until(at));
    match (what, rule.timing.hold) {
        (What::Fired, Hold::For(_)) => format!("{found}, met for {held}"),
        (What::Fired, Hold::Times(times)) => format!("{found}, met {times} times in a row"),
        (What::Fired, Hold::Count(counted)) => format!("{found}, {}", needs(Hold::Count(counted))),
        (What::Escalated, _) => format!("{found}, {severity} now"),
        (What::Lowered, _) => format!("{found}, no more than {severity} now"),
        (What::Repeated, _) => format!("{found}, still firing after {held}"),
        (What::FiredAnew, _) => format!("{found}, in another run"),
        (What::Resolved, _) => format!("{found}, resolved after {held}"),
        (What::DataBack | What::BackFiring, _) => format!("records come again, {found}"),
        _ => found.to_owned(),
    }
}

/// A log line as a value can be long.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(120) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

/// The alert that no record brings about: the last one in a new state, or one made of nothing but
/// the rule where there is none.
pub(crate) fn by_clock(
    instance: &mut Instance,
    rule: &Rule,
    what: What,
    since: Timestamp,
    at: Timestamp,
) -> AlertRecord {
    let last = instance.alert.take().filter(|_| !matches!(what, What::Fired | What::Full));
    let mut alert = last.unwrap_or_else(|| bare(instance, rule, at));
    if what != What::RuleChanged {
        alert.since = since;
        instance.severity(rule).clone_into(&mut alert.severity);
    }
    alert.ts = at;
    alert.state = state_of(what, instance.phase);
    alert.reason = clock_reason(instance, rule, what, &alert);
    instance.alert = Some(alert.clone());
    alert
}

fn clock_reason(instance: &Instance, rule: &Rule, what: What, alert: &AlertRecord) -> String {
    let held = duration_text(alert.since.until(alert.ts));
    let window = rule.window().and_then(|window| instance.memory.text(window, alert.ts));
    match (what, &rule.condition) {
        (What::Vanished, _) => {
            format!("no record of it came for {}", duration_text(rule.forget_after()))
        }
        (What::NoData, _) => {
            let time = rule.no_data.unwrap_or_default();
            format!("no record of it came for {}", duration_text(time))
        }
        (What::Full, _) => full(rule),
        (What::RuleChanged, _) => RULE_CHANGED.to_owned(),
        (What::Resolved, _) if instance.is_itself() => "it turns no more away".to_owned(),
        (What::Resolved, _) => format!("the condition is over, resolved after {held}"),
        (What::Repeated, _) => format!("still firing after {held}"),
        (What::Escalated, _) => format!("{} now", alert.severity),
        (What::Lowered, _) => format!("no more than {} now", alert.severity),
        (_, Condition::Absent { time, .. }) => {
            format!("nothing was seen for {}", duration_text(*time))
        }
        _ => window.unwrap_or_else(|| {
            format!("the condition is met for {held} and no record said otherwise")
        }),
    }
}

const RULE_CHANGED: &str = "the rule was changed and starts afresh";

fn full(rule: &Rule) -> String {
    format!("the rule watches {} instances, its limit, and looks at no others", rule.limit)
}

/// Ends the alert of an instance whose rule is gone.
pub(crate) fn by_end(instance: &mut Instance) {
    let Some(alert) = &mut instance.alert else { return };
    alert.ts = instance.last.max(alert.ts);
    alert.state = AlertState::Resolved;
    alert.reason = "the rule is gone from the rules file, or switched off".to_owned();
}

fn bare(instance: &Instance, rule: &Rule, at: Timestamp) -> AlertRecord {
    let key: Value =
        instance.key.iter().map(|(n, v)| (n.clone(), Value::from(v.clone()))).collect();
    let itself = instance.is_itself();
    AlertRecord {
        kind: "alert".to_owned(),
        ts: at,
        alert: rule.name.clone(),
        state: AlertState::Firing,
        severity: rule.severity.clone(),
        id: instance.key.get("id").cloned(),
        run: instance.run,
        labels: if itself { rule.labels.clone() } else { labels(rule, &key, &instance.key) },
        since: instance.phase.map_or(at, Phase::since),
        value: None,
        summary: if itself { full(rule) } else { rule.summary.render(&key) },
        annotations: if itself { BTreeMap::new() } else { annotations(rule, &key) },
        reason: String::new(),
        fingerprint: instance.fingerprint(),
    }
}

/// Why this came of it, in words.
pub(crate) fn explain(
    rule: &Rule,
    instance: &Instance,
    what: What,
    since: Timestamp,
    at: Timestamp,
) -> String {
    let text = explanation(rule, instance, what, since, at);
    let shows = rule.window().and_then(|window| instance.memory.text(window, at));
    let shows = shows.map_or(String::new(), |shows| format!("; {shows}"));
    format!("rule '{}' for {}: {text}{shows} ({})", rule.name, instance.name(), what.word())
}

fn explanation(
    rule: &Rule,
    instance: &Instance,
    what: What,
    since: Timestamp,
    at: Timestamp,
) -> String {
    let needs = needs(rule.timing.hold);
    let keep = duration_text(rule.timing.keep_firing_for);
    let severity = instance.severity(rule);
    match what {
        What::Unmet => "the condition is not met".to_owned(),
        What::Unarmed => {
            "the condition is met, but was not seen not to be since this is watched".to_owned()
        }
        What::PendingBegan | What::PendingWaits => {
            format!("pending since {since}, needs {needs}, has {}", has(rule, instance, at))
        }
        What::PendingDropped => format!("the condition ended before it held for {needs}"),
        What::Fired => format!("fires, met since {since}"),
        What::StillFiring => format!("fires since {since}, was told and {}", again(rule)),
        What::Repeated => format!("fires since {since}, {}", again(rule)),
        What::RecoveryBegan => format!("the condition is over, needs to be for {keep}"),
        What::KeepsFiring => format!("the condition is over, not yet for {keep}"),
        What::FiredAnew => "fires for another run".to_owned(),
        What::FiringAgain => "the condition is met again within keep_firing_for".to_owned(),
        What::Resolved => format!("resolved after {}", duration_text(since.until(at))),
        What::Escalated => format!("fires since {since}, and is {severity} now"),
        What::Lowered => format!("fires since {since}, but is no more than {severity} now"),
        What::NoData => {
            let time = duration_text(rule.no_data.unwrap_or_default());
            format!("no record came for {time}, so that nothing can be told")
        }
        What::DataBack => "records come again, and it does not fire".to_owned(),
        What::BackFiring => "records come again, and it fires".to_owned(),
        What::Full => full(rule),
        What::Vanished => {
            format!("no record came for {}, forgotten", duration_text(rule.forget_after()))
        }
        What::RuleChanged => RULE_CHANGED.to_owned(),
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
        (Some(phase), _) => duration_text(phase.since().until(at)),
        (None, _) => "nothing".to_owned(),
    }
}

fn again(rule: &Rule) -> String {
    rule.timing.repeat.map_or("is not repeated".to_owned(), |time| {
        format!("is repeated every {}", duration_text(time))
    })
}
