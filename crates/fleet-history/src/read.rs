//! Reading the files of a day, open or closed.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::HistoryError;
use crate::files::Found;
use crate::lines::{Line, Lines};

/// The lines of one file, with what is wrong with them.
pub(crate) struct DayLines {
    path: PathBuf,
    lines: Lines<Box<dyn Read + Send>>,
    /// Its last line may be half written.
    is_open: bool,
    number: u64,
    /// Line of the first that is no record, and how many there are.
    bad: Option<(u64, u64)>,
    damage: Option<io::Error>,
}

impl DayLines {
    /// Opens the samples of a part; `None` when it was removed meanwhile.
    ///
    /// # Errors
    /// It is there and may not be read.
    pub(crate) fn samples(folder: &Path, found: &Found) -> Result<Option<DayLines>, HistoryError> {
        let part = &found.part;
        // Between the listing and now an open file may have been closed.
        if found.is_open
            && let Some(lines) = DayLines::open(part.open(folder), true)?
        {
            return Ok(Some(lines));
        }
        DayLines::open(part.closed(folder), false)
    }

    /// Opens a file; `None` when there is none.
    ///
    /// # Errors
    /// It is there and may not be read.
    pub(crate) fn open(path: PathBuf, is_open: bool) -> Result<Option<DayLines>, HistoryError> {
        let open = || -> io::Result<Box<dyn Read + Send>> {
            let file = File::open(&path)?;
            if is_open { Ok(Box::new(file)) } else { Ok(Box::new(zstd::Decoder::new(file)?)) }
        };
        match open() {
            Ok(from) => {
                let lines = Lines::new(from);
                Ok(Some(DayLines { path, lines, is_open, number: 0, bad: None, damage: None }))
            }
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
            Err(source) => Err(HistoryError::Read { path, source }),
        }
    }

    /// Gives each line to `take`, which says whether it is a record. Where the file is damaged the
    /// reading ends.
    ///
    /// # Errors
    /// Those of `take`.
    pub(crate) fn each<E>(
        &mut self,
        mut take: impl FnMut(&[u8]) -> Result<bool, E>,
    ) -> Result<(), E> {
        loop {
            let (is_record, may_be_torn) = match self.lines.next() {
                Ok(Some(Line::Whole(line))) => (take(line)?, false),
                Ok(Some(Line::Tail(line))) => (take(line)?, self.is_open),
                Ok(Some(Line::Endless)) => (false, false),
                Ok(None) => return Ok(()),
                Err(e) => {
                    self.damage = Some(e);
                    return Ok(());
                }
            };
            self.number += 1;
            if !is_record && !may_be_torn {
                let first = self.bad.map_or(self.number, |(first, _)| first);
                self.bad = Some((first, self.bad.map_or(1, |(_, count)| count + 1)));
            }
        }
    }

    /// Whether every line was a record and the file is whole.
    pub(crate) fn is_sound(&self) -> bool {
        self.bad.is_none() && self.damage.is_none()
    }

    /// What is wrong with the file, in sentences.
    pub(crate) fn problems(self) -> Vec<String> {
        let path = self.path.display();
        let bad = self.bad.map(|(first, count)| match count {
            1 => format!("'{path}' line {first} is no sample of that day and passed over"),
            _ => format!(
                "'{path}' line {first} and {} others are no samples of that day and passed over",
                count - 1
            ),
        });
        let damage = self.damage.map(|e| {
            format!(
                "'{path}' is damaged after line {}: {e}; the rest of it is passed over",
                self.number
            )
        });
        bad.into_iter().chain(damage).collect()
    }
}
