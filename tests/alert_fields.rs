//! The fields that `fleet-alert --check` knows are those that the tools really print.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::collections::BTreeSet;
use std::fmt::Write;

use fleet_testkit::TestFleet;
use serde_json::Value;

/// A rule for each field of each line that asks whether it is there.
fn rules(lines: &str) -> (String, usize) {
    let (mut rules, mut seen) = (String::new(), BTreeSet::new());
    for line in lines.lines() {
        let record: Value = serde_json::from_str(line).unwrap();
        let kind = record["kind"].as_str().unwrap().to_owned();
        let subject = record["subject"].as_str().map(str::to_owned);
        for field in record.as_object().unwrap().keys().filter(|field| *field != "subject") {
            if !seen.insert((kind.clone(), subject.clone(), field.clone())) {
                continue;
            }
            let about = subject.as_ref().map_or(String::new(), |s| format!("subject == '{s}' && "));
            let number = seen.len();
            write!(
                rules,
                "[[rule]]\nname = \"r{number}\"\non = \"{kind}\"\nwhen = \"{about}has({field})\"\n"
            )
            .unwrap();
        }
    }
    (rules, seen.len())
}

#[test]
fn no_field_that_a_tool_prints_is_unknown() {
    let fleet = TestFleet::new();
    fleet.spawn_with(
        "job",
        &["--label", "team=x", "--memory", "1G"],
        "echo 'level=error user=root oh'; echo loss=0.5 step=1; sleep 600",
    );
    let failed = fleet.spawn("bad", "echo 'Traceback (most recent call last):' >&2; exit 3");
    fleet.until_ended(&failed);
    fleet.until_log("job", |log| log.text().contains("step=1"));
    let print =
        |tool: &str, args: &[&str]| fleet.run(tool).args(args).succeeds().stdout().to_owned();
    let lines = [
        print(
            "fleet-metrics",
            &[
                "--count",
                "2",
                "--interval",
                "100ms",
                "--tree",
                "--per-core",
                "--connections",
                "--curves",
                "-o",
                "jsonl",
            ],
        ),
        print(
            "fleet-metrics",
            &["--count", "2", "--interval", "100ms", "--type", "throughput", "-o", "jsonl"],
        ),
        print("fleet-ps", &["--all", "-o", "jsonl"]),
        print("fleet-logs", &["job", "bad", "-o", "jsonl"]),
        print("fleet-logs", &["job", "--count", "-o", "jsonl"]),
        fleet.events().iter().map(|event| format!("{event}\n")).collect(),
    ];
    let (rules, fields) = rules(&lines.concat());
    assert!(fields > 150, "only {fields} fields were printed");
    let path = fleet.file("alerts.toml");
    std::fs::write(&path, rules).unwrap();
    let checked = fleet.run("fleet-alert").args(["--check", "-o", "jsonl", "--rules"]).arg(&path);
    let checked = checked.succeeds();
    let unknown = |line: &&str| line.contains("\"unknown_");
    let found: Vec<&str> = checked.stdout().lines().filter(unknown).collect();
    assert_eq!(found, [""; 0]);
}
