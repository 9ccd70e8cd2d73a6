//! Runs and samples that tests make up.

use fleet_census::Seen;
use fleet_core::{Observed, ProcessRecord, Sample, Subject, Timestamp};
use serde_json::{Value, json};

/// A time of 22 November 2026.
pub(crate) fn clock(time: &str) -> Timestamp {
    Timestamp::parse(&format!("2026-11-22T{time}Z"), Timestamp::now()).unwrap()
}

/// A run with these changes; unless they say otherwise it runs since 05:00.
pub(crate) fn seen(id: &str, changes: Value) -> Seen {
    let mut record = json!({
        "kind": "process", "ts": "2026-11-22T05:00:00Z", "id": id, "run": 1, "attempt": 1,
        "state": "running", "boot": "b", "host": "h", "command": ["x"], "cwd": "/", "restarts": 0,
        "spawned_at": "2026-11-22T05:00:00Z", "started_at": "2026-11-22T05:00:00Z",
    });
    for (key, value) in changes.as_object().unwrap() {
        record[key] = value.clone();
    }
    let record: ProcessRecord = serde_json::from_value(record).unwrap();
    let observed = Observed::AsRecorded(record.state);
    Seen { observed, record: record.into(), json: Vec::new().into() }
}

/// A sample of a subject with these fields, taken at a time.
pub(crate) fn sample(subject: Subject, id: &str, time: &str, fields: Value) -> Sample {
    let mut json = serde_json::to_value(Sample::new(subject, clock(time))).unwrap();
    json["id"] = id.into();
    for (key, value) in fields.as_object().unwrap() {
        json[key] = value.clone();
    }
    serde_json::from_value(json).unwrap()
}
