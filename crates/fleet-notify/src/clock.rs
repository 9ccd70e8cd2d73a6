//! Moments for people.

use fleet_core::Timestamp;

/// The moment to the second, in UTC.
pub(crate) fn shown(at: Timestamp) -> String {
    let text = at.to_string();
    text.get(..19).map_or(text.clone(), |seconds| format!("{seconds}Z"))
}
