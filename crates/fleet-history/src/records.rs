//! The stored samples themselves.

use std::collections::HashMap;
use std::path::Path;

use fleet_core::Timestamp;

use crate::HistoryError;
use crate::bounds::Bounds;
use crate::files::list;
use crate::line::{Values, read};
use crate::names::Names;
use crate::read::DayLines;
use crate::scan::Span;
use crate::series::Series;

/// Which samples.
pub struct Wanted<'q> {
    /// From this moment on.
    pub since: Timestamp,
    /// Up to this moment, which is not part of it.
    pub until: Option<Timestamp>,
    /// Which series.
    pub series: &'q (dyn Fn(&Series) -> bool + Sync),
}

/// Gives the line of each sample to `sink`, day after day as they were recorded, and returns what
/// could not be read, each a sentence for the person.
///
/// # Errors
/// The folder or a file in it may not be read, and those of `sink`.
pub fn records<E: From<HistoryError>>(
    folder: &Path,
    wanted: &Wanted,
    mut sink: impl FnMut(&[u8]) -> Result<(), E>,
) -> Result<Vec<String>, E> {
    let span = Span {
        since: wanted.since.nanos(),
        until: wanted.until.map_or(i64::MAX, Timestamp::nanos),
    };
    let listed =
        list(folder).map_err(|source| HistoryError::Read { path: folder.to_owned(), source })?;
    let mut problems = Vec::new();
    for found in listed {
        if found.part.begin() >= span.until || span.since >= found.part.end() {
            continue;
        }
        let Some(mut lines) = DayLines::samples(folder, &found)? else { continue };
        let day = Span { since: found.part.begin(), until: found.part.end() };
        let mut choice = Choice::new(wanted.series, span, day);
        lines.each(|line| match choice.of(line) {
            None => Ok::<bool, E>(false),
            Some(chosen) => {
                if chosen {
                    sink(line)?;
                }
                Ok(true)
            }
        })?;
        problems.extend(lines.problems());
    }
    Ok(problems)
}

/// Decides about the lines of one file.
struct Choice<'q> {
    wanted: &'q (dyn Fn(&Series) -> bool + Sync),
    span: Span,
    day: Span,
    bounds: Bounds,
    names: Names<'q>,
    values: Values,
    key: Vec<u8>,
    known: HashMap<Vec<u8>, bool>,
}

impl<'q> Choice<'q> {
    fn new(wanted: &'q (dyn Fn(&Series) -> bool + Sync), span: Span, day: Span) -> Choice<'q> {
        Choice {
            wanted,
            span,
            day,
            bounds: Bounds::of(span),
            names: Names::new(&|_| false),
            values: Values::default(),
            key: Vec::new(),
            known: HashMap::new(),
        }
    }

    /// Whether the line is wanted; `None` when it is no sample of the day.
    fn of(&mut self, line: &[u8]) -> Option<bool> {
        if self.bounds.excludes(line) {
            return Some(false);
        }
        let head = read(line, &mut self.names, &mut self.values).ok()?;
        let at = head.ts?.nanos();
        if !head.is("sample") || !self.day.has(at) {
            return None;
        }
        if !self.span.has(at) {
            return Some(false);
        }
        head.key(&mut self.key);
        if let Some(chosen) = self.known.get(&self.key) {
            return Some(*chosen);
        }
        let chosen = (self.wanted)(&head.series()?);
        self.known.insert(self.key.clone(), chosen);
        Some(chosen)
    }
}
