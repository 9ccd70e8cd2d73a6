//! Trees: children that leave, that stay, that are suspended, and what becomes of the run.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use fleet_testkit::{Cause, Signal, State, TestFleet, is_living, kill, until};

#[test]
fn after_a_success_it_runs_on_until_the_last_grandchild_is_gone() {
    let fleet = TestFleet::new();
    let script = "(setsid sh -c 'read x < \"$FLEET_DIR/go\"; echo late') & exit 0";
    std::fs::create_dir_all(fleet.file("processes/job/data")).unwrap();
    fleet.shell("mkfifo \"$FLEET_HOME/processes/job/data/go\"").succeeds();
    fleet.spawn("job", script);
    fleet.until_event("job", "main_exited");
    assert_eq!(fleet.ps("job")["state"], "running");
    fleet.shell("echo > \"$FLEET_HOME/processes/job/data/go\"").succeeds();
    let record = fleet.until_ended("job");
    assert_eq!((record.state, record.exit.unwrap().code), (State::Completed, Some(0)));
    assert_eq!(fleet.log("job").text(), "late\n");
}

#[test]
fn after_a_failure_what_is_left_is_ended() {
    let fleet = TestFleet::new();
    fleet.spawn("job", "(setsid sleep 600) & (sleep 601) & sleep 0.1; exit 3");
    let record = fleet.until_ended("job");
    let exit = record.exit.unwrap();
    assert_eq!((record.state, exit.code, exit.cause), (State::Failed, Some(3), Cause::Exited));
    assert!(exit.leftovers.unwrap() >= 2, "{exit:?}");
    assert!(fleet.workload().is_empty());
}

#[test]
fn leftovers_that_ignore_the_signal_are_killed_after_the_grace() {
    let fleet = TestFleet::new();
    let script = "bash -c 'trap \"\" TERM; echo up; while :; do sleep 0.05; done' &                   sleep 0.3; exit 3";
    fleet.spawn_with("job", &["--grace", "200ms"], script);
    let exit = fleet.until_ended("job").exit.unwrap();
    assert_eq!(exit.code, Some(3));
    assert!(fleet.workload().is_empty());
}

#[test]
fn a_daemon_that_forks_twice_is_still_stopped() {
    let fleet = TestFleet::new();
    fleet.spawn("daemon", "setsid setsid sleep 600 & exit 0");
    fleet.until_event("daemon", "main_exited");
    fleet.run("fleet-stop").arg("daemon").succeeds();
    assert_eq!(fleet.record("daemon").state, State::Stopped);
    assert!(fleet.workload().is_empty());
}

#[test]
fn pausing_and_going_on_are_seen() {
    let fleet = TestFleet::new();
    fleet.spawn("job", "exec sleep 600");
    kill(fleet.pid("job"), Signal::from_number(19).unwrap());
    fleet.until("job", |record| record.state == State::Paused);
    fleet.until_event("job", "paused");
    kill(fleet.pid("job"), Signal::CONT);
    fleet.until("job", |record| record.state == State::Running);
    fleet.until_event("job", "resumed");
}

#[test]
fn a_process_that_dies_while_suspended_has_an_end() {
    let fleet = TestFleet::new();
    fleet.spawn("job", "exec sleep 600");
    let pid = fleet.pid("job");
    kill(pid, Signal::from_number(19).unwrap());
    fleet.until("job", |record| record.state == State::Paused);
    kill(pid, Signal::KILL);
    let record = fleet.until_ended("job");
    let exit = record.exit.unwrap();
    assert_eq!((record.state, exit.signal), (State::Failed, Some(Signal::KILL)));
    assert_eq!(exit.cause, Cause::Signalled);
}

#[test]
fn orphans_are_reaped_while_the_main_process_lives() {
    let fleet = TestFleet::new();
    fleet.spawn("job", "for i in $(seq 1 50); do (true &); done; echo done; exec sleep 600");
    fleet.until_log("job", |log| log.text() == "done\n");
    let (shim, _) = fleet.supervisors("job");
    until("no zombie is left below the shim", || {
        let list = std::fs::read_to_string(format!("/proc/{shim}/task/{shim}/children")).unwrap();
        let pids: Vec<i32> = list.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
        pids == [fleet.pid("job")]
    });
    assert!(is_living(fleet.pid("job")));
}

#[test]
fn a_signal_that_ends_it_is_named() {
    let fleet = TestFleet::new();
    for (name, number) in [("segv", 11), ("abrt", 6), ("int", 2), ("rt", 40)] {
        fleet.spawn(name, &format!("ulimit -c 0; kill -{number} $$"));
        let record = fleet.until_ended(name);
        let exit = record.exit.unwrap();
        assert_eq!((record.state, exit.cause), (State::Failed, Cause::Signalled), "{name}");
        assert_eq!(exit.code, None);
        if number < 32 {
            assert_eq!(exit.signal.unwrap().number(), number);
        }
        assert!(exit.reason.contains("was ended by"), "{}", exit.reason);
    }
}
