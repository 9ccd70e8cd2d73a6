//! How far each run was shown, kept in a file from one call to the next.
//!
//! The file is sealed JSON lines: whose it is, and then a line for each run. A place is where the
//! next line begins, and what was read before it but not shown: the beginning of a line, or lines
//! that may become a traceback. It is written after what it tells of went out, so that a kill at
//! any moment shows some lines twice, and loses none.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Context;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use fleet_cli::{Exit, Failure, talk};
use fleet_core::{Id, RunKey};
use fleet_logfile::{Message, Position, Stream, unseal, write_sealed};
use serde::{Deserialize, Serialize};

/// While following it is written no more often than this.
const EVERY: Duration = Duration::from_secs(1);

/// Who ends us waits no longer than this until what is being shown is out.
const LAST_WAIT: Duration = Duration::from_secs(1);

/// The form of the file.
const VERSION: u32 = 1;

const KIND: &str = "log_cursor";

/// A cursor file, ours alone.
#[derive(Debug)]
pub(crate) struct Cursor {
    path: PathBuf,
    home: String,
    /// Held as long as we live.
    _lock: File,
    state: Mutex<State>,
    /// Held while lines go out and until their places are noted.
    showing: Mutex<()>,
}

#[derive(Debug)]
struct State {
    places: BTreeMap<RunKey, Place>,
    /// Something was noted since it was written.
    changed: bool,
    written_at: Instant,
}

/// How far one run was shown.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Place {
    /// Where the next line begins; nothing was read yet without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) position: Option<Position>,
    /// The attempt of the last line.
    pub(crate) attempt: u32,
    /// Beginnings of lines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) pieces: Vec<Held>,
    /// Lines that may become a traceback.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) lines: Vec<Held>,
    /// The run has ended, and all of it was shown.
    pub(crate) complete: bool,
}

/// A line, or the beginning of one, that was read and not shown.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Held {
    stamp_nanos: i64,
    attempt: u32,
    stderr: bool,
    notice: bool,
    partial: bool,
    continues: bool,
    text_base64: String,
}

/// The first line of the file.
#[derive(Serialize, Deserialize)]
struct Header {
    kind: String,
    v: u32,
    /// The home whose runs these are.
    home: String,
}

/// One run's line.
#[derive(Serialize, Deserialize)]
struct RunPlace {
    id: Id,
    run: u32,
    #[serde(flatten)]
    place: Place,
}

impl Held {
    pub(crate) fn new(attempt: u32, message: &Message) -> Held {
        Held {
            stamp_nanos: message.stamp_nanos,
            attempt,
            stderr: message.stream == Stream::Stderr,
            notice: message.notice,
            partial: message.partial,
            continues: message.continues,
            text_base64: BASE64_STANDARD.encode(&message.text),
        }
    }

    /// The attempt and the line; `None` where the text is none.
    pub(crate) fn message(&self) -> Option<(u32, Message)> {
        let message = Message {
            stamp_nanos: self.stamp_nanos,
            stream: if self.stderr { Stream::Stderr } else { Stream::Stdout },
            notice: self.notice,
            partial: self.partial,
            continues: self.continues,
            text: BASE64_STANDARD.decode(&self.text_base64).ok()?,
        };
        Some((self.attempt, message))
    }
}

impl Cursor {
    /// Reads the file, or begins one, and keeps others from it.
    ///
    /// # Errors
    /// Somebody else uses it, it is damaged, or it is not of this home.
    pub(crate) fn open(path: &Path, home: &Path) -> anyhow::Result<Cursor> {
        let home = fs::canonicalize(home).unwrap_or_else(|_| home.to_owned());
        let home = home.to_string_lossy().into_owned();
        let lock = lock(path)?;
        let bytes = match fs::read(path) {
            Err(e) if e.kind() == ErrorKind::NotFound => Vec::new(),
            read => read.with_context(|| format!("cannot read the cursor '{}'", path.display()))?,
        };
        let places = match bytes.is_empty() {
            true => BTreeMap::new(),
            false => read(&bytes, path, &home)?,
        };
        let state = State { places, changed: false, written_at: Instant::now() };
        Ok(Cursor {
            path: path.to_owned(),
            home,
            _lock: lock,
            state: Mutex::new(state),
            showing: Mutex::new(()),
        })
    }

    /// How far a run was shown.
    pub(crate) fn place(&self, key: &RunKey) -> Option<Place> {
        self.state().places.get(key).cloned()
    }

    /// Forgets runs that are gone, and says of which not all was shown.
    pub(crate) fn forget(&self, is_there: impl Fn(&RunKey) -> bool) {
        let mut state = self.state();
        let gone: Vec<RunKey> = state.places.keys().filter(|k| !is_there(k)).cloned().collect();
        for key in gone {
            state.changed = true;
            if state.places.remove(&key).is_some_and(|place| !place.complete) {
                talk(format_args!(
                    "'{key}' was removed before all of it was shown; lines may be missing"
                ));
            }
        }
    }

    /// Lines are going out: no one writes the file until their places are noted.
    pub(crate) fn begin(&self) -> MutexGuard<'_, ()> {
        self.showing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes how far a run was shown.
    pub(crate) fn note(&self, key: &RunKey, place: Place) {
        let mut state = self.state();
        if state.places.get(key) != Some(&place) {
            state.places.insert(key.clone(), place);
            state.changed = true;
        }
    }

    /// When it is to be written, `None` while nothing is new.
    pub(crate) fn due_in(&self) -> Option<Duration> {
        let state = self.state();
        state.changed.then(|| EVERY.saturating_sub(state.written_at.elapsed()))
    }

    /// Writes what is new.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub(crate) fn write(&self) -> anyhow::Result<()> {
        let mut state = self.state();
        if state.changed || !self.path.exists() {
            let lines = self.lines(&state.places)?;
            write_sealed(&self.path, lines, true)
                .with_context(|| format!("cannot write the cursor '{}'", self.path.display()))?;
        }
        (state.changed, state.written_at) = (false, Instant::now());
        Ok(())
    }

    /// Writes what is new, because the process is about to be ended; nothing is shown any more.
    pub(crate) fn write_at_last(&self) {
        let until = Instant::now() + LAST_WAIT;
        let mut showing = self.showing.try_lock();
        // Who waits for a reader that does not read cannot be waited for.
        while showing.is_err() && Instant::now() < until {
            thread::sleep(Duration::from_millis(1));
            showing = self.showing.try_lock();
        }
        if let Err(error) = self.write() {
            talk(format_args!("{error:#}"));
        }
        std::mem::forget(showing);
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn lines(&self, places: &BTreeMap<RunKey, Place>) -> io::Result<Vec<u8>> {
        let header = Header { kind: KIND.to_owned(), v: VERSION, home: self.home.clone() };
        let mut lines = serde_json::to_vec(&header)?;
        lines.push(b'\n');
        for (key, place) in places {
            let line = RunPlace { id: key.id.clone(), run: key.run, place: place.clone() };
            serde_json::to_writer(&mut lines, &line)?;
            lines.push(b'\n');
        }
        Ok(lines)
    }
}

/// Two at once would each show what the other does.
fn lock(path: &Path) -> anyhow::Result<File> {
    let mut beside = path.as_os_str().to_owned();
    beside.push(".lock");
    let beside = PathBuf::from(beside);
    let made =
        OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&beside);
    let file = made.with_context(|| format!("cannot make '{}'", beside.display()))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => {
            let message = format!("the cursor '{}' is in use", path.display());
            let failure = Failure::new(Exit::CouldNot, message);
            Err(failure.hint("another fleet-logs goes on with it; name another file").into())
        }
        Err(TryLockError::Error(error)) => {
            Err(error).with_context(|| format!("cannot lock '{}'", beside.display()))
        }
    }
}

/// The places in a cursor file.
fn read(bytes: &[u8], path: &Path, home: &str) -> Result<BTreeMap<RunKey, Place>, Failure> {
    let path = path.display();
    let refused = |message: String, hint: &str| Failure::new(Exit::CouldNot, message).hint(hint);
    let first = bytes.split(|&b| b == b'\n').next().unwrap_or_default();
    let header = serde_json::from_slice::<Header>(first).ok().filter(|h| h.kind == KIND);
    let Some(header) = header else {
        return Err(refused(format!("'{path}' is no cursor of fleet-logs"), "name another file"));
    };
    if header.v > VERSION {
        let message = format!("the cursor '{path}' was written by a newer fleet-logs");
        return Err(refused(message, "use that, or name another file"));
    }
    if header.home != home {
        let message = format!("the cursor '{path}' is for the fleet in '{}'", header.home);
        return Err(refused(message, "name another file, or another --home"));
    }
    let damaged = || {
        let hint = "remove it to begin with the oldest line that is kept, or with --since";
        refused(format!("the cursor '{path}' is damaged"), hint)
    };
    let lines = unseal(bytes).ok_or_else(damaged)?;
    let mut places = BTreeMap::new();
    for line in lines.split(|&b| b == b'\n').skip(1).filter(|line| !line.is_empty()) {
        let line: RunPlace = serde_json::from_slice(line).map_err(|_| damaged())?;
        places.insert(RunKey { id: line.id, run: line.run }, line.place);
    }
    Ok(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(offset: u64) -> Place {
        let message = Message {
            stamp_nanos: 7,
            stream: Stream::Stderr,
            notice: false,
            partial: true,
            continues: false,
            text: b"half \xff".to_vec(),
        };
        Place {
            position: Some(Position { inode: 1, first: Some(2), head: Some(u64::MAX), offset }),
            attempt: 2,
            pieces: vec![Held::new(2, &message)],
            lines: Vec::new(),
            complete: false,
        }
    }

    fn key(id: &str) -> RunKey {
        RunKey { id: id.parse().unwrap(), run: 1 }
    }

    #[test]
    fn places_come_back_and_what_is_gone_is_forgotten() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cursor");
        let cursor = Cursor::open(&path, dir.path()).unwrap();
        assert_eq!(cursor.due_in(), None);
        cursor.note(&key("a"), place(5));
        cursor.note(&key("b"), Place { complete: true, ..place(6) });
        assert!(cursor.due_in().is_some());
        cursor.write().unwrap();
        assert_eq!(cursor.due_in(), None);
        drop(cursor);
        let cursor = Cursor::open(&path, dir.path()).unwrap();
        assert_eq!(cursor.place(&key("a")), Some(place(5)));
        let (attempt, held) = cursor.place(&key("a")).unwrap().pieces[0].message().unwrap();
        assert_eq!((attempt, held.text.as_slice()), (2, &b"half \xff"[..]));
        cursor.forget(|key| key.id.as_str() == "a");
        assert_eq!(cursor.place(&key("b")), None);
        cursor.write_at_last();
        drop(cursor);
        assert_eq!(Cursor::open(&path, dir.path()).unwrap().place(&key("b")), None);
    }

    #[test]
    fn a_file_that_is_not_ours_is_refused_with_the_reason() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("cursor");
        let cursor = Cursor::open(&path, dir.path()).unwrap();
        cursor.note(&key("a"), place(5));
        cursor.write().unwrap();
        let refused = |home: &Path| Cursor::open(&path, home).unwrap_err().to_string();
        assert!(refused(dir.path()).contains("is in use"));
        drop(cursor);
        assert!(refused(Path::new("/")).contains("is for the fleet in"));
        let good = fs::read_to_string(&path).unwrap();
        for (bytes, reason) in [
            ("hello\n".to_owned(), "is no cursor"),
            (good[..good.len() - 9].to_owned(), "is damaged"),
            (good.replace("\"offset\":5", "\"offset\":6"), "is damaged"),
            (good.replace("\"v\":1", "\"v\":2"), "newer"),
        ] {
            fs::write(&path, &bytes).unwrap();
            assert!(refused(dir.path()).contains(reason), "{bytes}");
            assert_eq!(fs::read_to_string(&path).unwrap(), bytes);
        }
        fs::write(&path, "").unwrap();
        assert!(Cursor::open(&path, dir.path()).is_ok());
    }
}
