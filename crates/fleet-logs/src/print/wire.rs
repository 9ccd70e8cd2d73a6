//! The `log` record as JSON.
//!
//! Written by hand into one buffer: of what is printed by the million, an allocation for each line
//! would cost more than reading it.

use std::io::{self, Write};

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde::Serialize;
use serde::de::IgnoredAny;

use super::stamp::Stamps;
use crate::entry::Entry;

/// A JSON line with more brackets is taken apart first: readers bound how deep a value may be.
const BRACKETS: usize = 100;

/// Makes records of entries.
#[derive(Default)]
pub(crate) struct Wire {
    json: Vec<u8>,
    stamps: Stamps,
}

impl Wire {
    /// The record of an entry, without a newline.
    pub(super) fn record(&mut self, entry: &Entry) -> io::Result<&[u8]> {
        self.json.clear();
        self.whose(entry)?;
        self.about(entry)?;
        self.message(&entry.message.text)?;
        if entry.message.partial {
            // It goes on in the next record of this stream, or was never ended by a newline.
            self.json.extend_from_slice(b",\"partial\":true");
        }
        if entry.around {
            // It stands near a line that was found, and was not found itself.
            self.json.extend_from_slice(b",\"context\":true");
        }
        self.json.push(b'}');
        Ok(&self.json)
    }

    /// The same with a newline.
    pub(super) fn line(&mut self, entry: &Entry) -> io::Result<&[u8]> {
        self.record(entry)?;
        self.json.push(b'\n');
        Ok(&self.json)
    }

    /// When and by whom it was printed.
    fn whose(&mut self, entry: &Entry) -> io::Result<()> {
        let (face, said) = (&entry.face, &entry.message);
        self.json.extend_from_slice(b"{\"kind\":\"log\",\"ts\":\"");
        self.stamps.write(said.stamp_nanos, &mut self.json);
        write!(self.json, "\",\"id\":\"{}\"", face.key.id.as_str())?;
        if let Some(file) = &face.file {
            self.member("file", Some(file))?;
        } else {
            write!(self.json, ",\"run\":{},\"attempt\":{}", face.key.run, entry.attempt)?;
        }
        if !face.labels.is_empty() {
            self.member("labels", Some(&face.labels))?;
        }
        // A file does not tell its lines' streams.
        if face.file.is_none() || face.streams {
            write!(self.json, ",\"stream\":\"{}\"", entry.stream())?;
        }
        Ok(())
    }

    /// What was found in it.
    fn about(&mut self, entry: &Entry) -> io::Result<()> {
        if let Some(level) = entry.level() {
            write!(self.json, ",\"level\":\"{}\"", level.word())?;
        }
        self.member("category", entry.category())?;
        self.member("rank", entry.rank())?;
        let own = !entry.has_class_fields();
        match own.then(|| as_object(&entry.message.text)).flatten() {
            Some(object) => {
                self.json.extend_from_slice(b",\"fields\":");
                self.json.extend_from_slice(object);
            }
            None => self.member("fields", entry.fields())?,
        }
        self.member("traceback", entry.traceback.as_ref())?;
        self.member("anomaly", entry.anomaly())
    }

    fn message(&mut self, text: &[u8]) -> io::Result<()> {
        match std::str::from_utf8(text) {
            Ok(text) if is_plain(text) => {
                write!(self.json, ",\"message\":\"{text}\"")
            }
            Ok(text) => self.member("message", Some(text)),
            Err(_) => self.member("message_base64", Some(BASE64_STANDARD.encode(text))),
        }
    }

    fn member(&mut self, key: &str, value: Option<impl Serialize>) -> io::Result<()> {
        let Some(value) = value else { return Ok(()) };
        write!(self.json, ",\"{key}\":")?;
        Ok(serde_json::to_writer(&mut self.json, &value)?)
    }
}

/// Whether JSON writes it as it is. Every byte is looked at, which is done many at a time.
fn is_plain(text: &str) -> bool {
    !text.bytes().fold(false, |escaped, b| escaped | (b < b' ') | (b == b'"') | (b == b'\\'))
}

/// The text of a line that is a JSON object, to be passed on as it is.
fn as_object(text: &[u8]) -> Option<&[u8]> {
    let text = text.trim_ascii();
    let object = text.starts_with(b"{") && text.ends_with(b"}");
    let brackets = || text.iter().filter(|b| matches!(b, b'{' | b'[')).count();
    let sound = || serde_json::from_slice::<IgnoredAny>(text).is_ok();
    let utf8 = || std::str::from_utf8(text).is_ok();
    (object && brackets() <= BRACKETS && utf8() && sound()).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::Value;

    fn record(text: &[u8]) -> Value {
        let entry = crate::entry::testing::entry(text);
        let mut wire = Wire::default();
        serde_json::from_slice(wire.record(&entry).unwrap()).unwrap()
    }

    #[test]
    fn a_record_holds_what_a_line_says() {
        let line = record(b"[rank1]: ERROR \"x\"");
        assert_eq!(line["level"], "error");
        assert_eq!(line["rank"], "rank1");
        assert_eq!(line["message"], "[rank1]: ERROR \"x\"");
        let json = record(br#" {"level":"warn","n":{"a":1}} "#);
        assert_eq!(json["level"], "warning");
        assert_eq!(json["fields"]["n"]["a"], 1);
        let logfmt = record(b"level=info step=3");
        assert_eq!(logfmt["fields"]["step"], 3);
        assert!(record(b"prose").get("level").is_none());
        assert_eq!(record(b"\xff")["message_base64"], "/w==");
    }

    #[test]
    fn an_object_that_readers_would_refuse_is_no_field() {
        let deep = [b"{\"a\":".repeat(300), b"1".to_vec(), b"}".repeat(300)].concat();
        assert!(record(&deep).get("fields").is_none());
        assert!(record(b"{\"a\":1}}").get("fields").is_none());
    }

    proptest! {
        #[test]
        fn every_line_makes_a_record(text: Vec<u8>) {
            let record = record(&text);
            match std::str::from_utf8(&text) {
                Ok(text) => prop_assert_eq!(&record["message"], text),
                Err(_) => prop_assert!(record["message_base64"].is_string()),
            }
        }

        #[test]
        fn text_and_json_are_passed_on(text in "[{}\":a-c\\\\0-9,= \\[\\]\x00-\x1f]{0,30}") {
            prop_assert_eq!(&record(text.as_bytes())["message"], &text);
        }
    }
}
