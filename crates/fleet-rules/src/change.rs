//! A value against its average over the time before.

use std::fmt;
use std::time::Duration;

use fleet_core::duration_text;

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
