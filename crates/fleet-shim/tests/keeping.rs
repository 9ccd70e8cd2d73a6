//! Log files that are set aside by age and on demand, and the care for those that were.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::fs;
use std::path::Path;

use fleet_testkit::{Signal, State, TestFleet, kill, until};

/// The names of a log folder's files, without what is being written.
fn closed(fleet: &TestFleet, name: &str) -> Vec<String> {
    let entries = fs::read_dir(fleet.run_dir(name).join("log")).unwrap().flatten();
    let mut names: Vec<String> =
        entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
    names.retain(|name| name != "current");
    names.sort();
    names
}

/// The name of the newest file that was set aside, once all that there are have this ending.
fn until_closed_as(fleet: &TestFleet, name: &str, ending: &str) -> String {
    until("files are set aside and packed", || {
        let names = closed(fleet, name);
        !names.is_empty() && names.iter().all(|name| name.ends_with(ending))
    });
    closed(fleet, name).pop().unwrap()
}

#[test]
fn files_that_were_set_aside_are_packed_and_nothing_is_lost() {
    for (form, ending) in [("zstd", ".log.zst"), ("gzip", ".log.gz")] {
        let fleet = TestFleet::new();
        let options = ["--log-max-size", "64K", "--log-keep", "1000", "--log-compress", form];
        fleet.spawn_with("job", &options, "seq 1 50000; exec sleep 600");
        fleet.until_log("job", |log| log.text().ends_with("50000\n"));
        until_closed_as(&fleet, "job", ending);
        let all: String = (1..=50_000).map(|n| format!("{n}\n")).collect();
        assert_eq!(fleet.log("job").text(), all);
        assert!(closed(&fleet, "job").len() > 3);
    }
}

#[test]
fn a_file_is_set_aside_for_its_age_while_nothing_is_printed() {
    let fleet = TestFleet::new();
    let script = "trap 'echo two' USR1; echo one; while :; do sleep 0.01; done";
    fleet.spawn_with("job", &["--log-rotate", "300ms"], script);
    let first = until_closed_as(&fleet, "job", ".log");
    let current = fleet.run_dir("job").join("log/current");
    assert_eq!(fs::metadata(&current).unwrap().len(), 0);
    kill(fleet.pid("job"), Signal::from_number(10).unwrap());
    until("the next file is set aside", || closed(&fleet, "job").len() == 2);
    assert_eq!(closed(&fleet, "job")[0], first);
    assert_eq!(fleet.log("job").text(), "one\ntwo\n");
}

#[test]
fn a_file_is_removed_for_its_age_while_nothing_is_printed() {
    let fleet = TestFleet::new();
    let options = ["--log-rotate", "100ms", "--log-keep-for", "1s"];
    fleet.spawn_with("job", &options, "echo one; exec sleep 600");
    until_closed_as(&fleet, "job", ".log");
    until("it is removed", || closed(&fleet, "job").is_empty());
    assert_eq!(fleet.record("job").state, State::Running);
}

#[test]
fn a_file_is_set_aside_on_demand_and_the_shim_goes_on_in_a_new_one() {
    let fleet = TestFleet::new();
    let script = "trap 'echo two' USR1; echo one; while :; do sleep 0.01; done";
    fleet.spawn("job", script);
    fleet.until_log("job", |log| log.text() == "one\n");
    let told = fleet.run("fleet-logs").args(["--rotate", "job"]).succeeds().record();
    assert_eq!((&told["kind"], &told["deed"]), (&"log_file".into(), &"set_aside".into()));
    assert_eq!(told["file"], closed(&fleet, "job")[0].as_str());
    let again = fleet.run("fleet-logs").args(["--rotate", "--all"]).ends();
    assert_eq!(again.code(), Some(0));
    again.stdout_is("").stderr_has("'job#1' has printed nothing since its last file");
    kill(fleet.pid("job"), Signal::from_number(10).unwrap());
    fleet.until_log("job", |log| log.text() == "one\ntwo\n");
    assert_eq!(closed(&fleet, "job").len(), 1);
    // The same where nobody writes any more.
    fleet.run("fleet-stop").arg("job").succeeds();
    fleet.run("fleet-logs").args(["--rotate", "job"]).succeeds().stdout_has("set_aside");
    assert_eq!((closed(&fleet, "job").len(), fleet.log("job").text()), (2, "one\ntwo\n".into()));
}

#[test]
fn a_rotation_that_was_asked_of_a_shim_that_died_is_done_by_the_next() {
    let fleet = TestFleet::new();
    fleet.spawn("job", "echo one; exec sleep 600");
    fleet.until_log("job", |log| log.text() == "one\n");
    let (shim, _) = fleet.supervisors("job");
    kill(shim, Signal::from_number(19).unwrap());
    let asked = fleet.run("fleet-logs").args(["--rotate", "job"]).starts();
    until("it is asked", || fleet.run_dir("job").join("rotate").exists());
    kill(shim, Signal::KILL);
    let output = asked.wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    assert_eq!((closed(&fleet, "job").len(), fleet.log("job").text()), (1, "one\n".into()));
}

/// The tools in a folder of their own, but for the one that cares for logs.
fn tools_without_logs(fleet: &TestFleet) -> String {
    let folder = fleet.scratch().join("tools").display().to_string();
    fleet.shell(&format!("mkdir {folder}; cp $(command -v fleet-spawn) {folder}")).succeeds();
    folder
}

fn spawn_from(fleet: &TestFleet, folder: &str, script: &str) {
    let path = "PATH=/usr/bin:/bin";
    let options = "--name job --log-max-size 1K --log-keep 1000 --log-compress zstd";
    fleet.shell(&format!("{path} {folder}/fleet-spawn {options} -- bash -c '{script}'")).succeeds();
}

#[test]
fn a_tool_that_is_missing_harms_nobody_and_is_said_once() {
    let fleet = TestFleet::new();
    let folder = tools_without_logs(&fleet);
    spawn_from(
        &fleet,
        &folder,
        "for n in 1 2 3 4 5; do seq 1 100; sleep 0.5; done; exec sleep 600",
    );
    let said = fleet.until_event("job", "log_care_failed");
    assert!(said["message"].as_str().unwrap().contains("fleet-logs --prune job#1"), "{said}");
    fleet.until_log("job", |log| log.text().lines().count() == 500);
    let events = fleet.event_types("job");
    assert_eq!(events.iter().filter(|event| *event == "log_care_failed").count(), 1);
}

#[test]
fn a_tool_that_hangs_is_started_once_is_nobody_of_the_tree_and_keeps_no_stop_waiting() {
    let fleet = TestFleet::new();
    let folder = tools_without_logs(&fleet);
    let pids = fleet.scratch().join("pids");
    let hangs = format!("#!/bin/sh\necho $$ >> {}\nsleep 600\n", pids.display());
    let tool = Path::new(&folder).join("fleet-logs");
    fs::write(&tool, hangs).unwrap();
    fleet.shell(&format!("chmod +x {}", tool.display())).succeeds();
    spawn_from(
        &fleet,
        &folder,
        "for n in 1 2 3 4 5; do seq 1 100; sleep 0.5; done; exec sleep 600",
    );
    fleet.until_log("job", |log| log.text().lines().count() == 500);
    let text = fs::read_to_string(&pids).unwrap();
    let [pid] = text.lines().map(|pid| pid.parse::<i32>().unwrap()).collect::<Vec<_>>()[..] else {
        panic!("it was started more than once: {text}")
    };
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    assert_eq!(stat.rsplit(')').next().unwrap().split(' ').nth(17), Some("19"), "{stat}");
    until("the command sleeps alone", || fleet.workload() == [fleet.pid("job")]);
    kill(fleet.supervisors("job").0, Signal::from_number(10).unwrap());
    let status = fleet.until_event("job", "status");
    assert_eq!(status["data"]["pids"], fleet_testkit::json!([fleet.pid("job")]));
    fleet.run("fleet-stop").args(["--grace", "20s", "job"]).succeeds();
    let record = fleet.until_ended("job");
    assert_eq!((record.state, record.exit.unwrap().leftovers), (State::Stopped, None));
    assert!(fleet_testkit::is_living(pid));
    fleet.shell(&format!("pkill -KILL -P {pid}; kill -KILL {pid}; true")).succeeds();
    until("it is gone", || !fleet_testkit::is_living(pid));
}

#[test]
fn a_disk_that_fills_while_a_file_is_packed_leaves_it_as_it_was() {
    let Some(fleet) = TestFleet::on_tmpfs("size=1m") else { return };
    let options = ["--log-max-size", "300K", "--log-keep", "100"];
    // What does not pack well.
    let script = "head -c 300000 /dev/urandom | base64 -w 100; exec sleep 600";
    fleet.spawn_with("job", &options, script);
    fleet.until_log("job", |log| log.text().len() > 400_000);
    fleet.run("fleet-stop").arg("job").succeeds();
    let before = fleet.log("job").text();
    fleet.shell("sed -i 's/\"keep\":100/\"keep\":100,\"compress\":\"zstd\"/' \"$FLEET_HOME\"/processes/job/1/spec.json").succeeds();
    fleet.shell("cat /dev/zero > \"$FLEET_HOME/filler\" 2>/dev/null; true").succeeds();
    let failed = fleet.run("fleet-logs").args(["--prune", "job"]).fails_with(2);
    failed.stderr_has("cannot compress").stderr_has("No space left on device");
    assert_eq!(fleet.log("job").text(), before);
    let names = closed(&fleet, "job");
    assert!(names.iter().all(|name| name.ends_with(".log")), "{names:?}");
    fs::remove_file(fleet.file("filler")).unwrap();
    fleet.run("fleet-logs").args(["--prune", "job"]).succeeds().stdout_has("compressed");
    assert_eq!(fleet.log("job").text(), before);
}
