//! `fleet-logs --prune`, on homes that were made by hand.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use support::{Fleet, stamp};

/// A run with these log limits, and a file of some lines for each second given.
fn run(fleet: &Fleet, id: &str, limits: Value, state: &str, seconds: &[i64]) -> PathBuf {
    let log = fleet.log(id, 1);
    for &first in seconds {
        for line in 0..50 {
            log.out(first, &format!("{id} {first} {line}"));
        }
        log.rotate(first);
    }
    log.out(1000, "current");
    let mut spec = json!({
        "id": id, "run": 1, "command": ["true"], "cwd": "/", "env": [], "restart": "no",
        "backoff": {"initial_seconds": 1.0, "max_seconds": 60.0, "reset_seconds": 60.0},
        "crash_limit": {"deaths": 10, "within_seconds": 600.0}, "stop_signal": "SIGTERM",
        "grace_seconds": 10.0, "log": {"max_bytes": 1000, "keep": 100}, "spawned_at": stamp(0),
    });
    for (key, value) in limits.as_object().unwrap() {
        spec["log"][key] = value.clone();
    }
    fs::write(fleet.run_dir(id, 1).join("spec.json"), spec.to_string()).unwrap();
    fleet.record(id, 1, state, json!({}));
    fleet.run_dir(id, 1).join("log")
}

/// Makes the file of a second look as old as that.
fn age(folder: &Path, second: i64, age: u64) {
    let file = File::options().write(true).open(folder.join(format!("{}.log", stamp(second))));
    file.unwrap().set_modified(SystemTime::now() - Duration::from_secs(age)).unwrap();
}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

fn deeds(records: &[Value]) -> Vec<(String, String)> {
    let text = |record: &Value, key: &str| record[key].as_str().unwrap().to_owned();
    records.iter().map(|record| (text(record, "file"), text(record, "deed"))).collect()
}

#[test]
fn each_run_is_pruned_as_it_was_spawned_and_each_file_is_told() {
    let fleet = Fleet::new();
    let old = run(&fleet, "old", json!({"keep_seconds": 3600.0}), "running", &[1, 2]);
    let packs = run(&fleet, "packs", json!({"compress": "gzip"}), "completed", &[1]);
    let usual = run(&fleet, "usual", json!({}), "running", &[1, 2]);
    age(&old, 1, 7200);
    age(&old, 2, 60);
    age(&usual, 1, 7200);
    let told = fleet.records(&["--prune", "--all"]);
    let (one, two) = (format!("{}.log", stamp(1)), format!("{}.log", stamp(2)));
    assert_eq!(
        deeds(&told),
        [(one.clone(), "removed".to_owned()), (one.clone(), "compressed".to_owned())]
    );
    assert_eq!((&told[0]["id"], &told[0]["reason"]), (&json!("old"), &json!("older than 1h00m")));
    let into = format!("{one}.gz");
    let size = fs::metadata(packs.join(&into)).unwrap().len();
    assert_eq!((&told[1]["into"], &told[1]["into_bytes"]), (&json!(into), &json!(size)));
    assert!(told[1]["bytes"].as_u64().unwrap() > size && told[1]["kind"] == "log_file");
    assert_eq!(names(&old), [&*two, "current"]);
    assert_eq!(names(&usual), [&*one, &*two, "current"]);
    assert!(fleet.records(&["--prune", "--all"]).is_empty());
}

#[test]
fn a_total_takes_the_oldest_files_of_all_but_none_that_is_written() {
    let fleet = Fleet::new();
    let a = run(&fleet, "a", json!({}), "running", &[1, 2]);
    let b = run(&fleet, "b", json!({}), "running", &[1, 2]);
    for (folder, second, seconds) in [(&a, 1, 400), (&b, 1, 300), (&b, 2, 200), (&a, 2, 100)] {
        age(folder, second, seconds);
    }
    let size = fs::metadata(a.join(format!("{}.log", stamp(2)))).unwrap().len();
    let total = (size + size / 2).to_string();
    let told = fleet.records(&["--prune", "a", "b", "--total", &total]);
    let ids: Vec<&str> = told.iter().map(|record| record["id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["a", "b", "b"]);
    assert!(told[0]["reason"].as_str().unwrap().starts_with("all logs together may have"));
    assert_eq!((names(&a).len(), names(&b).len()), (2, 1));
    let more = fleet.run(&["--prune", "--all", "--total", "1"]).code(1);
    let said = String::from_utf8_lossy(&more.get_output().stderr).into_owned();
    assert!(said.contains("what is being written is never removed"), "{said}");
    assert_eq!((names(&a), names(&b)), (vec!["current".to_owned()], vec!["current".to_owned()]));
}

#[test]
fn the_total_of_all_stands_in_the_users_configuration() {
    let fleet = Fleet::new();
    let folder = run(&fleet, "a", json!({}), "completed", &[1, 2]);
    let config = tempfile::tempdir().unwrap();
    fs::create_dir(config.path().join("fleet")).unwrap();
    let file = config.path().join("fleet/logs.toml");
    let prune = |args: &[&str]| {
        let mut command = fleet.command(args);
        command.env("XDG_CONFIG_HOME", config.path());
        assert_cmd::Command::from_std(command).timeout(support::BOUND).assert()
    };
    fs::write(&file, "[keep]\ntotal = 'lots'\n").unwrap();
    let refused = prune(&["--prune", "--all"]).code(2);
    let said = String::from_utf8_lossy(&refused.get_output().stderr).into_owned();
    assert!(said.contains("logs.toml' line 2 column 9: \"lots\" is no size"), "{said}");
    fs::write(&file, "[keep]\ntotal = '100'\n").unwrap();
    prune(&["--prune", "a"]).success().stdout("");
    assert_eq!(names(&folder).len(), 3);
    prune(&["--prune", "--all"]).success();
    assert_eq!(names(&folder), ["current"]);
}

#[test]
fn nothing_is_changed_that_was_not_named() {
    let fleet = Fleet::new();
    run(&fleet, "a", json!({"compress": "zstd"}), "completed", &[1]);
    for args in [&["--prune"][..], &["--rotate"], &["--prune", "--rotate", "a"], &["--total", "1G"]]
    {
        fleet.run(args).code(2).stdout("");
    }
    fleet.run(&["--prune", "b"]).code(1).stdout("").stderr("fleet-logs: no process matches 'b'\n");
    assert_eq!(names(&fleet.run_dir("a", 1).join("log")).len(), 2);
}

#[test]
fn a_run_whose_spec_is_gone_is_said_and_the_others_are_pruned() {
    let fleet = Fleet::new();
    run(&fleet, "a", json!({}), "completed", &[1]);
    let b = run(&fleet, "b", json!({"keep": 0}), "completed", &[1]);
    fs::remove_file(fleet.run_dir("a", 1).join("spec.json")).unwrap();
    let assert = fleet.run(&["--prune", "--all"]).code(2);
    let said = String::from_utf8_lossy(&assert.get_output().stderr).into_owned();
    assert!(said.contains("cannot prune the log of 'a#1'"), "{said}");
    assert_eq!(names(&b), ["current"]);
}

#[test]
fn kills_while_files_are_packed_lose_and_double_nothing() {
    let fleet = Fleet::new();
    let seconds: Vec<i64> = (1..40).collect();
    let folder = run(&fleet, "a", json!({"compress": "zstd"}), "running", &seconds);
    let before = fleet_testkit::Log::read(&folder).text();
    assert_eq!(before.lines().count(), 39 * 50 + 1);
    for round in 0..100 {
        let mut child = fleet.command(&["--prune", "a"]).spawn().unwrap();
        // Another moment of its work each time; it may have ended before.
        thread::sleep(Duration::from_micros(2000 + round * 131));
        child.kill().unwrap();
        child.wait().unwrap();
        assert_eq!(fleet_testkit::Log::read(&folder).text(), before, "round {round}");
    }
    fleet.run(&["--prune", "a"]).success();
    assert_eq!(fleet_testkit::Log::read(&folder).text(), before);
    assert!(names(&folder).iter().all(|name| name == "current" || name.ends_with(".log.zst")));
}
