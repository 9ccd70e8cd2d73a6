//! Where a series of values is going, told apart from noise.
//!
//! Whether it goes anywhere is asked of the test of Mann and Kendall: it counts of how many pairs
//! the later value is the higher one, and how unlikely that is where values come in no order. It
//! assumes nothing of how values are distributed, so that a single wild one changes little. How
//! far it goes is asked of the estimator of Theil and Sen, the median of the slopes of all pairs.
//!
//! - H. B. Mann, Nonparametric tests against trend, Econometrica 13 (1945)
//! - P. K. Sen, Estimates of the regression coefficient based on Kendall's tau, JASA 63 (1968)

use std::collections::VecDeque;

use fleet_core::{Direction, Trend, as_number};
use serde::{Deserialize, Serialize};

/// So many values are remembered.
pub(crate) const MOST: usize = 32;

/// With fewer values no order is unlikely enough: four that rise come about once in 24 times.
const LEAST: usize = 5;

/// A normally distributed figure is beyond this in one of 20 cases.
const SIGNIFICANT: f64 = 1.96;

/// What goes less far than this share of the typical value over all that is remembered stands
/// still, however steadily it creeps.
const STILL: f64 = 0.005;

/// Two readings of one value that are no further apart, in seconds, are one reading: the age of a
/// value is rounded.
const SAME: f64 = 0.05;

/// A value at a time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Point(
    /// Seconds since 1970.
    f64,
    #[serde(with = "as_number")] f64,
);

/// The newest values of one figure.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Trail {
    points: VecDeque<Point>,
}

impl Trail {
    /// Takes in a value of `at`, unless it is known already or older than what is known.
    pub(crate) fn take(&mut self, now: f64, at: f64, value: f64) {
        // The clock was set back: what was known lies in the future.
        if self.points.back().is_some_and(|last| last.0 > now + 1.0) {
            self.points.clear();
        }
        if let Some(last) = self.points.back() {
            let again = at <= last.0 + SAME && last.1.to_bits() == value.to_bits();
            if again || at < last.0 - SAME {
                return;
            }
        }
        if self.points.len() >= MOST {
            self.points.pop_front();
        }
        self.points.push_back(Point(at, value));
    }

    /// The newest value.
    pub(crate) fn last(&self) -> Option<f64> {
        self.points.back().map(|last| last.1)
    }

    /// Where the values are going; unknown while there are few. What is no number is passed over.
    pub(crate) fn trend(&self, direction: Direction) -> Option<Trend> {
        let points: Vec<Point> =
            self.points.iter().copied().filter(|point| point.1.is_finite()).collect();
        if points.len() < LEAST {
            return None;
        }
        let score = mann_kendall(&points);
        let (Some(first), Some(last)) = (points.first(), points.last()) else { return None };
        let change = theil_sen(&points)? * (last.0 - first.0);
        let typical = median(points.iter().map(|point| point.1.abs()).collect())?;
        if score.abs() < SIGNIFICANT || change.abs() <= STILL * typical {
            return Some(Trend::Stable);
        }
        let up = score > 0.0;
        Some(if up == (direction == Direction::Up) { Trend::Improving } else { Trend::Worsening })
    }
}

/// How many standard deviations the order of the values is from no order: above 0 they rise.
fn mann_kendall(points: &[Point]) -> f64 {
    let mut score = 0.0;
    for (at, later) in points.iter().enumerate() {
        for earlier in &points[..at] {
            score += sign(later.1 - earlier.1);
        }
    }
    let n = points.len() as f64;
    let variance = n * (n - 1.0) * (2.0 * n + 5.0) - ties(points);
    if variance <= 0.0 {
        // All values are the same.
        return 0.0;
    }
    // The correction for continuity: a sum of signs only takes whole values.
    (score - sign(score)) / (variance / 18.0).sqrt()
}

fn sign(value: f64) -> f64 {
    if value == 0.0 { 0.0 } else { value.signum() }
}

/// What values that occur several times take from the variance.
fn ties(points: &[Point]) -> f64 {
    let mut values: Vec<f64> = points.iter().map(|point| point.1).collect();
    values.sort_by(f64::total_cmp);
    let groups = values.chunk_by(|a, b| a == b).map(|group| group.len() as f64);
    groups.map(|t| t * (t - 1.0) * (2.0 * t + 5.0)).sum()
}

/// The median of the slopes of all pairs, a second; unknown where all values are of one time.
fn theil_sen(points: &[Point]) -> Option<f64> {
    let pairs = points.iter().enumerate().flat_map(|(at, later)| {
        points[..at].iter().map(move |earlier| (later.0 - earlier.0, later.1 - earlier.1))
    });
    median(pairs.filter(|(time, _)| *time > 0.0).map(|(time, value)| value / time).collect())
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let (low, high) =
        (values.get(values.len().checked_sub(1)? / 2)?, values.get(values.len() / 2)?);
    Some(low + (high - low) / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn trail(values: impl IntoIterator<Item = f64>) -> Trail {
        let mut trail = Trail::default();
        for (at, value) in values.into_iter().enumerate() {
            trail.take(1e6, at as f64, value);
        }
        trail
    }

    /// Between -0.5 and 0.5, without a pattern and the same each time.
    fn noise(step: u32) -> f64 {
        f64::from(step.wrapping_mul(2_654_435_761) >> 8) / f64::from(1u32 << 24) - 0.5
    }

    #[test]
    fn known_series_go_where_they_go() {
        use Trend::{Improving, Stable, Worsening};
        let falling = |n: u32| trail((0..n).map(|i| 1.0 - 0.02 * f64::from(i)));
        let noisy = |slope: f64| trail((0..30).map(|i| 10.0 + slope * f64::from(i) + noise(i)));
        let one_spike = trail((0..20).map(|i| if i == 19 { 1000.0 } else { 5.0 + noise(i) }));
        for (what, trail, expected) in [
            ("four values say nothing", falling(4), None),
            ("five that fall do", falling(5), Some(Improving)),
            ("a falling loss", falling(30), Some(Improving)),
            ("noise alone", noisy(0.0), Some(Stable)),
            ("a fall behind noise", noisy(-0.1), Some(Improving)),
            ("a rise behind noise", noisy(0.1), Some(Worsening)),
            ("all the same", trail([2.0; 20]), Some(Stable)),
            ("a single wild value", one_spike, Some(Stable)),
            (
                "a steady creep of nothing",
                trail((0..30).map(|i| 5.0 + 1e-6 * f64::from(i))),
                Some(Stable),
            ),
        ] {
            assert_eq!(trail.trend(Direction::Down), expected, "{what}");
        }
        assert_eq!(falling(30).trend(Direction::Up), Some(Worsening));
    }

    /// 1 to 5 in order: S = 10, variance 5 * 4 * 15 / 18, so (10 - 1) / 4.0825; the slope is 1.
    #[test]
    fn the_statistics_are_those_of_the_books() {
        let points = [1.0, 2.0, 3.0, 4.0, 5.0].map(|x| Point(x, x));
        assert!((mann_kendall(&points) - 2.204_54).abs() < 1e-5);
        assert_eq!(theil_sen(&points), Some(1.0));
        // Two pairs of ties: 66.667 less 2 * 2 * 1 * 9 / 18 of variance; S = 8 of the ten pairs.
        let tied = [1.0, 1.0, 2.0, 2.0, 3.0].map(|x| Point(x, x));
        assert!((mann_kendall(&tied) - 7.0 / (300.0f64 - 36.0).sqrt() * 18f64.sqrt()).abs() < 1e-9);
    }

    #[test]
    fn a_value_that_is_repeated_is_one_value() {
        let mut trail = Trail::default();
        for age in 0..100 {
            trail.take(1000.0 + f64::from(age), 1000.0 + 0.0004 * f64::from(age), 3.0);
        }
        assert_eq!(trail.points.len(), 1);
        trail.take(2000.0, 999.0, 4.0);
        assert_eq!(trail.last(), Some(3.0), "an older one is not the newest");
        trail.take(500.0, 500.0, 5.0);
        assert_eq!(trail.points.len(), 1, "the clock was set back by minutes");
        assert_eq!(trail.last(), Some(5.0));
    }

    #[test]
    fn what_is_no_number_is_remembered_and_goes_nowhere() {
        let mut trail = trail((0..10).map(|i| 1.0 - 0.05 * f64::from(i)));
        trail.take(1e6, 100.0, f64::NAN);
        assert!(trail.last().unwrap().is_nan());
        assert_eq!(trail.trend(Direction::Down), Some(Trend::Improving));
        let json = serde_json::to_string(&trail).unwrap();
        assert!(json.ends_with(r#",[100.0,"NaN"]]"#), "{json}");
        let back: Trail = serde_json::from_str(&json).unwrap();
        assert_eq!(serde_json::to_string(&back).unwrap(), json);
    }

    proptest! {
        #[test]
        fn memory_is_bounded_and_both_directions_are_opposite(
            values in prop::collection::vec(any::<f64>(), 0..100),
        ) {
            let trail = trail(values);
            prop_assert!(trail.points.len() <= MOST);
            let opposite = |trend| match trend {
                Trend::Improving => Trend::Worsening,
                Trend::Worsening => Trend::Improving,
                Trend::Stable => Trend::Stable,
            };
            prop_assert_eq!(
                trail.trend(Direction::Up),
                trail.trend(Direction::Down).map(opposite)
            );
        }
    }
}
