//! Writing the roll-ups of a day, window by window.

use std::collections::BTreeMap;
use std::io::{self, Write};

use fleet_core::Timestamp;
use serde::Serialize;

use crate::cell::StoredCell;
use crate::cells::{Board, Cells, Keep, Place, Window};
use crate::files::{ROLLUPS, SECOND};
use crate::scan::ROLLUP;
use crate::series::Series;

/// One line: what is known of one series in one window.
#[derive(Serialize)]
struct Line<'a> {
    kind: &'static str,
    ts: Timestamp,
    window_seconds: i64,
    #[serde(flatten)]
    series: &'a Series,
    count: u64,
    measures: BTreeMap<&'a str, StoredCell>,
}

/// Makes the roll-ups of one day from cells of its shortest window.
///
/// A window is written when a sample of a later one comes, so that few are in memory. Where times
/// go back, because the clock did, a window is written again with what came late: readers add up
/// the lines of a window.
pub(crate) struct Rollups<W> {
    short: W,
    long: W,
    hours: Cells,
    /// The short window that the newest sample lies in.
    now: i64,
}

/// Length of the short window.
pub(crate) const SHORT: i64 = ROLLUPS[1].0;

const LONG: i64 = ROLLUPS[0].0;

impl<W: Write> Rollups<W> {
    pub(crate) fn new(short: W, long: W) -> Rollups<W> {
        Rollups { short, long, hours: Cells::new(LONG, Keep::Sketch), now: i64::MIN }
    }

    /// Notes that the board has a sample of this moment.
    pub(crate) fn reach(&mut self, board: &mut Board, at: i64) -> io::Result<()> {
        let now = board.cells.begin(at);
        if now == self.now {
            return Ok(());
        }
        self.now = now;
        self.write_before(board, now)
    }

    /// Writes what is left and gives the files back.
    pub(crate) fn finish(mut self, board: &mut Board) -> io::Result<[W; 2]> {
        self.write_before(board, i64::MAX)?;
        Ok([self.short, self.long])
    }

    fn write_before(&mut self, board: &mut Board, end: i64) -> io::Result<()> {
        for ((group, begin), window) in board.cells.take_before(end) {
            write(&mut self.short, board, group, begin, SHORT, &window)?;
            self.hours.window(group, begin).count += window.count;
            for (number, cell) in window.cells.into_iter().enumerate() {
                let place = Place { group, job: 0, at: begin };
                if let Some(cell) = cell {
                    self.hours.merge(place, number as u32, cell, |job| job);
                }
            }
        }
        for ((group, begin), window) in self.hours.take_before(self.hours.begin(end)) {
            write(&mut self.long, board, group, begin, LONG, &window)?;
        }
        Ok(())
    }
}

fn write(
    to: &mut impl Write,
    board: &Board,
    group: u32,
    begin: i64,
    length: i64,
    window: &Window,
) -> io::Result<()> {
    let cells = window.cells.iter().zip(board.names.list());
    let line = Line {
        kind: ROLLUP,
        ts: Timestamp::from_nanos(begin),
        window_seconds: length / SECOND,
        series: board.groups.get(group),
        count: window.count,
        measures: cells
            .filter_map(|(cell, name)| {
                Some((name.name.as_str(), StoredCell::of(cell.as_ref()?, begin)))
            })
            .collect(),
    };
    serde_json::to_writer(&mut *to, &line)?;
    to.write_all(b"\n")
}
