//! The state file: what is remembered between runs, and that two tools at once do not tell twice.
//!
//! # Theory of operation
//!
//! `state.jsonl` holds one instance a line; the last line of an instance wins, and one without a
//! phase and without debts ends it. It is a [`Journal`], used while `state.lock` is held: whoever
//! takes the lock takes over what others wrote since, so that the file, not a memory, is the truth
//! whenever the lock is free.
//!
//! A line that cannot be read costs that line alone, and is dropped at the next rewriting; a line
//! of a newer version is kept as it is. So is one of a rule that is not in this rules file, until
//! its reader ends it: it may be another file's, or what is left of a rule that is gone.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use fleet_core::{RECORD_VERSION, Timestamp};
use serde::Deserialize;

use crate::engine::FORGET_AFTER;
use crate::instance::Instance;
use crate::journal::{Journal, StoreError, lines_of};

/// The state file of a home.
#[derive(Debug)]
pub struct Store {
    journal: Journal,
    lock: Arc<File>,
    /// Lines to be kept that are not ours, by instance.
    foreign: BTreeMap<String, (Option<Timestamp>, String)>,
}

/// What the file says, where others wrote it since.
#[derive(Debug, Default)]
pub struct Remembered {
    /// Instances of rules that are ours, and of those that are not known to us.
    pub instances: Vec<Instance>,
    /// Numbers of the lines that could not be read.
    pub bad_lines: Vec<usize>,
}

/// Holds the lock.
#[derive(Debug)]
pub struct Locked(Arc<File>);

impl Drop for Locked {
    fn drop(&mut self) {
        // The end of the process would do it too.
        let _ = self.0.unlock();
    }
}

/// The first look at a line.
#[derive(Deserialize)]
struct Head {
    v: Option<u32>,
    rule: Option<String>,
    key: Option<serde_json::Value>,
    phase: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    untold: bool,
    #[serde(default)]
    watched: bool,
    seen: Option<Timestamp>,
}

impl Store {
    /// The state file in a folder that is there.
    ///
    /// # Errors
    /// The lock file cannot be made.
    pub fn open(folder: &Path) -> Result<Store, StoreError> {
        let path = folder.join("state.lock");
        // A file system that may only be read has locks, too.
        let opened = writable(&path).or_else(|error| File::open(&path).map_err(|_| error));
        let lock = Arc::new(opened.map_err(|source| StoreError::new("lock", &path, source))?);
        let journal = Journal::new(folder.join("state.jsonl"));
        Ok(Store { journal, lock, foreign: BTreeMap::new() })
    }

    /// Waits for its turn.
    ///
    /// # Errors
    /// The file system knows no locks.
    pub fn lock(&self) -> Result<Locked, StoreError> {
        self.lock.lock().map_err(|source| self.journal.error("lock", source))?;
        Ok(Locked(Arc::clone(&self.lock)))
    }

    /// What others wrote since this store was last used; nothing if nobody did.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn reload(
        &mut self,
        _locked: &Locked,
        mine: impl Fn(&str) -> bool,
    ) -> Result<Option<Remembered>, StoreError> {
        let Some(bytes) = self.journal.read()? else { return Ok(None) };
        Ok(Some(self.replay(&bytes, mine)))
    }

    /// Appends the newest of these instances.
    ///
    /// # Errors
    /// The file does not take it.
    pub fn append<'i>(
        &mut self,
        _locked: &Locked,
        instances: impl Iterator<Item = &'i Instance> + Clone,
    ) -> Result<(), StoreError> {
        if !self.foreign.is_empty() {
            instances.clone().for_each(|ours| drop(self.foreign.remove(&name_of(ours))));
        }
        let text = lines(instances);
        if text.is_empty() { Ok(()) } else { self.journal.append(&text, false) }
    }

    /// Whether the file is worth being written anew for so many living instances.
    pub fn is_long(&self, living: usize) -> bool {
        self.journal.is_long(living + self.foreign.len())
    }

    /// Whether any line of the file is superfluous.
    pub fn has_slack(&self, living: usize) -> bool {
        self.journal.has_slack(living + self.foreign.len())
    }

    /// Writes the file anew with these instances, and with what is not ours.
    ///
    /// # Errors
    /// The file cannot be written or renamed.
    pub fn rewrite<'i>(
        &mut self,
        _locked: &Locked,
        living: impl Iterator<Item = &'i Instance>,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.foreign.retain(|_, (seen, _)| seen.is_none_or(|at| at.plus(FORGET_AFTER) > now));
        let mut text = lines(living);
        for (_, line) in self.foreign.values() {
            text.extend_from_slice(line.as_bytes());
            text.push(b'\n');
        }
        self.journal.replace(&text)
    }

    fn replay(&mut self, bytes: &[u8], mine: impl Fn(&str) -> bool) -> Remembered {
        let mut remembered = Remembered::default();
        let mut newest: BTreeMap<String, Instance> = BTreeMap::new();
        self.foreign.clear();
        for (number, line) in lines_of(bytes) {
            if self.line(line, &mine, &mut newest).is_none() {
                remembered.bad_lines.push(number);
            }
        }
        remembered.instances = newest.into_values().filter(|i| !i.is_over()).collect();
        let foreign = self.foreign.values().filter_map(|(_, line)| serde_json::from_str(line).ok());
        remembered.instances.extend(foreign.filter(|i: &Instance| !i.is_newer()));
        remembered
    }

    /// Takes one line in; nothing if it cannot be read.
    fn line(
        &mut self,
        line: &[u8],
        mine: impl Fn(&str) -> bool,
        newest: &mut BTreeMap<String, Instance>,
    ) -> Option<()> {
        let text = str::from_utf8(line).ok()?;
        // Nearly all lines are ours: those are read once.
        let ours = serde_json::from_str(text).ok();
        if let Some(ours) = ours.filter(|i: &Instance| !i.is_newer() && mine(&i.rule)) {
            newest.insert(name_of(&ours), ours);
            return Some(());
        }
        let head: Head = serde_json::from_str(text).ok()?;
        let name = named(head.rule.as_deref()?, head.key?);
        if head.v.is_some_and(|v| v > RECORD_VERSION) {
            // Never given up: what a newer fleet-alert wrote is not ours to judge.
            self.foreign.insert(format!("{name}\u{1f}newer"), (None, text.to_owned()));
        } else if mine(head.rule.as_deref()?) {
            return None;
        } else if head.phase.is_some() || head.untold || head.watched {
            self.foreign.insert(name, (head.seen, text.to_owned()));
        } else {
            self.foreign.remove(&name);
        }
        Some(())
    }
}

/// By what the lines of an instance are known to be of the same.
fn name_of(instance: &Instance) -> String {
    let key = serde_json::to_string(&instance.key).unwrap_or_default();
    named(&instance.rule, key)
}

fn named(rule: &str, key: impl Display) -> String {
    format!("{rule}\u{1f}{key}")
}

fn writable(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}

/// A line of each of these instances.
fn lines<'i>(instances: impl Iterator<Item = &'i Instance>) -> Vec<u8> {
    let mut text = Vec::new();
    for instance in instances {
        let before = text.len();
        // Texts, numbers and times: nothing that JSON could refuse.
        match serde_json::to_writer(&mut text, instance) {
            Ok(()) => text.push(b'\n'),
            Err(_) => text.truncate(before),
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Phase;
    use proptest::prelude::*;
    use std::fs;

    fn pending(rule: &str, id: &str) -> Instance {
        let now = Timestamp::now();
        let key = BTreeMap::from([("id".to_owned(), id.to_owned())]);
        let mut instance = Instance::new(rule, key, now);
        instance.phase = Some(Phase::Pending { since: now, streak: 1 });
        instance
    }

    fn ids(remembered: &Remembered) -> Vec<String> {
        remembered.instances.iter().map(Instance::name).collect()
    }

    fn fresh(dir: &Path) -> Remembered {
        let mut store = Store::open(dir).unwrap();
        let locked = store.lock().unwrap();
        store.reload(&locked, |rule| rule == "r").unwrap().unwrap_or_default()
    }

    #[test]
    fn the_last_line_of_an_instance_wins() {
        let dir = tempfile::tempdir().unwrap();
        let mut store = Store::open(dir.path()).unwrap();
        let locked = store.lock().unwrap();
        let (a, mut b) = (pending("r", "a"), pending("r", "b"));
        store.append(&locked, [a.clone(), b.clone()].iter()).unwrap();
        b.phase = None;
        store.append(&locked, [b].iter()).unwrap();
        drop(locked);
        assert_eq!(ids(&fresh(dir.path())), ["a"]);
    }

    #[test]
    fn only_what_others_wrote_is_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let mut ours = Store::open(dir.path()).unwrap();
        {
            let locked = ours.lock().unwrap();
            ours.append(&locked, [pending("r", "a")].iter()).unwrap();
            assert!(ours.reload(&locked, |_| true).unwrap().is_none());
        }
        let mut theirs = Store::open(dir.path()).unwrap();
        {
            let locked = theirs.lock().unwrap();
            theirs.append(&locked, [pending("r", "b")].iter()).unwrap();
        }
        let locked = ours.lock().unwrap();
        let remembered = ours.reload(&locked, |_| true).unwrap().unwrap();
        assert_eq!(ids(&remembered), ["a", "b"]);
    }

    #[test]
    fn bad_foreign_and_newer_lines() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state.jsonl");
        let newer = r#"{"kind":"alert_state","v":9,"rule":"r","key":{"id":"n"},"shape":"new"}"#;
        let theirs = serde_json::to_string(&pending("other", "x")).unwrap();
        let ours = serde_json::to_string(&pending("r", "a")).unwrap();
        fs::write(&path, format!("nonsense\n{newer}\n{theirs}\n{ours}\n{{\"kind\":\"al")).unwrap();
        let mut store = Store::open(dir.path()).unwrap();
        let locked = store.lock().unwrap();
        let remembered = store.reload(&locked, |rule| rule == "r").unwrap().unwrap();
        let expected = vec!["a".to_owned(), "x".to_owned()];
        assert_eq!((ids(&remembered), remembered.bad_lines), (expected, vec![1, 5]));
        // Appending mends the torn line; rewriting drops what cannot be read and keeps the rest.
        store.append(&locked, [pending("r", "b")].iter()).unwrap();
        assert_eq!(ids(&fresh_unlocked(dir.path())), ["a", "b", "x"]);
        store.rewrite(&locked, [pending("r", "b")].iter(), Timestamp::now()).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(newer) && text.contains(&theirs), "{text}");
        assert!(!text.contains("nonsense"), "{text}");
    }

    fn fresh_unlocked(dir: &Path) -> Remembered {
        let mut store = Store::open(dir).unwrap();
        let bytes = fs::read(dir.join("state.jsonl")).unwrap();
        store.replay(&bytes, |rule| rule == "r")
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let dir = tempfile::tempdir().unwrap();
            fs::write(dir.path().join("state.jsonl"), &bytes).unwrap();
            fresh(dir.path());
        }
    }
}
