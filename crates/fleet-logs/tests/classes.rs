//! What `fleet-logs` makes of lines by the class of their process: categories, fields, anomalies.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::fs;

use serde_json::{Value, json};
use support::Fleet;

/// A process of a class with these lines, a second each.
fn classed(fleet: &Fleet, id: &str, class: &str, lines: &[&str]) {
    let log = fleet.log(id, 1);
    fleet.record(id, 1, "completed", json!({"labels": {"log_class": class}}));
    for (at, line) in lines.iter().enumerate() {
        log.out(at as i64, line);
    }
}

#[test]
fn records_have_the_category_and_the_fields_of_their_class() {
    let fleet = Fleet::new();
    classed(
        &fleet,
        "gate",
        "security",
        &["sshd[9]: Failed password for root from 203.0.113.7 port 51044 ssh2", "all is well"],
    );
    classed(&fleet, "train", "training", &["{'loss': nan, 'grad_norm': 1.5, 'epoch': 0.01}"]);
    fleet.ended("plain").out(5, "dial tcp 127.0.0.1:5432: connect: connection refused");
    let records = fleet.records(&["gate"]);
    assert_eq!(records[0]["category"], "auth_failure");
    assert_eq!(records[0]["level"], "warning");
    let fields =
        json!({"method": "password", "user": "root", "address": "203.0.113.7", "port": 51044});
    assert_eq!(records[0]["fields"], fields);
    assert_eq!((records[1].get("category"), records[1].get("fields")), (None, None));
    let train = &fleet.records(&["train"])[0];
    assert_eq!((&train["category"], &train["level"]), (&json!("nan_loss"), &json!("error")));
    assert_eq!(train["fields"], json!({"loss": "NaN", "grad_norm": 1.5, "epoch": 0.01}));
    assert_eq!(train["anomaly"], json!({"field": "loss", "value": "NaN"}));
    let plain = &fleet.records(&["plain"])[0];
    assert_eq!(plain["category"], "connection_refused");
    assert_eq!(plain["fields"], json!({"address": "127.0.0.1", "port": 5432}));
}

#[test]
fn only_lines_of_a_category() {
    let fleet = Fleet::new();
    let lines = ["a timed out", "b", "c: Connection refused", "d: Permission denied", "e"];
    let log = fleet.ended("a");
    for (at, line) in lines.iter().enumerate() {
        log.out(at as i64, line);
    }
    let text = fleet.text(&["a", "--category", "timeout,permission_denied", "-o", "table"]);
    assert_eq!(text, "a | a timed out\na | d: Permission denied\n");
    assert_eq!(
        fleet.messages(&["a", "--category", "connection_refused"]),
        ["c: Connection refused"]
    );
    fleet.run(&["a", "--category", "disk_full", "-o", "jsonl"]).code(1).stdout("");
    fleet.run(&["a", "--anomalies", "-o", "jsonl"]).code(1).stdout("");
}

#[test]
fn classes_of_ones_own() {
    let fleet = Fleet::new();
    classed(&fleet, "a", "billing", &["charge 17 lasted 350ms", "charge 18 timed out"]);
    let path = fleet.home().join("own.toml");
    fs::write(
        &path,
        "[[class]]\nname = 'billing'\n[[class.pattern]]\n\
         regex = 'charge (?<order>\\d+) lasted (?<wait_seconds>\\S+)'\ncategory = 'charge'\n\
         fields = { wait_seconds = 'duration' }\nsample = ['charge 1 lasted 2s']\n",
    )
    .unwrap();
    let path = path.to_str().unwrap();
    let records = fleet.records(&["a", "--logs-config", path]);
    assert_eq!(records[0]["category"], "charge");
    assert_eq!(records[0]["fields"], json!({"order": 17, "wait_seconds": 0.35}));
    assert_eq!(records[1]["category"], "timeout", "the general ones hold, too");
    // Without the file nobody knows the class, which is said once.
    let run = fleet.run(&["a"]).success();
    let said = String::from_utf8_lossy(&run.get_output().stderr).into_owned();
    assert!(said.contains("there is no log class 'billing' (there are: evaluation"), "{said}");
    assert_eq!(said.lines().count(), 1);
}

#[test]
fn a_file_of_classes_is_refused_with_all_that_is_wrong() {
    let fleet = Fleet::new();
    fleet.ended("a").out(1, "x");
    let path = fleet.home().join("bad.toml");
    let text = "[[class]]\nname = 'a'\n[[class.pattern]]\nregex = 'a(?<b>\\d)'\nsamples = ['a1']\nsample = ['b']\n";
    fs::write(&path, text).unwrap();
    let path = path.to_str().unwrap();
    let run = fleet.run(&["a", "--logs-config", path]).code(2).stdout("");
    let said = String::from_utf8_lossy(&run.get_output().stderr).into_owned();
    assert!(
        said.contains("line 5 column 1: there is no key 'samples' (did you mean 'sample'?)"),
        "{said}"
    );
    assert!(said.contains("line 6 column 11: the pattern does not match this sample"), "{said}");
    let run = fleet.run(&["a", "--logs-config", "/no/such/file"]).code(2);
    let said = String::from_utf8_lossy(&run.get_output().stderr).into_owned();
    assert!(said.contains("cannot read the log classes '/no/such/file': No such file"), "{said}");
}

#[test]
fn the_file_that_we_ship_is_in_order() {
    let fleet = Fleet::new();
    classed(&fleet, "a", "orders", &["order 4711 was shipped after 3h20m"]);
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../configs/logs.toml");
    let records = fleet.records(&["a", "--logs-config", path]);
    assert_eq!(records[0]["category"], "shipped");
    assert_eq!(records[0]["fields"], json!({"order": "4711", "wait_seconds": 12000}));
}

#[test]
fn only_what_is_unlike_before() {
    let fleet = Fleet::new();
    let log = fleet.log("a", 1);
    fleet.record("a", 1, "completed", json!({"labels": {"log_class": "integration"}}));
    for at in 0..100 {
        let latency = if at == 70 { 900 } else { 20 + at % 7 };
        log.out(at, &format!("call {at} latency={latency}ms"));
    }
    let records: Vec<Value> = fleet.records(&["a", "--anomalies"]);
    let found: Vec<&Value> = records.iter().map(|record| &record["message"]).collect();
    assert_eq!(found, ["call 70 latency=900ms"]);
    let anomaly = &records[0]["anomaly"];
    assert_eq!((&anomaly["field"], &anomaly["value"]), (&json!("latency_seconds"), &json!(0.9)));
    assert!(anomaly["score"].as_f64().is_some_and(|score| score > 8.0), "{anomaly}");
    assert!(anomaly["median"].as_f64().is_some_and(|median| (0.02..0.03).contains(&median)));
}

#[test]
fn a_category_that_no_class_gives_is_refused() {
    let fleet = Fleet::new();
    fleet.ended("a").out(1, "x");
    assert!(fleet.refused(&["a", "--category", "permision_denied"]).contains("there are: "));
    fleet.run(&["a", "--category", "crash"]).code(1).stdout("");
}
