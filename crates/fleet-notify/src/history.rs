//! What happened to alerts and why they were told or not: `alerts/history.jsonl`, for whoever asks
//! afterwards.
//!
//! Each change of an alert is a line, and each decision about it and a channel, and what became of
//! each try to deliver; the records are those that the tools print. A file that has grown to
//! [`MOST`] bytes is renamed to `history.1.jsonl`, in the place of the one before: that bounds
//! both. Nobody's work depends on these files: what cannot be written is lost to the history
//! alone. Whoever writes holds the lock of the alerts' folder.

use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use fleet_core::Timestamp;
use fleet_rules::AlertRecord;
use serde::{Deserialize, Serialize};

use crate::decision::Decision;

/// Size from which a file is put aside, in bytes.
const MOST: u64 = 16 << 20;

/// A line longer than this is passed over.
const LONGEST: u64 = 1 << 20;

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Happened {
    /// An alert changed.
    Alert(Box<AlertRecord>),
    /// It was decided to tell a channel of an alert, or not to.
    Decided(Decided),
    /// A notification was tried, or given up.
    Tried(Tried),
}

/// What was decided about an alert and a channel.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// When.
    pub ts: Timestamp,
    /// The rule.
    pub alert: String,
    /// The process that it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// That of the alert's records.
    pub fingerprint: String,
    /// The channel.
    pub channel: String,
    /// The named reason.
    pub word: String,
    /// The same as a sentence.
    pub text: String,
}

impl Decided {
    /// A decision with its moment.
    pub fn of(decision: Decision, ts: Timestamp) -> Decided {
        let Decision { fingerprint, alert, id, channel, word, text } = decision;
        Decided { ts, alert, id, fingerprint, channel, word: word.to_owned(), text }
    }
}

/// What became of a notification.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tried {
    /// When.
    pub ts: Timestamp,
    /// The channel.
    pub channel: String,
    /// The notification.
    pub notification: String,
    /// The fingerprints of its alerts.
    pub fingerprints: Vec<String>,
    /// `delivered`, `again`, `refused`, `dead`.
    pub word: String,
    /// Why, as a sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

/// A line of the file: what it is stands in `kind`, as in all records.
#[derive(Serialize)]
struct Line<'a, T: Serialize> {
    kind: &'static str,
    #[serde(flatten)]
    body: &'a T,
}

/// The part of a line that says what it is.
#[derive(Deserialize)]
struct Kind {
    kind: String,
}

impl Happened {
    /// When.
    pub fn ts(&self) -> Timestamp {
        match self {
            Happened::Alert(alert) => alert.ts,
            Happened::Decided(decided) => decided.ts,
            Happened::Tried(tried) => tried.ts,
        }
    }

    /// The record, as a line without its end.
    ///
    /// # Errors
    /// It holds what JSON cannot say, which nothing of it does.
    pub fn json(&self) -> Result<Vec<u8>, serde_json::Error> {
        match self {
            Happened::Alert(alert) => serde_json::to_vec(alert),
            Happened::Decided(body) => serde_json::to_vec(&Line { kind: "alert_decision", body }),
            Happened::Tried(body) => serde_json::to_vec(&Line { kind: "alert_delivery", body }),
        }
    }

    /// A line read back; nothing if it is of another kind, or torn.
    fn read(line: &[u8]) -> Option<Happened> {
        let kind: Kind = serde_json::from_slice(line).ok()?;
        match kind.kind.as_str() {
            "alert" => serde_json::from_slice(line).ok().map(Box::new).map(Happened::Alert),
            "alert_decision" => serde_json::from_slice(line).ok().map(Happened::Decided),
            "alert_delivery" => serde_json::from_slice(line).ok().map(Happened::Tried),
            _ => None,
        }
    }
}

/// The history of a folder of alerts.
#[derive(Clone, Debug)]
pub struct History {
    path: PathBuf,
    aside: PathBuf,
    most: u64,
}

impl History {
    /// The history in this folder, whether or not it is there yet.
    pub fn new(folder: &Path) -> History {
        let (path, aside) = (folder.join("history.jsonl"), folder.join("history.1.jsonl"));
        History { path, aside, most: MOST }
    }

    /// The file that is written.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Appends with one write; nothing is done for nothing.
    ///
    /// # Errors
    /// The file cannot be written or put aside.
    pub fn append(&self, happened: &[Happened]) -> io::Result<()> {
        if happened.is_empty() {
            return Ok(());
        }
        let mut text = Vec::new();
        let mut file = self.open()?;
        if is_torn(&mut file)? {
            text.push(b'\n');
        }
        for one in happened {
            text.extend(one.json()?);
            text.push(b'\n');
        }
        file.write_all(&text)
    }

    /// The file, a new one where the old one is long enough.
    fn open(&self) -> io::Result<File> {
        match fs::metadata(&self.path) {
            Ok(data) if data.len() >= self.most => fs::rename(&self.path, &self.aside)?,
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        OpenOptions::new().append(true).read(true).create(true).mode(0o600).open(&self.path)
    }

    /// Gives all that is remembered to `sink`, the oldest first, and returns how many lines could
    /// not be read.
    ///
    /// # Errors
    /// A file is there and cannot be read.
    pub fn read(&self, mut sink: impl FnMut(Happened)) -> io::Result<u64> {
        let aside = read_file(&self.aside, &mut sink)?;
        Ok(aside + read_file(&self.path, &mut sink)?)
    }
}

/// Whether the last line lacks its end.
fn is_torn(file: &mut File) -> io::Result<bool> {
    if file.metadata()?.len() == 0 {
        return Ok(false);
    }
    let mut last = [0];
    file.seek(SeekFrom::End(-1))?;
    file.read_exact(&mut last)?;
    Ok(last != *b"\n")
}

fn read_file(path: &Path, sink: &mut impl FnMut(Happened)) -> io::Result<u64> {
    let file = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(0),
        opened => opened?,
    };
    let mut lines = BufReader::new(file);
    let (mut line, mut bad) = (Vec::new(), 0);
    loop {
        line.clear();
        if lines.by_ref().take(LONGEST).read_until(b'\n', &mut line)? == 0 {
            return Ok(bad);
        }
        match Happened::read(&line) {
            Some(happened) => sink(happened),
            None => bad += u64::from(!line.trim_ascii().is_empty()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decided(channel: &str) -> Happened {
        Happened::Decided(Decided {
            ts: Timestamp::from_nanos(0),
            alert: "disk_full".to_owned(),
            id: None,
            fingerprint: "f".repeat(16),
            channel: channel.to_owned(),
            word: "silenced".to_owned(),
            text: "silence 3f by anna: reboot".to_owned(),
        })
    }

    fn read(history: &History) -> (Vec<Happened>, u64) {
        let mut all = Vec::new();
        let bad = history.read(|one| all.push(one)).unwrap();
        (all, bad)
    }

    #[test]
    fn what_is_appended_is_read_back_in_order() {
        let folder = tempfile::tempdir().unwrap();
        let history = History::new(folder.path());
        assert_eq!(read(&history), (Vec::new(), 0));
        let tried = Happened::Tried(Tried {
            ts: Timestamp::from_nanos(1_000),
            channel: "sms".to_owned(),
            notification: "0".repeat(16),
            fingerprints: vec!["f".repeat(16)],
            word: "again".to_owned(),
            text: String::new(),
        });
        history.append(&[decided("a"), tried.clone()]).unwrap();
        history.append(&[]).unwrap();
        history.append(&[decided("b")]).unwrap();
        assert_eq!(read(&history), (vec![decided("a"), tried, decided("b")], 0));
    }

    #[test]
    fn a_long_file_is_put_aside_and_only_one_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let history = History { most: 1, ..History::new(folder.path()) };
        for channel in ["a", "b", "c"] {
            history.append(&[decided(channel)]).unwrap();
        }
        assert_eq!(read(&history).0, [decided("b"), decided("c")]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2);
    }

    #[test]
    fn a_torn_line_costs_itself_alone() {
        let folder = tempfile::tempdir().unwrap();
        let history = History::new(folder.path());
        history.append(&[decided("a")]).unwrap();
        let whole = fs::read(history.path()).unwrap();
        fs::write(history.path(), [&whole[..], &whole[..40]].concat()).unwrap();
        history.append(&[decided("b")]).unwrap();
        assert_eq!(read(&history), (vec![decided("a"), decided("b")], 1));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let folder = tempfile::tempdir().unwrap();
            let history = History::new(folder.path());
            fs::write(history.path(), &bytes).unwrap();
            history.append(&[decided("a")]).unwrap();
            prop_assert_eq!(read(&history).0.pop(), Some(decided("a")));
        }
    }
}
