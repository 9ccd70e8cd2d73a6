//! Waiting for others before the first attempt: how far they must have come, and what is said when
//! that can no longer be.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::fs;

use fleet_testkit::{Cause, ProcessRecord, Signal, State, TestFleet, kill, until};

const STAYS: &str = "exec sleep 600";

/// Says that it is ready once the file is there, and stays.
fn healthy_when(file: &std::path::Path) -> String {
    format!(
        "until [ -e {} ]; do sleep 0.01; done; exec perl -MSocket -e 'socket(my $s, AF_UNIX, \
         SOCK_DGRAM, 0) or die; send($s, \"READY=1\", 0, pack_sockaddr_un($ENV{{NOTIFY_SOCKET}})) \
         or die $!; sleep 600'",
        file.display()
    )
}

/// Ends with this code once the file is there.
fn ends_when(file: &std::path::Path, code: i32) -> String {
    format!("until [ -e {} ]; do sleep 0.01; done; exit {code}", file.display())
}

fn waits_for(fleet: &TestFleet, what: &str) {
    fleet.spawn_with("waiter", &["--after", what], "true");
}

fn waiting(fleet: &TestFleet, name: &str) -> String {
    let record = fleet.until(name, |record| record.waiting.is_some());
    assert_eq!(record.state, State::Queued);
    record.waiting.unwrap()
}

fn failed_with(record: ProcessRecord) -> String {
    let exit = record.exit.unwrap();
    assert_eq!((record.state, exit.cause), (State::Failed, Cause::DependencyFailed));
    assert_eq!((record.started_at, record.waiting), (None, None));
    exit.reason
}

#[test]
fn started_is_reached_when_the_command_runs() {
    let fleet = TestFleet::new();
    fleet.spawn_with("holder", &["--queue"], STAYS);
    fleet.spawn_with("db", &["--queue"], STAYS);
    waits_for(&fleet, "db");
    assert_eq!(waiting(&fleet, "waiter"), "waits for 'db' to start");
    let row = fleet.run("fleet-ps").args(["waiter", "-o", "table"]).succeeds();
    row.stdout_has("waits for 'db' to start");
    fleet.run("fleet-stop").arg("holder").succeeds();
    assert_eq!(fleet.until_ended("waiter").state, State::Completed);
    fleet.until_event("waiter", "ended");
    assert_eq!(fleet.event_types("waiter"), ["queued", "turn", "started", "ended"]);
}

#[test]
fn healthy_is_reached_when_it_says_so() {
    let fleet = TestFleet::new();
    let gate = fleet.scratch().join("gate");
    fleet.spawn("db", &healthy_when(&gate));
    waits_for(&fleet, "db:healthy");
    let expected = "waits for 'db' to be healthy (it has no check and has not said READY=1)";
    assert_eq!(waiting(&fleet, "waiter"), expected);
    fs::write(&gate, "").unwrap();
    assert_eq!(fleet.until_ended("waiter").state, State::Completed);
    // Another one has nothing to wait for.
    fleet.spawn_with("later", &["--after", "db:healthy"], "true");
    assert_eq!(fleet.until_ended("later").state, State::Completed);
    fleet.until_event("later", "ended");
    assert_eq!(fleet.event_types("later"), ["spawned", "started", "ended"]);
    assert!(!fleet.file("queue/after/db").exists());
}

#[test]
fn completed_is_reached_by_code_0_alone() {
    let fleet = TestFleet::new();
    let gate = fleet.scratch().join("gate");
    fleet.spawn("good", &ends_when(&gate, 0));
    fleet.spawn("bad", &ends_when(&gate, 3));
    fleet.spawn_with("after-good", &["--after", "good:completed"], "true");
    fleet.spawn_with("after-bad", &["--after", "bad:completed"], "true");
    assert_eq!(waiting(&fleet, "after-good"), "waits for 'good' to complete");
    fs::write(&gate, "").unwrap();
    assert_eq!(fleet.until_ended("after-good").state, State::Completed);
    let reason = failed_with(fleet.until_ended("after-bad"));
    assert!(
        reason.starts_with("waited for 'bad' to complete, but it failed: exited with code 3 after"),
        "{reason}"
    );
    let row = fleet.run("fleet-ps").args(["after-bad", "-o", "table"]).succeeds();
    row.stdout_has("but it failed: exited with code 3");
}

#[test]
fn ended_is_reached_by_any_end() {
    let fleet = TestFleet::new();
    let gate = fleet.scratch().join("gate");
    fleet.spawn("db", &ends_when(&gate, 3));
    waits_for(&fleet, "db:ended");
    assert_eq!(waiting(&fleet, "waiter"), "waits for 'db' to end");
    fs::write(&gate, "").unwrap();
    assert_eq!(fleet.until_ended("waiter").state, State::Completed);
}

#[test]
fn several_must_all_be_as_they_should_at_the_same_time() {
    let fleet = TestFleet::new();
    let (first, second) = (fleet.scratch().join("1"), fleet.scratch().join("2"));
    fleet.spawn("a", &healthy_when(&first));
    fleet.spawn("b", &ends_when(&second, 0));
    let both = ["--after", "a:healthy", "--after", "b:completed", "--after", "a"];
    fleet.spawn_with("waiter", &both, "true");
    let healthy = "'a' to be healthy (it has no check and has not said READY=1)";
    assert_eq!(waiting(&fleet, "waiter"), format!("waits for {healthy}, 'b' to complete"));
    fs::write(&first, "").unwrap();
    let is_near = |r: &ProcessRecord| r.waiting.as_deref() == Some("waits for 'b' to complete");
    fleet.until("waiter", is_near);
    // What had come goes again: now it can never be.
    fleet.run("fleet-stop").arg("a").succeeds();
    let reason = failed_with(fleet.until_ended("waiter"));
    let expected = "waited for 'a' to be healthy, but it was stopped by ";
    assert!(reason.starts_with(expected), "{reason}");
}

#[test]
fn a_chain_goes_link_by_link_and_a_broken_one_fails_to_its_end() {
    let fleet = TestFleet::new();
    let gate = fleet.scratch().join("gate");
    for (head, code) in [("good", 0), ("bad", 3)] {
        fleet.spawn(head, &ends_when(&gate, code));
        let mut before = head.to_owned();
        for link in 1..=4 {
            let name = format!("{head}-{link}");
            fleet.spawn_with(&name, &["--after", &format!("{before}:completed")], "true");
            before = name;
        }
    }
    fs::write(&gate, "").unwrap();
    assert_eq!(fleet.until_ended("good-4").state, State::Completed);
    let reason = failed_with(fleet.until_ended("bad-4"));
    // The whole story is in the reason of the last one.
    let story = ["'bad-3' to complete", "'bad-2'", "'bad-1'", "'bad' to", "exited with code 3"];
    assert!(story.iter().all(|part| reason.contains(part)), "{reason}");
    let text = fs::read_to_string(fleet.file("registry.jsonl")).unwrap();
    let records = text.lines().map(|line| serde_json::from_str::<ProcessRecord>(line).unwrap());
    let good = records.filter(|r| r.state == State::Completed && r.id.as_str().starts_with("good"));
    let good: Vec<String> = good.map(|record| record.id.to_string()).collect();
    assert_eq!(good, ["good", "good-1", "good-2", "good-3", "good-4"]);
}

#[test]
fn who_waits_for_its_turn_after_a_dependency_stands_where_it_was_spawned() {
    let fleet = TestFleet::new();
    let gate = fleet.scratch().join("gate");
    fleet.spawn_with("holder", &["--queue"], STAYS);
    fleet.spawn("db", &healthy_when(&gate));
    fleet.spawn_with("first", &["--queue", "--after", "db:healthy"], "true");
    fleet.spawn_with("second", &["--queue"], STAYS);
    let expected = "waits for 'db' to be healthy (it has no check and has not said READY=1)";
    assert_eq!(waiting(&fleet, "first"), expected);
    assert_eq!(fleet.ps("second")["place"], 1);
    fs::write(&gate, "").unwrap();
    fleet.until("first", |record| record.in_line);
    let places = (&fleet.ps("first")["place"], &fleet.ps("second")["place"]);
    assert_eq!(places, (&1.into(), &2.into()));
    // What had come before the line is not asked again in it, not even by another shim.
    fleet.run("fleet-stop").arg("db").succeeds();
    kill(fleet.supervisors("first").0, Signal::KILL);
    fleet.until_event("first", "shim_replaced");
    fleet.run("fleet-stop").arg("holder").succeeds();
    assert_eq!(fleet.until_ended("first").state, State::Completed);
    fleet.until("second", |record| record.state == State::Running);
}

#[test]
fn a_dependency_that_is_to_be_started_again_is_waited_for() {
    let fleet = TestFleet::new();
    let gate = fleet.scratch().join("gate");
    let options = ["--restart", "on-failure", "--backoff", "200ms-200ms"];
    fleet.spawn_with(
        "db",
        &options,
        &format!("[ -e {0} ] || {{ touch {0}; exit 3; }}", gate.display()),
    );
    waits_for(&fleet, "db:completed");
    assert_eq!(fleet.until_ended("waiter").state, State::Completed);
    assert_eq!(fleet.record("db").restarts, 1);
}

#[test]
fn the_run_that_was_the_newest_counts() {
    let fleet = TestFleet::new();
    fleet.spawn("db", "exit 3");
    fleet.until_ended("db");
    fleet.until_deserted();
    fleet.spawn("db", STAYS);
    waits_for(&fleet, "db:ended");
    assert_eq!(fleet.ps("waiter")["after"][0]["run"], 2);
    fleet.run("fleet-stop").arg("db").succeeds();
    assert_eq!(fleet.until_ended("waiter").state, State::Completed);
}

#[test]
fn a_run_that_was_forgotten_fails_who_waits_for_it() {
    let fleet = TestFleet::new();
    fleet.spawn("db", STAYS);
    waits_for(&fleet, "db:completed");
    waiting(&fleet, "waiter");
    let shim = fleet.supervisors("db").0;
    fs::remove_dir_all(fleet.file("processes/db")).unwrap();
    kill(shim, Signal::TERM);
    let reason = failed_with(fleet.until_ended("waiter"));
    let expected = "waited for 'db' to complete, but its run was forgotten, with how it ended";
    assert_eq!(reason, expected);
}

#[test]
fn a_run_that_was_forgotten_has_ended() {
    let fleet = TestFleet::new();
    fleet.spawn("db", STAYS);
    waits_for(&fleet, "db:ended");
    waiting(&fleet, "waiter");
    let shim = fleet.supervisors("db").0;
    fs::remove_dir_all(fleet.file("processes/db")).unwrap();
    kill(shim, Signal::TERM);
    fleet.until("waiter", |record| record.started_at.is_some());
}

// Deaths of supervisors.

#[test]
fn a_killed_shim_of_a_dependency_is_no_end() {
    let fleet = TestFleet::new();
    let gate = fleet.scratch().join("gate");
    fleet.spawn("db", &ends_when(&gate, 0));
    waits_for(&fleet, "db:completed");
    waiting(&fleet, "waiter");
    for _ in 0..3 {
        let before = fleet.record("db").shim;
        kill(before.unwrap().who.pid, Signal::KILL);
        fleet.until("db", |record| record.shim != before);
    }
    fs::write(&gate, "").unwrap();
    assert_eq!(fleet.until_ended("waiter").state, State::Completed);
}

#[test]
fn a_dependency_that_dies_with_its_supervisors_fails_who_waits() {
    let fleet = TestFleet::new();
    fleet.spawn("db", STAYS);
    waits_for(&fleet, "db:healthy");
    fleet.spawn_with("after", &["--after", "db:ended"], "true");
    waiting(&fleet, "waiter");
    waiting(&fleet, "after");
    fleet.kill_with_supervisors("db");
    let reason = failed_with(fleet.until_ended("waiter"));
    assert_eq!(reason, "waited for 'db' to be healthy, but it died with its supervisors");
    assert_eq!(fleet.until_ended("after").state, State::Completed);
}

#[test]
fn a_dependency_that_lost_its_supervisors_is_waited_for_until_it_is_healed() {
    let fleet = TestFleet::new();
    let gate = fleet.scratch().join("gate");
    fleet.spawn("db", &healthy_when(&gate));
    waits_for(&fleet, "db:healthy");
    waiting(&fleet, "waiter");
    fleet.kill_supervisors("db");
    fleet.run("fleet-ps").succeeds_and_says("had lost its shim");
    fleet.until_event("db", "adopted");
    fs::write(&gate, "").unwrap();
    assert_eq!(fleet.until_ended("waiter").state, State::Completed);
}

#[test]
fn a_dependency_that_can_be_started_again_by_healing_is_waited_for_and_that_is_said() {
    let fleet = TestFleet::new();
    fleet.spawn_with("db", &["--restart", "always"], STAYS);
    waits_for(&fleet, "db:completed");
    fleet.spawn_with("after", &["--after", "db"], STAYS);
    waiting(&fleet, "waiter");
    fleet.kill_with_supervisors("db");
    let said = |r: &ProcessRecord| r.waiting.as_ref().is_some_and(|w| w.contains("has lost its"));
    fleet.until("waiter", said);
    fleet.run("fleet-ps").succeeds_and_says("it is started again");
    fleet.until("db", |record| record.state == State::Running);
    fleet.until("waiter", |r| r.waiting.as_deref() == Some("waits for 'db' to complete"));
}

#[test]
fn a_killed_shim_of_a_waiter_waits_on() {
    let fleet = TestFleet::new();
    let gate = fleet.scratch().join("gate");
    fleet.spawn("db", &ends_when(&gate, 0));
    waits_for(&fleet, "db:completed");
    for _ in 0..3 {
        let before = fleet.until("waiter", |record| record.waiting.is_some()).shim;
        kill(before.unwrap().who.pid, Signal::KILL);
        fleet.until("waiter", |record| record.shim != before);
    }
    fleet.kill_supervisors("waiter");
    // The dependency ends while nobody waits, and who is healed finds it so.
    fs::write(&gate, "").unwrap();
    fleet.until_ended("db");
    fleet.run("fleet-ps").arg("waiter").succeeds_and_says("'waiter#1' had lost its shim");
    assert_eq!(fleet.until_ended("waiter").state, State::Completed);
    until("no ticket is left", || !fleet.file("queue/after/db").exists());
}

#[test]
fn a_stop_ends_the_wait() {
    let fleet = TestFleet::new();
    fleet.spawn("db", STAYS);
    waits_for(&fleet, "db:ended");
    let record = fleet.run("fleet-stop").arg("waiter").succeeds().record();
    assert_eq!(record["state"], "stopped");
    assert!(!fleet.file("queue/after/db").exists());
    fleet.run("fleet-stop").arg("db").succeeds();
    fleet.until_deserted();
    assert_eq!(fleet.event_types("waiter"), ["queued", "ended"]);
}

#[test]
fn tickets_that_somebody_removed_do_not_stop_who_waits() {
    let fleet = TestFleet::new();
    let gate = fleet.scratch().join("gate");
    fleet.spawn("db", &ends_when(&gate, 0));
    waits_for(&fleet, "db:completed");
    waiting(&fleet, "waiter");
    fs::remove_dir_all(fleet.file("queue")).unwrap();
    fs::write(&gate, "").unwrap();
    assert_eq!(fleet.until_ended("waiter").state, State::Completed);
}
