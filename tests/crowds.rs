//! Many at once.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::process::Child;

use fleet_testkit::TestFleet;

/// Waits for all, in turn; each must have ended well.
fn all_succeed(children: Vec<Child>) {
    for child in children {
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{output:?}");
    }
}

/// Starts and stops so many, some at the same time, and looks at what is said of them.
fn crowd(size: usize, together: usize) {
    let fleet = TestFleet::new();
    let names: Vec<String> = (0..size).map(|n| format!("p{n}")).collect();
    for group in names.chunks(together) {
        let spawn = |name: &String| {
            fleet.run("fleet-spawn").args(["--name", name, "--", "sleep", "600"]).starts()
        };
        all_succeed(group.iter().map(spawn).collect());
    }
    let running = fleet.run("fleet-ps").args(["--state", "running"]).succeeds().records();
    assert_eq!(running.len(), size);
    for group in names.chunks(together) {
        let stop = |name: &String| fleet.run("fleet-stop").arg(name).starts();
        all_succeed(group.iter().map(stop).collect());
    }
    // Of a large number that has ended, the oldest may be forgotten by now.
    let stopped = fleet.run("fleet-ps").args(["--state", "stopped"]).ends().records();
    assert!(stopped.len() >= size.min(200), "{} are stopped", stopped.len());
    assert_eq!(fleet.run("fleet-ps").args(["--state", "running"]).ends().stdout(), "");
    fleet.until_deserted();
}

#[test]
fn two_hundred_start_and_stop_at_once() {
    crowd(200, 200);
}

#[test]
fn unnamed_ones_that_start_at_once_get_names_of_their_own() {
    let fleet = TestFleet::new();
    let spawn = |_| fleet.run("fleet-spawn").args(["--", "sleep", "600"]).starts();
    all_succeed((0..30).map(spawn).collect());
    let mut names: Vec<String> = fleet
        .run("fleet-ps")
        .succeeds()
        .records()
        .iter()
        .map(|record| record["id"].as_str().unwrap().to_owned())
        .collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 30);
}

#[test]
fn pruning_beside_starts_and_ends_loses_nobody() {
    let fleet = TestFleet::new();
    let prune = "for i in $(seq 1 60); do fleet-ps --prune --keep 5 2>/dev/null || exit 1; done";
    let pruning = fleet.shell(prune).starts();
    let mut all = vec![pruning];
    for n in 0..40 {
        let long = if n % 2 == 0 { "600" } else { "0.01" };
        let name = format!("p{n}");
        all.push(fleet.run("fleet-spawn").args(["--name", &name, "--", "sleep", long]).starts());
    }
    all_succeed(all);
    let running = fleet.run("fleet-ps").args(["--state", "running"]).ends().records();
    let long: Vec<_> = running.iter().filter(|r| r["command"][1] == "600").collect();
    assert_eq!(long.len(), 20);
}

#[test]
fn one_stop_ends_a_hundred() {
    let fleet = TestFleet::new();
    let spawn =
        |n| fleet.run("fleet-spawn").args(["--name", &format!("p{n}"), "--", "sleep", "600"]);
    all_succeed((0..100).map(|n| spawn(n).starts()).collect());
    let ran = fleet.run("fleet-stop").arg("--all").succeeds();
    assert_eq!(ran.records().len(), 100);
    assert!(fleet.workload().is_empty());
}

#[test]
fn a_hundred_orphans_are_adopted_by_one_look() {
    let fleet = TestFleet::new();
    let names: Vec<String> = (0..100).map(|n| format!("p{n}")).collect();
    for name in &names {
        let run = fleet.run("fleet-spawn").args(["--name", name, "--", "sleep", "600"]);
        run.succeeds();
    }
    for name in &names {
        fleet.kill_supervisors(name);
    }
    let ran = fleet.run("fleet-ps").succeeds_and_says("a new one took over");
    assert_eq!(ran.stderr().lines().count(), 100);
    for name in &names {
        fleet.until_event(name, "adopted");
    }
    assert_eq!(fleet.run("fleet-ps").args(["--state", "running"]).succeeds().records().len(), 100);
}

#[test]
fn slow_a_thousand_start_and_stop() {
    crowd(1000, 50);
}
