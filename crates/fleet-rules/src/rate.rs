//! How much a counter rose within a time.

use std::fmt;
use std::time::Duration;

use fleet_core::duration_text;

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
