//! From lines to cells.

use std::collections::HashMap;

use crate::cell::Increase;
use crate::cells::{Board, Cells, Place};
use crate::files::{DAY, SECOND};
use crate::line::{Head, Values, read};
use crate::names::Names;
use crate::series::Series;

/// The rise of a counter between two samples that are further apart says nothing of the window of
/// the later one.
pub(crate) const LONGEST_PAUSE: i64 = 3600 * SECOND;

/// So many series are told apart in one file.
const MOST: usize = 1 << 20;

/// The kind of the lines of roll-ups.
pub(crate) const ROLLUP: &str = "rollup";

/// Which group a series is in; `None` where it was not asked for.
pub(crate) type GroupOf<'w> = &'w (dyn Fn(&Series) -> Option<Series> + Sync);

/// From when to when, in nanoseconds since 1970; the end is not part of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    pub(crate) since: i64,
    pub(crate) until: i64,
}

impl Span {
    pub(crate) fn has(&self, at: i64) -> bool {
        self.since <= at && at < self.until
    }

    /// The part of it that the other one has too.
    pub(crate) fn within(&self, other: Span) -> Span {
        Span { since: self.since.max(other.since), until: self.until.min(other.until) }
    }
}

/// Reads the lines of one file into cells.
///
/// Each file is read by itself, from its first line on: what a counter rose by from one file to the
/// next is left out, so that what is counted from samples is what is counted from their roll-ups.
pub(crate) struct Scanner<'w> {
    pub(crate) board: Board<'w>,
    group_of: GroupOf<'w>,
    /// Whose samples count.
    span: Span,
    /// Whose lines belong in the file.
    day: Span,
    values: Values,
    rises: Vec<(u32, Increase)>,
    key: Vec<u8>,
    series: HashMap<Vec<u8>, Option<Known>>,
    /// By job, then by the number of the counter.
    last: Vec<Vec<Option<Reading>>>,
}

/// What a series is counted to.
#[derive(Clone, Copy)]
struct Known {
    group: u32,
    job: u32,
}

/// A counter when it was last read.
#[derive(Clone, Copy)]
struct Reading {
    at: i64,
    value: f64,
    /// Run and attempt: with each a counter begins at 0.
    era: (Option<u32>, Option<u32>),
}

impl<'w> Scanner<'w> {
    /// A scanner of the day that begins at `day`.
    pub(crate) fn new(
        names: Names<'w>,
        cells: Cells,
        group_of: GroupOf<'w>,
        day: i64,
        span: Span,
    ) -> Scanner<'w> {
        let day = Span { since: day, until: day.saturating_add(DAY) };
        Scanner {
            board: Board::new(names, cells),
            group_of,
            span: span.within(day),
            day,
            values: Values::default(),
            rises: Vec::new(),
            key: Vec::new(),
            series: HashMap::new(),
            last: Vec::new(),
        }
    }

    /// Adds a sample; `None` when the line is none of this day. The moment of the sample otherwise.
    pub(crate) fn sample(&mut self, line: &[u8]) -> Option<i64> {
        let head = read(line, &mut self.board.names, &mut self.values).ok()?;
        let at = head.ts?.nanos();
        if !head.is("sample") || !self.day.has(at) {
            return None;
        }
        let Some(known) =
            look(&mut self.series, &mut self.key, &mut self.board, self.group_of, &head)?
        else {
            return Some(at);
        };
        let era = (head.run, head.attempt);
        self.rises.clear();
        note_rises(
            &mut self.last,
            known.job,
            &self.values.plain,
            &self.board.names,
            |value| Reading { at, value, era },
            &mut self.rises,
        );
        if self.span.has(at) {
            let place = Place { group: known.group, job: known.job, at };
            let Board { cells, names, .. } = &mut self.board;
            cells.add(place, &self.values.plain, &self.rises, names);
        }
        Some(at)
    }

    /// Adds a line of a roll-up; `None` when it is none. `spread` says whether percentiles are
    /// asked for.
    pub(crate) fn rollup(&mut self, line: &[u8], spread: bool) -> Option<()> {
        let head = read(line, &mut self.board.names, &mut self.values).ok()?;
        let begin = head.ts?.nanos();
        if !head.is(ROLLUP) || !self.day.has(begin) {
            return None;
        }
        let count = head.count?;
        let Some(known) =
            look(&mut self.series, &mut self.key, &mut self.board, self.group_of, &head)?
        else {
            return Some(());
        };
        let place = Place { group: known.group, job: known.job, at: begin };
        let Board { cells, names, .. } = &mut self.board;
        let window = cells.window(known.group, begin);
        window.count = window.count.saturating_add(count);
        for (number, stored) in self.values.cells.drain(..) {
            let spread = spread && !names.get(number).is_counter;
            cells.merge(place, number, stored.cell(begin, known.job, spread), |job| job);
        }
        Some(())
    }
}

/// What a series is counted to; `Some(None)` when it was not asked for, `None` when the record does
/// not say what it is about.
fn look(
    series: &mut HashMap<Vec<u8>, Option<Known>>,
    key: &mut Vec<u8>,
    board: &mut Board,
    group_of: GroupOf,
    head: &Head,
) -> Option<Option<Known>> {
    head.key(key);
    if let Some(known) = series.get(key.as_slice()) {
        return Some(*known);
    }
    if series.len() >= MOST {
        return None;
    }
    let of = head.series()?;
    let known = group_of(&of).map(|group| Known {
        group: board.groups.number(&group),
        job: board.jobs.number(&of.job()),
    });
    series.insert(key.clone(), known);
    Some(known)
}

/// Remembers the counters of a job and tells what they rose by.
fn note_rises(
    last: &mut Vec<Vec<Option<Reading>>>,
    job: u32,
    values: &[(u32, f64)],
    names: &Names,
    reading: impl Fn(f64) -> Reading,
    rises: &mut Vec<(u32, Increase)>,
) {
    for (number, value) in values {
        if !names.get(*number).is_counter {
            continue;
        }
        let new = reading(*value);
        let old = slot(slot(last, job), *number).replace(new);
        rises.extend(old.and_then(|old| rise(old, new)).map(|by| (*number, by)));
    }
}

fn slot<T: Default + Clone>(list: &mut Vec<T>, at: u32) -> &mut T {
    let at = at as usize;
    if list.len() <= at {
        list.resize(at + 1, T::default());
    }
    &mut list[at]
}

/// What a counter rose by. One that dropped, or belongs to a new attempt, began again at 0. Where
/// the clock was set back between the two, the time between them is not known, nor then the rate.
fn rise(old: Reading, new: Reading) -> Option<Increase> {
    let pause = new.at.saturating_sub(old.at);
    if !(1..=LONGEST_PAUSE).contains(&pause) {
        return None;
    }
    let went_on = old.era == new.era && new.value >= old.value;
    let amount = if went_on { new.value - old.value } else { new.value };
    Some(Increase { amount, seconds: pause as f64 / SECOND as f64 })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cell::Agg;
    use crate::cells::Keep;

    fn scan(lines: &[String]) -> Board<'static> {
        let span = Span { since: i64::MIN, until: i64::MAX };
        let cells = Cells::new(60 * SECOND, Keep::Values);
        let all = &|series: &Series| Some(series.job());
        let mut scanner = Scanner::new(Names::new(&|_| true), cells, all, 0, span);
        for line in lines {
            assert!(scanner.sample(line.as_bytes()).is_some(), "{line}");
        }
        scanner.board
    }

    fn line(seconds: i64, run: u32, attempt: u32, cpu: f64) -> String {
        let ts = fleet_core::Timestamp::from_nanos(seconds * SECOND);
        format!(
            r#"{{"kind":"sample","ts":"{ts}","subject":"process","id":"a","run":{run},"attempt":{attempt},"cpu_seconds_total":{cpu}}}"#
        )
    }

    fn rates(lines: &[String]) -> Vec<Option<f64>> {
        let mut board = scan(lines);
        let windows = board.cells.take_before(i64::MAX);
        windows.iter().map(|(_, w)| w.cells[0].as_ref().unwrap().value(Agg::Rate)).collect()
    }

    #[test]
    fn a_rate_counts_across_windows_and_resets() {
        // 0 to 30 s: 15; 30 to 60 s: 30, counted where the later sample is.
        let going = [line(0, 1, 1, 5.0), line(30, 1, 1, 20.0), line(60, 1, 1, 50.0)];
        assert_eq!(rates(&going), [Some(0.5), Some(1.0)]);
        // A drop, a new attempt and a new run began at 0, also where the new count is higher.
        for next in [line(30, 1, 1, 3.0), line(30, 1, 2, 3.0), line(30, 2, 1, 3.0)] {
            assert_eq!(rates(&[line(0, 1, 1, 5.0), next]), [Some(0.1)]);
        }
        assert_eq!(rates(&[line(0, 1, 1, 5.0), line(30, 1, 2, 30.0)]), [Some(1.0)]);
        assert_eq!(rates(&[line(0, 1, 1, 5.0)]), [None]);
    }

    #[test]
    fn a_clock_that_was_set_back_makes_no_rate_and_a_long_pause_neither() {
        let back = [line(50, 1, 1, 5.0), line(20, 1, 1, 6.0), line(30, 1, 1, 7.0)];
        assert_eq!(rates(&back), [Some(0.1)]);
        assert_eq!(rates(&[line(0, 1, 1, 5.0), line(3700, 1, 1, 9.0)]), [None, None]);
    }

    #[test]
    fn what_belongs_to_another_day_is_no_sample_of_this_one() {
        let span = Span { since: i64::MIN, until: i64::MAX };
        let cells = Cells::new(SECOND, Keep::Nothing);
        let all = &|series: &Series| Some(series.clone());
        let mut scanner = Scanner::new(Names::new(&|_| true), cells, all, DAY, span);
        assert_eq!(scanner.sample(line(0, 1, 1, 1.0).as_bytes()), None);
        assert_eq!(scanner.sample(br#"{"kind":"log"}"#), None);
        assert_eq!(scanner.sample(line(86_400, 1, 1, 1.0).as_bytes()), Some(DAY));
    }
}
