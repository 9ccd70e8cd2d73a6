//! Lines as a table for spreadsheets and databases.

use std::io;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use fleet_cli::Out;

use super::stamp::Stamps;
use crate::entry::Entry;

/// The columns, whatever the lines have; what is not known is empty.
const COLUMNS: [&str; 13] = [
    "ts",
    "id",
    "run",
    "attempt",
    "stream",
    "level",
    "rank",
    "error_type",
    "fingerprint",
    "partial",
    "message",
    "message_base64",
    "file",
];

/// Writes entries as rows.
pub(crate) struct Csv {
    rows: Box<csv::Writer<Out>>,
    stamps: Stamps,
    stamp: Vec<u8>,
}

impl Csv {
    /// Begins with the names of the columns.
    pub(super) fn new(out: Out) -> io::Result<Csv> {
        let mut rows = Box::new(csv::Writer::from_writer(out));
        rows.write_record(COLUMNS)?;
        Ok(Csv { rows, stamps: Stamps::default(), stamp: Vec::new() })
    }

    pub(super) fn write(&mut self, entry: &Entry) -> io::Result<()> {
        let (face, said) = (&entry.face, &entry.message);
        self.stamp.clear();
        self.stamps.write(said.stamp_nanos, &mut self.stamp);
        let ours =
            |number: u32| if face.file.is_some() { String::new() } else { number.to_string() };
        let streams = face.file.is_none() || face.streams;
        let traceback = entry.traceback.as_ref();
        // Databases refuse text with a NUL in it as they refuse what is not UTF-8.
        let text = std::str::from_utf8(&said.text).ok().filter(|text| !text.contains('\0'));
        self.rows.write_field(&self.stamp)?;
        self.rows.write_field(face.key.id.as_str())?;
        self.rows.write_field(ours(face.key.run))?;
        self.rows.write_field(ours(entry.attempt))?;
        self.rows.write_field(if streams { entry.stream() } else { "" })?;
        self.rows.write_field(entry.level().map_or("", |level| level.word()))?;
        self.rows.write_field(entry.rank().unwrap_or_default())?;
        self.rows.write_field(traceback.and_then(|t| t.kind.as_deref()).unwrap_or_default())?;
        self.rows.write_field(traceback.map_or("", |t| &t.fingerprint))?;
        self.rows.write_field(if said.partial { "true" } else { "" })?;
        self.rows.write_field(text.unwrap_or_default())?;
        self.rows.write_field(match text {
            Some(_) => String::new(),
            None => BASE64_STANDARD.encode(&said.text),
        })?;
        self.rows.write_field(face.file.as_deref().unwrap_or_default())?;
        Ok(self.rows.write_record(None::<&[u8]>)?)
    }

    pub(super) fn flush(&mut self) -> io::Result<()> {
        self.rows.flush()
    }

    pub(super) fn is_stdout(&self) -> bool {
        self.rows.get_ref().is_stdout()
    }

    pub(super) fn finish(self) -> io::Result<()> {
        self.rows.into_inner().map_err(csv::IntoInnerError::into_error)?.finish()
    }
}
