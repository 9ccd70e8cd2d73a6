//! How long something must last: so many steps, or so long.

use std::fmt;
use std::time::Duration;

use fleet_core::duration_text;

/// How long something must last.
#[derive(Clone, Debug, PartialEq)]
pub enum Span {
    /// So many steps.
    Steps {
        /// How many.
        steps: u64,
        /// The field that counts them. A record without it is one step more than the one before.
        field: String,
    },
    /// So long, by the records' own clock.
    Time(Duration),
}

impl Span {
    /// The field that counts the steps.
    pub fn step_field(&self) -> Option<&str> {
        match self {
            Span::Steps { field, .. } => Some(field),
            Span::Time(_) => None,
        }
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Span::Steps { steps, field } if field == "step" => write!(f, "{steps} steps"),
            Span::Steps { steps, field } => write!(f, "{steps} steps of {field}"),
            Span::Time(time) => f.write_str(&duration_text(*time)),
        }
    }
}
