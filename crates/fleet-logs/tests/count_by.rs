//! Numbers instead of lines: `--count-by` and `--rate`.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use serde_json::{Value, json};
use support::{Fleet, stamp};

fn counted(records: &[Value], key: &str) -> Vec<(Value, u64)> {
    records.iter().map(|r| (r[key].clone(), r["lines"].as_u64().unwrap())).collect()
}

#[test]
fn lines_are_counted_by_what_they_are() {
    let fleet = Fleet::new();
    fleet.ended("a").out(1, "timed out").out(2, "x").write(3, "stderr F", "timed out again");
    fleet.ended("b").out(63, "Connection refused");
    let records = fleet.records(&["--count-by", "category"]);
    let expected = [(json!("timeout"), 2), (json!("connection_refused"), 1), (Value::Null, 1)];
    let mut found = counted(&records, "category");
    found.sort_by_key(|(value, lines)| (u64::MAX - lines, value.is_null()));
    assert_eq!(found, expected);
    assert_eq!(records[0]["kind"], "sample");
    assert_eq!(records[0]["subject"], "log");
    assert_eq!(records[0]["since"], json!(micros(1)));
    assert_eq!(records[0]["until"], json!(micros(63)));
    for (key, expected) in [
        ("id", vec![(json!("a"), 3), (json!("b"), 1)]),
        ("stream", vec![(json!("stdout"), 3), (json!("stderr"), 1)]),
        ("attempt", vec![(json!(1), 4)]),
        ("minute", vec![(json!(micros(0)), 3), (json!(micros(60)), 1)]),
    ] {
        assert_eq!(counted(&fleet.records(&["--count-by", key]), key), expected);
    }
    let table = fleet.text(&["--count-by", "id", "-o", "table"]);
    assert_eq!(table, "ID  LINES\na       3\nb       1\n");
    let csv = fleet.text(&["--count-by", "id,stream", "-o", "csv"]);
    assert_eq!(csv, "id,stream,lines\na,stdout,2\na,stderr,1\nb,stdout,1\n");
    let crossed = fleet.text(&["--count-by", "id,stream", "-o", "table"]);
    assert_eq!(
        crossed,
        "ID  stderr  stdout  LINES\na        1       2      3\nb        -       1      1\n"
    );
}

#[test]
fn errors_without_a_traceback_have_a_fingerprint() {
    let fleet = Fleet::new();
    let lines = ["ERROR: job 7 is late", "ERROR: job 8 is late", "ERROR: no room", "INFO: job 9"];
    let log = fleet.ended("a");
    for (at, line) in lines.iter().enumerate() {
        log.out(at as i64, line);
    }
    let records = fleet.records(&["--count-by", "fingerprint"]);
    let mut found = counted(&records, "fingerprint");
    found.sort_by_key(|(value, lines)| (u64::MAX - lines, value.is_null()));
    let sorts: Vec<(bool, u64)> = found.iter().map(|(v, lines)| (v.is_string(), *lines)).collect();
    assert_eq!(sorts, [(true, 2), (true, 1), (false, 1)]);
}

fn micros(seconds: i64) -> String {
    stamp(seconds).replace("000000000Z", "000000Z")
}

#[test]
fn lines_are_counted_by_their_fields() {
    let fleet = Fleet::new();
    let log = fleet.log("a", 1);
    fleet.record("a", 1, "completed", json!({"labels": {"log_class": "integration", "team": "x"}}));
    for (at, status) in [200, 502, 200, 200, 404].into_iter().enumerate() {
        log.out(at as i64, &format!("service=billing status={status}"));
    }
    let records = fleet.records(&["--count-by", "id,field.status"]);
    let expected = [(json!(200), 3), (json!(404), 1), (json!(502), 1)];
    assert_eq!(counted(&records, "status"), expected);
    assert_eq!(records[0]["labels"]["team"], "x", "a rule can tell whose they are");
    assert_eq!(counted(&fleet.records(&["--count-by", "service"]), "service")[0].1, 5);
}

#[test]
fn a_rate_is_said_for_each_window() {
    let fleet = Fleet::new();
    let log = fleet.ended("a");
    for at in [0, 1, 9, 10, 25] {
        log.out(at, "x");
    }
    let records = fleet.records(&["--rate", "10s"]);
    let found: Vec<(&Value, &Value, &Value)> =
        records.iter().map(|r| (&r["since"], &r["lines"], &r["lines_per_second"])).collect();
    let (first, second, third) = (json!(micros(0)), json!(micros(10)), json!(micros(20)));
    let expected = [
        (&first, &json!(3), &json!(0.3)),
        (&second, &json!(1), &json!(0.1)),
        (&third, &json!(1), &json!(0.1)),
    ];
    assert_eq!(found, expected);
    assert_eq!(records[0]["until"], second);
    assert_eq!(records[0]["ts"], second);
    let csv = fleet.text(&["--rate", "10s", "--count-by", "level", "-o", "csv"]);
    assert!(csv.starts_with("since,level,lines,lines_per_second\n2026-"), "{csv}");
    assert_eq!(csv.lines().count(), 4);
}

#[test]
fn sorts_beyond_the_bound_are_counted_as_others_and_said() {
    let fleet = Fleet::new();
    let log = fleet.log("a", 1);
    fleet.record("a", 1, "completed", json!({"labels": {"log_class": "integration"}}));
    let lines: String =
        (0..10_050).map(|at| format!("{} stdout F service=s{at}\n", stamp(at))).collect();
    log.append(lines.as_bytes());
    let run = fleet.run(&["--count-by", "service", "-o", "jsonl"]).success();
    let said = String::from_utf8_lossy(&run.get_output().stderr).into_owned();
    assert!(said.contains("more than 10000 sorts of lines"), "{said}");
    let text = String::from_utf8_lossy(&run.get_output().stdout).into_owned();
    let first: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    assert_eq!((&first["service"], &first["lines"]), (&json!("(others)"), &json!(50)));
    assert_eq!(text.lines().count(), 10_001);
}

#[test]
fn each_window_is_said_when_it_ends_by_the_clock() {
    let fleet = Fleet::new();
    let log = fleet.running("a");
    let mut following = fleet.follow(&["-f", "a", "--rate", "1s", "-o", "jsonl"]);
    // Silence is said, too, and shows that it follows.
    following.until_line("\"lines\":0");
    let now = fleet_core::Timestamp::now().to_nanos_text();
    log.append(format!("{now} stdout F x\n{now} stdout F y\n").as_bytes());
    following.until_line("\"lines\":2,\"lines_per_second\":2,");
}

#[test]
fn numbers_without_an_end_are_refused() {
    let fleet = Fleet::new();
    fleet.ended("a").out(1, "x");
    for (args, hint) in [
        (&["-f", "--count-by", "level"][..], "add --rate 1m"),
        (&["-f", "--rate", "1s", "-o", "json"][..], "use -o jsonl"),
        (&["--rate", "0s"][..], "no duration"),
        (&["--category", "timeout", "-C", "3"][..], "cannot be used with"),
    ] {
        let run = fleet.run(args).code(2);
        let said = String::from_utf8_lossy(&run.get_output().stderr).into_owned();
        assert!(said.contains(hint), "{said}");
    }
}
