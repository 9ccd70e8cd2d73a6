//! Notifications for the tests of this crate.

use std::collections::BTreeMap;

use fleet_core::Timestamp;
use fleet_notify::{Notification, Reason};
use fleet_rules::{AlertRecord, AlertState};
use serde_json::json;

/// A moment that is written so.
pub(crate) fn at(text: &str) -> Timestamp {
    Timestamp::parse(text, Timestamp::now()).unwrap()
}

/// An alert that fires.
pub(crate) fn alert(name: &str, severity: &str) -> AlertRecord {
    AlertRecord {
        kind: "alert".to_owned(),
        ts: at("2026-11-22T06:01:00Z"),
        alert: name.to_owned(),
        state: AlertState::Firing,
        severity: severity.to_owned(),
        id: Some("web-1".to_owned()),
        run: Some(2),
        labels: serde_json::from_value(json!({"team": "vision"})).unwrap(),
        since: at("2026-11-22T06:00:00Z"),
        value: Some(json!(93.0)),
        summary: "uses 93 %".to_owned(),
        annotations: BTreeMap::from([(
            "runbook".to_owned(),
            "https://runbooks.example/memory".to_owned(),
        )]),
        reason: "first".to_owned(),
        fingerprint: "00112233445566aa".to_owned(),
    }
}

/// An alert that is over.
pub(crate) fn resolved(name: &str) -> AlertRecord {
    let ts = at("2026-11-22T06:05:00Z");
    AlertRecord { state: AlertState::Resolved, ts, ..alert(name, "high") }
}

/// A notification of these alerts.
pub(crate) fn notification(alerts: Vec<AlertRecord>) -> Notification {
    let alert = alerts.first().map(|alert| alert.alert.clone());
    Notification {
        group: alert.map(|alert| ("alert".to_owned(), alert)).into_iter().collect(),
        alerts,
        ..empty(Reason::First, "")
    }
}

/// A notification of no alert.
pub(crate) fn empty(reason: Reason, text: &str) -> Notification {
    Notification {
        kind: "notification".to_owned(),
        v: None,
        id: "0123456789abcdef".to_owned(),
        channel: "test".to_owned(),
        group: BTreeMap::new(),
        reason,
        created: at("2026-11-22T06:01:01Z"),
        host: "box".to_owned(),
        alerts: Vec::new(),
        held_back: 0,
        text: text.to_owned(),
    }
}
