//! Care for files that were set aside: what is too old or too much is removed, the rest packed.
//!
//! Readers and the writer of the log need not be asked: they cope with files that go, and the one
//! that is being written is never touched. Those who care take turns by a lock on the folder.

use std::fs::{self, File, Metadata, TryLockError};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use fleet_core::{LogLimits, duration_text, size_text};

use crate::aside::{self, PLAIN, stamp_of};
use crate::files::{CURRENT, list};
use crate::index::Index;
use crate::pack::pack;

/// How long somebody else who cares for the same folder is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
const PAUSE: Duration = Duration::from_millis(10);

/// The log folder of a run, cared for by nobody else as long as this lives.
#[derive(Debug)]
pub struct Shelf {
    folder: PathBuf,
    limits: LogLimits,
    /// Whether somebody still writes to it.
    living: bool,
    _lock: File,
}

/// A file on the shelf, with all that lies under its stamp.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kept {
    /// Its stamp; the file that is being written, or was when the run ended, has none.
    pub stamp: Option<String>,
    /// Its name; the plain one where it lies there packed, too.
    pub name: String,
    /// Bytes of all of it.
    pub bytes: u64,
    /// When its last line was written.
    pub last: SystemTime,
    /// Whether it is as it was written.
    plain: bool,
}

/// What was done with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Done {
    /// Its name before.
    pub file: String,
    /// Its size before.
    pub bytes: u64,
    /// What was done.
    pub deed: Deed,
}

/// What can be done with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// It was removed.
    Removed {
        /// Why, in words.
        why: String,
    },
    /// It was packed.
    Compressed {
        /// Its name now.
        into: String,
        /// Its size now.
        bytes: u64,
    },
}

/// What could not be done.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} '{}'", path.display())]
pub struct CareError {
    /// What was tried.
    pub what: &'static str,
    /// The file.
    pub path: PathBuf,
    /// What the system said.
    pub source: io::Error,
}

/// Hears of each file what was done with it, or why it could not be.
pub type Tell<'a> = dyn FnMut(Result<Done, CareError>) + 'a;

impl Shelf {
    /// Opens the log folder of a run, `living` if a shim may write to it meanwhile. Nothing where
    /// there is no log yet.
    ///
    /// # Errors
    /// It cannot be read, or somebody else has cared for it for long (`WouldBlock`).
    pub fn open(folder: &Path, limits: LogLimits, living: bool) -> io::Result<Option<Shelf>> {
        let lock = match File::open(folder) {
            Err(e) if e.kind() == ErrorKind::NotFound => return Ok(None),
            lock => lock?,
        };
        let end = Instant::now() + PATIENCE;
        loop {
            match lock.try_lock() {
                Ok(()) => break,
                Err(TryLockError::WouldBlock) if Instant::now() < end => thread::sleep(PAUSE),
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Some(Shelf { folder: folder.to_owned(), limits, living, _lock: lock }))
    }

    /// Does all that the limits ask for: removes what a kill left half made, what is too old and
    /// what is too much, packs what is left and makes its side indexes, so that no reader has to
    /// wait for them. What is set aside meanwhile is packed, too.
    pub fn care(&self, now: SystemTime, tell: &mut Tell<'_>) {
        self.remove_leftovers(tell);
        self.remove_old(now, tell);
        self.remove_surplus(tell);
        self.pack_all(tell);
        self.index_all(tell);
        self.remove_beyond_total(tell);
    }

    /// What lies on the shelf, oldest first.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn kept(&self) -> io::Result<Vec<Kept>> {
        kept(&self.folder)
    }

    /// Whether it may be removed: all but what is being written.
    pub fn may_go(&self, kept: &Kept) -> bool {
        kept.stamp.is_some() || !self.living
    }

    /// Removes a file and all that lies beside it.
    pub fn remove(&self, kept: &Kept, why: String, tell: &mut Tell<'_>) {
        let removed = match &kept.stamp {
            Some(stamp) => aside::remove(&self.folder, stamp),
            None => fs::remove_file(self.folder.join(&kept.name)),
        };
        tell(self.told("remove", &kept.name, removed.map(|()| kept.done(Deed::Removed { why }))));
    }

    fn told<T>(
        &self,
        what: &'static str,
        name: &str,
        result: io::Result<T>,
    ) -> Result<T, CareError> {
        result.map_err(|source| CareError { what, path: self.folder.join(name), source })
    }

    fn kept_or_told(&self, tell: &mut Tell<'_>) -> Vec<Kept> {
        let kept = self.told("list", "", self.kept());
        kept.map_err(|error| tell(Err(error))).unwrap_or_default()
    }

    /// What nobody looks for: a packed file or an index that was not finished is nothing, what it
    /// was made of is still there; and an index may have been made after its file was removed.
    fn remove_leftovers(&self, tell: &mut Tell<'_>) {
        let (Ok(stamps), Ok(entries)) = (aside::stamps(&self.folder), fs::read_dir(&self.folder))
        else {
            return;
        };
        for entry in entries.flatten() {
            let Ok(file) = entry.file_name().into_string() else { continue };
            let alone = aside::index_stamp(&file)
                .is_some_and(|stamp| stamps.binary_search_by(|s| s.as_str().cmp(stamp)).is_err());
            let why = match () {
                () if aside::is_part(&file) => {
                    "whoever made it was killed; the file that it was made of is there"
                }
                () if alone => "the file that it belongs to is gone",
                () => continue,
            };
            let bytes = entry.metadata().map_or(0, |meta| meta.len());
            let removed = self.told("remove", &file, fs::remove_file(entry.path()));
            tell(removed.map(|()| Done {
                file,
                bytes,
                deed: Deed::Removed { why: why.to_owned() },
            }));
        }
    }

    fn remove_old(&self, now: SystemTime, tell: &mut Tell<'_>) {
        let Some(seconds) = self.limits.keep_seconds else { return };
        let Ok(longest) = Duration::try_from_secs_f64(seconds) else { return };
        for kept in self.kept_or_told(tell).iter().filter(|kept| self.may_go(kept)) {
            if now.duration_since(kept.last).is_ok_and(|age| age > longest) {
                self.remove(kept, format!("older than {}", duration_text(longest)), tell);
            }
        }
    }

    fn remove_surplus(&self, tell: &mut Tell<'_>) {
        let mut kept = self.kept_or_told(tell);
        kept.retain(|kept| kept.stamp.is_some());
        let most = self.limits.keep as usize;
        let surplus = kept.len().saturating_sub(most);
        for old in kept.iter().take(surplus) {
            self.remove(old, format!("more than {most} files"), tell);
        }
    }

    fn remove_beyond_total(&self, tell: &mut Tell<'_>) {
        let Some(total) = self.limits.total_bytes else { return };
        let why = format!("the logs of the run may have {} in all", size_text(total));
        let kept = self.kept_or_told(tell);
        let mut bytes: u64 = kept.iter().map(|kept| kept.bytes).sum();
        for one in kept.iter().filter(|kept| self.may_go(kept)) {
            if bytes <= total {
                break;
            }
            self.remove(one, why.clone(), &mut |told| {
                bytes -= if told.is_ok() { one.bytes } else { 0 };
                tell(told);
            });
        }
    }

    fn index_all(&self, tell: &mut Tell<'_>) {
        let listed = self.told("list", "", list(&self.folder));
        for one in listed.map_err(|error| tell(Err(error))).unwrap_or_default() {
            let name = one.path.file_name().unwrap_or_default().to_string_lossy();
            if let Err(error) = self.told("index", &name, Index::ensure(&one)) {
                tell(Err(error));
            }
        }
    }

    fn pack_all(&self, tell: &mut Tell<'_>) {
        if self.limits.compress.is_none() {
            return;
        }
        let mut seen: Option<String> = None;
        loop {
            let kept = self.kept_or_told(tell);
            let next = kept.iter().find(|kept| kept.plain && kept.stamp > seen);
            let Some((kept, stamp)) = next.and_then(|kept| Some((kept, kept.stamp.as_ref()?)))
            else {
                return;
            };
            let packed = pack(&self.folder, stamp, self.limits.compress);
            let packed = self.told("compress", &kept.name, packed);
            if let Some(packed) = packed.transpose() {
                tell(packed.map(|(into, bytes)| kept.done(Deed::Compressed { into, bytes })));
            }
            seen = Some(stamp.clone());
        }
    }
}

/// The files of a log folder, oldest first.
///
/// # Errors
/// The folder cannot be read.
pub fn kept(folder: &Path) -> io::Result<Vec<Kept>> {
    let mut kept: Vec<Kept> = Vec::new();
    let mut beside: Vec<(String, u64)> = Vec::new();
    for entry in fs::read_dir(folder)? {
        let Ok(name) = entry?.file_name().into_string() else { continue };
        let meta = match fs::symlink_metadata(folder.join(&name)) {
            Err(e) if e.kind() == ErrorKind::NotFound => continue,
            meta => meta?,
        };
        let stamp = stamp_of(&name).map(str::to_owned);
        if stamp.is_some() || name == CURRENT {
            kept.push(Kept::new(name, stamp, &meta)?);
        } else {
            beside.push((name, meta.len()));
        }
    }
    kept.sort_by(|a, b| (a.stamp.is_none(), &a.stamp).cmp(&(b.stamp.is_none(), &b.stamp)));
    kept.dedup_by(|again, first| first.takes_in(again));
    for (name, bytes) in beside {
        let under = |kept: &&mut Kept| kept.stamp.as_ref().is_some_and(|s| name.starts_with(s));
        if let Some(kept) = kept.iter_mut().find(under) {
            kept.bytes += bytes;
        }
    }
    Ok(kept)
}

/// Gives no file a later time than those behind it: where the clock was set back meanwhile, their
/// own times would let the younger go before the older.
pub fn order_times(kept: &mut [Kept]) {
    let mut behind: Option<SystemTime> = None;
    for one in kept.iter_mut().rev() {
        one.last = behind.map_or(one.last, |behind| behind.min(one.last));
        behind = Some(one.last);
    }
}

impl Kept {
    fn new(name: String, stamp: Option<String>, meta: &Metadata) -> io::Result<Kept> {
        let plain = stamp.is_some() && name.ends_with(PLAIN);
        Ok(Kept { stamp, name, bytes: meta.len(), last: meta.modified()?, plain })
    }

    /// Takes in another file under the same stamp, if it is one.
    fn takes_in(&mut self, again: &Kept) -> bool {
        let same = self.stamp.is_some() && self.stamp == again.stamp;
        if same {
            self.bytes += again.bytes;
            if again.plain {
                self.name.clone_from(&again.name);
                self.plain = true;
            }
        }
        same
    }

    fn done(&self, deed: Deed) -> Done {
        Done { file: self.name.clone(), bytes: self.bytes, deed }
    }
}

#[cfg(test)]
mod tests;
