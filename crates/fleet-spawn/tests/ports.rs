//! Ports: reserved, told to the process, and never given twice.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::collections::HashSet;
use std::net::TcpListener;

use fleet_testkit::{Run, TestFleet};

/// A range of ports of this test's own, so that tests that run beside it do not take them.
fn range(number: u16) -> String {
    format!("{}-{}", 20000 + 100 * number, 20099 + 100 * number)
}

fn spawn(fleet: &TestFleet, name: &str, options: &[&str]) -> Run {
    let run = fleet.run("fleet-spawn").args(["--name", name]).args(options);
    run.args(["--", "bash", "-c", "echo {port} {port1} $FLEET_PORT $FLEET_PORT_1; exec sleep 600"])
}

#[test]
fn a_port_is_told_in_command_and_environment() {
    let fleet = TestFleet::new();
    spawn(&fleet, "web", &["--port", "20001"]).succeeds();
    assert_eq!(fleet.record("web").ports, [20001]);
    fleet.until_log("web", |log| log.text() == "20001 {port1} 20001\n");
    assert_eq!(fleet.ps(":20001")["id"], "web");
}

#[test]
fn several_ports_are_in_a_row() {
    let fleet = TestFleet::new();
    spawn(&fleet, "web", &["--port", "auto:5", "--port-range", &range(1)]).succeeds();
    let ports = fleet.record("web").ports;
    assert_eq!(ports.len(), 5);
    assert!(ports.windows(2).all(|pair| pair[1] == pair[0] + 1), "{ports:?}");
    let expected = format!("{0} {1} {0} {1}\n", ports[0], ports[1]);
    fleet.until_log("web", |log| log.text() == expected);
}

#[test]
fn a_taken_port_is_refused_and_the_owner_named() {
    let fleet = TestFleet::new();
    spawn(&fleet, "web", &["--port", "20201"]).succeeds();
    let ran = spawn(&fleet, "web2", &["--port", "20201"]).fails_with(2);
    ran.stderr_has("port 20201").stderr_has("'web'");
    let outside = TcpListener::bind("127.0.0.1:20202").unwrap();
    let ran = spawn(&fleet, "web2", &["--port", "20202"]).fails_with(2);
    ran.stderr_has("port 20202").stderr_has("outside the fleet");
    drop(outside);
    fleet.run("fleet-stop").args(["web", "--force"]).succeeds();
    spawn(&fleet, "web2", &["--port", "20201"]).succeeds();
}

#[test]
fn auto_passes_over_what_is_in_use() {
    let fleet = TestFleet::new();
    let _outside = TcpListener::bind("0.0.0.0:20300").unwrap();
    let options = ["--port", "auto", "--port-range", "20300-20302"];
    for (name, port) in [("a", 20301), ("b", 20302)] {
        spawn(&fleet, name, &options).succeeds();
        assert_eq!(fleet.record(name).ports, [port]);
    }
    spawn(&fleet, "c", &options).fails_with(2).stderr_has("20300 to 20302");
    assert!(!fleet.file("processes/c").exists());
}

#[test]
fn at_once_no_port_is_given_twice() {
    let fleet = TestFleet::new();
    let range = range(4);
    let options = ["--port", "auto", "--port-range", &range];
    let all: Vec<_> = (0..12).map(|n| spawn(&fleet, &format!("p{n}"), &options).starts()).collect();
    for child in all {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    let ports: HashSet<u16> = (0..12).map(|n| fleet.record(&format!("p{n}")).ports[0]).collect();
    assert_eq!(ports.len(), 12);
}
