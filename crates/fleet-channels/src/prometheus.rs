//! Alerts in the words of Prometheus and Alertmanager: labels that name them, annotations that say more.

use std::collections::BTreeMap;

use fleet_core::duration_text;
use fleet_rules::{AlertRecord, AlertState};

use crate::render::held;

/// Names and values, in the order of names.
pub(crate) type Pairs = BTreeMap<String, String>;

/// The labels that an alert is known by: the same when it fires and when it is over.
pub(crate) fn labels(alert: &AlertRecord, host: &str) -> Pairs {
    let mut labels = Pairs::new();
    add(&mut labels, "alertname", &alert.alert);
    add(&mut labels, "severity", &alert.severity);
    add(&mut labels, "id", alert.id.as_deref().unwrap_or_default());
    for (name, value) in &alert.labels {
        add(&mut labels, name, value);
    }
    // Without it, the same alert of two machines would be one.
    if !labels.contains_key("host") {
        add(&mut labels, "host", host);
    }
    labels
}

/// What is said of an alert and may change while it fires.
pub(crate) fn annotations(alert: &AlertRecord) -> Pairs {
    let mut annotations = Pairs::new();
    add(&mut annotations, "summary", &alert.summary);
    for (name, value) in &alert.annotations {
        add(&mut annotations, name, value);
    }
    let value =
        alert.value.as_ref().map(|v| v.as_str().map_or_else(|| v.to_string(), str::to_owned));
    let missing = matches!(alert.state, AlertState::NoData | AlertState::Error);
    for (name, text) in [
        ("reason", Some(alert.reason.clone())),
        ("duration", held(alert).map(duration_text)),
        ("value", value),
        ("state", missing.then(|| alert.state.word().to_owned())),
        ("run", alert.run.map(|run| run.to_string())),
    ] {
        if let Some(text) = text.filter(|_| !annotations.contains_key(name)) {
            add(&mut annotations, name, &text);
        }
    }
    annotations
}

/// Adds a pair under a name that Prometheus takes. Alertmanager drops empty values, so they are
/// left out here too.
fn add(pairs: &mut Pairs, name: &str, value: &str) {
    if value.is_empty() {
        return;
    }
    let mut name = sanitised(name);
    while pairs.contains_key(&name) {
        name.push('_');
    }
    pairs.insert(name, value.to_owned());
}

/// The nearest name of the form `[a-zA-Z_][a-zA-Z0-9_]*`: older servers refuse any other.
pub(crate) fn sanitised(name: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let mut name: String = name.chars().map(plain).collect();
    if name.starts_with(|c: char| c.is_ascii_digit()) || name.is_empty() {
        name.insert(0, '_');
    }
    name
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{resolved, severe};
    use proptest::prelude::*;

    #[test]
    fn an_alert_has_the_same_labels_to_its_end() {
        let mut firing = severe("loss", "high");
        firing.labels.insert("a-b".to_owned(), "1".to_owned());
        firing.labels.insert("a.b".to_owned(), "2".to_owned());
        firing.labels.insert("empty".to_owned(), String::new());
        let mut over = resolved("loss");
        over.labels.clone_from(&firing.labels);
        assert_eq!(labels(&firing, "workstation"), labels(&over, "workstation"));
        let pairs: Vec<_> = labels(&firing, "workstation").into_iter().collect();
        let expected = [
            ("a_b", "1"),
            ("a_b_", "2"),
            ("alertname", "loss"),
            ("host", "workstation"),
            ("id", "web-1"),
            ("severity", "high"),
            ("team", "vision"),
        ];
        assert_eq!(pairs, expected.map(|(a, b)| (a.to_owned(), b.to_owned())));
    }

    #[test]
    fn annotations_hold_what_changes() {
        let all = annotations(&severe("loss", "high"));
        assert_eq!(all["value"], "97.5");
        assert_eq!(all["duration"], "10m00s");
        assert_eq!(all["summary"], "web-1 is high");
        assert!(!all.contains_key("state"));
    }

    proptest! {
        #[test]
        fn every_name_becomes_one_that_is_taken(name in ".{0,12}") {
            let name = sanitised(&name);
            prop_assert!(name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_'));
            prop_assert!(name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_'));
        }
    }
}
