//! Notifications that the tests of this crate share.

use std::collections::BTreeMap;

use fleet_core::Timestamp;
use fleet_notify::{Notification, Reason, Verdict};
use fleet_rules::{AlertRecord, AlertState};

use crate::answer::Answer;

/// A quarter past six.
pub(crate) fn now() -> Timestamp {
    Timestamp::parse("2026-11-22T06:15:00Z", Timestamp::now()).unwrap()
}

/// An alert of a rule about a process that has fired for ten minutes.
pub(crate) fn alert(rule: &str, id: &str) -> AlertRecord {
    AlertRecord {
        kind: "alert".to_owned(),
        ts: now(),
        alert: rule.to_owned(),
        state: AlertState::Firing,
        severity: "high".to_owned(),
        id: Some(id.to_owned()),
        run: Some(1),
        labels: BTreeMap::from([("team".to_owned(), "vision".to_owned())]),
        since: now().minus(std::time::Duration::from_secs(600)),
        value: Some(97.5.into()),
        summary: format!("{id} is high"),
        annotations: BTreeMap::new(),
        reason: "x is 97.5".to_owned(),
        fingerprint: format!("{rule}.{id}"),
    }
}

/// The first notification of these alerts.
pub(crate) fn notification(alerts: impl IntoIterator<Item = AlertRecord>) -> Notification {
    Notification {
        kind: "notification".to_owned(),
        v: None,
        id: "00112233445566aa".to_owned(),
        channel: "mail".to_owned(),
        group: BTreeMap::new(),
        reason: Reason::First,
        created: now(),
        host: "workstation".to_owned(),
        alerts: alerts.into_iter().collect(),
        held_back: 0,
        text: String::new(),
    }
}

/// An alert of this severity, of which there is more to be read.
pub(crate) fn severe(rule: &str, severity: &str) -> AlertRecord {
    let runbook = ("runbook".to_owned(), "https://runbooks.example/memory".to_owned());
    AlertRecord {
        severity: severity.to_owned(),
        annotations: BTreeMap::from([runbook]),
        ..alert(rule, "web-1")
    }
}

/// An alert that is over.
pub(crate) fn resolved(rule: &str) -> AlertRecord {
    AlertRecord { state: AlertState::Resolved, ..severe(rule, "high") }
}

/// A notification that is about no alert.
pub(crate) fn empty(reason: Reason, text: &str) -> Notification {
    Notification { reason, text: text.to_owned(), ..notification([]) }
}

/// Holds the verdict on an answer of this status and body against its name.
pub(crate) fn answered(verdict: fn(&Answer) -> Verdict, status: u16, body: &str, word: &str) {
    let json = body.starts_with('{');
    let answer = Answer { status, json, retry_after: None, body: body.to_owned() };
    let verdict = format!("{:?}", verdict(&answer));
    assert!(verdict.starts_with(word), "{status} {body}: {verdict}");
}
