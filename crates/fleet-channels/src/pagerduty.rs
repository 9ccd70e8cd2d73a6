//! The `pagerduty` channel: Events API v2, one event for each alert.

use std::time::Duration;

use fleet_config::Fault;
use fleet_notify::{Carrier, Notification, Reason, Verdict};
use fleet_rules::{AlertRecord, AlertState};
use serde_json::{Value, json};

use crate::answer::Answer;
use crate::error::ChannelError;
use crate::excerpt::{self, cut};
use crate::http::{Ask, Client, Trust};
use crate::keys::Keys;
use crate::notice::told;
use crate::parts::Parts;
use crate::prometheus::{annotations, labels};
use crate::render::name;
use crate::secret::Secret;
use crate::url::Url;

/// Where events go; accounts in Europe have another host.
const EVENTS: &str = "https://events.pagerduty.com/v2/enqueue";
/// Longest summary, in characters.
const SUMMARY: usize = 1024;
/// Longest key of deduplication, in characters.
const KEY: usize = 255;
/// Largest event, in bytes.
const EVENT: usize = 512 << 10;
/// Longest value among the details, in characters.
const DETAIL: usize = 10_000;

/// A service of PagerDuty.
#[derive(Clone, Debug)]
pub struct PagerDuty {
    url: Url,
    key: Secret,
    trust: Trust,
}

impl PagerDuty {
    pub(crate) fn load(keys: &mut Keys) -> Result<PagerDuty, Fault> {
        let key = Secret::load(keys, "routing_key")?;
        let url = Url::find(keys)?.unwrap_or(Url::Plain(EVENTS.to_owned()));
        Ok(PagerDuty { url, key, trust: Trust::load(keys)? })
    }

    pub(crate) fn carrier(&self, timeout: Duration) -> Result<Pager, ChannelError> {
        let mut client = Client::open(&self.trust, timeout)?;
        let url = client.hide_url(self.url.read()?);
        let key = client.hide(self.key.read()?);
        if key.chars().count() != 32 {
            let what = "no routing key of PagerDuty, which has 32 characters";
            return Err(ChannelError::Form { key: "routing_key", what });
        }
        Ok(Pager { client, url, key, parts: Parts::default() })
    }
}

/// Sends events.
pub(crate) struct Pager {
    client: Client,
    url: String,
    key: String,
    parts: Parts,
}

impl Carrier for Pager {
    fn deliver(&mut self, notification: &Notification) -> Verdict {
        let Pager { client, url, key, parts } = self;
        let events = events(notification, key);
        let deadline = client.deadline();
        parts.deliver(&notification.id, events.len(), |part| {
            let Some(body) = events.get(part) else { return Verdict::Delivered };
            let ask = Ask::json(url, body.as_bytes());
            client.ask(&ask, deadline).map_or_else(Verdict::from, |answer| verdict(&answer))
        })
    }
}

/// 202 is taken; 400 has to be mended, and if it is the key that is wrong, nothing will ever arrive.
fn verdict(answer: &Answer) -> Verdict {
    let body = answer.body.to_lowercase();
    let key = body.contains("routing_key") || body.contains("routing key");
    match answer.status {
        400 if key => Verdict::Dead { why: answer.words() },
        _ => answer.verdict(&[401, 403, 404, 410]),
    }
}

/// The events of a notification. What only tries the way is over as soon as it has begun.
fn events(notification: &Notification, key: &str) -> Vec<String> {
    let mut events = Vec::new();
    for alert in told(notification).iter() {
        events.push(event(alert, notification, key));
        if notification.reason == Reason::Test && alert.state != AlertState::Resolved {
            let over = AlertRecord { state: AlertState::Resolved, ..alert.clone() };
            events.push(event(&over, notification, key));
        }
    }
    events
}

/// The event of one alert. The machine is part of its key: the same alert may fire on two.
fn event(alert: &AlertRecord, notification: &Notification, key: &str) -> String {
    let dedup = cut(&format!("{}@{}", alert.fingerprint, notification.host), KEY);
    if alert.state == AlertState::Resolved {
        return json!({"routing_key": key, "event_action": "resolve", "dedup_key": dedup})
            .to_string();
    }
    let mut event = json!({
        "routing_key": key,
        "event_action": "trigger",
        "dedup_key": dedup,
        "client": "fleet-alert",
        "payload": payload(alert, notification),
        "links": links(alert),
    });
    let text = event.to_string();
    if text.len() <= EVENT {
        return text;
    }
    event["payload"]["custom_details"] = json!({"left_out": "the details were too large"});
    event.to_string()
}

fn payload(alert: &AlertRecord, notification: &Notification) -> Value {
    let summary = format!("{} — {}", name(alert), excerpt::line(&alert.summary, SUMMARY));
    let mut payload = json!({
        "summary": cut(&summary, SUMMARY),
        "source": notification.host,
        "severity": severity(&alert.severity),
        "timestamp": alert.ts,
        "class": alert.alert,
        "custom_details": details(alert, notification),
    });
    if let Some(id) = &alert.id {
        payload["component"] = json!(id);
    }
    payload
}

fn details(alert: &AlertRecord, notification: &Notification) -> Value {
    let mut all = labels(alert, &notification.host);
    all.extend(annotations(alert));
    all.values_mut().for_each(|value| *value = cut(value, DETAIL));
    if notification.held_back > 0 {
        all.insert("held_back".to_owned(), notification.held_back.to_string());
    }
    json!(all)
}

/// The annotations that are addresses.
fn links(alert: &AlertRecord) -> Vec<Value> {
    let web = |url: &str| url.starts_with("https://") || url.starts_with("http://");
    let all = alert.annotations.iter().filter(|(_, url)| web(url));
    all.map(|(name, url)| json!({"href": url, "text": name})).collect()
}

/// PagerDuty knows four severities.
fn severity(severity: &str) -> &'static str {
    match severity {
        "critical" => "critical",
        "high" | "error" => "error",
        "info" => "info",
        _ => "warning",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{answered, empty, notification, resolved, severe};

    fn parsed(told: &Notification) -> Vec<Value> {
        let events = events(told, "0123456789abcdef0123456789abcdef");
        events.iter().map(|event| serde_json::from_str(event).unwrap()).collect()
    }

    #[test]
    fn answers_mean_what_pagerduty_says_they_do() {
        for (status, body, word) in [
            (202, r#"{"status":"success"}"#, "Delivered"),
            (400, r#"{"errors":["'payload.severity' is wrong"]}"#, "Refused"),
            (400, r#"{"errors":["Length of 'routing_key' is incorrect"]}"#, "Dead"),
            (413, "", "Refused"),
            (429, "", "Again"),
            (500, "", "Again"),
            (503, "", "Again"),
        ] {
            answered(verdict, status, body, word);
        }
    }

    #[test]
    fn each_alert_is_an_event_that_its_resolve_names() {
        let all = parsed(&notification(vec![severe("loss", "high"), resolved("loss")]));
        let (trigger, resolve) = (&all[0], &all[1]);
        assert_eq!(trigger["event_action"], "trigger");
        assert_eq!(trigger["payload"]["severity"], "error");
        assert_eq!(trigger["payload"]["source"], "workstation");
        assert_eq!(trigger["payload"]["component"], "web-1");
        assert_eq!(trigger["payload"]["timestamp"], "2026-11-22T06:15:00.000000Z");
        assert_eq!(trigger["payload"]["custom_details"]["team"], "vision");
        assert_eq!(trigger["links"][0]["text"], "runbook");
        assert_eq!(resolve["event_action"], "resolve");
        assert_eq!(resolve["dedup_key"], trigger["dedup_key"]);
        assert_eq!(trigger["dedup_key"], "loss.web-1@workstation");
    }

    #[test]
    fn severities_are_those_that_pagerduty_knows() {
        for (ours, theirs) in [
            ("critical", "critical"),
            ("high", "error"),
            ("medium", "warning"),
            ("warning", "warning"),
            ("info", "info"),
            ("purple", "warning"),
        ] {
            assert_eq!(severity(ours), theirs);
        }
    }

    #[test]
    fn a_test_opens_no_incident_that_stays() {
        let all = parsed(&empty(Reason::Test, "hello"));
        let actions: Vec<_> = all.iter().map(|event| &event["event_action"]).collect();
        assert_eq!(actions, ["trigger", "resolve"]);
        assert_eq!(all[0]["payload"]["severity"], "info");
    }

    #[test]
    fn huge_alerts_stay_within_the_limits() {
        let mut told = severe("loss", "critical");
        told.summary = "ä".repeat(100_000);
        for number in 0..200 {
            told.annotations.insert(format!("note{number}"), "x".repeat(20_000));
        }
        let mut told = notification(vec![told]);
        told.host = "h".repeat(300);
        let event = &parsed(&told)[0];
        assert!(event.to_string().len() <= 512 << 10);
        assert_eq!(event["payload"]["summary"].as_str().unwrap().chars().count(), 1024);
        assert_eq!(event["dedup_key"].as_str().unwrap().chars().count(), 255);
        assert!(event["payload"]["custom_details"]["left_out"].is_string());
    }
}
