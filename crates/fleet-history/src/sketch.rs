//! Percentiles of many values in little space, within one percent.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The error that a percentile taken from a sketch has at most, relative to the exact one.
pub const SKETCH_ERROR: f64 = 0.01;

/// A histogram whose buckets grow by a constant factor γ, so that any value lies within
/// [`SKETCH_ERROR`] of the middle of its bucket: DDSketch (Masson, Rim, Lee: *DDSketch: a fast and
/// fully-mergeable quantile sketch with relative-error guarantees*, VLDB 2019), without its limit
/// on buckets, as the range of numbers bounds them already. Two sketches are merged by adding
/// counts, which loses nothing.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Sketch {
    /// Bucket i counts the values in (γ^(i-1), γ^i]. In JSON a flat list: i, count, i, count …
    #[serde(default, with = "flat", skip_serializing_if = "BTreeMap::is_empty")]
    positive: BTreeMap<i32, u64>,
    /// The same of values below zero, by their magnitude.
    #[serde(default, with = "flat", skip_serializing_if = "BTreeMap::is_empty")]
    negative: BTreeMap<i32, u64>,
    /// How many are zero.
    #[serde(default, skip_serializing_if = "is_zero")]
    zero: u64,
}

fn is_zero(count: &u64) -> bool {
    *count == 0
}

/// γ = (1 + e) / (1 - e).
const GAMMA: f64 = (1.0 + SKETCH_ERROR) / (1.0 - SKETCH_ERROR);

impl Sketch {
    pub(crate) fn add(&mut self, value: f64, count: u64) {
        let bucket = match value {
            0.0 => &mut self.zero,
            _ if value > 0.0 => self.positive.entry(index(value)).or_default(),
            _ => self.negative.entry(index(-value)).or_default(),
        };
        *bucket = bucket.saturating_add(count);
    }

    pub(crate) fn merge(&mut self, other: &Sketch) {
        self.zero = self.zero.saturating_add(other.zero);
        for (mine, theirs) in
            [(&mut self.positive, &other.positive), (&mut self.negative, &other.negative)]
        {
            for (index, count) in theirs {
                let bucket = mine.entry(*index).or_default();
                *bucket = bucket.saturating_add(*count);
            }
        }
    }

    /// The value that has `rank` smaller ones before it.
    pub(crate) fn at_rank(&self, rank: u64) -> Option<f64> {
        let below = self.negative.iter().rev().map(|(i, count)| (-middle(*i), *count));
        let above = self.positive.iter().map(|(i, count)| (middle(*i), *count));
        let mut before = 0u64;
        for (value, count) in below.chain([(0.0, self.zero)]).chain(above) {
            before = before.saturating_add(count);
            if before > rank {
                return Some(value);
            }
        }
        None
    }
}

fn index(magnitude: f64) -> i32 {
    (magnitude.ln() / GAMMA.ln()).ceil() as i32
}

/// The value that is as far, relatively, from both ends of the bucket.
fn middle(index: i32) -> f64 {
    2.0 * GAMMA.powi(index) / (GAMMA + 1.0)
}

/// Which of `count` sorted values is the percentile: nearest rank, the smallest value that at least
/// so many percent of them do not exceed.
pub(crate) fn rank(percent: u8, count: u64) -> u64 {
    let wanted = (u128::from(count) * u128::from(percent)).div_ceil(100) as u64;
    wanted.clamp(1, count.max(1)) - 1
}

mod flat {
    use std::collections::BTreeMap;

    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    pub(super) fn serialize<S: Serializer>(
        buckets: &BTreeMap<i32, u64>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        to.collect_seq(buckets.iter().flat_map(|(index, count)| {
            [i64::from(*index), i64::try_from(*count).unwrap_or(i64::MAX)]
        }))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<BTreeMap<i32, u64>, D::Error> {
        let numbers: Vec<i64> = Vec::deserialize(from)?;
        let pair = |pair: &[i64]| match *pair {
            [index, count] => Some((i32::try_from(index).ok()?, u64::try_from(count).ok()?)),
            _ => None,
        };
        let buckets: Option<_> = numbers.chunks(2).map(pair).collect();
        buckets.ok_or_else(|| D::Error::custom("a sketch is a list of pairs: bucket, count"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sketch(values: &[f64]) -> Sketch {
        let mut sketch = Sketch::default();
        values.iter().for_each(|value| sketch.add(*value, 1));
        sketch
    }

    fn value() -> impl Strategy<Value = f64> {
        prop_oneof![Just(0.0), -1e12..1e12, 0.0..100.0, prop::num::f64::NORMAL.prop_map(small)]
    }

    /// Magnitudes as far out as measures may be.
    fn small(value: f64) -> f64 {
        if value.abs() < 1e200 { value } else { 1e200 }
    }

    proptest! {
        #[test]
        fn a_percentile_lies_within_the_error(
            mut values in prop::collection::vec(value(), 1..200), percent in 0u8..=100,
        ) {
            let found = sketch(&values).at_rank(rank(percent, values.len() as u64)).unwrap();
            values.sort_by(f64::total_cmp);
            let exact = values[rank(percent, values.len() as u64) as usize];
            prop_assert!((found - exact).abs() <= exact.abs() * SKETCH_ERROR * 1.000_001);
        }

        #[test]
        fn merged_is_as_made_at_once(
            one in prop::collection::vec(value(), 0..50),
            other in prop::collection::vec(value(), 0..50),
        ) {
            let mut merged = sketch(&one);
            merged.merge(&sketch(&other));
            let all = sketch(&[one, other].concat());
            prop_assert_eq!(&merged, &all);
            let json = serde_json::to_string(&all).unwrap();
            prop_assert_eq!(serde_json::from_str::<Sketch>(&json).unwrap(), all);
        }
    }

    #[test]
    fn ranks_are_the_nearest() {
        assert_eq!((rank(50, 4), rank(50, 5), rank(100, 5), rank(0, 5)), (1, 2, 4, 0));
        assert_eq!((rank(95, 20), rank(99, 1), rank(50, 0)), (18, 0, 0));
        assert_eq!(sketch(&[]).at_rank(0), None);
    }

    #[test]
    fn a_sketch_is_a_list_of_pairs() {
        let json = r#"{"positive":[0,2,35,1],"zero":2}"#;
        assert_eq!(sketch(&[1.0, 1.0, 2.0, 0.0, 0.0]), serde_json::from_str(json).unwrap());
        for list in ["[1]", "[1,-1]", "[99999999999,1]"] {
            let json = format!(r#"{{"positive":{list}}}"#);
            assert!(serde_json::from_str::<Sketch>(&json).is_err(), "{json}");
        }
    }
}
