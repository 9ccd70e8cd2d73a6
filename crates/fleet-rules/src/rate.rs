//! How much a counter rose within a time.

use std::fmt;
use std::time::Duration;

use fleet_core::{Timestamp, duration_text};
use serde::{Deserialize, Serialize};

use crate::buckets::Buckets;
use crate::compare::Verdict;
use crate::exact::{Exact, short};
use crate::window::Bound;

/// A rise of a counter over a time.
#[derive(Clone, Debug, PartialEq)]
pub struct Rate {
    /// The counter.
    pub field: String,
    /// The time.
    pub over: Duration,
    /// How much it must rise, in the counter's own unit.
    pub bound: Bound,
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, bound) = match self.bound {
            Bound::Above(bound) => ("more", bound),
            Bound::Below(bound) => ("less", bound),
        };
        write!(f, "{} rises by {word} than {bound} within {}", self.field, duration_text(self.over))
    }
}

/// What is remembered of a counter.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rises {
    /// Its newest value.
    last: Exact,
    /// When that was.
    at: Timestamp,
    /// By how much it rose when.
    rises: Buckets,
}

impl Rises {
    /// Takes a value in and says whether the rule holds. A value that is less than the one before
    /// is that of a counter that began at 0 again. Of a rise in a pause longer than the time only
    /// the part counts that falls into the time, as if it had been even.
    pub(crate) fn note(
        memory: &mut Option<Rises>,
        rate: &Rate,
        value: f64,
        at: Timestamp,
    ) -> Option<Verdict> {
        if !value.is_finite() {
            return None;
        }
        let Some(it) = memory else {
            let mut rises = Buckets::default();
            rises.note(0.0, at, rate.over);
            let it = memory.insert(Rises { last: Exact(value), at, rises });
            return Some(it.judge(rate, at));
        };
        if at < it.at {
            return None;
        }
        let rise = if value < it.last.0 { value.max(0.0) } else { value - it.last.0 };
        let pause = at.seconds_since(it.at);
        let within = (rate.over.as_secs_f64() / pause.max(f64::MIN_POSITIVE)).min(1.0);
        it.rises.note((rise * within).min(f64::MAX), at, rate.over);
        (it.last, it.at) = (Exact(value), at);
        Some(it.judge(rate, at))
    }

    /// Whether the rule holds at this moment. That it rose by too little can only be told when it
    /// was seen for the whole time.
    pub(crate) fn judge(&mut self, rate: &Rate, at: Timestamp) -> Verdict {
        self.rises.forget(at, rate.over);
        match rate.bound {
            Bound::Below(_) if !self.rises.span(at, rate.over) => Verdict::Unknown,
            bound => bound.is_passed(self.rises.sum()).into(),
        }
    }

    /// When the clock alone may end what holds: a rise leaves the time.
    pub(crate) fn due(&self, rate: &Rate) -> Option<Timestamp> {
        matches!(rate.bound, Bound::Above(_)).then(|| self.rises.leaves(rate.over)).flatten()
    }

    /// What it shows, for people.
    pub(crate) fn text(&self, rate: &Rate) -> String {
        let (rose, over) = (short(self.rises.sum()), duration_text(rate.over));
        format!("{} rose by {rose} within {over}", rate.field)
    }

    /// The same on a clock that was set by so many nanoseconds.
    pub(crate) fn shift(&mut self, by: i64, rate: &Rate) {
        self.at = Timestamp::from_nanos(self.at.nanos().saturating_add(by));
        self.rises.shift(by, rate.over);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_nanos((1_800_000_000 + seconds) * 1_000_000_000)
    }

    fn story(bound: Bound, values: &[(i64, f64)]) -> Vec<Option<Verdict>> {
        let rate = Rate { field: "n".to_owned(), over: Duration::from_secs(60), bound };
        let mut memory = None;
        values.iter().map(|(s, value)| Rises::note(&mut memory, &rate, *value, at(*s))).collect()
    }

    #[test]
    fn the_table() {
        use Verdict::{No, Unknown, Yes};
        type Case<'c> = (&'c str, Bound, &'c [(i64, f64)], &'c [Option<Verdict>]);
        let cases: [Case<'_>; 6] = [
            (
                "what it was at first is no rise",
                Bound::Above(3.0),
                &[(0, 100.0), (10, 103.0), (20, 104.0)],
                &[Some(No), Some(No), Some(Yes)],
            ),
            (
                "a rise leaves the time",
                Bound::Above(3.0),
                &[(0, 0.0), (10, 4.0), (60, 4.0), (72, 4.0)],
                &[Some(No), Some(Yes), Some(Yes), Some(No)],
            ),
            (
                "a reset begins at 0",
                Bound::Above(3.0),
                &[(0, 100.0), (10, 2.0), (20, 4.0)],
                &[Some(No), Some(No), Some(Yes)],
            ),
            (
                "of a long pause only the time counts",
                Bound::Above(3.0),
                &[(0, 0.0), (3600, 10.0), (3610, 14.0)],
                &[Some(No), Some(No), Some(Yes)],
            ),
            (
                "too little is known after the time",
                Bound::Below(1.0),
                &[(0, 0.0), (30, 0.0), (60, 0.0), (70, 1.0)],
                &[Some(Unknown), Some(Unknown), Some(Yes), Some(No)],
            ),
            (
                "late values and what is no number are passed over",
                Bound::Above(3.0),
                &[(10, 5.0), (9, 1.0), (11, f64::NAN), (12, f64::INFINITY), (13, 6.0)],
                &[Some(No), None, None, None, Some(No)],
            ),
        ];
        for (name, bound, values, said) in cases {
            assert_eq!(story(bound, values), said, "{name}");
        }
    }
}
