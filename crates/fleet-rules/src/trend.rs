//! A straight line through the values of some time.

use std::fmt;
use std::time::Duration;

use fleet_core::duration_text;

use crate::window::percent_text;

/// A straight line through values.
#[derive(Clone, Debug, PartialEq)]
pub struct Trend {
    /// The value.
    pub field: String,
    /// The time of the values.
    pub over: Duration,
    /// What the line must do.
    pub course: Course,
    /// How well the values must lie on it: the share of their variance that it explains (R²),
    /// from 0 to 1.
    pub fit: f64,
}

/// What a line does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Course {
    /// It reaches a value.
    Reaches {
        /// Which.
        value: f64,
        /// In no longer than this from now.
        within: Duration,
    },
    /// It rises, over the time of the values, by more than this share of where it began.
    Rises(f64),
}

impl fmt::Display for Trend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let over = duration_text(self.over);
        match self.course {
            Course::Reaches { value, within } => {
                let within = duration_text(within);
                write!(
                    f,
                    "{} goes on as over {over} and reaches {value} within {within}",
                    self.field
                )?;
            }
            Course::Rises(share) => {
                write!(
                    f,
                    "{} rises steadily, by more than {} over {over}",
                    self.field,
                    percent_text(share)
                )?;
            }
        }
        if self.fit > 0.0 { write!(f, " (fit {})", self.fit) } else { Ok(()) }
    }
}
