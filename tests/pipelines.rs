//! The tools in pipes, as people write them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use fleet_testkit::{State, TestFleet};

#[test]
fn what_failed_is_found_and_stopped_and_restarted_by_pipes() {
    let fleet = TestFleet::new();
    fleet.spawn("good", "exec sleep 600");
    fleet.spawn("bad", "exit 3");
    fleet.until_ended("bad");
    let ran = fleet.shell("fleet-ps --state failed | fleet-stop -").succeeds();
    assert_eq!((&ran.record()["id"], &ran.record()["state"]), (&"bad".into(), &"failed".into()));
    assert_eq!(fleet.ps("good")["state"], "running");
    fleet.shell("fleet-ps --state running | fleet-stop - | fleet-ps -").succeeds();
    assert_eq!(fleet.record("good").state, State::Stopped);
}

#[test]
fn an_empty_pipe_stops_nothing() {
    let fleet = TestFleet::new();
    fleet.spawn("good", "exec sleep 600");
    let ran = fleet.shell("fleet-ps --state failed | fleet-stop -").ends();
    assert!(matches!(ran.code(), Some(0 | 1)), "{ran}");
    assert_eq!(fleet.ps("good")["state"], "running");
}

#[test]
fn the_printed_name_is_good_for_the_next_tool() {
    let fleet = TestFleet::new();
    let script = "id=$(fleet-spawn -- sleep 600) && fleet-ps \"$id\" && fleet-stop \"$id\"";
    let ran = fleet.shell(script).succeeds();
    let states: Vec<_> = ran.records().iter().map(|r| r["state"].clone()).collect();
    assert_eq!(states, ["running", "stopped"]);
    let ran = fleet.shell("fleet-spawn --wait ended -- sh -c 'exit 4' || fleet-ps sh").ends();
    assert_eq!(ran.code(), Some(0), "{ran}");
    assert!(ran.stdout().contains("\"code\":4"), "{ran}");
}

#[test]
fn samples_follow_what_is_running() {
    let fleet = TestFleet::new();
    fleet.spawn("job", "exec sleep 600");
    let samples = fleet.shell("fleet-metrics").succeeds().records();
    let of_job = samples.iter().find(|s| s["id"] == "job").expect("a sample of the job");
    assert_eq!((&of_job["kind"], &of_job["state"]), (&"sample".into(), &"running".into()));
    assert!(of_job["memory_bytes"].as_u64().unwrap() > 0);
}

#[test]
fn one_process_can_start_another_and_their_names_are_their_own() {
    let fleet = TestFleet::new();
    fleet.spawn(
        "outer",
        "fleet-spawn --name inner -- bash -c 'echo $FLEET_ID; exec sleep 600'; exec sleep 600",
    );
    fleet.until_log("outer", |log| log.text() == "inner\n");
    fleet.until_log("inner", |log| log.text() == "inner\n");
    // What was spawned is a process of its own: it does not go with the one that asked for it.
    fleet.run("fleet-stop").arg("outer").succeeds();
    assert_eq!(fleet.record("outer").state, State::Stopped);
    assert_eq!(fleet.ps("inner")["state"], "running");
    assert_eq!(fleet.workload(), [fleet.pid("inner")]);
    // And it is supervised as before.
    fleet.kill_supervisors("inner");
    fleet.run("fleet-ps").succeeds_and_says("a new one took over");
    fleet.run("fleet-stop").arg("inner").succeeds();
    assert!(fleet.workload().is_empty());
}

#[test]
fn two_homes_know_nothing_of_each_other() {
    let (one, two) = (TestFleet::new(), TestFleet::new());
    one.spawn("web", "exec sleep 600");
    two.spawn("web", "exec sleep 600");
    one.run("fleet-stop").arg("--all").succeeds();
    assert_eq!(
        (one.record("web").state, two.record("web").state),
        (State::Stopped, State::Running)
    );
    let home = two.home();
    let run = one.run("fleet-ps").args(["--home", home.to_str().unwrap(), "web"]);
    assert_eq!(run.succeeds().record()["state"], "running");
}

#[test]
fn who_hears_of_an_end_finds_it_in_the_list_at_once() {
    let fleet = TestFleet::new();
    let script = "for i in $(seq 1 30); do \
                  fleet-spawn --name job --wait ended -- true >/dev/null || exit 1; \
                  fleet-ps job; done";
    let states = fleet.shell(script).succeeds().records();
    assert!(states.iter().all(|record| record["state"] == "completed"), "{states:?}");
}
