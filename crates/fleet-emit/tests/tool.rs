//! The tool as it is called: in a process, beside one, and by many at once.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::fs;

use fleet_testkit::{TestFleet, Value};

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn a_process_says_it_of_its_own_run() {
    let fleet = TestFleet::new();
    fleet.spawn("job", "fleet-emit metric loss=1.23 lr=nan step=100 -l split=test");
    fleet.until_ended("job");
    let said = lines(&fs::read_to_string(fleet.run_dir("job").join("metrics.jsonl")).unwrap());
    assert_eq!(said.len(), 1);
    let (line, fields) = (&said[0], ["kind", "subject", "id", "source", "lr"]);
    let text = fields.map(|field| line[field].as_str().unwrap());
    assert_eq!(text, ["sample", "custom", "job", "emit", "NaN"]);
    assert_eq!((line["run"].as_i64(), line["attempt"].as_i64()), (Some(1), Some(1)));
    assert_eq!((line["loss"].as_f64(), line["step"].as_i64()), (Some(1.23), Some(100)));
    assert_eq!(line["labels"]["split"], "test");
    // From outside it is said of the newest run.
    fleet.run("fleet-emit").args(["metric", "--id", "job", "loss=1"]).succeeds().stdout_is("");
    let said = lines(&fs::read_to_string(fleet.run_dir("job").join("metrics.jsonl")).unwrap());
    assert_eq!((said.len(), said[1]["loss"].as_i64()), (2, Some(1)));
}

#[test]
fn outside_of_any_process_it_is_said_of_none() {
    let fleet = TestFleet::new();
    fleet.run("fleet-emit").args(["metric", "rate=5", "-l", "a=b"]).succeeds();
    let said = lines(&fs::read_to_string(fleet.file("metrics/emitted.jsonl")).unwrap());
    assert_eq!((said[0]["rate"].as_i64(), said[0].get("id")), (Some(5), None));
    let unknown = fleet.run("fleet-emit").args(["metric", "--id", "none", "rate=5"]);
    unknown.fails_with(2).stderr_has("no process of this fleet is 'none'");
    // Of a run that was removed, and in the home of another fleet, it is not in that run.
    let elsewhere = fleet.run("fleet-emit").args(["metric", "rate=6"]);
    elsewhere.env("FLEET_ID", "gone").env("FLEET_RUN", "3").succeeds();
    assert!(!fleet.file("processes/gone").exists());
}

#[test]
fn a_mistake_is_told_and_nothing_is_written() {
    let fleet = TestFleet::new();
    for (word, said) in [
        ("loss=low", "'loss' is no number: \"low\""),
        ("loss", "hint: write NAME=NUMBER: loss=1.23"),
        ("pid=3", "'pid' is a field of every sample"),
    ] {
        fleet.run("fleet-emit").args(["metric", "a=1", word]).fails_with(2).stderr_has(said);
    }
    assert!(!fleet.file("metrics").exists());
}

#[test]
fn lines_of_standard_input_are_emitted_one_by_one() {
    let fleet = TestFleet::new();
    let text = "{\"loss\":1,\"step\":1}\n\nnonsense\n{\"loss\":\"NaN\",\"step\":2}\n".to_owned()
        + &format!("{{\"x\":\"{}\"}}\n", "y".repeat(100_000))
        + "{\"loss\":0.5}";
    let ran = fleet.run("fleet-emit").args(["metric", "--stdin"]).stdin(text).fails_with(2);
    let ran = ran.stderr_has("standard input line 3: this is no object of JSON");
    ran.stderr_has("standard input line 5: a line has at most 10240 bytes");
    let said = lines(&fs::read_to_string(fleet.file("metrics/emitted.jsonl")).unwrap());
    let losses: Vec<String> = said.iter().map(|line| line["loss"].to_string()).collect();
    assert_eq!(losses, ["1", "\"NaN\"", "0.5"]);
}

#[test]
fn a_thousand_at_once_lose_nothing() {
    let fleet = TestFleet::new();
    let script = "for n in $(seq 1000); do fleet-emit metric n=$n & done; wait";
    fleet.shell(script).succeeds();
    let said = lines(&fs::read_to_string(fleet.file("metrics/emitted.jsonl")).unwrap());
    let mut numbers: Vec<i64> = said.iter().map(|line| line["n"].as_i64().unwrap()).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=1000).collect::<Vec<_>>());
}
