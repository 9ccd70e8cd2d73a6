//! What is about no alert, as an alert: for receivers that know nothing else.

use std::borrow::Cow;
use std::collections::BTreeMap;

use fleet_core::Labels;
use fleet_notify::{Notification, Reason};
use fleet_rules::{AlertRecord, AlertState};

use crate::excerpt::cut;
use crate::render::title;

/// Longest summary of such an alert, in characters.
const SUMMARY: usize = 1000;

/// The alerts of a notification; one that has none is an alert itself.
pub(crate) fn told(notification: &Notification) -> Cow<'_, [AlertRecord]> {
    if notification.alerts.is_empty() {
        Cow::Owned(vec![notice(notification)])
    } else {
        Cow::Borrowed(&notification.alerts)
    }
}

fn notice(notification: &Notification) -> AlertRecord {
    let (alert, severity) = match notification.reason {
        Reason::Test => ("fleet_alert_test", "info"),
        Reason::DeadChannel => ("fleet_alert_dead_channel", "high"),
        _ => ("fleet_alert_notice", "info"),
    };
    let text = cut(&notification.text, SUMMARY);
    AlertRecord {
        kind: "alert".to_owned(),
        ts: notification.created,
        alert: alert.to_owned(),
        state: AlertState::Firing,
        severity: severity.to_owned(),
        id: None,
        run: None,
        labels: Labels::new(),
        since: notification.created,
        value: None,
        summary: if notification.text.is_empty() { title(notification) } else { text },
        annotations: BTreeMap::new(),
        reason: notification.reason.word().to_owned(),
        fingerprint: notification.id.clone(),
    }
}
