//! What each channel sends, as a server receives it.

use fleet_testkit::{Answer, Receiver};

use super::*;

#[test]
fn a_webhook_sends_what_is_written_and_signs_it() {
    let (_folder, file) = secret(SECRET);
    let receiver = Receiver::start();
    let mut hook = carrier(&format!(
        "type = 'webhook'\nurl = '{}'\nmethod = 'PUT'\ntoken_file = '{file}'\n\
         signature_file = '{file}'\nheaders = {{ X-Team = 'a', X-Key_file = '{file}' }}",
        receiver.url("/hook?a=b")
    ));
    assert_eq!(hook.deliver(&first()), Verdict::Delivered);
    let request = &receiver.requests()[0];
    assert_eq!((request.method.as_str(), request.path.as_str()), ("PUT", "/hook?a=b"));
    let version = concat!("fleet-alert/", env!("CARGO_PKG_VERSION"));
    for (name, value) in [
        ("user-agent", version),
        ("content-type", "application/json"),
        ("idempotency-key", "0123456789abcdef"),
        ("authorization", &format!("Bearer {SECRET}")),
        ("x-team", "a"),
        ("x-key", SECRET),
    ] {
        assert_eq!(request.header(name), Some(value), "{name}");
    }
    let signature = request.header("x-fleet-signature").unwrap();
    assert!(signature.starts_with("sha256=") && signature.len() == 71, "{signature}");
    assert_eq!(serde_json::from_value::<Notification>(request.json()).unwrap(), first());
}

#[test]
fn a_webhook_sends_a_template() {
    let receiver = Receiver::start();
    let mut hook = carrier(&format!(
        "type = 'webhook'\nurl = '{}'\ntemplate = '{{\"content\": \"{{{{title}}}}\"}}'",
        receiver.url("/")
    ));
    assert_eq!(hook.deliver(&first()), Verdict::Delivered);
    assert_eq!(receiver.requests()[0].json(), json!({"content": "[critical] memory_high: web-1"}));
}

/// PagerDuty's public schema of an event, declared again without room for anything else.
mod pagerduty {
    use std::collections::BTreeMap;

    use serde::Deserialize;

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields, tag = "event_action", rename_all = "lowercase")]
    pub(super) enum Event {
        Trigger {
            routing_key: String,
            dedup_key: String,
            payload: Payload,
            client: String,
            links: Vec<Link>,
        },
        Resolve {
            routing_key: String,
            dedup_key: String,
        },
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Payload {
        pub(super) summary: String,
        pub(super) severity: Severity,
        pub(super) source: String,
        pub(super) timestamp: String,
        pub(super) component: String,
        pub(super) class: String,
        pub(super) custom_details: BTreeMap<String, String>,
    }

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(rename_all = "lowercase")]
    pub(super) enum Severity {
        Critical,
        Error,
        Warning,
        Info,
    }

    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    pub(super) struct Link {
        pub(super) href: String,
        pub(super) text: String,
    }
}

#[test]
fn pagerduty_gets_an_event_for_each_alert() {
    use pagerduty::{Event, Severity};

    let (_folder, key) = secret(SECRET);
    let receiver = Receiver::start();
    receiver.otherwise(|_| Answer::status(202));
    let url = receiver.url("/v2/enqueue");
    let mut pager =
        carrier(&format!("type = 'pagerduty'\nrouting_key_file = '{key}'\nurl = '{url}'"));
    let both = [alert("memory_high", "firing"), alert("memory_high", "resolved")];
    assert_eq!(pager.deliver(&notification("a", "more", &both)), Verdict::Delivered);
    let requests = receiver.requests();
    let event = |at: usize| serde_json::from_slice(&requests[at].body).unwrap();
    let Event::Trigger { routing_key, dedup_key, payload, client, links } = event(0) else {
        panic!("the first event is no trigger");
    };
    assert_eq!((routing_key.as_str(), client.as_str()), (SECRET, "fleet-alert"));
    assert_eq!(payload.summary, "memory_high: web-1 — uses 93.5 %");
    assert_eq!(payload.severity, Severity::Critical);
    assert_eq!((payload.source.as_str(), payload.component.as_str()), ("box", "web-1"));
    assert_eq!(payload.timestamp, "2026-11-22T06:01:00.000000Z");
    assert_eq!(payload.class, "memory_high");
    assert_eq!(payload.custom_details["gpu_model"], "x");
    assert_eq!(links[0].href, "https://runbooks.example/memory");
    assert_eq!(links[0].text, "runbook");
    let Event::Resolve { routing_key, dedup_key: resolved } = event(1) else {
        panic!("the second event is no resolve");
    };
    assert_eq!((routing_key.as_str(), resolved), (SECRET, dedup_key));
}

#[test]
fn slack_gets_a_message() {
    let receiver = Receiver::start();
    let (_folder, url) = secret(&receiver.url("/services/T000/B000/abc"));
    let mut slack = carrier(&format!("type = 'slack'\nurl_file = '{url}'"));
    assert_eq!(slack.deliver(&first()), Verdict::Delivered);
    let request = &receiver.requests()[0];
    assert_eq!(request.path, "/services/T000/B000/abc");
    assert_eq!(request.json()["text"], "[critical] memory_high: web-1");
}

#[test]
fn ntfy_gets_a_message_for_its_topic() {
    let (_folder, file) = secret(SECRET);
    let receiver = Receiver::start();
    let url = receiver.url("");
    let mut ntfy = carrier(&format!(
        "type = 'ntfy'\nurl = '{url}'\ntopic = 'alerts'\nuser = 'u'\npassword_file = '{file}'"
    ));
    assert_eq!(ntfy.deliver(&first()), Verdict::Delivered);
    let request = &receiver.requests()[0];
    assert!(request.header("authorization").unwrap().starts_with("Basic "));
    assert_eq!(request.json()["topic"], "alerts");
    assert_eq!(request.json()["priority"], 5);
}

#[test]
fn healthchecks_hears_that_all_is_well_or_not_and_keeps_alerts_as_a_log() {
    let (_folder, key) = secret(SECRET);
    let receiver = Receiver::start();
    let text = format!(
        "type = 'healthchecks'\nping_key_file = '{key}'\nslug = 'fleet-alert'\nurl = '{}'",
        receiver.url("/ping")
    );
    let mut heart = channel(&text).heart().unwrap().unwrap();
    assert_eq!(heart.beat(Ok(())), Verdict::Delivered);
    assert_eq!(heart.beat(Err("the disk is full")), Verdict::Delivered);
    assert_eq!(carrier(&text).deliver(&first()), Verdict::Delivered);
    let requests = receiver.requests();
    let said: Vec<_> =
        requests.iter().map(|r| (r.method.as_str(), r.path.clone(), r.text())).collect();
    let path = |end: &str| format!("/ping/{SECRET}/fleet-alert{end}");
    assert_eq!(said[0], ("POST", path(""), String::new()));
    assert_eq!(said[1], ("POST", path("/fail"), "the disk is full".to_owned()));
    assert_eq!(said[2].1, path("/log"));
    assert!(said[2].2.starts_with("[critical] memory_high: web-1\n"));
    assert!(channel("type = 'stderr'").heart().unwrap().is_none());
}
