//! By what lines are counted.

use std::borrow::Cow;

use fleet_core::{Sample, Timestamp};
use fleet_logline::Level;
use fleet_traceback::fingerprint_of_line;
use serde_json::Value;

use crate::entry::Entry;

/// Names of a count's own record, which no field of a line may hide.
const TAKEN: [&str; 9] = [
    "category",
    "fingerprint",
    "level",
    "lines",
    "lines_per_second",
    "minute",
    "since",
    "stream",
    "until",
];

const MINUTE: i64 = 60_000_000_000;

/// By what lines are counted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    /// How grave they are.
    Level,
    /// Whose they are.
    Id,
    /// What they were written to.
    Stream,
    /// What sort of thing they are.
    Category,
    /// Which error they are.
    Fingerprint,
    /// When they were written.
    Minute,
    /// Which start of the run.
    Attempt,
    /// What they say by this name.
    Field(String),
}

/// Which error a line or a traceback is.
fn fingerprint(entry: &Entry) -> Option<String> {
    let of_line = || {
        let is_error = entry.level() >= Some(Level::Error);
        is_error.then(|| fingerprint_of_line(&entry.message.text))
    };
    entry.traceback.as_ref().map(|traceback| traceback.fingerprint.clone()).or_else(of_line)
}

impl Key {
    /// As it is typed: a field is `field.NAME`, or just its name where that means nothing else.
    pub(crate) fn read(text: &str) -> Key {
        match text {
            "level" => Key::Level,
            "id" => Key::Id,
            "stream" => Key::Stream,
            "category" => Key::Category,
            "fingerprint" => Key::Fingerprint,
            "minute" => Key::Minute,
            "attempt" => Key::Attempt,
            other => Key::Field(other.strip_prefix("field.").unwrap_or(other).to_owned()),
        }
    }

    /// Its name in records and tables.
    pub(super) fn name(&self) -> Cow<'_, str> {
        Cow::Borrowed(match self {
            Key::Level => "level",
            Key::Id => "id",
            Key::Stream => "stream",
            Key::Category => "category",
            Key::Fingerprint => "fingerprint",
            Key::Minute => "minute",
            Key::Attempt => "attempt",
            Key::Field(name) if TAKEN.contains(&name.as_str()) => {
                return Cow::Owned(format!("custom_{name}"));
            }
            Key::Field(name) => return Sample::own_name(name),
        })
    }

    /// What a line has of it, null for nothing.
    pub(super) fn of(&self, entry: &Entry) -> Value {
        let said = &entry.message;
        match self {
            Key::Level => entry.level().map_or("unknown", |level| level.word()).into(),
            Key::Id => entry.face.key.id.as_str().into(),
            Key::Stream if said.notice => "fleet".into(),
            Key::Stream => said.stream.word().into(),
            Key::Category => entry.category().into(),
            Key::Fingerprint => fingerprint(entry).into(),
            Key::Minute => {
                let minute = said.stamp_nanos.div_euclid(MINUTE).saturating_mul(MINUTE);
                Timestamp::from_nanos(minute).to_string().into()
            }
            Key::Attempt => entry.attempt.into(),
            Key::Field(name) => {
                let fields = entry.fields();
                fields.and_then(|fields| fields.get(name).cloned()).unwrap_or_default()
            }
        }
    }
}
