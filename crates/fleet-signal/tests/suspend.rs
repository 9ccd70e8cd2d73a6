//! Pausing and resuming: whole trees stand still, and the time of a pause does not count.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::time::{Duration, Instant};

use fleet_testkit::{
    Cause, ProcessRecord, Signal, State, TestFleet, cpu_ticks, is_living, kill, until,
};

const SLEEPS: &str = "exec sleep 600";
/// Children come and go all the time, and one burns.
const FORKS: &str = "(while :; do :; done) & echo up; while :; do (:) & (:); done";

fn pause(fleet: &TestFleet, name: &str) -> serde_json::Value {
    fleet.run("fleet-signal").args(["pause", name]).succeeds().record()
}

fn resume(fleet: &TestFleet, name: &str) -> serde_json::Value {
    fleet.run("fleet-signal").args(["resume", name]).succeeds().record()
}

/// State letters of all that lives of the fleet's commands.
fn letters(fleet: &TestFleet) -> Vec<char> {
    let proc = fleet_os::Proc::default();
    fleet.workload().into_iter().filter_map(|pid| Some(proc.stat(pid).ok()?.state)).collect()
}

fn ticks(fleet: &TestFleet) -> u64 {
    fleet.workload().into_iter().map(cpu_ticks).sum()
}

/// Waits until so much time has gone by, which is what is tested here.
fn for_a_time(time: Duration) {
    let since = Instant::now();
    until("a time has gone by", || since.elapsed() >= time);
}

#[test]
fn a_tree_that_forks_stands_still() {
    let fleet = TestFleet::new();
    fleet.spawn("job", FORKS);
    fleet.until_log("job", |log| log.text() == "up\n");
    assert_eq!(pause(&fleet, "job")["state"], "paused");
    let (members, before) = (fleet.workload(), ticks(&fleet));
    assert!(members.len() >= 2 && letters(&fleet).iter().all(|&state| state == 'T'));
    for_a_time(Duration::from_millis(300));
    assert_eq!((fleet.workload(), ticks(&fleet)), (members, before));
    // Again is no error, and neither is to resume twice.
    assert_eq!(pause(&fleet, "job")["state"], "paused");
    assert_eq!(resume(&fleet, "job")["state"], "running");
    assert_eq!(resume(&fleet, "job")["state"], "running");
    until("it works again", || ticks(&fleet) > before && !letters(&fleet).contains(&'T'));
    let types = fleet.event_types("job");
    let count = |event: &str| types.iter().filter(|t| *t == event).count();
    assert_eq!((count("paused"), count("resumed")), (1, 1), "{types:?}");
}

#[test]
fn many_are_paused_and_resumed_at_once() {
    let fleet = TestFleet::new();
    for name in ["a-1", "a-2", "a-3"] {
        fleet.spawn(name, SLEEPS);
    }
    let ran = fleet.run("fleet-signal").args(["pause", "a-*"]).succeeds();
    assert!(ran.records().iter().all(|record| record["state"] == "paused"));
    let ran = fleet.run("fleet-signal").args(["resume", "--all", "-o", "table"]).succeeds();
    assert_eq!(ran.stdout().lines().count(), 4);
    assert_eq!(fleet.ps("a-2")["state"], "running");
}

#[test]
fn the_time_of_a_pause_does_not_count_for_the_limit() {
    let fleet = TestFleet::new();
    fleet.spawn_with("job", &["--max-runtime", "1s"], SLEEPS);
    pause(&fleet, "job");
    for_a_time(Duration::from_millis(1500));
    let record = fleet.record("job");
    assert_eq!((record.state, record.paused_at.is_some()), (State::Paused, true));
    resume(&fleet, "job");
    let resumed = fleet.record("job");
    assert!(resumed.paused_at.is_none() && resumed.paused_seconds.unwrap() >= 1.4, "{resumed:?}");
    let record = fleet.until_ended("job");
    let exit = record.exit.unwrap();
    assert_eq!(exit.cause, Cause::TimedOut);
    // The wall clock goes on: 1 s that counts, and the pause.
    assert!(exit.duration_seconds.unwrap() >= 2.4, "{exit:?}");
}

/// Kills supervisors while it is paused; the count must go on where it stood.
fn kills_while_paused(kill: impl Fn(&TestFleet)) -> ProcessRecord {
    let fleet = TestFleet::new();
    fleet.spawn_with("job", &["--max-runtime", "1500ms"], SLEEPS);
    pause(&fleet, "job");
    let before = fleet.record("job");
    kill(&fleet);
    fleet.run("fleet-ps").arg("job").ends();
    let after = fleet.until("job", |record| record.shim != before.shim);
    assert_eq!((after.state, after.paused_at), (State::Paused, before.paused_at));
    for_a_time(Duration::from_millis(1700));
    assert_eq!(fleet.record("job").state, State::Paused);
    assert_eq!(letters(&fleet), ['T']);
    resume(&fleet, "job");
    fleet.until_ended("job")
}

#[test]
fn a_shim_killed_while_it_is_paused_is_replaced_and_the_pause_goes_on() {
    let record = kills_while_paused(|fleet| kill(fleet.supervisors("job").0, Signal::KILL));
    let exit = record.exit.unwrap();
    assert_eq!(exit.cause, Cause::TimedOut);
    assert!((3.0..6.0).contains(&exit.duration_seconds.unwrap()), "{exit:?}");
}

#[test]
fn a_keeper_killed_while_it_is_paused_is_replaced_and_the_pause_goes_on() {
    let record = kills_while_paused(|fleet| kill(fleet.supervisors("job").1, Signal::KILL));
    assert_eq!(record.exit.unwrap().cause, Cause::TimedOut);
}

#[test]
fn both_killed_while_it_is_paused_are_replaced_and_the_pause_goes_on() {
    let record = kills_while_paused(|fleet| fleet.kill_supervisors("job"));
    assert_eq!(record.exit.unwrap().cause, Cause::TimedOut);
}

#[test]
fn an_adopted_process_is_paused_and_resumed() {
    let fleet = TestFleet::new();
    fleet.spawn("job", "sleep 600 & wait");
    fleet.kill_supervisors("job");
    fleet.run("fleet-ps").arg("job").succeeds_and_says("a new one took over");
    assert_eq!(pause(&fleet, "job")["state"], "paused");
    assert_eq!(letters(&fleet), ['T', 'T']);
    assert_eq!(resume(&fleet, "job")["state"], "running");
    // Who is orphaned is adopted first.
    fleet.kill_supervisors("job");
    let ran = fleet.run("fleet-signal").args(["pause", "job"]);
    assert_eq!(ran.succeeds_and_says("took over").record()["state"], "paused");
}

#[test]
fn what_is_paused_can_be_stopped() {
    let fleet = TestFleet::new();
    fleet.spawn("job", "trap 'echo bye; exit 3' TERM; echo up; while :; do sleep 0.05; done");
    fleet.until_log("job", |log| log.text() == "up\n");
    pause(&fleet, "job");
    let record = fleet.run("fleet-stop").arg("job").succeeds().record();
    assert_eq!((&record["state"], &record["exit"]["code"]), (&"stopped".into(), &3.into()));
    assert_eq!(record.get("paused_at"), None);
    assert_eq!(fleet.log("job").text(), "up\nbye\n");
}

#[test]
fn what_the_main_process_does_decides() {
    let fleet = TestFleet::new();
    fleet.spawn("job", "sleep 600 & echo $!; wait");
    let log = fleet.until_log("job", |log| log.text().ends_with('\n'));
    let child: i32 = log.text().trim().parse().unwrap();
    kill(child, Signal::STOP);
    until("the child stands still", || letters(&fleet).contains(&'T'));
    assert_eq!(fleet.ps("job")["state"], "running");
    kill(fleet.pid("job"), Signal::STOP);
    fleet.until("job", |record| record.state == State::Paused);
    kill(fleet.pid("job"), Signal::CONT);
    fleet.until("job", |record| record.state == State::Running);
    // Resume is of the whole tree, the child that somebody else stopped included.
    resume(&fleet, "job");
    assert!(!letters(&fleet).contains(&'T'));
}

#[test]
fn a_run_that_was_spawned_from_it_is_a_run_of_its_own() {
    let fleet = TestFleet::new();
    fleet.spawn("outer", "fleet-spawn --name inner -- sleep 600; exec sleep 601");
    fleet.until_log("outer", |log| log.text() == "inner\n");
    pause(&fleet, "outer");
    assert_eq!(fleet.ps("inner")["state"], "running");
    let inner = fleet.pid("inner");
    assert!(fleet_os::Proc::default().stat(inner).is_ok_and(|stat| !stat.is_stopped()));
    let (shim, keeper) = fleet.supervisors("inner");
    assert!(is_living(shim) && is_living(keeper));
    pause(&fleet, "inner");
    resume(&fleet, "outer");
    assert_eq!(fleet.ps("inner")["state"], "paused");
}

#[test]
fn what_cannot_be_paused_is_told() {
    let fleet = TestFleet::new();
    fleet.spawn_with("back", &["--restart", "always", "--backoff", "1h-1h"], "exit 4");
    fleet.until("back", |record| record.state == State::Backoff);
    fleet.spawn("done", "exit 0");
    fleet.until_ended("done");
    fleet.spawn("job", SLEEPS);
    let ran = fleet.run("fleet-signal").args(["pause", "back", "done", "job"]).fails_with(1);
    let ran = ran.stderr_has("'back' waits for its next attempt and has no process now");
    let ran = ran.stderr_has("'done' has ended: completed");
    // The others are paused all the same.
    assert_eq!(ran.records().last().unwrap()["state"], "paused");
    fleet.run("fleet-signal").args(["resume", "done"]).fails_with(1);
    fleet.run("fleet-signal").args(["pause", "none"]).fails_with(1).stderr_has("'none'");
    fleet.run("fleet-signal").args(["pause"]).fails_with(2).stderr_has("--all");
    fleet.run("fleet-signal").args(["dance", "job"]).fails_with(2).stderr_has("kill -l");
    fleet.run("fleet-signal").args(["pause", "job", "--tree"]).fails_with(2);
    fleet.run("fleet-signal").args(["INT", "job", "--grace", "1s"]).fails_with(2);
}
