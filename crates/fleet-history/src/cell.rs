//! What is known of one measure in one window.

use serde::{Deserialize, Serialize};

use crate::sketch::{Sketch, rank};

/// Percentiles of so many values are exact; of more, they have the error of a sketch, lest one
/// window fill the memory.
const EXACT: usize = 1 << 17;

/// How much a counter rose, in the time between the samples that tell so.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct Increase {
    pub(crate) amount: f64,
    pub(crate) seconds: f64,
}

/// How the values of a window are spread.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Spread {
    /// Nobody asks.
    Unknown,
    /// All values.
    Exact(Vec<f64>),
    /// Their histogram.
    Sketch(Sketch),
}

/// One measure of one group in one window. Cells of parts of the window, in any order, add up to
/// the cell of the whole.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Cell {
    pub(crate) count: u64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    pub(crate) sum: f64,
    pub(crate) last: f64,
    /// When that was, in nanoseconds since 1970.
    pub(crate) last_at: i64,
    pub(crate) spread: Spread,
    /// By job.
    pub(crate) increases: Vec<(u32, Increase)>,
}

impl Cell {
    /// A cell without values.
    pub(crate) fn new(spread: Spread) -> Cell {
        Cell {
            count: 0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            sum: 0.0,
            last: f64::NAN,
            last_at: i64::MIN,
            spread,
            increases: Vec::new(),
        }
    }

    /// Adds one value.
    pub(crate) fn add(&mut self, value: f64, at: i64) {
        self.count += 1;
        self.min = self.min.min(value);
        self.max = self.max.max(value);
        self.sum += value;
        self.see_last(value, at);
        self.spread.add(value);
    }

    /// Adds how much a counter of this job rose.
    pub(crate) fn rise(&mut self, job: u32, by: Increase) {
        match self.increases.iter_mut().find(|(of, _)| *of == job) {
            Some((_, all)) => {
                all.amount += by.amount;
                all.seconds += by.seconds;
            }
            None => self.increases.push((job, by)),
        }
    }

    /// Adds another part of the window; its jobs are numbered anew by `job`.
    pub(crate) fn merge(&mut self, other: Cell, mut job: impl FnMut(u32) -> u32) {
        self.count = self.count.saturating_add(other.count);
        self.min = self.min.min(other.min);
        self.max = self.max.max(other.max);
        self.sum += other.sum;
        self.see_last(other.last, other.last_at);
        self.spread.merge(other.spread);
        other.increases.into_iter().for_each(|(of, by)| self.rise(job(of), by));
    }

    fn see_last(&mut self, value: f64, at: i64) {
        if at >= self.last_at {
            (self.last, self.last_at) = (value, at);
        }
    }

    /// What these values come to; `None` where it is not known.
    pub(crate) fn value(&self, agg: Agg) -> Option<f64> {
        let found = match agg {
            _ if self.count == 0 => None,
            Agg::Avg => Some(self.sum / self.count as f64),
            Agg::Min => Some(self.min),
            Agg::Max => Some(self.max),
            Agg::Last => Some(self.last),
            Agg::Rate => self.rate(),
            Agg::Percentile(percent) => self.spread.percentile(percent, self.count),
        };
        // A sketch knows the middles of its buckets, which may lie beyond all values.
        let in_range = |v: f64| if matches!(agg, Agg::Percentile(_)) { self.clamp(v) } else { v };
        found.map(in_range).filter(|value| value.is_finite())
    }

    fn clamp(&self, value: f64) -> f64 {
        value.max(self.min).min(self.max)
    }

    /// The rates of the jobs added up.
    fn rate(&self) -> Option<f64> {
        let known = self.increases.iter().filter(|(_, by)| by.seconds > 0.0);
        known.map(|(_, by)| by.amount / by.seconds).reduce(|sum, rate| sum + rate)
    }
}

impl Spread {
    fn add(&mut self, value: f64) {
        match self {
            Spread::Unknown => {}
            Spread::Exact(values) if values.len() >= EXACT => {
                self.fold();
                self.add(value);
            }
            Spread::Exact(values) => values.push(value),
            Spread::Sketch(sketch) => sketch.add(value, 1),
        }
    }

    fn merge(&mut self, other: Spread) {
        match (&mut *self, other) {
            (Spread::Unknown, _) | (_, Spread::Unknown) => {}
            (Spread::Exact(mine), Spread::Exact(theirs)) => {
                mine.extend(theirs);
                if mine.len() > EXACT {
                    self.fold();
                }
            }
            (Spread::Sketch(mine), Spread::Sketch(theirs)) => mine.merge(&theirs),
            (Spread::Sketch(mine), Spread::Exact(theirs)) => {
                theirs.iter().for_each(|value| mine.add(*value, 1));
            }
            (Spread::Exact(_), theirs @ Spread::Sketch(_)) => {
                self.fold();
                self.merge(theirs);
            }
        }
    }

    /// Makes a sketch of the exact values.
    fn fold(&mut self) {
        let mut sketch = Sketch::default();
        if let Spread::Exact(values) = self {
            values.iter().for_each(|value| sketch.add(*value, 1));
        }
        *self = Spread::Sketch(sketch);
    }

    fn percentile(&self, percent: u8, count: u64) -> Option<f64> {
        match self {
            Spread::Unknown => None,
            Spread::Exact(values) => {
                let mut values = values.clone();
                let at = rank(percent, values.len() as u64) as usize;
                let last = values.len().checked_sub(1)?;
                Some(*values.select_nth_unstable_by(at.min(last), f64::total_cmp).1)
            }
            Spread::Sketch(sketch) => sketch.at_rank(rank(percent, count)),
        }
    }
}

/// What the values of a window are brought to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Agg {
    /// Their mean.
    Avg,
    /// The least.
    Min,
    /// The greatest.
    Max,
    /// Of gauges: the least value that so many percent of them do not exceed.
    Percentile(u8),
    /// Of counters: how much they rose a second. Of several jobs the sum.
    Rate,
    /// The newest.
    Last,
}

/// A cell as a roll-up stores it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StoredCell {
    count: u64,
    min: f64,
    max: f64,
    sum: f64,
    last: f64,
    /// When the last value was sampled, in seconds from the begin of the window.
    last_at: f64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    increase: Option<f64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    seconds: Option<f64>,
    /// Absent where all values are equal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    spread: Option<Sketch>,
}

impl StoredCell {
    /// The stored form of the cell of one series in the window that begins at `begin`.
    pub(crate) fn of(cell: &Cell, begin: i64) -> StoredCell {
        let increase = cell.increases.first().map(|(_, by)| *by);
        let spread = match &cell.spread {
            Spread::Sketch(sketch) if cell.min < cell.max => Some(sketch.clone()),
            _ => None,
        };
        StoredCell {
            count: cell.count,
            min: cell.min,
            max: cell.max,
            sum: cell.sum,
            last: cell.last,
            last_at: cell.last_at.saturating_sub(begin) as f64 / 1e9,
            increase: increase.map(|by| by.amount),
            seconds: increase.map(|by| by.seconds),
            spread,
        }
    }

    /// The cell of this job that was stored. `spread` says whether percentiles are asked for.
    pub(crate) fn cell(self, begin: i64, job: u32, spread: bool) -> Cell {
        let spread = match self.spread {
            _ if !spread => Spread::Unknown,
            Some(sketch) => Spread::Sketch(sketch),
            None => {
                let mut sketch = Sketch::default();
                sketch.add(self.min, self.count);
                Spread::Sketch(sketch)
            }
        };
        let increase = self.increase.zip(self.seconds);
        Cell {
            count: self.count,
            min: self.min,
            max: self.max,
            sum: self.sum,
            last: self.last,
            last_at: begin.saturating_add((self.last_at * 1e9).round() as i64),
            spread,
            increases: increase
                .map(|(amount, seconds)| (job, Increase { amount, seconds }))
                .into_iter()
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sketch::SKETCH_ERROR;
    use proptest::prelude::*;

    fn cell(spread: Spread, values: &[f64]) -> Cell {
        let mut cell = Cell::new(spread);
        for (at, value) in values.iter().enumerate() {
            cell.add(*value, at as i64);
        }
        cell
    }

    #[test]
    fn values_come_to_what_they_should() {
        let cell = cell(Spread::Exact(Vec::new()), &[3.0, 1.0, 2.0, 10.0]);
        let of = |agg| cell.value(agg).unwrap();
        assert_eq!(
            (of(Agg::Avg), of(Agg::Min), of(Agg::Max), of(Agg::Last)),
            (4.0, 1.0, 10.0, 10.0)
        );
        assert_eq!((of(Agg::Percentile(50)), of(Agg::Percentile(95))), (2.0, 10.0));
        assert_eq!(cell.value(Agg::Rate), None);
        assert_eq!(Cell::new(Spread::Unknown).value(Agg::Avg), None);
    }

    #[test]
    fn rates_of_jobs_add_up() {
        let mut cell = cell(Spread::Unknown, &[1.0]);
        for (job, amount, seconds) in
            [(0, 10.0, 10.0), (0, 20.0, 10.0), (1, 5.0, 10.0), (2, 0.0, 0.0)]
        {
            cell.rise(job, Increase { amount, seconds });
        }
        assert_eq!(cell.value(Agg::Rate), Some(2.0));
    }

    #[test]
    fn too_many_values_for_memory_become_a_sketch() {
        let values: Vec<f64> = (1..=EXACT + 10).map(|i| i as f64).collect();
        let whole = cell(Spread::Exact(Vec::new()), &values);
        assert!(matches!(whole.spread, Spread::Sketch(_)));
        let mut halves = cell(Spread::Exact(Vec::new()), &values[..EXACT / 2]);
        halves.merge(cell(Spread::Exact(Vec::new()), &values[EXACT / 2..]), |job| job);
        for found in [whole, halves] {
            let median = found.value(Agg::Percentile(50)).unwrap();
            let exact = (EXACT as f64 + 10.0) / 2.0;
            assert!((median - exact).abs() <= exact * SKETCH_ERROR);
        }
    }

    proptest! {
        #[test]
        fn a_stored_cell_is_the_cell(
            values in prop::collection::vec(-1_000_000i32..1_000_000, 1..30),
            constant: bool,
            begin in 0i64..1 << 60,
        ) {
            let values = if constant { vec![values[0]; values.len()] } else { values };
            let mut before = Cell::new(Spread::Sketch(Sketch::default()));
            for (at, value) in values.iter().enumerate() {
                before.add(f64::from(*value) / 1000.0, begin + at as i64 * 1_000_000);
            }
            before.rise(3, Increase { amount: 1.5, seconds: 0.25 });
            let json = serde_json::to_string(&StoredCell::of(&before, begin)).unwrap();
            let stored: StoredCell = serde_json::from_str(&json).unwrap();
            let mut after = stored.cell(begin, 3, true);
            // A number of 17 digits may be read one off in the last.
            prop_assert!((after.sum - before.sum).abs() <= before.sum.abs() * 1e-15);
            after.sum = before.sum;
            prop_assert_eq!(after, before);
        }
    }
}
