//! Answering a question about a span of time, window by window.

use std::path::Path;
use std::thread;
use std::time::Duration;

use fleet_core::Timestamp;

use crate::HistoryError;
use crate::bounds::Bounds;
use crate::cell::Agg;
use crate::cells::{Board, Cells, Keep, Window};
use crate::files::{Found, ROLLUPS, list};
use crate::names::Names;
use crate::read::DayLines;
use crate::scan::{GroupOf, Scanner, Span};
use crate::series::{Grouping, Series};

/// More windows than this nobody reads, and they would not fit the memory.
const MOST_WINDOWS: i64 = 100_000;

/// The same for all groups together.
const MOST_ROWS: usize = 5_000_000;

/// More threads wait for each other's memory.
const MOST_THREADS: usize = 4;

/// What is asked.
pub struct Query<'q> {
    /// From this moment on.
    pub since: Timestamp,
    /// Up to this moment, which is not part of it.
    pub until: Option<Timestamp>,
    /// Length of a window. Windows begin at whole multiples of it since 1970, in UTC.
    pub window: Duration,
    /// What the values of each measure are brought to.
    pub aggs: &'q [Agg],
    /// Which samples are put together.
    pub grouping: &'q Grouping,
    /// Which measures.
    pub measures: &'q (dyn Fn(&str) -> bool + Sync),
    /// Which series.
    pub series: &'q (dyn Fn(&Series) -> bool + Sync),
}

/// What came of it.
#[derive(Debug, Default)]
pub struct Answer {
    /// The measures that were found, by name.
    pub measures: Vec<String>,
    groups: Vec<Group>,
    /// Length of a window in nanoseconds.
    window: i64,
    /// How many values a measure has.
    aggs: usize,
    /// What could not be read, each a sentence for the person.
    pub problems: Vec<String>,
}

#[derive(Debug)]
struct Group {
    of: Series,
    /// In the order of time.
    rows: Vec<Row>,
}

#[derive(Debug)]
struct Row {
    begin: i64,
    count: u64,
    /// By measure, then by aggregation; NaN where it is not known.
    values: Vec<f64>,
}

/// One window of one group.
#[derive(Clone, Copy, Debug)]
pub struct Shown<'a> {
    /// When the window begins.
    pub begin: Timestamp,
    /// What it is about.
    pub group: &'a Series,
    /// How many samples were taken in it; 0 in a gap.
    pub count: u64,
    values: &'a [f64],
    aggs: usize,
}

impl Shown<'_> {
    /// The value of a measure, by its place in [`Answer::measures`], and of an aggregation, by its
    /// place in [`Query::aggs`]; `None` where it is not known.
    pub fn value(&self, measure: usize, agg: usize) -> Option<f64> {
        self.values.get(measure * self.aggs + agg).copied().filter(|value| !value.is_nan())
    }
}

/// Answers a query from the files of a folder.
///
/// # Errors
/// The folder or a file in it may not be read, or the answer would be larger than any use of it.
pub fn query(folder: &Path, query: &Query) -> Result<Answer, HistoryError> {
    let asked =
        Span { since: query.since.nanos(), until: query.until.map_or(i64::MAX, Timestamp::nanos) };
    let window = i64::try_from(query.window.as_nanos()).unwrap_or(i64::MAX).max(1);
    let listed =
        list(folder).map_err(|source| HistoryError::Read { path: folder.to_owned(), source })?;
    let parts: Vec<Found> = listed
        .into_iter()
        .filter(|f| f.part.begin() < asked.until && asked.since < f.part.end())
        .collect();
    refuse_too_many(&parts, asked, window)?;
    let group_of = |series: &Series| (query.series)(series).then(|| query.grouping.group(series));
    let plan = Plan { folder, query, asked, window, group_of: &group_of };
    plan.answer(&parts)
}

fn refuse_too_many(parts: &[Found], asked: Span, window: i64) -> Result<(), HistoryError> {
    let (Some(first), Some(last)) = (parts.first(), parts.last()) else { return Ok(()) };
    let stored = asked.within(Span { since: first.part.begin(), until: last.part.end() });
    let windows = stored.until.saturating_sub(stored.since) / window;
    if windows > MOST_WINDOWS {
        return Err(HistoryError::TooManyWindows { windows, most: MOST_WINDOWS });
    }
    Ok(())
}

struct Plan<'p> {
    folder: &'p Path,
    query: &'p Query<'p>,
    asked: Span,
    window: i64,
    group_of: GroupOf<'p>,
}

impl Plan<'_> {
    /// Reads some parts at a time; what no later part can add to is reduced to its values at once.
    fn answer(&self, parts: &[Found]) -> Result<Answer, HistoryError> {
        let threads = thread::available_parallelism().map_or(1, usize::from).min(MOST_THREADS);
        let mut board = Board::new(self.names(), Cells::new(self.window, self.keep()));
        let mut answer =
            Answer { window: self.window, aggs: self.query.aggs.len(), ..Answer::default() };
        for (at, chunk) in parts.chunks(threads).enumerate() {
            for read in self.read_all(chunk)? {
                answer.problems.extend(read.problems);
                board.absorb(read.board);
            }
            let next = parts.get((at + 1) * threads).map_or(i64::MAX, |next| next.part.begin());
            answer.take(&mut board, next.saturating_sub(self.window - 1), self.query.aggs)?;
        }
        answer.measures = board.names.list().iter().map(|name| name.name.clone()).collect();
        Ok(answer)
    }

    fn read_all<'a>(&'a self, parts: &[Found]) -> Result<Vec<ReadPart<'a>>, HistoryError> {
        if let [part] = parts {
            return Ok(vec![self.read(part)?]);
        }
        thread::scope(|scope| {
            let start = |part| {
                let reader = thread::Builder::new().spawn_scoped(scope, move || self.read(part));
                reader.map_err(|source| HistoryError::Thread { source })
            };
            let readers: Vec<_> = parts.iter().map(start).collect();
            let read = readers
                .into_iter()
                .map(|reader| reader?.join().unwrap_or(Err(HistoryError::Broken)));
            read.collect()
        })
    }

    /// Reads one part: its roll-up, where one fits, else its samples.
    fn read<'a>(&'a self, found: &Found) -> Result<ReadPart<'a>, HistoryError> {
        let part = &found.part;
        let whole = self.asked.since <= part.begin() && part.end() <= self.asked.until;
        if whole && !found.is_open {
            for (span, name) in ROLLUPS {
                if self.window % span == 0
                    && let Some(board) = self.rollup(found, name)?
                {
                    return Ok(ReadPart { board, problems: Vec::new() });
                }
            }
        }
        let mut scanner = self.scanner(found);
        let Some(mut lines) = DayLines::samples(self.folder, found)? else {
            return Ok(ReadPart { board: scanner.board, problems: Vec::new() });
        };
        let bounds = Bounds::of(self.asked);
        lines.each(|line| {
            Ok::<bool, HistoryError>(bounds.excludes(line) || scanner.sample(line).is_some())
        })?;
        Ok(ReadPart { board: scanner.board, problems: lines.problems() })
    }

    /// What a roll-up says; `None` when there is none or it is damaged: the samples say the same.
    fn rollup<'a>(&'a self, found: &Found, span: &str) -> Result<Option<Board<'a>>, HistoryError> {
        let path = found.part.rollup(self.folder, span);
        let Some(mut lines) = DayLines::open(path, false)? else { return Ok(None) };
        let mut scanner = self.scanner(found);
        let spread = self.keep() != Keep::Nothing;
        lines.each(|line| Ok::<bool, HistoryError>(scanner.rollup(line, spread).is_some()))?;
        Ok(lines.is_sound().then_some(scanner.board))
    }

    fn scanner(&self, found: &Found) -> Scanner<'_> {
        let cells = Cells::new(self.window, self.keep());
        Scanner::new(self.names(), cells, self.group_of, found.part.begin(), self.asked)
    }

    fn names(&self) -> Names<'_> {
        Names::new(self.query.measures)
    }

    fn keep(&self) -> Keep {
        let percentiles = self.query.aggs.iter().any(|agg| matches!(agg, Agg::Percentile(_)));
        if percentiles { Keep::Values } else { Keep::Nothing }
    }
}

struct ReadPart<'p> {
    board: Board<'p>,
    problems: Vec<String>,
}

impl Answer {
    /// Reduces the windows that begin before this moment to their values.
    fn take(&mut self, board: &mut Board, end: i64, aggs: &[Agg]) -> Result<(), HistoryError> {
        for ((group, begin), window) in board.cells.take_before(end) {
            while self.groups.len() <= group as usize {
                let of = board.groups.get(self.groups.len() as u32).clone();
                self.groups.push(Group { of, rows: Vec::new() });
            }
            let row = Row { begin, count: window.count, values: values(&window, aggs) };
            self.groups[group as usize].rows.push(row);
        }
        let rows: usize = self.groups.iter().map(|group| group.rows.len()).sum();
        if rows + board.cells.len() > MOST_ROWS {
            return Err(HistoryError::TooManyRows { most: MOST_ROWS });
        }
        Ok(())
    }

    /// Whether there was no sample.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// What was found, in no particular order.
    pub fn groups(&self) -> impl Iterator<Item = &Series> {
        self.groups.iter().map(|group| &group.of)
    }

    /// Gives all windows to `show`, in the order of time and then of the groups. A window without
    /// samples is given too, from the first of its group to the last.
    ///
    /// # Errors
    /// Those of `show`.
    pub fn each<E>(&self, mut show: impl FnMut(Shown) -> Result<(), E>) -> Result<(), E> {
        let mut groups: Vec<(&Group, usize)> = self.groups.iter().map(|g| (g, 0)).collect();
        groups.sort_by(|(a, _), (b, _)| a.of.order().cmp(&b.of.order()));
        let first = self.groups.iter().filter_map(|g| g.rows.first()).map(|row| row.begin).min();
        let mut next = first;
        while let Some(begin) = next {
            for (group, at) in &mut groups {
                let Some(row) = group.rows.get(*at) else { continue };
                let is_gap = row.begin != begin;
                if is_gap && *at == 0 {
                    continue;
                }
                *at += usize::from(!is_gap);
                show(self.shown(begin, group, if is_gap { None } else { Some(row) }))?;
            }
            let left = groups.iter().any(|(group, at)| *at < group.rows.len());
            next = begin.checked_add(self.window).filter(|_| left);
        }
        Ok(())
    }

    fn shown<'a>(&self, begin: i64, group: &'a Group, row: Option<&'a Row>) -> Shown<'a> {
        Shown {
            begin: Timestamp::from_nanos(begin),
            group: &group.of,
            count: row.map_or(0, |row| row.count),
            values: row.map_or(&[], |row| &row.values),
            aggs: self.aggs,
        }
    }
}

fn values(window: &Window, aggs: &[Agg]) -> Vec<f64> {
    let cells = window.cells.iter();
    cells
        .flat_map(|cell| {
            aggs.iter()
                .map(move |agg| cell.as_ref().and_then(|cell| cell.value(*agg)).unwrap_or(f64::NAN))
        })
        .collect()
}
