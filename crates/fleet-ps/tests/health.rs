//! `fleet-ps --health`: supervisors look again, now.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::net::TcpListener;

use fleet_testkit::{Health, Signal, State, TestFleet, kill, until};

/// Asked at once and then, but for who wants to know now, not for an hour.
const SELDOM: [&str; 4] = ["--health-interval", "1h", "--health-retries", "1"];

fn healthy(fleet: &TestFleet, name: &str, options: &[&str]) {
    fleet.spawn_with(name, &[&SELDOM, options].concat(), "exec sleep 600");
    fleet.until(name, |record| record.health == Some(Health::Healthy));
}

#[test]
fn a_check_is_made_now() {
    let fleet = TestFleet::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    healthy(&fleet, "web", &["--health-tcp", &format!("127.0.0.1:{port}")]);
    let first = fleet.record("web").checked_at;
    let record = fleet.run("fleet-ps").arg("--health").succeeds().record();
    assert_eq!(record["health"], "healthy");
    assert!(fleet.record("web").checked_at > first);
    drop(listener);
    let ran = fleet.run("fleet-ps").args(["--health", "-o", "table"]).fails_with(1);
    ran.stdout_has("unhealthy").stdout_has(&format!("connection refused at 127.0.0.1:{port}"));
    // Without being asked again, others tell it as well.
    until("the registry has it too", || {
        let ran = fleet.run("fleet-ps").args(["-o", "table"]).succeeds();
        ran.stdout().contains("HEALTH") && ran.stdout().contains("unhealthy: connection refused")
    });
    fleet.run("fleet-ps").args(["-o", "csv"]).succeeds().stdout_has("connection refused");
    let _listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    fleet.run("fleet-ps").arg("--health").succeeds();
}

#[test]
fn starting_is_shown_and_is_not_unhealthy() {
    let fleet = TestFleet::new();
    let options = ["--health-exec", "false", "--health-start-period", "1h"];
    fleet.spawn_with("web", &options, "exec sleep 600");
    let ran = fleet.run("fleet-ps").args(["--health", "-o", "table"]).succeeds();
    ran.stdout_has("starting").stdout_has("the health command exited with code 1");
}

#[test]
fn who_has_no_check_has_no_column_and_is_asked_nothing() {
    let fleet = TestFleet::new();
    fleet.spawn("job", "exec sleep 600");
    let ran = fleet.run("fleet-ps").args(["-o", "table"]).succeeds();
    assert!(!ran.stdout().contains("HEALTH"), "{ran}");
    fleet.run("fleet-ps").args(["--health", "-o", "table"]).succeeds().stdout_has("well");
    assert_eq!(fleet.record("job").checked_at, None);
}

#[test]
fn a_supervisor_that_does_not_answer_is_named() {
    let fleet = TestFleet::new();
    healthy(&fleet, "web", &["--health-exec", "true", "--health-timeout", "100ms"]);
    let (shim, _) = fleet.supervisors("web");
    kill(shim, Signal::from_number(19).unwrap());
    let ran = fleet.run("fleet-ps").arg("--health").ends();
    kill(shim, Signal::CONT);
    assert!(ran.stderr().contains("the supervisor of 'web' did not answer within"), "{ran}");
}

#[test]
fn many_are_asked_at_once() {
    let fleet = TestFleet::new();
    for n in 0..8 {
        healthy(&fleet, &format!("p{n}"), &["--health-exec", "true"]);
    }
    let before: Vec<_> = (0..8).map(|n| fleet.record(&format!("p{n}")).checked_at).collect();
    fleet.run("fleet-ps").arg("--health").succeeds();
    for (n, before) in before.into_iter().enumerate() {
        let record = fleet.record(&format!("p{n}"));
        assert!(record.checked_at > before && record.state == State::Running);
    }
}
