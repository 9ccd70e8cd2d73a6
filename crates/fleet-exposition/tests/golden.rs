//! One scrape of fixed samples, byte for byte in both formats: a change of what is exported is
//! deliberate.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use fleet_core::Sample;
use fleet_exposition::{Exporter, Form};

const SAMPLES: &str = include_str!("golden/samples.jsonl");

fn check(form: Form, expected: &str) {
    let samples: Vec<Sample> =
        SAMPLES.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let (exposition, problems) = Exporter::default().round(&samples);
    assert_eq!(problems, Vec::<String>::new());
    let text = exposition.text(form);
    for (at, (line, expected)) in text.lines().zip(expected.lines()).enumerate() {
        assert_eq!(line, expected, "line {}", at + 1);
    }
    assert_eq!(text, expected);
}

#[test]
fn text() {
    check(Form::Text, include_str!("golden/scrape.prom"));
}

#[test]
fn open_metrics() {
    check(Form::OpenMetrics, include_str!("golden/scrape.openmetrics"));
}
