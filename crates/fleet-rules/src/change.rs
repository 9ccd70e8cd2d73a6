//! A value against its average over the time before.

use std::fmt;
use std::time::Duration;

use fleet_core::{Timestamp, duration_text};
use serde::{Deserialize, Serialize};

use crate::buckets::Buckets;
use crate::compare::Verdict;
use crate::exact::short;
use crate::window::{Bound, percent_text};

/// A value against its average.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// The value.
    pub field: String,
    /// The time of the average.
    pub over: Duration,
    /// How far it must lie from the average, as a share of that.
    pub bound: Bound,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (word, bound) = match self.bound {
            Bound::Above(bound) => ("above", bound),
            Bound::Below(bound) => ("below", bound),
        };
        let (bound, over) = (percent_text(bound), duration_text(self.over));
        write!(f, "{} changes to {word} {bound} against its average over {over}", self.field)
    }
}

/// What is remembered of a value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Past {
    values: Buckets,
    /// The newest value and the average before it, for people.
    #[serde(skip)]
    newest: Option<(f64, f64)>,
}

impl Past {
    /// Holds a value against the average of those before, and takes it in. Nothing can be told
    /// before there are values of the whole time. A NaN is passed over; an infinity is judged,
    /// but has no part in averages.
    pub(crate) fn note(
        &mut self,
        change: &Change,
        value: f64,
        at: Timestamp,
        late: bool,
    ) -> Option<Verdict> {
        if value.is_nan() {
            return None;
        }
        self.values.forget(at, change.over);
        let known = self.values.span(at, change.over);
        let average = self.values.mean().filter(|_| known);
        if value.is_finite() {
            self.values.note(value, at, change.over);
        }
        if late {
            return None;
        }
        self.newest = average.map(|average| (value, average));
        Some(average.map_or(Verdict::Unknown, |average| {
            change.bound.is_passed(relative(value, average)).into()
        }))
    }

    /// What it shows, for people.
    pub(crate) fn text(&self, change: &Change) -> String {
        let Some((value, average)) = self.newest else { return format!("{} is new", change.field) };
        let share = relative(value, average);
        let word = if share < 0.0 { "below" } else { "above" };
        let (value, average, share) = (short(value), short(average), percent_text(share.abs()));
        let over = duration_text(change.over);
        format!("{} is {value}, {share} {word} its average of {average} over {over}", change.field)
    }

    /// The same on a clock that was set by so many nanoseconds.
    pub(crate) fn shift(&mut self, by: i64, change: &Change) {
        self.values.shift(by, change.over);
    }
}

/// How far a value lies from an average, as a share of the average; from 0 everything else is
/// infinitely far.
fn relative(value: f64, average: f64) -> f64 {
    if value == average { 0.0 } else { (value - average) / average.abs() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_nanos((1_800_000_000 + seconds) * 1_000_000_000)
    }

    fn story(bound: Bound, values: &[(i64, f64)]) -> Vec<Option<Verdict>> {
        let change = Change { field: "x".to_owned(), over: Duration::from_secs(60), bound };
        let mut past = Past::default();
        values.iter().map(|(s, value)| past.note(&change, *value, at(*s), false)).collect()
    }

    #[test]
    fn the_table() {
        use Verdict::{No, Unknown, Yes};
        type Case<'c> = (&'c str, Bound, &'c [(i64, f64)], &'c [Option<Verdict>]);
        let cases: [Case<'_>; 6] = [
            (
                "nothing is known before the time has passed",
                Bound::Above(0.5),
                &[(0, 1.0), (59, 9.0), (60, 9.0)],
                &[Some(Unknown), Some(Unknown), Some(Yes)],
            ),
            (
                "just as far is not farther",
                Bound::Above(0.5),
                &[(0, 2.0), (30, 2.0), (60, 3.0), (61, 4.0)],
                &[Some(Unknown), Some(Unknown), Some(No), Some(Yes)],
            ),
            (
                "a fall",
                Bound::Below(-0.3),
                &[(0, 10.0), (30, 10.0), (60, 7.0), (61, 5.0)],
                &[Some(Unknown), Some(Unknown), Some(No), Some(Yes)],
            ),
            (
                "a NaN poisons nothing",
                Bound::Above(0.5),
                &[(0, 2.0), (30, f64::NAN), (60, 3.5), (61, 2.0)],
                &[Some(Unknown), None, Some(Yes), Some(No)],
            ),
            (
                "an infinity is far, and no part of the average",
                Bound::Above(0.5),
                &[(0, 2.0), (30, 2.0), (60, f64::INFINITY), (61, 2.0), (62, 3.5)],
                &[Some(Unknown), Some(Unknown), Some(Yes), Some(No), Some(Yes)],
            ),
            (
                "of nothing, anything is far",
                Bound::Above(0.5),
                &[(0, 0.0), (60, 0.0), (61, 0.1)],
                &[Some(Unknown), Some(No), Some(Yes)],
            ),
        ];
        for (name, bound, values, said) in cases {
            assert_eq!(story(bound, values), said, "{name}");
        }
    }
}
