//! Queues and containers, as the collectors of collectors.toml count them.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use fleet_testkit::{TestFleet, Value};

use crate::case::Case;
use crate::story::{about, held, sampled};

/// The rules about what collectors count.
pub(crate) const CASES: &[Case] = &[
    Case {
        rule: "queue_depth_high",
        severity: "warning",
        id: "",
        bad: |fleet| held(&depth(fleet, 1001), 300),
        good: |fleet| held(&depth(fleet, 1000), 300),
    },
    Case {
        rule: "orphaned_containers",
        severity: "warning",
        id: "",
        bad: |fleet| held(&containers(fleet, &["gone", "ended", "gone", "older"]), 300),
        good: |fleet| held(&containers(fleet, &["gone", "ended", "alive", "alive", "older"]), 300),
    },
];

/// What a collector says of a queue that `redis-cli` finds to be so long.
fn depth(fleet: &TestFleet, depth: u32) -> Vec<Value> {
    stand_in(fleet, "redis-cli", &format!("[ \"$*\" = 'llen jobs' ] && echo {depth}"));
    collected(fleet, "queue_depth")
}

/// What a collector says when Docker has containers of these processes.
fn containers(fleet: &TestFleet, of: &[&str]) -> Vec<Value> {
    fleet.spawn("alive", "exec sleep 600");
    fleet.spawn("ended", "exit 0");
    fleet.until_ended("ended");
    stand_in(fleet, "docker", &format!("[ \"$1\" = ps ] && printf '%s\\n' {}", of.join(" ")));
    collected(fleet, "orphaned_containers")
}

/// A program of this name that answers as the real one does.
fn stand_in(fleet: &TestFleet, name: &str, script: &str) {
    let path = fleet.scratch().join(name);
    fs::write(&path, format!("#!/bin/sh\n{script}\n")).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
}

/// The samples of a collector that collectors.toml shows as an example.
fn collected(fleet: &TestFleet, name: &str) -> Vec<Value> {
    let file = fleet.scratch().join("collectors.toml");
    fs::write(&file, example(name)).unwrap();
    let script = format!(
        "PATH='{}':$PATH fleet-metrics --no-host --collectors '{}'",
        fleet.scratch().display(),
        file.display()
    );
    about(&sampled(fleet.shell(&script)), "custom")
}

/// The lines of an example, without what makes them comments.
fn example(name: &str) -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/collectors.toml");
    let text = fs::read_to_string(path).unwrap();
    let from = text.find(&format!("# [collector.{name}]")).expect("there is such an example");
    let lines = text[from..].lines().map_while(|line| line.strip_prefix("# "));
    lines.map(|line| format!("{line}\n")).collect()
}
