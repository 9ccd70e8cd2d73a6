//! Stopping: what is asked for happens, whole trees go, and the truth is told of each.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use fleet_testkit::{Cause, Run, State, TestFleet, is_living, until};

const SLEEPS: &str = "exec sleep 600";
const STUBBORN: &str = "trap '' TERM; echo up; while :; do sleep 0.1; done";

fn stop(fleet: &TestFleet, args: &[&str]) -> Run {
    fleet.run("fleet-stop").args(args)
}

#[test]
fn a_stop_ends_it_and_tells_who_asked() {
    let fleet = TestFleet::new();
    fleet.spawn("web", SLEEPS);
    let record = stop(&fleet, &["web"]).succeeds().record();
    assert_eq!((&record["id"], &record["state"]), (&"web".into(), &"stopped".into()));
    assert_eq!(record["exit"]["signal"], "SIGTERM");
    assert_eq!(record["exit"]["cause"], "stopped");
    assert!(record["exit"]["by"].as_str().unwrap().contains("(fleet-stop)"), "{record}");
    assert_eq!(fleet.ps("web")["state"], "stopped");
    fleet.until_deserted();
}

#[test]
fn a_stop_that_was_asked_for_ends_as_stopped_whatever_the_code() {
    let fleet = TestFleet::new();
    fleet.spawn("web", "trap 'exit 9' TERM; echo up; while :; do sleep 0.05; done");
    fleet.until_log("web", |log| log.text() == "up\n");
    let record = stop(&fleet, &["web"]).succeeds().record();
    assert_eq!((&record["state"], &record["exit"]["code"]), (&"stopped".into(), &9.into()));
}

#[test]
fn a_stop_twice_is_no_error() {
    let fleet = TestFleet::new();
    fleet.spawn("web", SLEEPS);
    stop(&fleet, &["web"]).succeeds();
    assert_eq!(stop(&fleet, &["web"]).succeeds().record()["state"], "stopped");
    fleet.spawn("job", "exit 3");
    fleet.until_ended("job");
    assert_eq!(stop(&fleet, &["job"]).succeeds().record()["state"], "failed");
}

#[test]
fn two_stops_at_once_join() {
    let fleet = TestFleet::new();
    fleet.spawn("web", STUBBORN);
    fleet.until_log("web", |log| log.text() == "up\n");
    let slow = stop(&fleet, &["web", "--grace", "1h"]).starts();
    fleet.until("web", |record| record.state == State::Stopping);
    stop(&fleet, &["web", "--grace", "100ms"]).succeeds();
    assert!(slow.wait_with_output().unwrap().status.success());
}

#[test]
fn who_ignores_the_signal_is_killed_after_the_grace() {
    let fleet = TestFleet::new();
    fleet.spawn("web", STUBBORN);
    fleet.until_log("web", |log| log.text() == "up\n");
    let record = stop(&fleet, &["web", "--grace", "200ms"]).succeeds().record();
    assert_eq!(record["exit"]["signal"], "SIGKILL");
    let reason = record["exit"]["reason"].as_str().unwrap();
    assert!(reason.contains("killed after its grace period"), "{reason}");
    assert!(fleet.event_types("web").contains(&"killing".to_owned()));
}

#[test]
fn force_kills_at_once() {
    let fleet = TestFleet::new();
    fleet.spawn("web", STUBBORN);
    fleet.until_log("web", |log| log.text() == "up\n");
    let record = stop(&fleet, &["web", "--force"]).succeeds().record();
    assert_eq!(record["exit"]["signal"], "SIGKILL");
    assert!(!record["exit"]["reason"].as_str().unwrap().contains("grace"), "{record}");
    stop(&fleet, &["web", "--force", "--grace", "1s"]).fails_with(2);
}

#[test]
fn the_signal_can_be_chosen_at_spawn_and_at_stop() {
    let fleet = TestFleet::new();
    let script = "trap 'echo int; exit' INT; trap 'echo usr; exit' USR1; echo up;                   while :; do sleep 0.05; done";
    fleet.spawn_with("a", &["--stop-signal", "INT"], script);
    fleet.spawn("b", script);
    for (name, args, said) in [("a", &["a"][..], "int"), ("b", &["b", "--signal", "USR1"], "usr")] {
        fleet.until_log(name, |log| log.text() == "up\n");
        stop(&fleet, args).succeeds();
        assert_eq!(fleet.log(name).text(), format!("up\n{said}\n"));
    }
}

#[test]
fn what_was_suspended_is_stopped_all_the_same() {
    let fleet = TestFleet::new();
    fleet.spawn("web", "kill -STOP $$; exec sleep 600");
    // The registry, which fleet-ps reads, hears of it a moment after the run's own record.
    until("it is paused", || fleet.ps("web")["state"] == "paused");
    let record = stop(&fleet, &["web"]).succeeds().record();
    assert_eq!(
        (&record["state"], &record["exit"]["signal"]),
        (&"stopped".into(), &"SIGTERM".into())
    );
}

#[test]
fn a_stop_during_the_pause_before_an_attempt_ends_the_run() {
    let fleet = TestFleet::new();
    fleet.spawn_with("job", &["--restart", "always", "--backoff", "1h-1h"], "exit 4");
    fleet.until("job", |record| record.state == State::Backoff);
    let record = stop(&fleet, &["job"]).succeeds().record();
    assert_eq!((&record["state"], &record["restarts"]), (&"stopped".into(), &0.into()));
    assert_eq!(record["exit"]["code"], 4);
    assert!(fleet.workload().is_empty());
}

#[test]
fn a_restart_policy_does_not_outlive_a_stop() {
    let fleet = TestFleet::new();
    fleet.spawn_with("web", &["--restart", "always", "--backoff", "1ms-1ms"], SLEEPS);
    stop(&fleet, &["web"]).succeeds();
    assert_eq!(fleet.record("web").state, State::Stopped);
    assert!(fleet.workload().is_empty());
}

#[test]
fn grandchildren_that_left_the_session_go_too() {
    let fleet = TestFleet::new();
    let script = "setsid sh -c 'setsid sleep 601 & setsid sleep 602 & wait' & exec sleep 600";
    fleet.spawn("web", script);
    until("all four live", || {
        let text = |pid: &i32| std::fs::read_to_string(format!("/proc/{pid}/cmdline"));
        let sleeps = |pid: &i32| text(pid).is_ok_and(|line| line.starts_with("sleep"));
        fleet.workload().iter().filter(|pid| sleeps(pid)).count() == 3
    });
    stop(&fleet, &["web"]).succeeds();
    assert!(fleet.workload().is_empty());
}

#[test]
fn a_tree_that_forks_faster_than_it_is_counted_goes_too() {
    let fleet = TestFleet::new();
    let script = "trap '' TERM; hop() { (hop) & sleep 0.01; };                   for i in 1 2 3; do (while :; do (sleep 0.02 &) ; sleep 0.01; done) & done; wait";
    fleet.spawn("forks", script);
    fleet.until("forks", |record| record.state == State::Running);
    stop(&fleet, &["forks", "--grace", "50ms"]).succeeds();
    assert!(fleet.workload().is_empty());
}

#[test]
fn nothing_named_is_refused_and_nothing_touched() {
    let fleet = TestFleet::new();
    fleet.spawn("web", SLEEPS);
    stop(&fleet, &[]).fails_with(2).stderr_has("--all");
    assert_eq!(fleet.ps("web")["state"], "running");
}

#[test]
fn what_matches_nothing_is_a_no_and_the_others_are_stopped() {
    let fleet = TestFleet::new();
    fleet.spawn("web", SLEEPS);
    stop(&fleet, &["wib"]).fails_with(1).stdout_is("").stderr_has("'wib'");
    let ran = stop(&fleet, &["wib", "web", "x-*"]).fails_with(1).stderr_has("'wib'");
    assert_eq!(ran.stderr_has("'x-*'").record()["id"], "web");
    stop(&fleet, &["a/b"]).fails_with(2).stderr_has("a/b");
}

#[test]
fn labels_globs_and_pids_choose() {
    let fleet = TestFleet::new();
    for (name, label) in [("w-1", "team=a"), ("w-2", "team=b"), ("x-1", "team=a"), ("y", "team=b")]
    {
        fleet.spawn_with(name, &["-l", label], SLEEPS);
    }
    stop(&fleet, &["w-*", "-l", "team=a"]).succeeds();
    let living = || -> Vec<String> {
        let records = fleet.run("fleet-ps").args(["--state", "running"]).ends().records();
        records.iter().map(|r| r["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(living(), ["w-2", "x-1", "y"]);
    stop(&fleet, &["-l", "team=a"]).succeeds();
    assert_eq!(living(), ["w-2", "y"]);
    stop(&fleet, &[&format!("pid:{}", fleet.pid("y"))]).succeeds();
    assert_eq!(living(), ["w-2"]);
    stop(&fleet, &["--all"]).succeeds();
    assert!(living().is_empty());
}

#[test]
fn names_and_records_come_on_standard_input() {
    let fleet = TestFleet::new();
    for name in ["a", "b", "c"] {
        fleet.spawn(name, SLEEPS);
    }
    stop(&fleet, &["-"]).stdin("a\n\n").succeeds();
    let records = fleet.run("fleet-ps").arg("b").succeeds().stdout().to_owned();
    stop(&fleet, &["-"]).stdin(records).succeeds();
    assert_eq!(fleet.ps("c")["state"], "running");
    stop(&fleet, &["-"]).stdin("{\"kind\":\"sample\"}\n").fails_with(2).stderr_has("line 1");
    stop(&fleet, &["-"]).stdin("c\nno/such\n").fails_with(2).stderr_has("line 2");
    assert_eq!(fleet.ps("c")["state"], "running");
}

#[test]
fn an_old_record_does_not_stop_the_run_that_followed() {
    let fleet = TestFleet::new();
    fleet.spawn("job", "exit 1");
    fleet.until_ended("job");
    let old = fleet.run("fleet-ps").args(["--state", "failed"]).succeeds().stdout().to_owned();
    fleet.spawn("job", SLEEPS);
    stop(&fleet, &["-"]).stdin(old).succeeds();
    assert_eq!(fleet.ps("job")["state"], "running");
}

#[test]
fn without_shim_and_keeper_it_is_stopped_all_the_same() {
    let fleet = TestFleet::new();
    fleet.spawn("web", SLEEPS);
    let pid = fleet.pid("web");
    fleet.kill_supervisors("web");
    let ran = stop(&fleet, &["web"]).ends();
    assert_eq!(ran.code(), Some(0), "{ran}");
    let record = fleet.until_ended("web");
    assert_eq!((record.state, record.exit.unwrap().cause), (State::Stopped, Cause::Stopped));
    assert!(!is_living(pid));
}

#[test]
fn an_empty_fleet_has_nothing_to_stop() {
    let fleet = TestFleet::new();
    stop(&fleet, &["--all"]).succeeds_and_says("nothing to stop").stdout_is("");
    stop(&fleet, &["web"]).fails_with(1);
}

#[test]
fn a_process_whose_folder_was_removed_is_stopped() {
    let fleet = TestFleet::new();
    for with_supervisors in [true, false] {
        fleet.spawn("web", SLEEPS);
        let pid = fleet.pid("web");
        if !with_supervisors {
            fleet.kill_supervisors("web");
        }
        std::fs::remove_dir_all(fleet.run_dir("web").parent().unwrap()).unwrap();
        let ran = stop(&fleet, &["web"]).ends();
        assert_eq!(ran.code(), Some(0), "{}", ran.stderr());
        assert_eq!(ran.record()["state"], "stopped");
        assert!(!is_living(pid));
        assert_eq!(fleet.ps("web")["state"], "stopped");
    }
}

#[test]
fn a_stop_goes_on_when_all_supervisors_were_killed_in_the_middle_of_it() {
    let fleet = TestFleet::new();
    fleet.spawn_with("web", &["--restart", "always", "--grace", "1s"], STUBBORN);
    fleet.until_log("web", |log| log.text() == "up\n");
    let pid = fleet.pid("web");
    let mut first = stop(&fleet, &["web", "--grace", "1h"]).starts();
    fleet.until("web", |record| record.state == State::Stopping);
    first.kill().unwrap();
    first.wait().unwrap();
    fleet.kill_supervisors("web");
    fleet.run("fleet-ps").ends();
    let record = fleet.until_ended("web");
    assert_eq!(record.state, State::Stopped, "{record:?}");
    assert!(!is_living(pid));
}

#[test]
fn a_stop_reaches_the_shim_that_takes_a_stop_over() {
    let fleet = TestFleet::new();
    fleet.spawn_with("web", &["--grace", "1h"], STUBBORN);
    fleet.until_log("web", |log| log.text() == "up\n");
    let mut first = stop(&fleet, &["web"]).starts();
    fleet.until("web", |record| record.state == State::Stopping);
    first.kill().unwrap();
    first.wait().unwrap();
    fleet.kill_supervisors("web");
    let ran = stop(&fleet, &["--force", "web"]).ends();
    assert_eq!(ran.code(), Some(0), "{}", ran.stderr());
    assert_eq!(ran.record()["state"], "stopped");
}
