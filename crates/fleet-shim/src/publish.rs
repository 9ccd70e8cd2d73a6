//! Saying what happened: the run's own record, the registry, the events.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;
use std::time::Duration;

use fleet_core::{EventRecord, ProcessRecord, Timestamp};
use fleet_os::monotonic_nanos;
use fleet_registry::{RegistryError, RegistryLock, RunDir, make_dir, write_record};
use serde_json::{Map, Value};

use crate::board::Word;
use crate::supervise::{MILLI, Shim};

impl Shim<'_> {
    /// Writes the record as it is now. Nobody is waited for longer than a moment, since output
    /// must be taken meanwhile: what the registry cannot take now it gets later.
    pub(crate) fn publish(&mut self) {
        self.record.ts = Timestamp::now();
        self.record.log = Some(self.post.board.totals().log);
        store(&self.post.dir, &self.record);
        self.append_to_registry(Duration::from_millis(2));
        self.wake_waiters();
    }

    /// Writes the record as it is now, under the registry's lock and there first. Where the registry
    /// cannot be written, nothing is.
    pub(crate) fn publish_under(&mut self, lock: &RegistryLock) -> Result<(), RegistryError> {
        self.record.ts = Timestamp::now();
        lock.append(&self.record)?;
        self.registry_at = None;
        store(&self.post.dir, &self.record);
        self.wake_waiters();
        Ok(())
    }

    /// As [`Shim::publish`], the registry first: who waits for this change in the run's own record
    /// may then at once ask a tool that reads the registry. Only for what a successor would find
    /// out by itself, should this shim die in between.
    pub(crate) fn publish_awaited(&mut self) {
        self.record.ts = Timestamp::now();
        self.record.log = Some(self.post.board.totals().log);
        self.append_to_registry(Duration::from_millis(2));
        store(&self.post.dir, &self.record);
        self.wake_waiters();
    }

    /// Writes the run's own record alone: what changes often, and is news for nobody who reads the
    /// registry.
    pub(crate) fn publish_own(&mut self) {
        self.record.ts = Timestamp::now();
        store(&self.post.dir, &self.record);
    }

    /// Writes the last record of the run. The process is gone, so that waiting hurts nobody now.
    ///
    /// The registry comes first: who learns of the end from the run's own record, as fleet-stop
    /// and `fleet-spawn --wait ended` do, may at once ask a tool that reads the registry.
    pub(crate) fn publish_end(&mut self) {
        self.record.ts = Timestamp::now();
        self.record.log = Some(self.post.board.totals().log);
        self.append_to_registry(Duration::from_millis(100));
        store(&self.post.dir, &self.record);
        if self.registry_at.take().is_some() {
            self.append_to_registry(Duration::from_secs(10));
        }
        self.wake_waiters();
    }

    pub(crate) fn append_to_registry(&mut self, limit: Duration) {
        let home = &self.post.home;
        let appended = RegistryLock::take_within(home, limit).and_then(|l| l.append(&self.record));
        self.registry_at = appended.is_err().then(|| monotonic_nanos() + 200 * MILLI);
    }

    /// Notes one event, to be written before the shim sleeps again.
    pub(crate) fn event(&mut self, event: &str, message: impl Into<String>, data: Value) {
        let ts = Timestamp::now();
        let number = self.post.board.add(Word::EventNumber);
        let record = EventRecord {
            kind: EventRecord::KIND.to_owned(),
            ts,
            event_id: format!("{:x}-{:x}-{number:x}", ts.nanos(), std::process::id()),
            event: event.to_owned(),
            id: Some(self.record.id.clone()),
            run: Some(self.record.run),
            attempt: Some(self.record.attempt),
            labels: self.record.labels.clone(),
            message: Some(message.into()),
            data: match data {
                Value::Object(data) => data,
                _ => Map::new(),
            },
        };
        if serde_json::to_writer(&mut self.events, &record).is_ok() {
            self.events.push(b'\n');
        }
    }

    /// Writes the events with one write(2). What cannot be written is lost: nothing waits for it.
    pub(crate) fn write_events(&mut self) {
        let lines = std::mem::take(&mut self.events);
        if !lines.is_empty() {
            let _ = append_events(&self.post.home.events(Timestamp::now()), &lines);
        }
    }
}

fn append_events(path: &Path, lines: &[u8]) -> io::Result<()> {
    let open = || OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    let mut file = match (open(), path.parent()) {
        (Err(e), Some(folder)) if e.kind() == io::ErrorKind::NotFound => {
            make_dir(folder)?;
            open()?
        }
        (opened, _) => opened?,
    };
    file.write_all(lines)
}

/// Makes the record the newest one of its run. On a full disk, where no new file can be made, it
/// takes the blocks of the old one, if need be without the last lines of stderr.
fn store(dir: &RunDir, record: &ProcessRecord) {
    if write_record(dir, record).is_ok() || overwrite(dir, record).is_ok() {
        return;
    }
    let mut short = record.clone();
    if let Some(exit) = &mut short.exit {
        exit.stderr_tail.clear();
    }
    let _ = overwrite(dir, &short);
}

fn overwrite(dir: &RunDir, record: &ProcessRecord) -> io::Result<()> {
    let json = serde_json::to_vec(record)?;
    let file = OpenOptions::new().write(true).open(dir.record())?;
    file.write_all_at(&json, 0)?;
    file.set_len(json.len() as u64)
}
