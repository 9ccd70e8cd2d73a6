//! A small writer of log folders for the tests of this crate.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

use fleet_core::Timestamp;

use crate::files::CURRENT;
use crate::reader::Reader;

/// A log folder that is removed at the end.
pub(crate) struct Log(tempfile::TempDir);

impl Log {
    pub(crate) fn new() -> Log {
        Log(tempfile::tempdir().unwrap())
    }

    pub(crate) fn dir(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn append(&self, bytes: &[u8]) {
        let path = self.dir().join(CURRENT);
        let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
        file.write_all(bytes).unwrap();
    }

    pub(crate) fn write(&self, seconds: i64, head: &str, text: &str) {
        self.append(&line(seconds, head, text.as_bytes()));
    }

    fn aside(&self, seconds: i64) -> PathBuf {
        self.dir().join(format!("{}.log", stamp(seconds)))
    }

    pub(crate) fn rotate(&self, first: i64) {
        fs::rename(self.dir().join(CURRENT), self.aside(first)).unwrap();
    }

    pub(crate) fn remove(&self, first: i64) {
        fs::remove_file(self.aside(first)).unwrap();
    }

    pub(crate) fn truncate(&self) {
        OpenOptions::new().write(true).open(self.dir().join(CURRENT)).unwrap().set_len(0).unwrap();
    }
}

fn stamp(seconds: i64) -> String {
    Timestamp::from_nanos(seconds * 1_000_000_000).to_nanos_text()
}

pub(crate) fn line(seconds: i64, head: &str, text: &[u8]) -> Vec<u8> {
    let mut line = format!("{} {head} ", stamp(seconds)).into_bytes();
    line.extend_from_slice(text);
    line.push(b'\n');
    line
}

/// The texts of all lines that can be read now.
pub(crate) fn texts(reader: &mut Reader) -> Vec<String> {
    let mut texts = Vec::new();
    while let Some(line) = reader.next_line().unwrap() {
        texts.push(String::from_utf8_lossy(line.text).into_owned());
    }
    texts
}
