//! The newest values of a series, and how far from them another is.

use std::collections::VecDeque;

/// So many values are remembered.
pub(super) const LENGTH: usize = 100;

/// Of fewer nothing is said.
pub(super) const MIN: usize = 30;

/// So many deviations from the median are far. A normal series reaches six of them once in a
/// hundred million values, but the deviation of thirty values is itself known only to a third.
pub(super) const FAR: f64 = 8.0;

/// By how much of itself a value that never changes may change.
const SMALL: f64 = 0.01;

/// What makes the median deviation of a normal series its standard deviation.
const NORMAL: f64 = 1.4826;

/// The same for the mean deviation.
const NORMAL_MEAN: f64 = 1.2533;

/// The newest values of a series.
#[derive(Clone, Debug, Default)]
pub(super) struct Window {
    recent: VecDeque<f64>,
    /// The same in order of size.
    sorted: Vec<f64>,
}

/// How far a value is from those before it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Distance {
    pub(super) median: f64,
    pub(super) mad: f64,
    /// In deviations.
    pub(super) score: f64,
}

impl Window {
    /// Remembers a number that is one.
    pub(super) fn push(&mut self, value: f64) {
        if self.recent.len() == LENGTH
            && let Some(oldest) = self.recent.pop_front()
        {
            let at = self.sorted.partition_point(|other| *other < oldest);
            self.sorted.remove(at.min(LENGTH - 1));
        }
        let at = self.sorted.partition_point(|other| *other < value);
        self.sorted.insert(at, value);
        self.recent.push_back(value);
    }

    /// Whether it is not far for certain, which is quick to tell: then fewer than half of the
    /// values are so near to their median that their deviation could be small enough.
    fn is_near(&self, value: f64) -> bool {
        let median = self.median();
        let near = (value - median).abs() / (FAR * NORMAL);
        let from = self.sorted.partition_point(|other| *other < median - near);
        let to = self.sorted.partition_point(|other| *other <= median + near);
        to.saturating_sub(from) < self.sorted.len() / 2
    }

    /// The median of what is remembered, zero of nothing.
    pub(super) fn median(&self) -> f64 {
        middle(&self.sorted)
    }

    /// Where the value is far, how far; deviations smaller than `least` count as that.
    ///
    /// Where all are above zero, it must be far among their logarithms, too: what is spread over
    /// orders of magnitude, as durations are, is far from its median all the time.
    pub(super) fn far(&self, value: f64, least: f64) -> Option<Distance> {
        if self.sorted.len() < MIN {
            return None;
        }
        if self.is_near(value) {
            return None;
        }
        let (median, mad) = spread(&self.sorted);
        let scale = scale(&self.sorted, median, mad).max(SMALL * median.abs()).max(least);
        let mut score = (value - median).abs() / scale;
        // Nothing is known of a series that was zero all the time.
        if scale == 0.0 || score < FAR {
            return None;
        }
        if value > 0.0 && self.sorted.first().is_some_and(|first| *first > 0.0) {
            let logs: Vec<f64> = self.sorted.iter().map(|value| value.ln()).collect();
            let (median, mad) = spread(&logs);
            let scale = self::scale(&logs, median, mad).max(SMALL);
            score = score.min((value.ln() - median).abs() / scale);
        }
        (score >= FAR).then_some(Distance { median, mad, score })
    }
}

/// The deviation of the values, of the mean where more than half of them are the same.
fn scale(sorted: &[f64], median: f64, mad: f64) -> f64 {
    if mad > 0.0 {
        return NORMAL * mad;
    }
    let sum: f64 = sorted.iter().map(|value| (value - median).abs()).sum();
    NORMAL_MEAN * sum / sorted.len() as f64
}

/// The median of some values in order, and the median of their distances from it.
fn spread(sorted: &[f64]) -> (f64, f64) {
    let median = middle(sorted);
    // The distances in order: outwards from the median on both sides.
    let split = sorted.partition_point(|value| *value < median);
    let (below, above) = sorted.split_at(split);
    let mut below = below.iter().rev().map(|value| median - value).peekable();
    let mut above = above.iter().map(|value| value - median).peekable();
    let wanted = sorted.len() / 2 + 1;
    let mut distances = Vec::with_capacity(wanted);
    while distances.len() < wanted {
        let next = match (below.peek(), above.peek()) {
            (Some(b), Some(a)) if b <= a => below.next(),
            (Some(_), None) => below.next(),
            _ => above.next(),
        };
        match next {
            Some(distance) => distances.push(distance),
            None => break,
        }
    }
    let last = distances.last().copied().unwrap_or(0.0);
    let before = distances.len().checked_sub(2).and_then(|at| distances.get(at)).copied();
    let even = sorted.len().is_multiple_of(2);
    (median, before.filter(|_| even).map_or(last, |before| f64::midpoint(before, last)))
}

/// The middle one of values in order, or the mean of the two.
fn middle(sorted: &[f64]) -> f64 {
    let half = sorted.len() / 2;
    match (sorted.get(half), half.checked_sub(1).and_then(|before| sorted.get(before))) {
        (Some(upper), Some(lower)) if sorted.len().is_multiple_of(2) => {
            f64::midpoint(*lower, *upper)
        }
        (Some(middle), _) => *middle,
        (None, _) => 0.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn window(values: impl IntoIterator<Item = f64>) -> Window {
        let mut window = Window::default();
        values.into_iter().for_each(|value| window.push(value));
        window
    }

    #[test]
    fn median_and_deviation_of_known_series() {
        for (values, expected) in [
            (vec![1.0], (1.0, 0.0)),
            (vec![1.0, 2.0], (1.5, 0.5)),
            (vec![1.0, 1.0, 2.0, 2.0, 4.0, 6.0, 9.0], (2.0, 1.0)),
            (vec![2.0, 3.0, 3.0, 5.0, 9.0, 10.0], (4.0, 1.5)),
        ] {
            assert_eq!(spread(&values), expected, "{values:?}");
        }
    }

    #[test]
    fn a_constant_series_may_change_a_little() {
        let constant = window([5.0; 40]);
        assert_eq!(constant.far(5.3, 0.0), None);
        assert!(constant.far(6.0, 0.0).is_some() && constant.far(4.0, 0.0).is_some());
        let zero = window([0.0; 40]);
        assert_eq!(zero.far(1e-9, 0.0), None);
        assert_eq!((zero.far(7.0, 1.0), zero.far(8.0, 1.0).map(|d| d.score)), (None, Some(8.0)));
        assert_eq!(window([1.0; MIN - 1]).far(1e9, 0.0), None, "too few");
    }

    proptest! {
        #[test]
        fn what_is_near_is_not_far(
            values in proptest::collection::vec(-5i32..5, 1..40), value in -100i32..100,
        ) {
            let window = window(values.into_iter().map(f64::from));
            let value = f64::from(value);
            if window.is_near(value) {
                let (median, mad) = spread(&window.sorted);
                prop_assert!((value - median).abs() < FAR * scale(&window.sorted, median, mad));
            }
        }

        #[test]
        fn the_window_is_the_newest_values(values in prop::collection::vec(-1e6f64..1e6, 1..300)) {
            let window = window(values.iter().copied());
            let mut newest = values[values.len().saturating_sub(LENGTH)..].to_vec();
            prop_assert_eq!(window.recent.iter().copied().collect::<Vec<_>>(), newest.clone());
            newest.sort_by(f64::total_cmp);
            prop_assert_eq!(&window.sorted, &newest);
            let (median, mad) = spread(&newest);
            let mut distances: Vec<f64> = newest.iter().map(|v| (v - median).abs()).collect();
            distances.sort_by(f64::total_cmp);
            let expected = middle(&distances);
            prop_assert!((mad - expected).abs() <= 1e-9 * expected.max(1.0));
        }
    }
}
