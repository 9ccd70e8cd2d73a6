//! The `log` record.

use std::borrow::Cow;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use fleet_core::{Labels, Timestamp};
use fleet_logclass::Anomaly;
use fleet_logline::{Fields, Level};
use serde::Serialize;

use crate::entry::Entry;

/// One line of output as programs get it.
///
/// Unlike other records its `ts` has nine digits: a busy process prints several lines within a
/// microsecond, and the stamp is part of what is stored.
#[derive(Serialize)]
pub(super) struct LogRecord<'a> {
    kind: &'static str,
    ts: String,
    id: &'a str,
    run: u32,
    attempt: u32,
    #[serde(skip_serializing_if = "Labels::is_empty")]
    labels: &'a Labels,
    /// `stdout`, `stderr`, or `fleet` for what fleet itself notes in the log.
    stream: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<Level>,
    #[serde(skip_serializing_if = "Option::is_none")]
    category: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fields: Option<Cow<'a, Fields>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    anomaly: Option<&'a Anomaly>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    /// Instead of `message` where the bytes are not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    message_base64: Option<String>,
    /// It was not found itself, but stands near a line that was.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    context: bool,
    /// The line goes on in the next record of this stream, or was never ended by a newline.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    partial: bool,
}

impl<'a> LogRecord<'a> {
    pub(super) fn new(entry: &'a Entry) -> LogRecord<'a> {
        let (face, said) = (&entry.face, &entry.message);
        let message = std::str::from_utf8(&said.text).ok();
        LogRecord {
            kind: "log",
            ts: Timestamp::from_nanos(said.stamp_nanos).to_nanos_text(),
            id: face.key.id.as_str(),
            run: face.key.run,
            attempt: entry.attempt,
            labels: &face.labels,
            stream: if said.notice { "fleet" } else { said.stream.word() },
            level: entry.level(),
            category: entry.category(),
            fields: entry.fields(),
            anomaly: entry.anomaly(),
            message,
            message_base64: message.is_none().then(|| BASE64_STANDARD.encode(&said.text)),
            context: entry.around,
            partial: said.partial,
        }
    }
}
