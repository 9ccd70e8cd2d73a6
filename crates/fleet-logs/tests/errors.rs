//! `fleet-logs --errors`: errors that are the same as one.

mod support;

use serde_json::{Value, json};
use support::{Fleet, Log, stamp};

/// Writes lines to standard error.
fn says(log: &Log, at: i64, lines: &[&str]) {
    for line in lines {
        log.write(at, "stderr F", line);
    }
}

/// A traceback of Python with this message.
fn fails(log: &Log, at: i64, line: u32, message: &str) {
    let place = format!("  File \"/srv/app/train.py\", line {line}, in step");
    let error = format!("ValueError: {message}");
    says(
        log,
        at,
        &["Traceback (most recent call last):", &place, "    raise ValueError(x)", &error],
    );
}

/// Of each record these members.
fn of(records: &[Value], keys: &[&str]) -> Vec<Value> {
    let part = |record: &Value| keys.iter().map(|key| record[key].clone()).collect::<Value>();
    records.iter().map(part).collect()
}

#[test]
fn errors_that_are_the_same_are_one_record() {
    let fleet = Fleet::new();
    let (a, b) = (fleet.ended("a"), fleet.ended("b"));
    fails(&a, 1, 10, "no batch 7 of 12");
    a.out(2, "an ordinary line");
    fails(&b, 3, 11, "no batch 31 of 99");
    says(&a, 4, &["ERROR: lost 10.0.0.1:5432", "INFO: goes on"]);
    says(&b, 5, &["CRITICAL: lost 10.0.0.2:5433"]);
    fails(&a, 6, 10, "no batch 8 of 12");
    let records = fleet.records(&["--errors"]);
    let keys =
        ["kind", "count", "first_at", "last_at", "ids", "level", "language", "type", "message"];
    assert_eq!(
        of(&records, &keys)[0],
        json!([
            "log_error",
            3,
            micros(1),
            micros(6),
            ["a", "b"],
            "error",
            "python",
            "ValueError",
            "no batch 8 of 12"
        ])
    );
    let text = records[0]["text"].as_str().unwrap();
    assert!(
        text.starts_with("Traceback") && text.ends_with("ValueError: no batch 8 of 12"),
        "{text}"
    );
    assert_eq!(records[0]["frames"][0]["function"], "step");
    assert!(records.iter().all(|r| r["fingerprint"].as_str().unwrap().len() == 16));
    // Lines of errors without a traceback: one is an error, the other worse.
    let lines = of(&records[1..], &["count", "level", "message", "language"]);
    assert_eq!(
        lines,
        [
            json!([1, "critical", "CRITICAL: lost 10.0.0.2:5433", null]),
            json!([1, "error", "ERROR: lost 10.0.0.1:5432", null]),
        ]
    );
    let array: Vec<Value> = serde_json::from_str(&fleet.text(&["--errors", "-o", "json"])).unwrap();
    assert_eq!(array, records);
}

/// A record's stamp, which unlike that of a line has six digits.
fn micros(at: i64) -> String {
    stamp(at).replace("000000000Z", "000000Z")
}

#[test]
fn what_is_logged_before_a_traceback_is_said_of_it() {
    let fleet = Fleet::new();
    let log = fleet.ended("a");
    says(&log, 1, &["2026-11-22 06:00:01,000 ERROR root: turn 1 failed", "and is tried again"]);
    fails(&log, 1, 10, "x");
    says(&log, 5, &["2026-11-22 06:00:05,000 ERROR root: gave up"]);
    let records = fleet.records(&["--errors"]);
    assert_eq!(records.len(), 2, "{records:?}");
    assert_eq!(records[0]["message"], "2026-11-22 06:00:05,000 ERROR root: gave up");
    assert_eq!(records[1]["logged"], "2026-11-22 06:00:01,000 ERROR root: turn 1 failed");
}

#[test]
fn people_see_how_often_who_when_and_the_traceback() {
    let fleet = Fleet::new();
    let log = fleet.ended("a");
    fails(&log, 1, 10, "one\u{1b}]0;evil\u{7}");
    fails(&log, 2, 10, "one");
    fails(&log, 3, 10, "two");
    let text = fleet.text(&["--errors", "-o", "table"]);
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 2 * 6, "{text}");
    assert_eq!(lines[0], "     2x  ValueError: one");
    assert!(lines[1].contains(&format!("a · {} to {}", micros(1), micros(2))), "{text}");
    assert_eq!(lines[2], "         Traceback (most recent call last):");
    assert_eq!(lines[6], "     1x  ValueError: two");
    assert!(!text.contains('\u{1b}'));
    let each = fleet.text(&["--errors", "--traceback", "-o", "table"]);
    assert_eq!(each.matches("Traceback (most").count(), 3);
}

#[test]
fn a_table_of_values_has_a_row_each() {
    let fleet = Fleet::new();
    let log = fleet.ended("a");
    fails(&log, 1, 10, "a, \"b\"");
    let text = fleet.text(&["--errors", "-o", "csv"]);
    assert!(text.starts_with("fingerprint,count,first_at,last_at,level,language,type,message,"));
    assert!(text.contains("\"a, \"\"b\"\"\""), "{text}");
}

#[test]
fn selectors_times_and_streams_narrow_it() {
    let fleet = Fleet::new();
    let (a, b) = (fleet.ended("a"), fleet.ended("b"));
    fails(&a, 1, 10, "early");
    fails(&a, 9, 10, "late");
    fails(&b, 9, 10, "other");
    let messages = |args: &[&str]| {
        let records = fleet.records(&[&["--errors"], args].concat());
        let mut messages: Vec<String> =
            records.iter().map(|r| r["message"].as_str().unwrap().to_owned()).collect();
        messages.sort();
        messages.join(" ")
    };
    assert_eq!(messages(&[]), "early late other");
    assert_eq!(messages(&["a", "--since", &stamp(5)]), "late");
    assert_eq!(messages(&["b"]), "other");
    assert_eq!(messages(&["--stream", "stdout"]), "");
    assert_eq!(messages(&["-g", "early"]), "early");
}

#[test]
fn a_follower_tells_new_errors_at_once_and_then_ever_more_seldom() {
    let fleet = Fleet::new();
    let log = fleet.running("a");
    fails(&log, 1, 10, "first");
    let mut follower = fleet.follow(&["--errors", "-f", "-o", "jsonl"]);
    follower.until_line("first");
    let told = |line: &String| {
        let record: Value = serde_json::from_str(line).unwrap();
        of(&[record], &["message", "count"]).remove(0)
    };
    assert_eq!(told(&follower.seen[0]), json!(["first", 1]));
    for _ in 0..2 {
        fails(&log, 2, 10, "first");
    }
    fails(&log, 3, 10, "second");
    follower.until("two more", |seen| seen.len() >= 3);
    let mut seen: Vec<Value> = follower.seen[1..].iter().map(told).collect();
    seen.sort_by_key(Value::to_string);
    assert_eq!(seen[1], json!(["second", 1]));
    // Whether it was looked at after the second or after the third only.
    assert!([json!(["first", 2]), json!(["first", 3])].contains(&seen[0]), "{seen:?}");
}

#[test]
fn what_cannot_be_combined_is_said() {
    let fleet = Fleet::new();
    fleet.ended("a");
    fleet.run(&["--errors", "--raw"]).code(2);
    fleet.run(&["--traceback"]).code(2);
    fleet.run(&["--errors", "-f", "-o", "json"]).code(2);
    assert_eq!(fleet.text(&["--errors"]), "");
}
