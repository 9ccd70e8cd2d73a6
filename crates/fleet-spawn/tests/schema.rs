//! The schema that editors complete a fleet file by: printed, committed, and right.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]
#![allow(clippy::print_stderr, reason = "a test that is passed over says so")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use fleet_testkit::{TestFleet, Value};

fn config(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../configs").join(name)
}

fn schema() -> String {
    fs::read_to_string(config("fleet.schema.json")).unwrap()
}

/// Whether a real validator accepts a file; `None` where there is none.
fn is_valid(folder: &Path, text: &str) -> Option<bool> {
    let document: Value = toml::from_str(text).unwrap();
    let instance = folder.join("instance.json");
    fs::write(&instance, document.to_string()).unwrap();
    let mut validator = Command::new("jsonschema");
    validator.arg("-i").arg(&instance).arg(config("fleet.schema.json"));
    validator.output().ok().map(|output| output.status.success())
}

#[test]
fn the_committed_schema_is_the_one_that_is_printed() {
    let fleet = TestFleet::new();
    let ran = fleet.run("fleet-spawn").arg("--schema").succeeds();
    assert!(
        ran.stdout() == schema(),
        "configs/fleet.schema.json is old: fleet-spawn --schema > configs/fleet.schema.json"
    );
}

#[test]
fn the_example_names_its_schema_and_is_good() {
    let fleet = TestFleet::new();
    let text = fs::read_to_string(config("fleet.toml")).unwrap();
    assert_eq!(text.lines().next(), Some("#:schema ./fleet.schema.json"));
    let check = fleet.run("fleet-spawn").arg("--check").arg("--file").arg(config("fleet.toml"));
    assert_eq!(check.succeeds().records().len(), 5);
}

#[test]
fn a_validator_and_fleet_spawn_agree_on_files() {
    let fleet = TestFleet::new();
    let example = fs::read_to_string(config("fleet.toml")).unwrap();
    let Some(valid) = is_valid(fleet.scratch(), &example) else {
        eprintln!("passed over: no jsonschema here (scripts/setup.sh installs it)");
        return;
    };
    assert!(valid, "the example");
    let path = fleet.scratch().join("fleet.toml");
    for (line, good) in [
        ("restart = 'on-failure'\ngrace = 5\nport = 8080\nmax_runtime = '1h30m'", true),
        ("port = 'auto:5'\nconnection_file = true\nafter = ['b:healthy', 'b']", true),
        ("env = { A = 'b' }\nlabels = { a = 'b' }\nstop_signal = 'SIGINT'", true),
        ("backoff = '100ms-5s'\ncrash_limit = '3/1m'\nlog_max_size = '10M'\nlog_keep = 2", true),
        (
            "log_rotate = 'daily'\nlog_keep_for = '7d'\nlog_total = '1G'\nlog_compress = 'zstd'",
            true,
        ),
        ("health = { tcp = '{port}', interval = '5s' }\nport = 'auto'", true),
        ("gpus = 2\ngpu_memory = '10G'", true),
        ("gpus = 'shared:1'", true),
        ("gpus = 'GPU-5f3a, GPU-77c0'\nqueue = 'gpu'", true),
        ("gpus = 'all'", false),
        ("gpus = 0", false),
        ("gpus = '0,1'", false),
        ("kpi.loss = { metric = 'a/b', target = 0.1, baseline = '1', direction = 'down' }", true),
        ("kpi.loss = { target = 0.1, direction = 'left' }", false),
        ("kpi.'a b' = { direction = 'up' }", false),
        ("restart = 'sometimes'", false),
        ("comand = 'x'", false),
        ("grace = 'soon'", false),
        ("port = 'car'", false),
        ("after = 'b:well'", false),
        ("replicas = 0", false),
        ("env = { A = 1 }", false),
        ("health = { tpc = '80' }", false),
        ("log_max_size = 'lots'", false),
        ("log_rotate = 'weekly'", false),
        ("log_compress = 'xz'", false),
    ] {
        let text =
            format!("[process.a]\ncommand = 'x'\n{line}\n[process.b]\ncommand = ['x', 'y']\n");
        assert_eq!(is_valid(fleet.scratch(), &text), Some(good), "{line}");
        fs::write(&path, &text).unwrap();
        let ran = fleet.run("fleet-spawn").arg("--check").arg("--file").arg(&path).ends();
        assert_eq!(ran.code(), Some(if good { 0 } else { 2 }), "{line}\n{ran}");
    }
}
