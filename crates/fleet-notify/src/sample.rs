//! Alerts for the tests of this crate.

use fleet_core::Timestamp;
use fleet_rules::AlertRecord;
use fleet_rules::alert::fingerprint;
use serde_json::json;

/// A moment so many seconds after the tests' beginning of time.
pub(crate) fn at(seconds: i64) -> Timestamp {
    Timestamp::from_nanos(1_800_000_000_000_000_000 + seconds * 1_000_000_000)
}

/// An alert of severity `critical` that became this at a moment.
pub(crate) fn alert(rule: &str, id: &str, state: &str, seconds: i64) -> AlertRecord {
    let record = json!({
        "kind": "alert", "ts": at(seconds), "alert": rule, "state": state,
        "severity": "critical", "id": id, "since": at(seconds), "summary": format!("{rule} of {id}"),
        "reason": state, "fingerprint": fingerprint(rule, [("id", id)].into_iter()),
    });
    serde_json::from_value(record).unwrap()
}
