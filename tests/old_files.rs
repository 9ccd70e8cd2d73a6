//! Files of older builds stay readable for ever: each fixture in `data` was written by one.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::fs;
use std::path::Path;

use fleet_testkit::TestFleet;

fn fleet_with(registry: &str) -> TestFleet {
    let fleet = TestFleet::new();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("data").join(registry);
    fs::copy(file, fleet.file("registry.jsonl")).unwrap();
    fleet
}

#[test]
fn the_first_form_of_the_registry_loads() {
    let fleet = fleet_with("registry-v1.jsonl");
    let ran = fleet.run("fleet-ps").args(["--all", "--no-heal"]).succeeds();
    let list: Vec<String> = ran
        .records()
        .iter()
        .map(|r| {
            format!("{}#{} {}", r["id"].as_str().unwrap(), r["run"], r["state"].as_str().unwrap())
        })
        .collect();
    // What lived then is lost now: the machine was started anew since.
    let expected = [
        "good#1 completed",
        "bad#1 failed",
        "nocmd#1 failed",
        "stopped#1 stopped",
        "killed#1 stopped",
        "loop#1 failed",
        "late#1 failed",
        "paused#1 lost",
        "waits#1 lost",
        "web#1 lost",
        "good#2 completed",
    ];
    assert_eq!(list, expected);
    for form in ["table", "wide", "json", "csv"] {
        fleet.run("fleet-ps").args(["--all", "--no-heal", "-o", form]).succeeds();
    }
    // Healing writes the ends down once, although the folders are gone.
    fleet.run("fleet-ps").arg("--all").succeeds_and_says("'web#1' is lost").stderr_lacks("cannot");
    fleet.run("fleet-ps").arg("--all").succeeds();
    // The file is as good for writing as for reading.
    fleet.spawn("new", "exec sleep 600");
    assert_eq!(fleet.ps("new")["state"], "running");
    fleet.run("fleet-ps").args(["--prune", "--keep", "0"]).succeeds_and_says("forgot 11 ");
    assert_eq!(fleet.ps("new")["state"], "running");
}
