//! The desk's memory on disk: what each channel was told.
//!
//! `ledger.jsonl` holds one alert or one channel a line; the last line of each wins, and a line of
//! an alert that says nothing of it ends it. It is read and written while `state.lock` is held. A
//! line that cannot be read costs that line alone and is dropped at the next rewriting; a line of
//! a newer version, or of a rule or a channel that is not in this file of rules, is kept.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use fleet_core::{RECORD_VERSION, Timestamp};
use fleet_rules::{AlertRecord, Journal, StoreError, lines_of};
use serde::{Deserialize, Serialize};

use crate::desk::Desk;
use crate::entry::Entry;
use crate::limit::Traffic;

/// For so long after it was last told of, an alert of a rule that is not in this file of rules is
/// kept: another tool may look after it.
const KEEP_FOREIGN: Duration = Duration::from_secs(30 * 24 * 3600);

/// The desk's memory on disk.
#[derive(Debug)]
pub struct Ledger {
    journal: Journal,
    /// Lines to be kept that are not ours, by alert or channel.
    foreign: BTreeMap<String, (Option<Timestamp>, String)>,
    bad_lines: Vec<usize>,
    /// The file did not take what the desk knows: it is written whole at the next chance, and
    /// not read before that.
    unwritten: bool,
}

/// A line as it is written.
#[derive(Serialize)]
struct Line<'d> {
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fingerprint: Option<&'d str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rule: Option<&'d str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    entry: Option<&'d Entry>,
    #[serde(skip_serializing_if = "Option::is_none")]
    channel: Option<&'d str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    traffic: Option<&'d Traffic>,
}

/// The first look at a line.
#[derive(Deserialize)]
struct Head {
    v: Option<u32>,
    ts: Option<Timestamp>,
    fingerprint: Option<String>,
    rule: Option<String>,
    channel: Option<String>,
    entry: Option<serde::de::IgnoredAny>,
}

/// The second.
#[derive(Deserialize)]
struct Body {
    entry: Option<Entry>,
    traffic: Option<Traffic>,
}

/// What the file says.
#[derive(Default)]
struct Remembered {
    entries: BTreeMap<String, Entry>,
    channels: BTreeMap<String, Traffic>,
}

impl Ledger {
    /// The ledger in the alerts' folder.
    pub fn open(folder: &Path) -> Ledger {
        let journal = Journal::new(folder.join("ledger.jsonl"));
        Ledger { journal, foreign: BTreeMap::new(), bad_lines: Vec::new(), unwritten: false }
    }

    /// Gives the desk what others wrote since this ledger was last used; says whether they did.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn reload(&mut self, desk: &mut Desk) -> Result<bool, StoreError> {
        if self.unwritten {
            return Ok(false);
        }
        let Some(bytes) = self.journal.read()? else { return Ok(false) };
        let remembered = self.replay(&bytes, desk);
        desk.restore(remembered.entries, remembered.channels);
        Ok(true)
    }

    /// Gives the desk the end of an alert whose rule is gone from the file of rules, with what was
    /// told of it: nobody else will end that.
    pub fn take_leave(&mut self, desk: &mut Desk, alert: AlertRecord) {
        let line = self.foreign.remove(&alert.fingerprint);
        let body = line.and_then(|(_, line)| serde_json::from_str::<Body>(&line).ok());
        desk.take_leave(body.and_then(|body| body.entry), alert);
    }

    /// The lines that could not be read when the file last was.
    pub fn bad_lines(&self) -> &[usize] {
        &self.bad_lines
    }

    /// Writes down what the desk knows newly.
    ///
    /// # Errors
    /// The file does not take it. What is known stays with the desk, and all of it is written
    /// when the file takes it again.
    pub fn write(&mut self, desk: &mut Desk) -> Result<(), StoreError> {
        let (alerts, channels) = desk.take_changed();
        if !self.unwritten && alerts.is_empty() && channels.is_empty() {
            return Ok(());
        }
        let written = if self.unwritten || self.journal.is_long(self.living(desk)) {
            self.rewrite(desk)
        } else {
            let entry = |name: &String| alert_line(name, desk.entries.get(name));
            let channel = |name: &String| channel_line(name, desk.channels.get(name)?);
            let lines = alerts.iter().filter_map(entry);
            let lines =
                lines.chain(channels.iter().filter_map(channel)).collect::<Vec<_>>().concat();
            self.journal.append(&lines, false)
        };
        self.unwritten = written.is_err();
        written
    }

    fn living(&self, desk: &Desk) -> usize {
        desk.entries.len() + desk.channels.len() + self.foreign.len()
    }

    fn rewrite(&mut self, desk: &Desk) -> Result<(), StoreError> {
        if let Some(now) = desk.latest() {
            self.foreign.retain(|_, (ts, _)| ts.is_none_or(|ts| ts.plus(KEEP_FOREIGN) > now));
        }
        let entries = desk.entries.iter().filter_map(|(name, e)| alert_line(name, Some(e)));
        let channels = desk.channels.iter().filter_map(|(name, t)| channel_line(name, t));
        let foreign = self.foreign.values().map(|(_, line)| format!("{line}\n").into_bytes());
        self.journal.replace(&entries.chain(channels).chain(foreign).collect::<Vec<_>>().concat())
    }

    fn replay(&mut self, bytes: &[u8], desk: &Desk) -> Remembered {
        let mut remembered = Remembered::default();
        self.foreign.clear();
        self.bad_lines.clear();
        for (number, line) in lines_of(bytes) {
            if self.line(line, desk, &mut remembered).is_none() {
                self.bad_lines.push(number);
            }
        }
        remembered
    }

    /// Takes one line in; nothing if it cannot be read.
    fn line(&mut self, line: &[u8], desk: &Desk, remembered: &mut Remembered) -> Option<()> {
        let text = str::from_utf8(line).ok()?;
        let head: Head = serde_json::from_str(text).ok()?;
        let newer = head.v.is_some_and(|v| v > RECORD_VERSION);
        let (name, ours) = match (head.fingerprint, head.channel) {
            // The line that ends an alert names no rule: it may be anybody's.
            (Some(name), _) => (name, head.rule.as_ref().is_some_and(|rule| desk.knows(rule))),
            (None, Some(name)) => {
                let ours = desk.policy.channel(&name).is_some();
                return self.channel(name, ours && !newer, text, remembered);
            }
            (None, None) => return None,
        };
        if newer {
            self.foreign.insert(format!("{name} newer"), (None, text.to_owned()));
        } else if head.entry.is_none() {
            remembered.entries.remove(&name);
            self.foreign.remove(&name);
        } else if ours {
            remembered.entries.insert(name, serde_json::from_str::<Body>(text).ok()?.entry?);
        } else {
            self.foreign.insert(name, (head.ts, text.to_owned()));
        }
        Some(())
    }

    fn channel(
        &mut self,
        name: String,
        ours: bool,
        text: &str,
        remembered: &mut Remembered,
    ) -> Option<()> {
        if ours {
            let traffic = serde_json::from_str::<Body>(text).ok()?.traffic?;
            remembered.channels.insert(name, traffic);
        } else {
            self.foreign.insert(format!("channel {name}"), (None, text.to_owned()));
        }
        Some(())
    }
}

/// The line of an alert, or the one that ends it.
fn alert_line(name: &str, entry: Option<&Entry>) -> Option<Vec<u8>> {
    json(&Line {
        kind: "told_alert",
        ts: entry.and_then(Entry::newest),
        fingerprint: Some(name),
        rule: entry.map(|entry| entry.alert.alert.as_str()),
        entry,
        channel: None,
        traffic: None,
    })
}

fn channel_line(name: &str, traffic: &Traffic) -> Option<Vec<u8>> {
    json(&Line {
        kind: "told_channel",
        ts: None,
        fingerprint: None,
        rule: None,
        entry: None,
        channel: Some(name),
        traffic: Some(traffic),
    })
}

fn json(line: &Line) -> Option<Vec<u8>> {
    // Texts, numbers and times: nothing that JSON could refuse.
    let mut line = serde_json::to_vec(line).ok()?;
    line.push(b'\n');
    Some(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Policy, RulePolicy};
    use crate::sample::{alert, at};
    use proptest::prelude::*;
    use std::fs;

    fn desk(rule: &str) -> Desk {
        let rules = BTreeMap::from([(rule.to_owned(), RulePolicy::default())]);
        Desk::new(Policy { rules, ..Policy::default() })
    }

    fn remembered(folder: &Path, rule: &str) -> Vec<String> {
        let mut desk = desk(rule);
        Ledger::open(folder).reload(&mut desk).unwrap();
        desk.entries.values().filter_map(|entry| entry.alert.id.clone()).collect()
    }

    fn wrote(folder: &Path, rule: &str, ids: &[&str]) -> Ledger {
        let (mut desk, mut ledger) = (desk(rule), Ledger::open(folder));
        ledger.reload(&mut desk).unwrap();
        ids.iter().for_each(|id| desk.take(alert(rule, id, "firing", 0)));
        desk.settle(at(0));
        ledger.write(&mut desk).unwrap();
        ledger
    }

    #[test]
    fn torn_foreign_and_newer_lines() {
        let dir = tempfile::tempdir().unwrap();
        wrote(dir.path(), "r", &["a"]);
        wrote(dir.path(), "theirs", &["x"]);
        let path = dir.path().join("ledger.jsonl");
        let newer = r#"{"kind":"told_alert","v":9,"fingerprint":"00","rule":"r","shape":"new"}"#;
        let text = fs::read_to_string(&path).unwrap();
        fs::write(&path, format!("nonsense\n{newer}\n{text}{{\"kind\":\"to")).unwrap();
        let (mut desk, mut ledger) = (desk("r"), Ledger::open(dir.path()));
        ledger.reload(&mut desk).unwrap();
        assert_eq!(ledger.bad_lines(), [1, 5]);
        // Appending mends the torn line; writing anew drops what cannot be read, keeps the rest.
        wrote(dir.path(), "r", &["b"]);
        let mut ids = remembered(dir.path(), "r");
        ids.sort();
        assert_eq!(ids, ["a", "b"]);
        ledger.rewrite(&desk).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(newer) && text.contains("theirs"), "{text}");
        assert!(!text.contains("nonsense"), "{text}");
    }

    #[test]
    fn what_is_over_leaves_the_file_and_the_file_stays_short() {
        let dir = tempfile::tempdir().unwrap();
        let (mut desk, mut ledger) = (desk("r"), Ledger::open(dir.path()));
        for n in 0..1000 {
            let state = if n % 2 == 0 { "firing" } else { "resolved" };
            desk.take(alert("r", "a", state, n));
            desk.settle(at(n));
            ledger.write(&mut desk).unwrap();
        }
        let lines = || fs::read_to_string(dir.path().join("ledger.jsonl")).unwrap().lines().count();
        assert!(lines() < 80, "{}", lines());
        desk.settle(at(10_000));
        ledger.write(&mut desk).unwrap();
        assert!(remembered(dir.path(), "r").is_empty());
    }

    #[test]
    fn a_file_that_takes_nothing_is_written_whole_when_it_does_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut ledger = wrote(dir.path(), "r", &["a"]);
        let path = dir.path().join("ledger.jsonl");
        let mut desk = desk("r");
        Ledger::open(dir.path()).reload(&mut desk).unwrap();
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        desk.take(alert("r", "b", "firing", 1));
        desk.settle(at(1));
        let error = ledger.write(&mut desk).unwrap_err().to_string();
        assert!(error.contains("cannot write") && error.contains("ledger.jsonl"), "{error}");
        // What is on disk now is not the truth.
        assert!(!ledger.reload(&mut desk).unwrap());
        fs::remove_dir(&path).unwrap();
        ledger.write(&mut desk).unwrap();
        assert_eq!(remembered(dir.path(), "r").len(), 2);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join("ledger.jsonl"), &bytes).unwrap();
            wrote(dir.path(), "r", &["a"]);
            prop_assert_eq!(remembered(dir.path(), "r"), ["a"]);
        }
    }
}
