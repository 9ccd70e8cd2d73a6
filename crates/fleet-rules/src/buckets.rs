//! The values of some time, summed up in at most sixty buckets: what is remembered does not grow
//! with the number of records.

use std::collections::VecDeque;
use std::time::Duration;

use fleet_core::Timestamp;
use serde::{Deserialize, Serialize};

use crate::exact::Exact;

/// The most buckets. The time is that of one less: the bucket that is being filled comes on top.
const MOST: i64 = 60;

/// Values of one sixtieth of the time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Bucket {
    /// Which, counted from 1970.
    at: i64,
    /// How many values.
    n: u32,
    sum: Exact,
    /// The sum of their seconds after the bucket's beginning.
    lag: Exact,
}

/// Values of some time, the oldest first.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Buckets {
    /// Since when there are values without a gap as long as the time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<Timestamp>,
    #[serde(default)]
    list: VecDeque<Bucket>,
}

/// What a bucket holds on the average.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Point {
    /// Seconds since the first bucket's beginning.
    pub(crate) seconds: f64,
    /// The mean of its values.
    pub(crate) value: f64,
    /// How many they are.
    pub(crate) weight: f64,
}

impl Buckets {
    /// Takes a value in, which may come late; one that is older than the time is passed over.
    pub(crate) fn note(&mut self, value: f64, at: Timestamp, over: Duration) {
        self.forget(at, over);
        self.from.get_or_insert(at);
        let width = width(over);
        let index = at.nanos().div_euclid(width);
        let lag = at.nanos().rem_euclid(width) as f64 / 1e9;
        if self.list.back().is_some_and(|newest| newest.at.saturating_sub(MOST) >= index) {
            return;
        }
        let place = self.list.partition_point(|bucket| bucket.at < index);
        if self.list.get(place).is_none_or(|bucket| bucket.at != index) {
            self.list.insert(place, Bucket { at: index, n: 0, sum: Exact(0.0), lag: Exact(0.0) });
        }
        if let Some(bucket) = self.list.get_mut(place) {
            bucket.n = bucket.n.saturating_add(1);
            bucket.sum.0 += value;
            bucket.lag.0 += lag;
        }
    }

    /// Forgets what lies too far back.
    pub(crate) fn forget(&mut self, at: Timestamp, over: Duration) {
        let index = at.nanos().div_euclid(width(over));
        while self.list.front().is_some_and(|oldest| oldest.at <= index.saturating_sub(MOST)) {
            self.list.pop_front();
        }
        if self.list.is_empty() {
            self.from = None;
        }
    }

    /// Whether there are values of the whole time.
    pub(crate) fn span(&self, at: Timestamp, over: Duration) -> bool {
        self.from.is_some_and(|from| from.plus(over) <= at)
    }

    /// The sum of all values.
    pub(crate) fn sum(&self) -> f64 {
        self.list.iter().map(|bucket| bucket.sum.0).sum()
    }

    /// The mean of all values; none where there are none, or where their sum is too large.
    pub(crate) fn mean(&self) -> Option<f64> {
        let n: f64 = self.list.iter().map(|bucket| f64::from(bucket.n)).sum();
        Some(self.sum() / n).filter(|mean| mean.is_finite())
    }

    /// The mean of each bucket.
    pub(crate) fn points(&self, over: Duration) -> Vec<Point> {
        let first = self.list.front().map_or(0, |bucket| bucket.at);
        let seconds = width(over) as f64 / 1e9;
        let point = |bucket: &Bucket| {
            let weight = f64::from(bucket.n);
            let begins = bucket.at.saturating_sub(first) as f64 * seconds;
            Point { seconds: begins + bucket.lag.0 / weight, value: bucket.sum.0 / weight, weight }
        };
        self.list.iter().filter(|bucket| bucket.n > 0).map(point).collect()
    }

    /// When the oldest bucket will be forgotten.
    pub(crate) fn leaves(&self, over: Duration) -> Option<Timestamp> {
        let oldest = self.list.front()?;
        let index = oldest.at.saturating_add(MOST);
        Some(Timestamp::from_nanos(index.saturating_mul(width(over))))
    }

    /// The same on a clock that was set by so many nanoseconds.
    pub(crate) fn shift(&mut self, by: i64, over: Duration) {
        for bucket in &mut self.list {
            bucket.at = bucket.at.saturating_add(by.div_euclid(width(over)));
        }
        self.from = self.from.map(|from| Timestamp::from_nanos(from.nanos().saturating_add(by)));
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.list.len()
    }
}

/// Nanoseconds of a bucket.
fn width(over: Duration) -> i64 {
    let nanos = i64::try_from(over.as_nanos()).unwrap_or(i64::MAX);
    (nanos / (MOST - 1)).saturating_add(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_nanos((1_800_000_000 + seconds) * 1_000_000_000)
    }

    const MINUTE: Duration = Duration::from_secs(60);

    #[test]
    fn a_gap_as_long_as_the_time_begins_anew() {
        let mut buckets = Buckets::default();
        buckets.note(1.0, at(0), MINUTE);
        assert!(!buckets.span(at(59), MINUTE) && buckets.span(at(60), MINUTE));
        buckets.note(3.0, at(200), MINUTE);
        assert_eq!(buckets.mean(), Some(3.0));
        assert!(!buckets.span(at(259), MINUTE) && buckets.span(at(260), MINUTE));
    }

    proptest! {
        /// The sum is that of all values within the time, but for the bucket at its beginning.
        #[test]
        fn the_sum_is_that_of_the_time(
            steps in prop::collection::vec((0i64..40, -9i32..9), 1..80),
            over in 1u64..400,
        ) {
            let over = Duration::from_secs(over);
            let (mut buckets, mut now, mut all) = (Buckets::default(), 0, Vec::new());
            for (pause, value) in steps {
                now += pause;
                buckets.note(f64::from(value), at(now), over);
                all.push((now, f64::from(value)));
            }
            let after = |age: f64| -> (usize, f64) {
                let kept = all.iter().filter(|(t, _)| ((now - t) as f64) < age);
                (kept.clone().count(), kept.map(|(_, value)| value).sum())
            };
            let time = over.as_secs_f64();
            let bounds = [after(time), after(time * 60.0 / 59.0 + 1.0)];
            prop_assert!(buckets.len() <= MOST as usize);
            if bounds[0] == bounds[1] {
                prop_assert_eq!(buckets.sum(), bounds[0].1);
            }
        }

        #[test]
        fn no_values_panic(
            values in prop::collection::vec((any::<f64>(), any::<i64>()), 0..20),
            over in any::<u64>(),
            by in any::<i64>(),
        ) {
            let over = Duration::from_nanos(over);
            let mut buckets = Buckets::default();
            for (value, nanos) in values {
                let now = Timestamp::from_nanos(nanos);
                buckets.note(value, now, over);
                let _ = (buckets.mean(), buckets.points(over), buckets.leaves(over));
                let _ = buckets.span(now, over);
            }
            buckets.shift(by, over);
            buckets.forget(Timestamp::from_nanos(by), over);
        }
    }
}
