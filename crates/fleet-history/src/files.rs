//! The files of a history: their names say the day and how far they are.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use fleet_core::Timestamp;

/// Nanoseconds of a day. Days are UTC and have no leap seconds.
pub(crate) const DAY: i64 = 86_400 * SECOND;

/// Nanoseconds of a second.
pub(crate) const SECOND: i64 = 1_000_000_000;

/// Ending of a file that samples are appended to, and of every file once it is decompressed.
const OPEN: &str = ".jsonl";

/// Ending of a file that is complete.
const CLOSED: &str = ".jsonl.zst";

/// How often a listing is repeated while files are closed under it.
const TRIES: usize = 10;

/// The spans that roll-ups are made for, with what their files are named by. The longest first:
/// it is the quickest to read.
pub(crate) const ROLLUPS: [(i64, &str); 2] = [(3600 * SECOND, "1h"), (300 * SECOND, "5m")];

/// One file of samples: a day has one, and one more for each time that the clock was set back to
/// it after it had been closed.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Part {
    /// Whole days since 1970.
    pub(crate) day: i64,
    /// From 1.
    pub(crate) number: u32,
}

impl Part {
    /// The first part of the day of this moment.
    pub(crate) fn at(ts: i64) -> Part {
        Part { day: ts.div_euclid(DAY), number: 1 }
    }

    /// Its first nanosecond.
    pub(crate) fn begin(&self) -> i64 {
        self.day.saturating_mul(DAY)
    }

    /// The first nanosecond after it.
    pub(crate) fn end(&self) -> i64 {
        self.begin().saturating_add(DAY)
    }

    /// `2026-11-22`, or `2026-11-22.2`.
    fn stem(&self) -> String {
        let day = Timestamp::from_nanos(self.begin()).day();
        if self.number == 1 { day } else { format!("{day}.{}", self.number) }
    }

    /// The part with this stem.
    fn named(stem: &str) -> Option<Part> {
        let (day, number) = match stem.split_once('.') {
            Some((day, number)) => (day, number.parse().ok()?),
            None => (stem, 1),
        };
        let begin = Timestamp::parse(&format!("{day}T00:00:00Z"), Timestamp::from_nanos(0)).ok()?;
        let part = Part { number, ..Part::at(begin.nanos()) };
        (part.stem() == stem).then_some(part)
    }

    /// Where its samples are while they come in.
    pub(crate) fn open(&self, folder: &Path) -> PathBuf {
        folder.join(self.stem() + OPEN)
    }

    /// Where its samples are once it is closed.
    pub(crate) fn closed(&self, folder: &Path) -> PathBuf {
        folder.join(self.stem() + CLOSED)
    }

    /// Where its roll-up of one span is.
    pub(crate) fn rollup(&self, folder: &Path, span: &str) -> PathBuf {
        folder.join(format!("{}.{span}{CLOSED}", self.stem()))
    }

    /// All the files that it can have.
    fn files(&self, folder: &Path) -> Vec<PathBuf> {
        let rollups = ROLLUPS.iter().map(|(_, span)| self.rollup(folder, span));
        [self.open(folder), self.closed(folder)].into_iter().chain(rollups).collect()
    }

    /// The size of all its files.
    pub(crate) fn bytes(&self, folder: &Path) -> u64 {
        self.files(folder).iter().filter_map(|path| Some(fs::metadata(path).ok()?.len())).sum()
    }

    /// Removes all its files, the samples last: what is left after half of it is still complete.
    pub(crate) fn remove(&self, folder: &Path) -> io::Result<()> {
        for path in self.files(folder).iter().rev() {
            match fs::remove_file(path) {
                Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
                _ => {}
            }
        }
        Ok(())
    }
}

/// A part that was found, and how.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Found {
    pub(crate) part: Part,
    /// There is a file that samples are appended to. It is the truth then: what lies beside it
    /// was left by a closing that did not get to its end.
    pub(crate) is_open: bool,
}

/// All parts, oldest first. A folder that is not there has none.
///
/// A file that is being closed changes its name, which can hide it from a listing, so that one
/// counts only when two in a row agree.
pub(crate) fn list(folder: &Path) -> io::Result<Vec<Found>> {
    let mut found = list_once(folder)?;
    for _ in 0..TRIES {
        let again = list_once(folder)?;
        let same = found == again;
        found = again;
        if same {
            break;
        }
    }
    Ok(found)
}

fn list_once(folder: &Path) -> io::Result<Vec<Found>> {
    let entries = match fs::read_dir(folder) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut found = Vec::new();
    for entry in entries {
        found.extend(entry?.file_name().to_str().and_then(look));
    }
    // Of a part that is there twice, the open one is kept.
    found.sort_by_key(|f: &Found| (f.part.clone(), !f.is_open));
    found.dedup_by(|later, first| later.part == first.part);
    Ok(found)
}

fn look(name: &str) -> Option<Found> {
    let (stem, is_open) = match name.strip_suffix(CLOSED) {
        Some(stem) => (stem, false),
        None => (name.strip_suffix(OPEN)?, true),
    };
    Some(Found { part: Part::named(stem)?, is_open })
}

/// Makes sure that names survive a loss of power.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_parts_from_all_else() {
        let dir = tempfile::tempdir().unwrap();
        for name in [
            "2026-11-22.jsonl",
            "2026-11-22.2.jsonl",
            "2026-11-21.jsonl.zst",
            "2026-11-21.jsonl",
            "2026-11-20.jsonl.zst",
            "2026-11-20.1h.jsonl.zst",
            "2026-11-20.5m.jsonl.zst",
            "2026-11-19.jsonl.zst.part",
            "2026-13-01.jsonl",
            "2026-11-01.1.jsonl",
            "2026-11-1.jsonl",
            "last.json",
            "recorder.lock",
        ] {
            fs::write(dir.path().join(name), "x").unwrap();
        }
        let found = list(dir.path()).unwrap();
        let stems: Vec<(String, bool)> = found.iter().map(|f| (f.part.stem(), f.is_open)).collect();
        let expected = [
            ("2026-11-20", false),
            ("2026-11-21", true),
            ("2026-11-22", true),
            ("2026-11-22.2", true),
        ];
        assert_eq!(stems, expected.map(|(stem, open)| (stem.to_owned(), open)));
        assert_eq!(found[0].part.bytes(dir.path()), 3);
        found[0].part.remove(dir.path()).unwrap();
        assert_eq!(list(dir.path()).unwrap().len(), 3);
    }

    #[test]
    fn a_folder_that_is_not_there_holds_nothing() {
        assert_eq!(list(Path::new("/nonexistent/metrics")).unwrap(), []);
    }
}
