//! `--after` and `--queue` as they are typed, and what is told at once.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use fleet_testkit::{Cause, Run, State, TestFleet, until};

fn spawn(fleet: &TestFleet, options: &[&str], script: &str) -> Run {
    let run = fleet.run("fleet-spawn").args(["--name", "job"]).args(options);
    run.args(["--", "bash", "-c", script])
}

#[test]
fn what_is_unknown_cannot_be_waited_for() {
    let fleet = TestFleet::new();
    fleet.spawn("database", "exec sleep 600");
    let ran = spawn(&fleet, &["--after", "databse:healthy"], "true").fails_with(2);
    ran.stdout_is("").stderr_has("no process 'databse'").stderr_has("did you mean 'database'?");
    let ran = spawn(&fleet, &["--after", "xyz"], "true").fails_with(2);
    ran.stderr_has("no process 'xyz'").stderr_has("fleet-ps --all").stderr_lacks("did you mean");
    let ran = spawn(&fleet, &["--after", "job"], "true").fails_with(2);
    ran.stderr_has("'job' cannot wait for itself");
    spawn(&fleet, &["--after", "database:well"], "true").fails_with(2).stderr_has("\"well\"");
    // Nothing of them is left.
    assert!(!fleet.file("processes/job").exists());
    assert_eq!(fleet.run("fleet-ps").succeeds().records().len(), 1);
}

#[test]
fn a_dependency_that_is_dead_already_fails_at_once_with_the_reason() {
    let fleet = TestFleet::new();
    fleet.spawn("db", "exit 3");
    fleet.until_ended("db");
    let ran = spawn(&fleet, &["--after", "db:healthy"], "true").fails_with(1);
    ran.stderr_has("waited for 'db' to be healthy, but it failed: exited with code 3");
    let record = fleet.record("job");
    let cause = record.exit.unwrap().cause;
    assert_eq!((record.state, cause), (State::Failed, Cause::DependencyFailed));
}

#[test]
fn a_dependency_that_has_come_already_costs_no_wait() {
    let fleet = TestFleet::new();
    fleet.spawn("db", "exit 0");
    fleet.until_ended("db");
    for (name, until) in [("a", "db"), ("b", "db:completed"), ("c", "db:ended")] {
        fleet.spawn_with(name, &["--after", until], "exec sleep 600");
        assert_eq!(fleet.record(name).state, State::Running);
        fleet.until_event(name, "started");
        assert_eq!(fleet.event_types(name), ["spawned", "started"]);
    }
}

#[test]
fn a_command_that_cannot_be_executed_is_told_at_once_or_recorded_after_the_wait() {
    let fleet = TestFleet::new();
    let missing = ["--", "/missing"];
    fleet.run("fleet-spawn").args(["--queue"]).args(missing).fails_with(127);
    fleet.spawn_with("holder", &["--queue"], "exec sleep 600");
    fleet.run("fleet-spawn").args(["--queue", "--name", "job"]).args(missing).succeeds();
    fleet.run("fleet-stop").arg("holder").succeeds();
    let record = fleet.until_ended("job");
    let exit = record.exit.unwrap();
    assert_eq!(
        (record.state, exit.cause, exit.code),
        (State::Failed, Cause::ExecFailed, Some(127))
    );
}

/// Waits in line behind a holder with `--wait` until one of the two is stopped.
fn until_stopped(who: &str, when: &str, script: &str) -> (TestFleet, std::process::Output) {
    let fleet = TestFleet::new();
    fleet.spawn_with("holder", &["--queue"], "exec sleep 600");
    let run = fleet.run("fleet-spawn").args(["--name", "job", "--queue", "--wait", when]);
    let job = run.args(["--", "bash", "-c", script]).starts();
    until("it is queued", || {
        fleet.file("processes/job/1/record.json").exists() && fleet.record("job").waiting.is_some()
    });
    fleet.run("fleet-stop").arg(who).succeeds();
    let output = job.wait_with_output().unwrap();
    (fleet, output)
}

#[test]
fn a_wait_goes_on_through_the_line() {
    let (fleet, output) = until_stopped("holder", "started", "exec sleep 600");
    assert_eq!((output.status.code(), output.stdout.as_slice()), (Some(0), b"job\n".as_slice()));
    assert_eq!(fleet.record("job").state, State::Running);
    let (fleet, output) = until_stopped("holder", "ended", "exit 4");
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(fleet.record("job").state, State::Failed);
    let (_fleet, output) = until_stopped("holder", "started", "exec /missing 2>/dev/null");
    assert_eq!(output.status.code(), Some(0), "bash was executed, if nothing else");
}

#[test]
fn a_wait_for_the_start_tells_that_it_never_came() {
    let fleet = TestFleet::new();
    fleet.spawn_with("holder", &["--queue"], "exec sleep 600");
    let limit = ["--queue", "--wait", "started", "--wait-timeout", "200ms"];
    let ran = spawn(&fleet, &limit, "true").fails_with(124);
    ran.stdout_is("job\n").stderr_has("'job' is not started yet; it still stands in line");
    let (_fleet, output) = until_stopped("job", "started", "true");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8_lossy(&output.stderr).contains("was never started"), "{output:?}");
}

#[test]
fn spawning_a_queued_process_does_not_wait() {
    let fleet = TestFleet::new();
    fleet.spawn_with("holder", &["--queue"], "exec sleep 600");
    spawn(&fleet, &["--queue"], "true").succeeds().stdout_is("job\n");
    assert_eq!(fleet.record("job").state, State::Queued);
    let again = spawn(&fleet, &["--queue"], "true").fails_with(3);
    again.stderr_has("taken");
    spawn(&fleet, &["--queue", "--reuse"], "true").succeeds().stdout_is("job\n");
}
