//! What the records of some time must show together: one of five kinds.

use std::fmt;

use crate::change::Change;
use crate::plateau::Plateau;
use crate::rate::Rate;
use crate::stale::Stale;
use crate::trend::Trend;

/// A condition over more than one record.
#[derive(Clone, Debug, PartialEq)]
pub enum Window {
    /// How much a counter rose.
    Rate(Rate),
    /// A value against its average.
    Change(Change),
    /// No better value.
    Plateau(Plateau),
    /// The same value.
    Stale(Stale),
    /// A straight line through the values.
    Trend(Trend),
}

impl Window {
    /// The field that it is about.
    pub fn field(&self) -> &str {
        match self {
            Window::Rate(rate) => &rate.field,
            Window::Change(change) => &change.field,
            Window::Plateau(plateau) => &plateau.field,
            Window::Stale(stale) => &stale.field,
            Window::Trend(trend) => &trend.field,
        }
    }

    /// The field that counts its steps, if it counts any.
    pub fn step_field(&self) -> Option<&str> {
        let span = match self {
            Window::Plateau(plateau) => &plateau.span,
            Window::Stale(stale) => &stale.span,
            Window::Rate(_) | Window::Change(_) | Window::Trend(_) => return None,
        };
        span.step_field()
    }
}

impl fmt::Display for Window {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Window::Rate(rate) => rate.fmt(f),
            Window::Change(change) => change.fmt(f),
            Window::Plateau(plateau) => plateau.fmt(f),
            Window::Stale(stale) => stale.fmt(f),
            Window::Trend(trend) => trend.fmt(f),
        }
    }
}

/// A bound of a value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Bound {
    /// More than this.
    Above(f64),
    /// Less than this.
    Below(f64),
}

impl Bound {
    /// Whether the value lies beyond it; a NaN never does.
    pub fn is_passed(self, value: f64) -> bool {
        match self {
            Bound::Above(bound) => value > bound,
            Bound::Below(bound) => value < bound,
        }
    }
}

/// A share as people write it: 0.5 is `50%`.
pub(crate) fn percent_text(share: f64) -> String {
    // Two digits behind the point are enough, and hide what binary fractions are made of.
    let text = format!("{:.2}", share * 100.0);
    let text = text.trim_end_matches('0').trim_end_matches('.');
    format!("{text}%")
}

/// The share that a text as `50%` or `-12.5%` says.
pub(crate) fn percent(text: &str) -> Option<f64> {
    let number: f64 = text.strip_suffix('%')?.trim_end().parse().ok()?;
    number.is_finite().then_some(number / 100.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn percentages_are_read_and_written() {
        for (text, share) in [("50%", 0.5), ("-30%", -0.3), ("12.5 %", 0.125), ("0%", 0.0)] {
            assert_eq!(percent(text), Some(share), "{text}");
        }
        for text in ["50", "%", "inf%", "NaN%", "x%", ""] {
            assert_eq!(percent(text), None, "{text}");
        }
        assert_eq!((percent_text(0.5), percent_text(-0.125)), ("50%".into(), "-12.5%".into()));
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".{0,12}") {
            let _ = percent(&text);
        }

        #[test]
        fn a_whole_percentage_comes_back(number in -100_000i32..100_000) {
            let text = format!("{number}%");
            prop_assert_eq!(percent(&text).map(percent_text), Some(text));
        }
    }
}
