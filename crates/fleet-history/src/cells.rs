//! Cells by group and window, while samples come in.

use std::collections::HashMap;

use crate::cell::{Cell, Increase, Spread};
use crate::names::Names;
use crate::series::{Interner, Series};
use crate::sketch::Sketch;

/// How the percentiles of a window are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Not at all.
    Nothing,
    /// All values.
    Values,
    /// A sketch.
    Sketch,
}

/// One window of one group.
#[derive(Clone, Debug, Default)]
pub(crate) struct Window {
    /// Samples in it.
    pub(crate) count: u64,
    /// By the number of the measure; shorter where later ones are absent.
    pub(crate) cells: Vec<Option<Cell>>,
}

/// Cells of windows of one length.
pub(crate) struct Cells {
    /// Nanoseconds.
    length: i64,
    keep: Keep,
    windows: HashMap<(u32, i64), Window>,
}

/// What a value is to be added to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) group: u32,
    /// The job, for increases.
    pub(crate) job: u32,
    /// Nanoseconds since 1970.
    pub(crate) at: i64,
}

impl Cells {
    pub(crate) fn new(length: i64, keep: Keep) -> Cells {
        Cells { length: length.max(1), keep, windows: HashMap::new() }
    }

    /// How many windows hold something.
    pub(crate) fn len(&self) -> usize {
        self.windows.len()
    }

    /// The begin of the window that this moment lies in: windows are aligned to 1970 in UTC.
    pub(crate) fn begin(&self, at: i64) -> i64 {
        at.div_euclid(self.length).saturating_mul(self.length)
    }

    /// The window of a group at a moment.
    pub(crate) fn window(&mut self, group: u32, at: i64) -> &mut Window {
        let begin = self.begin(at);
        self.windows.entry((group, begin)).or_default()
    }

    /// Adds the values of one sample, with what the counters among them rose by.
    pub(crate) fn add(
        &mut self,
        place: Place,
        values: &[(u32, f64)],
        rises: &[(u32, Increase)],
        names: &Names,
    ) {
        let keep = self.keep;
        let window = self.window(place.group, place.at);
        window.count += 1;
        for (number, value) in values {
            let spread = || keep.spread(names.get(*number).is_counter);
            window.cell(*number, spread).add(*value, place.at);
        }
        for (number, by) in rises {
            window.cell(*number, || Spread::Unknown).rise(place.job, *by);
        }
    }

    /// Adds a cell that was made elsewhere, of the window or a part of it.
    pub(crate) fn merge(
        &mut self,
        place: Place,
        number: u32,
        cell: Cell,
        job: impl FnMut(u32) -> u32,
    ) {
        let spread = match cell.spread {
            Spread::Unknown => Spread::Unknown,
            Spread::Exact(_) => Spread::Exact(Vec::new()),
            Spread::Sketch(_) => Spread::Sketch(Sketch::default()),
        };
        self.window(place.group, place.at).cell(number, || spread).merge(cell, job);
    }

    /// Takes out the windows that begin before this moment, in the order of group and time.
    pub(crate) fn take_before(&mut self, end: i64) -> Vec<((u32, i64), Window)> {
        let mut taken: Vec<_> = self.windows.extract_if(|(_, begin), _| *begin < end).collect();
        taken.sort_unstable_by_key(|(key, _)| *key);
        taken
    }
}

impl Window {
    fn cell(&mut self, number: u32, spread: impl FnOnce() -> Spread) -> &mut Cell {
        let at = number as usize;
        if self.cells.len() <= at {
            self.cells.resize(at + 1, None);
        }
        self.cells[at].get_or_insert_with(|| Cell::new(spread()))
    }
}

impl Keep {
    fn spread(self, is_counter: bool) -> Spread {
        match self {
            // How the readings of a counter are spread says nothing.
            _ if is_counter => Spread::Unknown,
            Keep::Nothing => Spread::Unknown,
            Keep::Values => Spread::Exact(Vec::new()),
            Keep::Sketch => Spread::Sketch(Sketch::default()),
        }
    }
}

/// Cells with what their numbers stand for.
pub(crate) struct Board<'w> {
    pub(crate) names: Names<'w>,
    pub(crate) groups: Interner<Series>,
    pub(crate) jobs: Interner<Series>,
    pub(crate) cells: Cells,
}

impl<'w> Board<'w> {
    pub(crate) fn new(names: Names<'w>, cells: Cells) -> Board<'w> {
        Board { names, groups: Interner::default(), jobs: Interner::default(), cells }
    }

    /// Adds all of another board, which numbers things in its own way.
    pub(crate) fn absorb(&mut self, mut other: Board) {
        for ((group, begin), window) in other.cells.take_before(i64::MAX) {
            let group = self.groups.number(other.groups.get(group));
            let place = Place { group, job: 0, at: begin };
            self.cells.window(group, begin).count += window.count;
            for (number, cell) in window.cells.into_iter().enumerate() {
                let Some(cell) = cell else { continue };
                let name = &other.names.get(number as u32).name;
                let Some(number) = self.names.number(name) else { continue };
                let jobs = &mut self.jobs;
                self.cells.merge(place, number, cell, |job| jobs.number(other.jobs.get(job)));
            }
        }
    }
}
