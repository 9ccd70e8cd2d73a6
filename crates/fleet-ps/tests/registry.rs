//! The registry, damaged in every way that it can be.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::fs::{self, OpenOptions};
use std::io::Write;

use fleet_testkit::{Run, State, TestFleet};

fn ps(fleet: &TestFleet, args: &[&str]) -> Run {
    fleet.run("fleet-ps").args(args)
}

/// Two that live and one that has ended.
fn fleet() -> TestFleet {
    let fleet = TestFleet::new();
    fleet.spawn("done", "exit 3");
    fleet.until_ended("done");
    fleet.spawn("a", "exec sleep 600");
    fleet.spawn("b", "exec sleep 600");
    fleet
}

fn append(fleet: &TestFleet, bytes: &[u8]) {
    let mut file = OpenOptions::new().append(true).open(fleet.file("registry.jsonl")).unwrap();
    file.write_all(bytes).unwrap();
}

fn states(ran: &fleet_testkit::Ran) -> Vec<String> {
    let word = |value: &fleet_testkit::Value| value.as_str().unwrap().to_owned();
    ran.records().iter().map(|r| format!("{} {}", word(&r["id"]), word(&r["state"]))).collect()
}

const WELL: [&str; 3] = ["done failed", "a running", "b running"];

#[test]
fn a_torn_tail_costs_one_line_and_is_mended_by_the_next_writer() {
    let fleet = fleet();
    append(&fleet, b"{\"kind\":\"process\",\"ts\":\"2026-11-22T0");
    let ran = ps(&fleet, &[]).succeeds_and_says("is torn");
    assert_eq!(states(&ran), WELL);
    fleet.spawn("c", "exec sleep 600");
    let ran = ps(&fleet, &[]).succeeds_and_says("registry.jsonl' line ").stderr_lacks("torn");
    assert_eq!(states(&ran), [&WELL[..], &["c running"]].concat());
}

#[test]
fn garbage_in_the_middle_costs_its_line_and_is_numbered() {
    let fleet = fleet();
    let path = fleet.file("registry.jsonl");
    let text = fs::read_to_string(&path).unwrap();
    let lines = text.lines().count();
    let zeros = String::from_utf8(vec![0; 5000]).unwrap();
    fs::write(&path, format!("garbage\n{text}{zeros}\n{{\"kind\":\"process\"}}\n")).unwrap();
    let ran = ps(&fleet, &[]).succeeds_and_says("line 1 is not a registry record");
    let ran = ran.stderr_has(&format!("line {} is", lines + 2));
    assert_eq!(states(&ran.stderr_has(&format!("line {} is", lines + 3))), WELL);
}

#[test]
fn a_missing_registry_is_rebuilt_from_the_folders() {
    let fleet = fleet();
    let path = fleet.file("registry.jsonl");
    fs::remove_file(&path).unwrap();
    let ran = ps(&fleet, &["--no-heal"]).succeeds_and_says("rebuilt from the runs' folders");
    assert_eq!(states(&ran), WELL);
    assert!(!path.exists());
    assert_eq!(states(&ps(&fleet, &[]).succeeds_and_says("rebuilt")), WELL);
    assert_eq!(states(&ps(&fleet, &[]).succeeds()), WELL);
    // Names of the living stay taken, and what happens next is recorded.
    fs::remove_file(&path).unwrap();
    fleet.run("fleet-spawn").args(["--name", "a", "--", "true"]).fails_with(3);
    fleet.run("fleet-stop").arg("a").ends();
    assert_eq!(fleet.record("a").state, State::Stopped);
    assert_eq!(states(&ps(&fleet, &[]).succeeds()), ["done failed", "a stopped", "b running"]);
}

#[test]
fn an_empty_fleet_and_a_missing_home_are_empty_lists() {
    let fleet = TestFleet::new();
    ps(&fleet, &[]).succeeds().stdout_is("");
    ps(&fleet, &["-o", "json"]).succeeds().stdout_is("[]\n");
    let none = fleet.scratch().join("none");
    ps(&fleet, &["--home", none.to_str().unwrap()]).succeeds().stdout_is("");
    assert!(!none.exists());
    ps(&fleet, &["web"]).fails_with(1).stdout_is("").stderr_has("no process matches 'web'");
}

#[test]
fn a_registry_that_is_no_file_is_an_error_that_names_it() {
    let fleet = TestFleet::new();
    fs::create_dir(fleet.file("registry.jsonl")).unwrap();
    ps(&fleet, &[]).fails_with(2).stderr_has("registry.jsonl'");
    fleet.run("fleet-spawn").args(["--name", "x", "--", "true"]).fails_with(2);
}

/// A record of a later version, of a process that this build would take for lost.
fn from_the_future(state: &str) -> String {
    let ts = "2026-11-22T06:00:00.000000Z";
    format!(
        "{{\"kind\":\"process\",\"ts\":\"{ts}\",\"id\":\"future\",\"run\":1,\"attempt\":1,\"v\":2,         \"state\":{state},\"pid\":1,\"pid_start\":1,\"boot\":\"then\",\"host\":\"h\",         \"command\":[\"x\"],\"cwd\":\"/\",\"restarts\":0,\"spawned_at\":\"{ts}\",\"new\":{{\"a\":1}}}}\n"
    )
}

#[test]
fn a_record_of_a_newer_version_is_left_as_it_is() {
    let fleet = fleet();
    let line = from_the_future("\"running\"");
    append(&fleet, line.as_bytes());
    let ran = ps(&fleet, &["future"]).succeeds();
    assert_eq!(ran.record()["new"]["a"], 1);
    assert_eq!(ran.record()["state"], "running");
    fleet.spawn("c", "exec sleep 600");
    ps(&fleet, &["--prune", "--keep", "0"]).ends();
    let text = fs::read_to_string(fleet.file("registry.jsonl")).unwrap();
    assert!(text.contains(&line), "{text}");
}

#[test]
fn a_record_of_a_newer_version_survives_although_this_build_cannot_read_it() {
    let fleet = fleet();
    let line = from_the_future("{\"word\":\"dreaming\"}");
    append(&fleet, line.as_bytes());
    let ran = ps(&fleet, &[]).succeeds_and_says("is of version 2");
    assert_eq!(states(&ran), WELL);
    ps(&fleet, &["--prune", "--keep", "0"]).ends();
    let text = fs::read_to_string(fleet.file("registry.jsonl")).unwrap();
    assert!(text.contains(&line), "{text}");
}

#[test]
fn fields_that_this_build_does_not_know_are_carried_through() {
    let fleet = fleet();
    let old = fs::read_to_string(fleet.run_dir("done").join("record.json")).unwrap();
    let new = old.trim_end().strip_suffix('}').unwrap().to_owned() + ",\"extra\":[1,2]}\n";
    append(&fleet, new.as_bytes());
    assert_eq!(ps(&fleet, &["done"]).succeeds().record()["extra"][1], 2);
    ps(&fleet, &["--prune"]).succeeds();
    assert_eq!(ps(&fleet, &["done"]).succeeds().record()["extra"][1], 2);
}

#[test]
fn pruning_never_touches_a_living_one() {
    let fleet = fleet();
    fleet.spawn_with("waits", &["--restart", "always", "--backoff", "1h-1h"], "exit 1");
    fleet.until("waits", |record| record.state == State::Backoff);
    ps(&fleet, &["--prune", "--keep", "0", "--older-than", "0s"]).succeeds_and_says("forgot 1 ");
    let ran = ps(&fleet, &["--all"]).succeeds();
    assert_eq!(states(&ran), ["a running", "b running", "waits backoff"]);
    assert!(!fleet.file("processes/done").exists() && fleet.file("processes/a/1").is_dir());
    // Everything goes on being recorded after the file was replaced.
    fleet.run("fleet-stop").args(["a", "waits"]).succeeds();
    assert_eq!(fleet.ps("a")["state"], "stopped");
}

#[test]
fn pruning_keeps_what_is_the_users() {
    let fleet = TestFleet::new();
    fleet.spawn("job", "echo precious > \"$FLEET_DIR/result\"");
    fleet.until_ended("job");
    ps(&fleet, &["--prune", "--keep", "0"]).succeeds_and_says("forgot 1 ");
    let result = fs::read_to_string(fleet.file("processes/job/data/result")).unwrap();
    assert_eq!(result, "precious\n");
}
