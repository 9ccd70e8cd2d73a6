//! The payload of Alertmanager's webhooks, version "4": what takes those takes this.

use std::collections::BTreeMap;

use fleet_core::Timestamp;
use fleet_notify::{Notification, Status};
use fleet_rules::{AlertRecord, AlertState};
use serde::Serialize;

use crate::notice::told;
use crate::prometheus::{Pairs, annotations, labels, sanitised};

/// How Go writes that there is no time.
const NEVER: &str = "0001-01-01T00:00:00Z";

/// The payload.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Payload {
    receiver: String,
    status: &'static str,
    alerts: Vec<Alert>,
    group_labels: Pairs,
    common_labels: Pairs,
    common_annotations: Pairs,
    #[serde(rename = "externalURL")]
    external_url: String,
    version: &'static str,
    group_key: String,
    truncated_alerts: u64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Alert {
    status: &'static str,
    labels: Pairs,
    annotations: Pairs,
    starts_at: Timestamp,
    ends_at: String,
    #[serde(rename = "generatorURL")]
    generator_url: String,
    fingerprint: String,
}

impl Payload {
    /// What a notification is in that form. What a limit held back counts as left out.
    pub(crate) fn of(notification: &Notification) -> Payload {
        let alerts: Vec<Alert> =
            told(notification).iter().map(|alert| one(alert, &notification.host)).collect();
        let group_labels = group(&notification.group);
        Payload {
            receiver: notification.channel.clone(),
            status: word(notification.status() == Status::Resolved),
            common_labels: common(alerts.iter().map(|alert| &alert.labels)),
            common_annotations: common(alerts.iter().map(|alert| &alert.annotations)),
            external_url: String::new(),
            version: "4",
            group_key: group_key(&group_labels),
            truncated_alerts: notification.held_back,
            group_labels,
            alerts,
        }
    }
}

fn one(alert: &AlertRecord, host: &str) -> Alert {
    let over = alert.state == AlertState::Resolved;
    Alert {
        status: word(over),
        labels: labels(alert, host),
        annotations: annotations(alert),
        starts_at: alert.since,
        ends_at: if over { alert.ts.to_string() } else { NEVER.to_owned() },
        generator_url: String::new(),
        fingerprint: alert.fingerprint.clone(),
    }
}

fn word(over: bool) -> &'static str {
    if over { "resolved" } else { "firing" }
}

/// The fields that a group has in common, by the names that the labels have.
fn group(fields: &BTreeMap<String, String>) -> Pairs {
    let name = |name: &str| if name == "alert" { "alertname".to_owned() } else { sanitised(name) };
    fields.iter().map(|(field, value)| (name(field), value.clone())).collect()
}

/// `{}:{alertname="A"}`, as Alertmanager names a group of its root route.
fn group_key(labels: &Pairs) -> String {
    let pairs: Vec<String> =
        labels.iter().map(|(name, value)| format!("{name}={value:?}")).collect();
    format!("{{}}:{{{}}}", pairs.join(", "))
}

/// The pairs that all have.
fn common<'a>(mut all: impl Iterator<Item = &'a Pairs>) -> Pairs {
    let mut common = all.next().cloned().unwrap_or_default();
    for pairs in all {
        common.retain(|name, value| pairs.get(name) == Some(value));
    }
    common
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{empty, notification, resolved, severe};
    use fleet_notify::Reason;
    use serde_json::{Value, json};

    fn payload(notification: &Notification) -> Value {
        serde_json::to_value(Payload::of(notification)).unwrap()
    }

    #[test]
    fn it_is_what_alertmanager_would_send() {
        let mut told = severe("loss", "high");
        told.labels.clear();
        let mut told = notification([told]);
        told.group.insert("alert".to_owned(), "loss".to_owned());
        let annotations = json!({"summary": "web-1 is high", "runbook": "https://runbooks.example/memory",
            "reason": "x is 97.5", "duration": "10m00s", "value": "97.5", "run": "1"});
        let labels =
            json!({"alertname": "loss", "severity": "high", "id": "web-1", "host": "workstation"});
        assert_eq!(
            payload(&told),
            json!({
                "receiver": "mail",
                "status": "firing",
                "alerts": [{
                    "status": "firing",
                    "labels": labels,
                    "annotations": annotations,
                    "startsAt": "2026-11-22T06:05:00.000000Z",
                    "endsAt": "0001-01-01T00:00:00Z",
                    "generatorURL": "",
                    "fingerprint": "loss.web-1",
                }],
                "groupLabels": {"alertname": "loss"},
                "commonLabels": labels,
                "commonAnnotations": annotations,
                "externalURL": "",
                "version": "4",
                "groupKey": "{}:{alertname=\"loss\"}",
                "truncatedAlerts": 0,
            })
        );
    }

    #[test]
    fn it_is_firing_while_any_alert_is() {
        let mixed = payload(&notification(vec![severe("a", "high"), resolved("b")]));
        assert_eq!(mixed["status"], "firing");
        assert_eq!(mixed["alerts"][1]["status"], "resolved");
        assert_eq!(mixed["alerts"][1]["endsAt"], "2026-11-22T06:15:00.000000Z");
        let expected =
            json!({"severity": "high", "id": "web-1", "host": "workstation", "team": "vision"});
        assert_eq!(mixed["commonLabels"], expected);
        assert_eq!(payload(&notification(vec![resolved("b")]))["status"], "resolved");
    }

    #[test]
    fn what_is_about_no_alert_is_one_alert() {
        let test = payload(&empty(Reason::Test, "hello"));
        assert_eq!(test["alerts"][0]["labels"]["alertname"], "fleet_alert_test");
        assert_eq!(test["groupKey"], "{}:{}");
    }
}
