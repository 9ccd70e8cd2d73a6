//! Arithmetic of moments: what lies out of range stays at its end.

use std::time::Duration;

use fleet_core::Timestamp;

/// The moment so much later.
pub(crate) fn plus(at: Timestamp, time: Duration) -> Timestamp {
    moved(at, i64::try_from(time.as_nanos()).unwrap_or(i64::MAX))
}

/// The moment so many nanoseconds later, or earlier.
pub(crate) fn moved(at: Timestamp, by: i64) -> Timestamp {
    Timestamp::from_nanos(at.nanos().saturating_add(by))
}

/// How long until a moment; nothing if it has passed.
pub(crate) fn until(at: Timestamp, now: Timestamp) -> Duration {
    Duration::from_nanos(at.nanos().saturating_sub(now.nanos()).max(0).unsigned_abs())
}

/// The moment for people: to the second, in UTC.
pub(crate) fn shown(at: Timestamp) -> String {
    let text = at.to_string();
    text.get(..19).map_or(text.clone(), |seconds| format!("{seconds}Z"))
}
