//! Restarting: the name, the run, the ports and the history stay.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use fleet_testkit::{Run, Signal, State, TestFleet, kill};

const SLEEPS: &str = "exec sleep 600";

fn restart(fleet: &TestFleet, args: &[&str]) -> Run {
    fleet.run("fleet-signal").arg("restart").args(args)
}

#[test]
fn it_keeps_what_it_has_and_counts() {
    let fleet = TestFleet::new();
    let script = "echo $FLEET_PORT $FLEET_ATTEMPT; exec sleep 600";
    fleet.spawn_with("web", &["--port", "auto", "--port-range", "9700-9799"], script);
    let before = fleet.record("web");
    let record = restart(&fleet, &["web"]).succeeds().record();
    assert_eq!(record["state"], "running");
    assert_eq!(
        (&record["run"], &record["attempt"], &record["restarts"]),
        (&1.into(), &2.into(), &1.into())
    );
    assert_eq!(record["ports"][0], before.ports[0]);
    assert_ne!(record["pid"], before.pid.unwrap());
    assert_eq!(record.get("stop"), None);
    let wanted = format!("{0} 1\n{0} 2\n", before.ports[0]);
    fleet.until_log("web", |log| log.text() == wanted);
    let events = fleet.events();
    let asked = events.iter().find(|event| event["type"] == "stopping").unwrap();
    assert!(asked["data"]["by"].as_str().unwrap().contains("(fleet-signal)"), "{asked}");
    assert_eq!(fleet.run("fleet-ps").args(["-a", "web"]).succeeds().records().len(), 1);
}

#[test]
fn many_at_once_take_as_long_as_one() {
    let fleet = TestFleet::new();
    let stubborn = "trap '' TERM; echo up; while :; do sleep 0.05; done";
    let names = ["a-1", "a-2", "a-3", "a-4", "a-5", "a-6"];
    for name in names {
        fleet.spawn(name, stubborn);
        fleet.until_log(name, |log| log.text() == "up\n");
    }
    let since = std::time::Instant::now();
    let ran = restart(&fleet, &["a-*", "--grace", "1s"]).succeeds();
    assert!(since.elapsed().as_secs_f64() < 4.0, "they waited for each other");
    assert!(ran.records().iter().all(|record| record["attempt"] == 2));
}

#[test]
fn a_pause_before_an_attempt_ends() {
    let fleet = TestFleet::new();
    let script = "[ $FLEET_ATTEMPT = 1 ] && exit 4; exec sleep 600";
    fleet.spawn_with("job", &["--restart", "always", "--backoff", "1h-1h"], script);
    fleet.until("job", |record| record.state == State::Backoff);
    let record = restart(&fleet, &["job"]).succeeds().record();
    assert_eq!((&record["state"], &record["attempt"]), (&"running".into(), &2.into()));
}

#[test]
fn what_is_paused_is_restarted() {
    let fleet = TestFleet::new();
    fleet.spawn("job", SLEEPS);
    fleet.run("fleet-signal").args(["pause", "job"]).succeeds();
    let record = restart(&fleet, &["job"]).succeeds().record();
    assert_eq!((&record["state"], &record["attempt"]), (&"running".into(), &2.into()));
    assert_eq!((record.get("paused_at"), record.get("paused_seconds")), (None, None));
}

#[test]
fn a_stop_outweighs_it() {
    let fleet = TestFleet::new();
    fleet.spawn("job", "trap '' TERM; echo up; while :; do sleep 0.05; done");
    fleet.until_log("job", |log| log.text() == "up\n");
    let stop = fleet.run("fleet-stop").args(["job", "--grace", "1s"]).starts();
    fleet.until("job", |record| record.state == State::Stopping);
    restart(&fleet, &["job"]).fails_with(1).stderr_has("was stopped before it could");
    assert!(stop.wait_with_output().unwrap().status.success());
    assert_eq!(fleet.record("job").attempt, 1);
}

#[test]
fn two_at_once_are_one() {
    let fleet = TestFleet::new();
    fleet.spawn("job", "trap 'sleep 0.5; exit' TERM; echo up; while :; do sleep 0.05; done");
    fleet.until_log("job", |log| log.text() == "up\n");
    let first = fleet.run("fleet-signal").args(["restart", "job"]).starts();
    fleet.until("job", |record| record.state == State::Stopping);
    let record = restart(&fleet, &["job"]).succeeds().record();
    assert!(first.wait_with_output().unwrap().status.success());
    assert_eq!((&record["state"], &record["attempt"]), (&"running".into(), &2.into()));
}

#[test]
fn a_new_attempt_that_fails_is_told() {
    let fleet = TestFleet::new();
    let file = fleet.scratch().join("once");
    std::fs::write(&file, "#!/bin/sh\necho up\nexec sleep 600\n").unwrap();
    fleet.shell(&format!("chmod +x '{}'", file.display())).succeeds();
    fleet.run("fleet-spawn").args(["--name", "job", "--"]).arg(&file).succeeds();
    // The shell has to have read it first.
    fleet.until_log("job", |log| log.text() == "up\n");
    std::fs::remove_file(&file).unwrap();
    restart(&fleet, &["job"]).fails_with(1).stderr_has("cannot execute");
    restart(&fleet, &["job"]).fails_with(1).stderr_has("start it anew with fleet-spawn");
}

#[test]
fn a_shim_that_dies_with_the_request_does_not_lose_it() {
    for _ in 0..6 {
        let fleet = TestFleet::new();
        fleet.spawn("job", SLEEPS);
        let (shim, _) = fleet.supervisors("job");
        let asking = fleet.run("fleet-signal").args(["restart", "job"]).starts();
        kill(shim, Signal::KILL);
        let output = asking.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
        assert_eq!(fleet.record("job").attempt, 2);
    }
}

#[test]
fn a_stop_that_outweighs_it_is_told_by_who_asked_for_the_stop() {
    let fleet = TestFleet::new();
    fleet.spawn("job", "trap '' TERM; echo up; while :; do sleep 0.05; done");
    fleet.until_log("job", |log| log.text() == "up\n");
    kill(fleet.supervisors("job").0, Signal::HUP);
    let stop = fleet.until("job", |record| record.stop.is_some()).stop.unwrap();
    assert!(stop.restart);
    fleet.run("fleet-stop").args(["--grace", "10ms", "job"]).succeeds();
    let record = fleet.record("job");
    assert_eq!((record.state, record.attempt), (State::Stopped, 1));
    let reason = record.exit.unwrap().reason;
    assert!(reason.contains("(fleet-stop)"), "{reason}");
    let stop = record.stop.unwrap();
    assert!(!stop.restart && stop.by.contains("(fleet-stop)"), "{stop:?}");
    let words = |event: &str| fleet.until_event("job", event)["message"].to_string();
    assert!(words("stopping").contains("restart asked by"), "{}", words("stopping"));
}
