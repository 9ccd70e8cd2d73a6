//! Appending to the registry under its lock.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use fleet_core::ProcessRecord;

use crate::compact::restore;
use crate::home::Home;

/// Why the registry cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    /// The lock cannot be opened or taken.
    #[error("cannot lock the registry with '{}'", path.display())]
    Lock {
        /// The lock file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Somebody holds the lock for longer than the caller may wait.
    #[error("the registry was locked by another tool for {waited:?}")]
    Busy {
        /// How long was waited.
        waited: Duration,
    },
    /// The registry cannot be read.
    #[error("cannot read the registry '{}'", path.display())]
    Read {
        /// The registry.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The registry cannot be written.
    #[error("cannot write the registry '{}'", path.display())]
    Write {
        /// The registry.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The right to write the registry, until dropped.
#[derive(Debug)]
pub struct RegistryLock {
    pub(crate) home: Home,
    pub(crate) file: File,
}

impl RegistryLock {
    /// Waits for the lock. Holders keep it for microseconds.
    ///
    /// # Errors
    /// The lock file cannot be made or opened.
    pub fn take(home: &Home) -> Result<RegistryLock, RegistryError> {
        let file = open_lock(home)?;
        file.lock().map_err(|source| lock_error(home, source))?;
        Ok(RegistryLock { home: home.clone(), file })
    }

    /// Waits for the lock no longer than this, for who must not be held up by a stopped holder.
    ///
    /// # Errors
    /// As [`RegistryLock::take`], and [`RegistryError::Busy`] when the time is over.
    pub fn take_within(home: &Home, limit: Duration) -> Result<RegistryLock, RegistryError> {
        let file = open_lock(home)?;
        let since = Instant::now();
        let mut nap = Duration::from_micros(50);
        loop {
            match file.try_lock() {
                Ok(()) => return Ok(RegistryLock { home: home.clone(), file }),
                Err(TryLockError::Error(source)) => return Err(lock_error(home, source)),
                Err(TryLockError::WouldBlock) if since.elapsed() >= limit => {
                    return Err(RegistryError::Busy { waited: limit });
                }
                Err(TryLockError::WouldBlock) => thread::sleep(nap.min(limit)),
            }
            nap = (nap * 2).min(Duration::from_millis(5));
        }
    }

    /// Appends one record. A registry that was lost is first made anew from the runs' folders.
    ///
    /// # Errors
    /// The file cannot be written; what was written of the line is taken back.
    pub fn append(&self, record: &ProcessRecord) -> Result<(), RegistryError> {
        let path = self.home.registry();
        // Lest the first line of a new file hide that all the others are missing.
        let there = if path.exists() { Ok(()) } else { restore(self) };
        there
            .and_then(|()| append_line(&path, record))
            .map_err(|source| RegistryError::Write { path, source })
    }
}

fn append_line(path: &PathBuf, record: &ProcessRecord) -> io::Result<()> {
    let mut file =
        OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
    let size = file.metadata()?.len();
    let mut line = Vec::with_capacity(1024);
    if is_torn(&file, size)? {
        line.push(b'\n');
    }
    serde_json::to_writer(&mut line, record)?;
    line.push(b'\n');
    let written = file.write(&line)?;
    if written < line.len() {
        file.set_len(size)?;
        return Err(io::Error::from(io::ErrorKind::StorageFull));
    }
    Ok(())
}

/// Whether the file ends within a line.
fn is_torn(file: &File, size: u64) -> io::Result<bool> {
    let mut last = [b'\n'];
    if size > 0 {
        file.read_exact_at(&mut last, size - 1)?;
    }
    Ok(last != [b'\n'])
}

fn open_lock(home: &Home) -> Result<File, RegistryError> {
    let path = home.registry_lock();
    OpenOptions::new()
        .read(true)
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(path)
        .map_err(|source| lock_error(home, source))
}

fn lock_error(home: &Home, source: io::Error) -> RegistryError {
    RegistryError::Lock { path: home.registry_lock(), source }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::replay::tests::{home, record};
    use fleet_core::State;
    use std::fs;

    #[test]
    fn a_torn_tail_costs_one_line() {
        let (_dir, home) = home();
        let lock = RegistryLock::take(&home).unwrap();
        lock.append(&record("a", 1, State::Running)).unwrap();
        let whole = fs::read(home.registry()).unwrap();
        fs::write(home.registry(), [whole.as_slice(), &whole[..40]].concat()).unwrap();
        lock.append(&record("b", 1, State::Running)).unwrap();
        let replay = crate::replay(&home).unwrap();
        let ids: Vec<&str> = replay.entries.iter().map(|e| e.record.id.as_str()).collect();
        assert_eq!(ids, ["a", "b"]);
        assert_eq!(replay.problems.len(), 1);
        assert!(replay.problems[0].contains("line 2"), "{:?}", replay.problems);
    }

    #[test]
    fn a_held_lock_is_waited_for_within_bounds() {
        let (_dir, home) = home();
        let held = RegistryLock::take(&home).unwrap();
        let limit = Duration::from_millis(20);
        let error = RegistryLock::take_within(&home, limit).unwrap_err();
        assert!(matches!(error, RegistryError::Busy { .. }));
        drop(held);
        RegistryLock::take_within(&home, limit).unwrap();
    }

    #[test]
    fn many_writers_tear_nothing() {
        let (_dir, home) = home();
        thread::scope(|scope| {
            for writer in 0..8 {
                let home = &home;
                scope.spawn(move || {
                    for run in 1..=50 {
                        let record = record(&format!("p{writer}"), run, State::Running);
                        RegistryLock::take(home).unwrap().append(&record).unwrap();
                    }
                });
            }
        });
        let replay = crate::replay(&home).unwrap();
        assert_eq!((replay.entries.len(), replay.problems.len()), (400, 0));
    }
}
