//! The list: forms, choices, readers that leave, and the strict form of a record.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::fs;

use fleet_testkit::{Run, State, TestFleet};
use serde::Deserialize;

fn ps(fleet: &TestFleet, args: &[&str]) -> Run {
    fleet.run("fleet-ps").args(args)
}

fn fleet() -> TestFleet {
    let fleet = TestFleet::new();
    fleet.spawn("good", "exit 0");
    fleet.spawn("bad", "echo why >&2; exit 3");
    fleet.until_ended("good");
    fleet.until_ended("bad");
    fleet.spawn_with(
        "web",
        &["-l", "team=vision", "--port", "auto", "--port-range", "21000-21099"],
        "exec sleep 600",
    );
    fleet
}

fn ids(ran: &fleet_testkit::Ran) -> Vec<String> {
    ran.records().iter().map(|r| r["id"].as_str().unwrap().to_owned()).collect()
}

/// The form of a record as others read it. A change here is a change for them.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "that the fields are there is what is tested")]
struct Strict {
    kind: String,
    ts: String,
    id: String,
    run: u32,
    attempt: u32,
    state: String,
    pid: i32,
    pid_start: u64,
    pid_inode: Option<u64>,
    boot: String,
    host: String,
    shim: StrictShim,
    ports: Vec<u16>,
    command: Vec<String>,
    cwd: String,
    labels: std::collections::BTreeMap<String, String>,
    restarts: u32,
    spawned_at: String,
    started_at: String,
    uptime_seconds: f64,
    log: StrictLog,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "that the fields are there is what is tested")]
struct StrictShim {
    pid: i32,
    start: u64,
    inode: Option<u64>,
    keeper: i32,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "that the fields are there is what is tested")]
struct StrictLog {
    bytes: u64,
    lines: u64,
}

#[test]
fn a_running_process_has_exactly_this_form() {
    let fleet = fleet();
    let ran = ps(&fleet, &["web"]).succeeds();
    let record: Strict =
        serde_json::from_str(ran.stdout()).unwrap_or_else(|e| panic!("{e}\n{ran}"));
    assert_eq!((record.kind.as_str(), record.state.as_str()), ("process", "running"));
    assert!(ran.stdout().starts_with("{\"kind\":\"process\",\"ts\":\""));
    assert!(record.ts.ends_with('Z') && record.ts.len() == "2026-11-22T06:00:00.123456Z".len());
}

#[test]
fn states_labels_and_globs_choose() {
    let fleet = fleet();
    assert_eq!(ids(&ps(&fleet, &[]).succeeds()), ["good", "bad", "web"]);
    assert_eq!(ids(&ps(&fleet, &["--state", "failed"]).succeeds()), ["bad"]);
    let two = ["--state", "failed", "--state", "running"];
    assert_eq!(ids(&ps(&fleet, &two).succeeds()), ["bad", "web"]);
    assert_eq!(ids(&ps(&fleet, &["-l", "team=vision"]).succeeds()), ["web"]);
    assert_eq!(ids(&ps(&fleet, &["*o*", "ba?"]).succeeds()), ["good", "bad"]);
    assert_eq!(ids(&ps(&fleet, &["-"]).stdin("bad\n").succeeds()), ["bad"]);
    ps(&fleet, &["--state", "paused"]).fails_with(1).stdout_is("");
    ps(&fleet, &["--state", "asleep"]).fails_with(2).stderr_has("no such state");
    ps(&fleet, &["nobody"]).fails_with(1).stderr_has("'nobody'");
    ps(&fleet, &["-l", "team"]).fails_with(2);
}

#[test]
fn health_is_a_question_with_an_answer() {
    let fleet = fleet();
    assert_eq!(ps(&fleet, &["--health"]).ends().code(), Some(1));
    ps(&fleet, &["--health", "web", "good"]).succeeds();
}

#[test]
fn every_form_tells_of_each() {
    let fleet = fleet();
    for form in ["table", "wide", "jsonl", "json", "csv"] {
        let ran = ps(&fleet, &["-o", form]).succeeds();
        for name in ["good", "bad", "web"] {
            assert!(ran.stdout().contains(name), "{form}: {ran}");
        }
    }
    let table = ps(&fleet, &["-o", "table"]).succeeds();
    assert_eq!(table.stdout().lines().count(), 4);
    assert!(!table.stdout().contains('\x1b'), "colours in a pipe");
    assert!(ps(&fleet, &["-o", "table", "--color", "always"]).succeeds().stdout().contains('\x1b'));
    let json = ps(&fleet, &["-o", "json"]).succeeds();
    let array: Vec<fleet_testkit::Value> = serde_json::from_str(json.stdout()).unwrap();
    assert_eq!(array.len(), 3);
    ps(&fleet, &["-o", "prometheus"]).fails_with(2);
}

#[test]
fn a_reader_that_leaves_ends_it_quietly() {
    let fleet = fleet();
    let script = "set -o pipefail; fleet-ps | head -1; fleet-ps --watch=100ms | head -4";
    let ran = fleet.shell(script).succeeds();
    assert_eq!(ran.records().len(), 5);
}

#[test]
fn closed_descriptors_are_no_reason_to_panic() {
    let fleet = fleet();
    for script in ["fleet-ps >&-", "fleet-ps 2>&-", "fleet-ps <&-", "fleet-ps >&- 2>&- <&-"] {
        let ran = fleet.shell(script).ends();
        assert!(matches!(ran.code(), Some(0 | 2)), "{script}: {ran}");
        assert!(!ran.stderr().contains("panicked"), "{script}: {ran}");
    }
    assert_eq!(fleet.shell("fleet-ps <&-").succeeds().records().len(), 3);
    let ran = fleet.shell("fleet-ps > /dev/full").ends();
    assert_eq!(ran.code(), Some(2), "{ran}");
    ran.stderr_has("cannot write the output");
}

#[test]
fn spawn_and_stop_live_without_descriptors_too() {
    let fleet = TestFleet::new();
    let closed = ">&- 2>&- <&-";
    for n in 0..3 {
        let ran = fleet.shell(&format!("fleet-spawn --name w{n} -- sleep 600 {closed}")).ends();
        assert!(matches!(ran.code(), Some(0 | 2)), "{ran}");
        // Whatever it could tell: no file of the fleet was taken for an output.
        assert_eq!(fleet.ps(&format!("w{n}"))["state"], "running");
    }
    fleet.shell(&format!("fleet-stop --all {closed}")).ends();
    assert_eq!(fleet.record("w0").state, State::Stopped);
    assert_eq!(ps(&fleet, &[]).succeeds().records().len(), 3);
}

#[test]
fn an_output_file_appears_whole_or_not_at_all() {
    let fleet = fleet();
    let file = fleet.scratch().join("list.csv");
    ps(&fleet, &["-o", "csv", "--output-file", file.to_str().unwrap()]).succeeds().stdout_is("");
    assert_eq!(fs::read_to_string(&file).unwrap().lines().count(), 4);
    let nowhere = fleet.scratch().join("none/list.csv");
    let ran = ps(&fleet, &["-o", "csv", "--output-file", nowhere.to_str().unwrap()]).fails_with(2);
    ran.stderr_has("list.csv");
}

#[test]
fn names_of_processes_do_not_colour_the_screen() {
    let fleet = TestFleet::new();
    let run = fleet.run("fleet-spawn").args([
        "--name",
        "x",
        "--",
        "sh",
        "-c",
        "sleep 600 # \x1b[31mred\x07\nline2",
    ]);
    run.succeeds();
    let ran = ps(&fleet, &["-o", "wide"]).succeeds();
    assert!(!ran.stdout().contains(['\x1b', '\x07']), "{:?}", ran.stdout());
    assert_eq!(ran.stdout().lines().count(), 2, "{:?}", ran.stdout());
}
