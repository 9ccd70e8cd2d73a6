//! Attempts: policies, pauses, crash loops, limits, and what signals to the shim do.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use fleet_testkit::{Cause, Signal, State, TestFleet, kill, until};

const QUICK: [&str; 2] = ["--backoff", "1ms-5ms"];

fn with<'a>(options: &[&'a str]) -> Vec<&'a str> {
    [options, &QUICK].concat()
}

/// A script that counts its attempts and fails until the fourth.
const FOURTH: &str = "echo attempt $FLEET_ATTEMPT; [ $FLEET_ATTEMPT -ge 4 ] || exit 9";

#[test]
fn without_a_policy_there_is_one_attempt() {
    let fleet = TestFleet::new();
    fleet.spawn_with("job", &with(&[]), FOURTH);
    let record = fleet.until_ended("job");
    assert_eq!((record.state, record.attempt, record.restarts), (State::Failed, 1, 0));
}

#[test]
fn on_failure_goes_on_until_a_success() {
    let fleet = TestFleet::new();
    fleet.spawn_with("job", &with(&["--restart", "on-failure"]), FOURTH);
    let record = fleet.until_ended("job");
    assert_eq!((record.state, record.attempt, record.restarts), (State::Completed, 4, 3));
    assert_eq!(fleet.log("job").text(), "attempt 1\nattempt 2\nattempt 3\nattempt 4\n");
    fleet.until_event("job", "ended");
    let types = fleet.event_types("job");
    let count = |event| types.iter().filter(|t| *t == event).count();
    assert_eq!((count("spawned"), count("started"), count("restarted")), (1, 1, 3), "{types:?}");
    assert_eq!((count("exited"), count("ended")), (3, 1), "{types:?}");
}

#[test]
fn always_goes_on_after_a_success_too() {
    let fleet = TestFleet::new();
    for policy in ["always", "unless-stopped"] {
        fleet.spawn_with(policy, &with(&["--restart", policy, "--crash-limit", "32/1m"]), "exit 0");
        fleet.until(policy, |record| record.attempt >= 4);
        fleet.run("fleet-stop").arg(policy).succeeds();
        assert_eq!(fleet.record(policy).state, State::Stopped);
    }
}

#[test]
fn a_crash_loop_ends_the_run_and_says_so() {
    let fleet = TestFleet::new();
    let options = with(&["--restart", "on-failure", "--crash-limit", "3/1m"]);
    fleet.spawn_with("job", &options, "echo no >&2; exit 5");
    let record = fleet.until_ended("job");
    let exit = record.exit.unwrap();
    assert_eq!((record.state, record.attempt), (State::Failed, 3));
    assert_eq!((exit.cause, exit.code), (Cause::CrashLoop, Some(5)));
    assert!(exit.reason.contains("died 3 times within 1m"), "{}", exit.reason);
    assert_eq!(exit.stderr_tail, ["no"]);
}

#[test]
fn deaths_that_are_far_apart_are_no_crash_loop() {
    let fleet = TestFleet::new();
    let options = with(&["--restart", "on-failure", "--crash-limit", "2/50ms"]);
    fleet.spawn_with("job", &options, "sleep 0.1; [ $FLEET_ATTEMPT -ge 4 ] || exit 9");
    assert_eq!(fleet.until_ended("job").state, State::Completed);
}

#[test]
fn pauses_double_up_to_the_longest() {
    let fleet = TestFleet::new();
    let options = ["--restart", "on-failure", "--backoff", "40ms-160ms"];
    fleet.spawn_with("job", &options, "[ $FLEET_ATTEMPT -ge 6 ] || exit 1");
    fleet.until_ended("job");
    let events = fleet.events();
    let exits = events.iter().filter(|event| event["type"] == "exited");
    let pauses: Vec<f64> =
        exits.map(|event| event["data"]["pause_seconds"].as_f64().unwrap()).collect();
    // Longer or shorter by up to a tenth.
    let near = |pause: f64, wanted: f64| (0.89 * wanted..=1.11 * wanted).contains(&pause);
    let wanted = [0.04, 0.08, 0.16, 0.16, 0.16];
    assert_eq!(pauses.len(), wanted.len());
    assert!(pauses.iter().zip(wanted).all(|(&p, w)| near(p, w)), "{pauses:?}");
}

#[test]
fn during_a_pause_the_record_tells_when_and_why() {
    let fleet = TestFleet::new();
    fleet.spawn_with("job", &["--restart", "on-failure", "--backoff", "1h-1h"], "exit 6");
    let record = fleet.until("job", |record| record.state == State::Backoff);
    assert_eq!((record.pid, record.exit.unwrap().code), (None, Some(6)));
    assert!(record.retry_at.unwrap() > record.ts);
    assert_eq!(fleet.ps("job")["state"], "backoff");
    // HUP ends the pause.
    kill(fleet.supervisors("job").0, Signal::from_number(1).unwrap());
    fleet.until("job", |record| record.attempt == 2);
}

#[test]
fn hup_to_the_shim_restarts_without_a_policy() {
    let fleet = TestFleet::new();
    fleet.spawn("web", "echo attempt $FLEET_ATTEMPT; exec sleep 600");
    fleet.until_log("web", |log| log.text() == "attempt 1\n");
    let first = fleet.pid("web");
    kill(fleet.supervisors("web").0, Signal::from_number(1).unwrap());
    let record = fleet.until("web", |r| r.state == State::Running && r.attempt == 2);
    assert_ne!(record.pid, Some(first));
    assert_eq!((record.restarts, record.stop), (1, None));
    fleet.until_log("web", |log| log.text() == "attempt 1\nattempt 2\n");
    fleet.run("fleet-stop").arg("web").succeeds();
    assert_eq!(fleet.record("web").state, State::Stopped);
}

#[test]
fn usr1_to_the_shim_writes_a_status() {
    let fleet = TestFleet::new();
    fleet.spawn("web", "exec sleep 600");
    kill(fleet.supervisors("web").0, Signal::from_number(10).unwrap());
    let event = fleet.until_event("web", "status");
    assert_eq!(event["data"]["process"]["state"], "running");
    assert_eq!(fleet.record("web").state, State::Running);
}

/// The status that a shim reports when it is asked the `nth` time.
fn report(fleet: &TestFleet, name: &str, nth: usize) -> serde_json::Value {
    kill(fleet.supervisors(name).0, Signal::from_number(10).unwrap());
    let all = || {
        let events = fleet.events().into_iter();
        events.filter(|event| event["id"] == name && event["type"] == "status").collect::<Vec<_>>()
    };
    until("the report is there", || all().len() == nth);
    all().remove(nth - 1)["data"].take()
}

#[test]
fn a_status_report_tells_what_is_waited_for() {
    let fleet = TestFleet::new();
    let script = "trap '' TERM; sleep 600 & echo up; while :; do wait; done";
    fleet.spawn_with("web", &["--max-runtime", "1h"], script);
    fleet.until_log("web", |log| log.text() == "up\n");
    let running = report(&fleet, "web", 1);
    let left = running["timers"]["max_runtime_seconds"].as_f64().unwrap();
    assert!((3000.0..=3600.0).contains(&left), "{running}");
    assert_eq!(running["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(running["pids"].as_array().unwrap().len(), 2);
    assert_eq!(running["log"]["lines"], 1);
    let main = format!("its main process (pid {}) to end", fleet.pid("web"));
    assert_eq!((&running["waits_for"], &running["adopted"]), (&main.into(), &false.into()));

    kill(fleet.pid("web"), Signal::STOP);
    fleet.until("web", |record| record.state == State::Paused);
    let paused = report(&fleet, "web", 2);
    assert!(paused["waits_for"].as_str().unwrap().ends_with("to be resumed"), "{paused}");
    assert_eq!(paused["timers"].get("max_runtime_seconds"), None);
    assert_eq!(report(&fleet, "web", 3)["counted_seconds"], paused["counted_seconds"]);

    let stop = fleet.run("fleet-stop").args(["web", "--grace", "2s"]).starts();
    fleet.until("web", |record| record.state == State::Stopping);
    let stopping = report(&fleet, "web", 4);
    assert!(stopping["timers"]["kill_seconds"].as_f64().unwrap() <= 2.0, "{stopping}");
    assert_eq!(stopping["waits_for"], "its tree to end");
    assert!(stop.wait_with_output().unwrap().status.success());
}

#[test]
fn a_status_report_during_a_pause_tells_when_it_ends() {
    let fleet = TestFleet::new();
    fleet.spawn_with("job", &["--restart", "on-failure", "--backoff", "1h-1h"], "exit 6");
    fleet.until("job", |record| record.state == State::Backoff);
    let report = report(&fleet, "job", 1);
    assert!(report["timers"]["next_attempt_seconds"].as_f64().unwrap() > 3000.0, "{report}");
    assert_eq!(report["waits_for"], "the end of the pause before its next attempt");
    assert_eq!((&report["pids"], report.get("counted_seconds")), (&serde_json::json!([]), None));
}

#[test]
fn who_runs_too_long_is_timed_out() {
    let fleet = TestFleet::new();
    fleet.spawn_with("job", &["--max-runtime", "200ms"], "exec sleep 600");
    let record = fleet.until_ended("job");
    let exit = record.exit.unwrap();
    assert_eq!((record.state, exit.cause), (State::Failed, Cause::TimedOut));
    assert!(exit.reason.contains("longer than its limit of"), "{}", exit.reason);
    // Code 0 in answer to the signal does not make it a success.
    let script = "trap 'exit 0' TERM; while :; do sleep 0.02; done";
    fleet.spawn_with("nice", &["--max-runtime", "200ms"], script);
    let record = fleet.until_ended("nice");
    assert_eq!((record.state, record.exit.unwrap().cause), (State::Failed, Cause::TimedOut));
}

#[test]
fn who_is_timed_out_and_ignores_it_is_killed_and_started_again_by_its_policy() {
    let fleet = TestFleet::new();
    let options = with(&["--max-runtime", "150ms", "--grace", "50ms", "--restart", "on-failure"]);
    let script = "[ $FLEET_ATTEMPT -ge 2 ] && exit 0; trap '' TERM; while :; do sleep 0.02; done";
    fleet.spawn_with("job", &options, script);
    let record = fleet.until_ended("job");
    assert_eq!((record.state, record.attempt), (State::Completed, 2));
}

#[test]
fn a_command_that_vanished_counts_as_a_death() {
    let fleet = TestFleet::new();
    let file = fleet.scratch().join("once");
    std::fs::write(&file, "#!/bin/sh\nrm \"$0\"; exit 1\n").unwrap();
    fleet.shell(&format!("chmod +x '{}'", file.display())).succeeds();
    let options = with(&["--restart", "on-failure", "--crash-limit", "3/1m", "--name", "job"]);
    fleet.run("fleet-spawn").args(options).arg("--").arg(&file).succeeds();
    let exit = fleet.until_ended("job").exit.unwrap();
    assert_eq!((exit.cause, exit.code), (Cause::CrashLoop, Some(127)));
}

#[test]
fn while_an_attempt_runs_the_end_of_the_one_before_is_no_end_of_it() {
    let fleet = TestFleet::new();
    let script = "[ $FLEET_ATTEMPT = 1 ] && exit 3; exec sleep 600";
    fleet.spawn_with("job", &with(&["--restart", "on-failure"]), script);
    let record = fleet.until("job", |r| r.attempt == 2 && r.state == State::Running);
    assert_eq!((record.exit, record.retry_at, record.ended_at), (None, None, None));
}
