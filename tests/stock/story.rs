//! Records of real producers, told again at other times: the virtual clock of these tests.

use fleet_testkit::{Run, TestFleet, Timestamp, Value};

/// The rules that we ship.
pub(crate) const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../configs/alerts.toml");

/// Seconds from one sample to the next.
const ROUND: i64 = 15;

/// Durations that a record has of a process: they grow with the time that passes.
const DURATIONS: [&str; 2] = ["silent_seconds", "uptime_seconds"];

/// The same record at this many seconds from now.
pub(crate) fn at(record: &Value, seconds: i64) -> Value {
    let ts = Timestamp::from_nanos(Timestamp::now().nanos() + seconds * 1_000_000_000);
    let mut moved = record.clone();
    moved["ts"] = serde_json::to_value(ts).unwrap();
    moved
}

/// The same records again and again, for so many seconds up to now: nothing changes meanwhile.
pub(crate) fn held(records: &[Value], seconds: i64) -> Vec<Value> {
    let rounds = (-seconds / ROUND..=0).map(|round| round * ROUND);
    rounds.flat_map(|back| records.iter().map(move |record| at(record, back))).collect()
}

/// The records one after the other, so many seconds apart, the last of them now.
pub(crate) fn apart(records: &[Value], seconds: i64) -> Vec<Value> {
    let back = (0..records.len() as i64).rev().map(|place| -place * seconds);
    records.iter().zip(back).map(|(record, back)| at(record, back)).collect()
}

/// The same record of a process, if each second of its life had been so many.
pub(crate) fn slowed(record: &Value, factor: f64) -> Value {
    let mut slowed = record.clone();
    for name in DURATIONS {
        slowed[name] = (record[name].as_f64().unwrap() * factor).into();
    }
    slowed
}

/// Those about a subject.
pub(crate) fn about(records: &[Value], subject: &str) -> Vec<Value> {
    records.iter().filter(|record| record["subject"] == subject).cloned().collect()
}

/// What a sampler prints; it may have to say what is wrong.
pub(crate) fn sampled(run: Run) -> Vec<Value> {
    let ran = run.ends();
    assert_eq!(ran.code(), Some(0), "{ran}");
    ran.records()
}

/// One look at all, curves included.
pub(crate) fn metrics(fleet: &TestFleet) -> Vec<Value> {
    sampled(fleet.run("fleet-metrics").args(["--curves", "--no-gpu", "--no-collectors"]))
}

/// One look at the process of this name.
pub(crate) fn sample(fleet: &TestFleet, name: &str) -> Value {
    let run = fleet.run("fleet-metrics").args(["--no-gpu", "--no-collectors", name]);
    about(&sampled(run), "process").remove(0)
}

/// What `fleet-alert` prints of these records, held against the rules that we ship, in the home of
/// this fleet.
pub(crate) fn told(fleet: &TestFleet, records: &[Value]) -> Vec<Value> {
    let input: String = records.iter().map(|record| format!("{record}\n")).collect();
    let run = fleet.run("fleet-alert").args(["--rules", RULES, "--no-notify", "-o", "jsonl"]);
    run.stdin(input).succeeds().records()
}

/// Whether an alert of this rule begins to fire among what was told.
pub(crate) fn fires(alerts: &[Value], rule: &str) -> Option<Value> {
    let mut of_rule = alerts.iter().filter(|alert| alert["alert"] == rule);
    of_rule.find(|alert| alert["state"] == "firing").cloned()
}
