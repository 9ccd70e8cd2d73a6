//! Keeping house beside the sampling: days that are over are closed, old ones removed.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use fleet_core::Timestamp;

use crate::HistoryError;
use crate::close::close;
use crate::files::{DAY, Found, Part, list};

/// How often it is looked whether there is something to do.
const EVERY: Duration = Duration::from_secs(3600);

/// A clock that went ahead of the time that passed by more than this was set, rightly or wrongly.
const TRUSTED: Duration = Duration::from_secs(3600);

/// How much is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Days that are older are removed.
    pub keep: Duration,
    /// With all files together larger than this, the oldest days are removed, and nothing is stored
    /// once today's alone is.
    pub max_bytes: u64,
}

/// Which files are in use.
#[derive(Debug, Default)]
pub(crate) struct Claims {
    /// The one that samples are appended to.
    pub(crate) open: Option<Part>,
    /// The one that is being closed.
    pub(crate) closing: Option<Part>,
    /// What is to be said.
    said: Vec<String>,
}

/// What recorder and keeper share.
pub(crate) type Shared = Arc<Mutex<Claims>>;

/// Nothing that a thread does while it holds the claims can leave them half changed.
pub(crate) fn claims(shared: &Shared) -> MutexGuard<'_, Claims> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Starts the work in a thread of its own whenever some is due.
pub(crate) struct Keeper {
    folder: PathBuf,
    settings: Settings,
    shared: Shared,
    begun: (Instant, Timestamp),
    looked: Option<Instant>,
    working: Option<JoinHandle<()>>,
    /// What was said last: what fails every hour for one reason is said once.
    last: Vec<String>,
}

impl Keeper {
    pub(crate) fn new(folder: &Path, settings: Settings, shared: &Shared) -> Keeper {
        Keeper {
            folder: folder.to_owned(),
            settings,
            shared: shared.clone(),
            begun: (Instant::now(), Timestamp::now()),
            looked: None,
            working: None,
            last: Vec::new(),
        }
    }

    /// Looks after the house when it is time, or at once when a day is `over`, and returns what is
    /// to be said.
    pub(crate) fn tend(&mut self, over: bool) -> Vec<String> {
        let is_due = over || self.looked.is_none_or(|at| at.elapsed() >= EVERY);
        if is_due && self.working.as_ref().is_none_or(JoinHandle::is_finished) {
            self.looked = Some(Instant::now());
            let work = Work {
                folder: self.folder.clone(),
                settings: self.settings,
                shared: self.shared.clone(),
                now: Timestamp::now(),
                clock_is_trusted: self.clock_is_trusted(),
            };
            let started = thread::Builder::new().spawn(move || work.run());
            if let Err(e) = &started {
                let what = format!("days that are over stay open: cannot start a thread: {e}");
                claims(&self.shared).said.push(what);
            }
            self.working = started.ok();
        }
        self.words()
    }

    /// Waits for what is being done.
    pub(crate) fn finish(&mut self) -> Vec<String> {
        if let Some(working) = self.working.take() {
            // It ends by returning; a panic of it was printed already.
            let _ = working.join();
        }
        self.words()
    }

    /// Whether the wall clock went no further than the time that passed. One that a mistake set
    /// years ahead would make all that is stored look old.
    fn clock_is_trusted(&self) -> bool {
        let (instant, wall) = self.begun;
        let ahead = Timestamp::now().seconds_since(wall) - instant.elapsed().as_secs_f64();
        ahead < TRUSTED.as_secs_f64()
    }

    fn words(&mut self) -> Vec<String> {
        let said = std::mem::take(&mut claims(&self.shared).said);
        if said.is_empty() || said == self.last {
            return Vec::new();
        }
        self.last.clone_from(&said);
        said
    }
}

/// One look after the house.
struct Work {
    folder: PathBuf,
    settings: Settings,
    shared: Shared,
    now: Timestamp,
    clock_is_trusted: bool,
}

impl Work {
    fn run(&self) {
        let mut said = Vec::new();
        // First what makes room, then what needs it, then what that changed.
        for step in [Work::remove_old, Work::close_all, Work::remove_old] {
            said.extend(step(self).err().map(words));
        }
        said.dedup();
        claims(&self.shared).said.extend(said);
    }

    fn list(&self) -> Result<Vec<Found>, HistoryError> {
        list(&self.folder)
            .map_err(|source| HistoryError::Read { path: self.folder.clone(), source })
    }

    /// Closes every part that is over.
    fn close_all(&self) -> Result<(), HistoryError> {
        let today = Part::at(self.now.nanos()).day;
        for found in self.list()? {
            if !found.is_open || found.part.day >= today || !self.claim(&found.part) {
                continue;
            }
            let closed = close(&self.folder, &found.part);
            claims(&self.shared).closing = None;
            closed?;
        }
        Ok(())
    }

    /// Claims a part for closing, unless it is being written.
    fn claim(&self, part: &Part) -> bool {
        let mut claims = claims(&self.shared);
        let free = claims.open.as_ref() != Some(part);
        if free {
            claims.closing = Some(part.clone());
        }
        free
    }

    /// Removes the oldest parts, for their age or for the size of all.
    fn remove_old(&self) -> Result<(), HistoryError> {
        let keep = i64::try_from(self.settings.keep.as_nanos()).unwrap_or(i64::MAX);
        let oldest = self.now.nanos().saturating_sub(keep);
        let parts: Vec<Part> = self.list()?.into_iter().map(|found| found.part).collect();
        let mut bytes: u64 = parts.iter().map(|part| part.bytes(&self.folder)).sum();
        let today = Part::at(self.now.nanos()).day;
        for part in parts {
            let is_old = part.end() <= oldest && self.clock_is_trusted;
            let is_too_much = bytes > self.settings.max_bytes && part.day != today;
            if (is_old || is_too_much) && claims(&self.shared).open.as_ref() != Some(&part) {
                bytes = bytes.saturating_sub(part.bytes(&self.folder));
                part.remove(&self.folder).map_err(|source| HistoryError::Write {
                    path: part.closed(&self.folder),
                    source,
                })?;
            }
        }
        Ok(())
    }
}

impl Default for Settings {
    /// A month, and as much as twenty processes fill several times over.
    fn default() -> Settings {
        Settings { keep: Duration::from_nanos(30 * DAY.unsigned_abs()), max_bytes: 2 << 30 }
    }
}

/// An error with its cause, as a person is told it.
pub(crate) fn words(error: HistoryError) -> String {
    match std::error::Error::source(&error) {
        Some(cause) => format!("{error}: {cause}"),
        None => error.to_string(),
    }
}
