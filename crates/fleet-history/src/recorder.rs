//! Storing samples as they are taken.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fleet_core::{Sample, Timestamp, size_text};
use fleet_registry::make_dir;

use crate::files::Part;
use crate::keeper::{Keeper, Settings, Shared, claims};
use crate::repeats::Repeats;

/// Stores the samples of one fleet, round by round.
///
/// Nothing that goes wrong with storing stops who samples: it is said once, with its end, and what
/// was not stored is counted.
pub struct Recorder {
    folder: PathBuf,
    settings: Settings,
    shared: Shared,
    keeper: Keeper,
    repeats: Repeats,
    /// The lock, once it is ours.
    lock: Option<File>,
    open: Option<(Part, File)>,
    buffer: Vec<u8>,
    /// Why nothing is stored at the moment.
    failing: Option<String>,
    /// Samples that were not stored since then.
    lost: u64,
}

/// Why a round is not stored.
#[derive(Debug, thiserror::Error)]
enum NotStored {
    #[error("{who} records this fleet already; samples are not stored until it ends")]
    Taken { who: String },
    #[error(
        "samples are not stored: '{}' alone has reached {}; a larger --max-size goes on",
        path.display(),
        size_text(*limit)
    )]
    TooLarge { path: PathBuf, limit: u64 },
    #[error(
        "samples are not stored, sampling goes on: cannot write '{}': {source}",
        path.display()
    )]
    Write { path: PathBuf, source: io::Error },
}

impl Recorder {
    /// A recorder into this folder, which is made when there is something to store.
    pub fn new(folder: &Path, settings: Settings) -> Recorder {
        let shared: Shared = Arc::default();
        Recorder {
            folder: folder.to_owned(),
            settings,
            keeper: Keeper::new(folder, settings, &shared),
            shared,
            repeats: Repeats::default(),
            lock: None,
            open: None,
            buffer: Vec::new(),
            failing: None,
            lost: 0,
        }
    }

    /// Stores one round and returns what is to be said.
    pub fn store(&mut self, samples: &[Sample]) -> Vec<String> {
        let mut said = Vec::new();
        let day = self.day();
        match self.try_store(samples) {
            Ok(()) => {
                self.repeats.stored(samples);
                said.extend(self.recovered());
            }
            Err(why) => said.extend(self.failed(&why, samples.len())),
        }
        if self.lock.is_some() {
            said.extend(self.keeper.tend(self.day() != day));
        }
        said
    }

    /// The day that was stored last.
    fn day(&self) -> Option<i64> {
        self.open.as_ref().map(|(part, _)| part.day)
    }

    /// Whether all is stored since the last time that it was said that something was not.
    pub fn is_storing(&self) -> bool {
        self.lost == 0
    }

    /// Ends what goes on beside the sampling and returns what is to be said.
    pub fn finish(mut self) -> Vec<String> {
        let mut said = self.keeper.finish();
        if self.lost > 0 {
            said.push(format!("{} samples were not stored", self.lost));
        }
        said
    }

    fn try_store(&mut self, samples: &[Sample]) -> Result<(), NotStored> {
        self.lock()?;
        // One round is of one moment, so that this is one write.
        let mut rest: Vec<&Sample> = samples.iter().collect();
        while let Some(first) = rest.first() {
            let day = Part::at(first.ts.nanos()).day;
            let (of_day, others): (Vec<_>, Vec<_>) =
                rest.into_iter().partition(|s| Part::at(s.ts.nanos()).day == day);
            self.append(day, &of_day)?;
            rest = others;
        }
        Ok(())
    }

    fn append(&mut self, day: i64, samples: &[&Sample]) -> Result<(), NotStored> {
        let path = Part { day, number: 1 }.open(&self.folder);
        let wrong = |source| NotStored::Write { path: path.clone(), source };
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        // The place of a line end, for a line that was torn.
        buffer.push(b'\n');
        self.repeats.lines(samples, &mut buffer).map_err(wrong)?;
        let limit = self.settings.max_bytes;
        let has_lines = buffer.len() > 1;
        let stored =
            !has_lines || append(self.file(day).map_err(wrong)?, &buffer, limit).map_err(wrong)?;
        self.buffer = buffer;
        if stored { Ok(()) } else { Err(NotStored::TooLarge { path, limit }) }
    }

    /// Takes the lock, unless it is held: by us, or by another.
    fn lock(&mut self) -> Result<(), NotStored> {
        if self.lock.is_some() {
            return Ok(());
        }
        let path = self.folder.join("recorder.lock");
        let lock = || -> io::Result<Option<File>> {
            make_dir(&self.folder)?;
            let file = OpenOptions::new()
                .read(true)
                .write(true)
                .create(true)
                .truncate(false)
                .mode(0o600)
                .open(&path)?;
            match file.try_lock() {
                Ok(()) => Ok(Some(file)),
                Err(TryLockError::WouldBlock) => Ok(None),
                Err(TryLockError::Error(e)) => Err(e),
            }
        };
        let Some(mut file) =
            lock().map_err(|source| NotStored::Write { path: path.clone(), source })?
        else {
            let who = fs::read_to_string(&path).unwrap_or_default();
            let who = who.lines().next().filter(|who| !who.is_empty()).unwrap_or("somebody else");
            return Err(NotStored::Taken { who: who.to_owned() });
        };
        // For the sentence above alone: a full disk must not keep us from trying to store.
        let who = format!("pid {} (since {})\n", std::process::id(), Timestamp::now());
        let _ = file.set_len(0).and_then(|()| file.write_all(who.as_bytes()));
        self.lock = Some(file);
        Ok(())
    }

    /// The file that samples of this day are appended to.
    fn file(&mut self, day: i64) -> io::Result<&File> {
        let kept = self.open.take().filter(|(part, file)| part.day == day && is_linked(file));
        let (part, file) = match kept {
            Some(kept) => kept,
            None => self.open_part(day)?,
        };
        Ok(&self.open.insert((part, file)).1)
    }

    /// Opens the part of a day that may still be appended to: one that is closed, or about to be,
    /// may not.
    fn open_part(&self, day: i64) -> io::Result<(Part, File)> {
        let mut claims = claims(&self.shared);
        let mut part = Part { day, number: 1 };
        let is_over = |part: &Part| {
            claims.closing.as_ref() == Some(part)
                || (part.closed(&self.folder).exists() && !part.open(&self.folder).exists())
        };
        while is_over(&part) {
            part.number += 1;
        }
        make_dir(&self.folder)?;
        let path = part.open(&self.folder);
        let file =
            OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(path)?;
        claims.open = Some(part.clone());
        Ok((part, file))
    }

    /// Says what is wrong, if it was not said yet.
    fn failed(&mut self, why: &NotStored, samples: usize) -> Option<String> {
        let why = why.to_string();
        self.lost += samples as u64;
        if self.failing.as_ref() == Some(&why) {
            return None;
        }
        self.failing = Some(why.clone());
        Some(why)
    }

    /// Says that it is over, if something was wrong.
    fn recovered(&mut self) -> Option<String> {
        self.failing.take()?;
        let lost = std::mem::take(&mut self.lost);
        Some(format!("samples are stored again; {lost} were not"))
    }
}

/// Whether a file still has a name: one that somebody deleted takes samples that nobody sees.
fn is_linked(file: &File) -> bool {
    file.metadata().is_ok_and(|meta| meta.nlink() > 0)
}

/// Appends lines, before which stands a line end that is left out unless the file's last line was
/// torn. `false` when the file is too large for them.
fn append(mut file: &File, lines: &[u8], max: u64) -> io::Result<bool> {
    let size = file.metadata()?.len();
    let lines = if is_torn(file, size)? { lines } else { &lines[1..] };
    if size.saturating_add(lines.len() as u64) > max {
        return Ok(false);
    }
    // One write, unless the disk has room for a part of it; then the next one says why.
    if let Err(error) = file.write_all(lines) {
        file.set_len(size)?;
        return Err(error);
    }
    Ok(true)
}

/// Whether the file ends within a line.
fn is_torn(file: &File, size: u64) -> io::Result<bool> {
    let mut last = [b'\n'];
    if size > 0 {
        file.read_exact_at(&mut last, size - 1)?;
    }
    Ok(last != [b'\n'])
}
