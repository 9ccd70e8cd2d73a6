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

use crate::aside::{self, PART, PLAIN, stamp_of};
use crate::files::CURRENT;
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
    /// what is too much, and packs what is left. What is set aside meanwhile is cared for, too.
    pub fn care(&self, now: SystemTime, tell: &mut Tell<'_>) {
        self.remove_parts(tell);
        self.remove_old(now, tell);
        self.remove_surplus(tell);
        self.pack_all(tell);
        if let Some(total) = self.limits.total_bytes {
            let why = format!("the logs of the run may have {} in all", size_text(total));
            let kept = self.kept_or_told(tell);
            let mut bytes: u64 = kept.iter().map(|kept| kept.bytes).sum();
            for one in kept.iter().filter(|kept| self.may_go(kept)) {
                if bytes <= total {
                    break;
                }
                self.remove(one, why.clone(), tell);
                bytes -= one.bytes;
            }
        }
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

    /// A packed file that was not finished is nothing; the plain one is still there.
    fn remove_parts(&self, tell: &mut Tell<'_>) {
        let Ok(entries) = fs::read_dir(&self.folder) else { return };
        for entry in entries.flatten() {
            let Ok(file) = entry.file_name().into_string() else { continue };
            if file.strip_suffix(PART).is_none_or(|name| stamp_of(name).is_none()) {
                continue;
            }
            let bytes = entry.metadata().map_or(0, |meta| meta.len());
            let why =
                "whoever made it was killed; the file that it was made of is there".to_owned();
            let removed = self.told("remove", &file, fs::remove_file(entry.path()));
            tell(removed.map(|()| Done { file, bytes, deed: Deed::Removed { why } }));
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
mod tests {
    use super::*;
    use fleet_core::Compression;
    use std::io::Read;

    const PLENTY: LogLimits = LogLimits {
        keep: u32::MAX,
        keep_seconds: None,
        compress: Compression::None,
        ..LogLimits::DAILY
    };

    fn stamp(hour: u32) -> String {
        format!("2026-11-22T{hour:02}:00:00.000000000Z")
    }

    fn line(hour: u32) -> String {
        format!("{} stdout F {hour}\n", stamp(hour))
    }

    /// A folder with a file of one line for each hour, and a current one.
    fn folder(hours: &[u32]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for hour in hours {
            fs::write(dir.path().join(stamp(*hour) + PLAIN), line(*hour)).unwrap();
        }
        fs::write(dir.path().join(CURRENT), line(23)).unwrap();
        dir
    }

    fn names(dir: &Path) -> Vec<String> {
        let entries = fs::read_dir(dir).unwrap().flatten();
        let mut names: Vec<String> =
            entries.map(|entry| entry.file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// All lines, as a reader takes them that knows that a plain file counts.
    fn lines(dir: &Path) -> String {
        let mut text = String::new();
        for stamp in aside::stamps(dir).unwrap() {
            let (plain, zst) = (format!("{stamp}.log"), format!("{stamp}.log.zst"));
            if dir.join(&plain).exists() {
                text += &fs::read_to_string(dir.join(plain)).unwrap();
            } else if dir.join(&zst).exists() {
                let file = File::open(dir.join(zst)).unwrap();
                zstd::Decoder::new(file).unwrap().read_to_string(&mut text).unwrap();
            } else {
                let file = File::open(dir.join(format!("{stamp}.log.gz"))).unwrap();
                flate2::read::MultiGzDecoder::new(file).read_to_string(&mut text).unwrap();
            }
        }
        text + &fs::read_to_string(dir.join(CURRENT)).unwrap_or_default()
    }

    fn care(dir: &Path, limits: LogLimits, living: bool, now: SystemTime) -> Vec<Done> {
        let shelf = Shelf::open(dir, limits, living).unwrap().unwrap();
        let mut done = Vec::new();
        shelf.care(now, &mut |one| done.push(one.unwrap()));
        done
    }

    /// File and reason of each, which were all removals.
    fn removed(done: &[Done]) -> Vec<String> {
        let words = |done: &Done| match &done.deed {
            Deed::Removed { why } => format!("{}: {why}", done.file),
            Deed::Compressed { .. } => panic!("{done:?}"),
        };
        done.iter().map(words).collect()
    }

    #[test]
    fn what_is_too_old_goes_and_the_current_file_of_the_living_stays() {
        let limits = LogLimits { keep_seconds: Some(3600.0), ..PLENTY };
        let later = SystemTime::now() + Duration::from_secs(3700);
        for living in [true, false] {
            let dir = folder(&[6, 7]);
            let young =
                File::options().write(true).open(dir.path().join(stamp(7) + PLAIN)).unwrap();
            young.set_modified(SystemTime::now() + Duration::from_secs(200)).unwrap();
            fs::write(dir.path().join(stamp(6) + ".idx"), "").unwrap();
            let done = care(dir.path(), limits, living, later);
            let (six, seven) = (stamp(6) + PLAIN, stamp(7) + PLAIN);
            if living {
                assert_eq!(removed(&done), [format!("{six}: older than 1h00m")]);
                assert_eq!(names(dir.path()), [&*seven, CURRENT]);
            } else {
                assert_eq!(
                    removed(&done),
                    [&*six, CURRENT].map(|f| format!("{f}: older than 1h00m"))
                );
                assert_eq!(names(dir.path()), [seven]);
            }
        }
    }

    #[test]
    fn what_is_too_much_goes_oldest_first() {
        let dir = folder(&[6, 7, 8, 9]);
        let done = care(dir.path(), LogLimits { keep: 3, ..PLENTY }, true, SystemTime::now());
        assert_eq!(removed(&done), [format!("{}.log: more than 3 files", stamp(6))]);
        let two = 2 * line(6).len() as u64 + 5;
        let limits = LogLimits { total_bytes: Some(two), ..PLENTY };
        assert_eq!(care(dir.path(), limits, true, SystemTime::now()).len(), 2);
        assert_eq!(lines(dir.path()), line(9) + &line(23));
        let limits = LogLimits { total_bytes: Some(1), ..PLENTY };
        care(dir.path(), limits, true, SystemTime::now());
        assert_eq!(names(dir.path()), [CURRENT]);
        care(dir.path(), limits, false, SystemTime::now());
        assert!(names(dir.path()).is_empty());
    }

    #[test]
    fn a_kill_at_any_step_of_packing_is_made_good_by_the_next() {
        for form in [Compression::Zstd, Compression::Gzip] {
            let limits = LogLimits { compress: form, ..PLENTY };
            let packed = folder(&[6]);
            let whole = care(packed.path(), limits, true, SystemTime::now());
            let Deed::Compressed { into, .. } = &whole[0].deed else { panic!("{whole:?}") };
            let bytes = fs::read(packed.path().join(into)).unwrap();
            let part = format!("{into}{PART}");
            // While the part is written; before the rename; before the plain file is removed.
            for (name, bytes) in [(&part, &bytes[..7]), (&part, &bytes[..]), (into, &bytes[..])] {
                let dir = folder(&[6, 7]);
                fs::write(dir.path().join(name), bytes).unwrap();
                let all = [6, 7, 23].map(line).concat();
                assert_eq!(lines(dir.path()), all, "{name}");
                care(dir.path(), limits, true, SystemTime::now());
                assert_eq!(lines(dir.path()), all, "{name}");
                let stamps = [6, 7].map(|hour| into.replace(&stamp(6), &stamp(hour)));
                assert_eq!(names(dir.path()), [&*stamps[0], &*stamps[1], CURRENT], "{name}");
            }
        }
    }

    #[test]
    fn a_trouble_with_one_file_is_told_and_the_others_are_cared_for() {
        let dir = folder(&[6, 7]);
        fs::create_dir(dir.path().join(stamp(6) + ".log.zst.part")).unwrap();
        let shelf =
            Shelf::open(dir.path(), LogLimits { compress: Compression::Zstd, ..PLENTY }, true);
        let (mut done, mut errors) = (0, Vec::new());
        shelf.unwrap().unwrap().care(SystemTime::now(), &mut |one| match one {
            Ok(_) => done += 1,
            Err(error) => errors.push(error.what),
        });
        assert_eq!((done, errors), (1, vec!["remove", "compress"]));
        assert_eq!(lines(dir.path()), [6, 7, 23].map(line).concat());
    }

    #[test]
    fn one_at_a_time_cares_for_a_folder_and_none_for_one_that_is_not_there() {
        let dir = folder(&[]);
        let first = Shelf::open(dir.path(), PLENTY, true).unwrap();
        let second = File::open(dir.path()).unwrap();
        assert!(second.try_lock().is_err());
        drop(first);
        second.try_lock().unwrap();
        assert!(Shelf::open(&dir.path().join("x"), PLENTY, true).unwrap().is_none());
    }
}
