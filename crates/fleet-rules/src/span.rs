//! How long something must last: so many steps, or so long.

use std::fmt;
use std::time::Duration;

use fleet_core::{Timestamp, duration_text};
use serde::{Deserialize, Serialize};

use crate::exact::{Exact, short};

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

/// Since when something lasts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Mark {
    /// The step at which it began.
    began: Exact,
    /// The newest step.
    newest: Exact,
    /// When it began.
    pub(crate) since: Timestamp,
}

impl Mark {
    /// Something that begins with this record.
    pub(crate) fn new(step: Option<f64>, at: Timestamp) -> Mark {
        let step = Exact(step.filter(|step| step.is_finite()).unwrap_or_default());
        Mark { began: step, newest: step, since: at }
    }

    /// Counts a record. It is `false` where the steps went back behind the beginning: whatever
    /// counts them was started anew.
    pub(crate) fn count(&mut self, step: Option<f64>) -> bool {
        let step = step.filter(|step| step.is_finite()).unwrap_or(self.newest.0 + 1.0);
        self.newest.0 = self.newest.0.max(step);
        step >= self.began.0
    }

    /// Begins with the newest record.
    pub(crate) fn begin(&mut self, at: Timestamp) {
        self.began = self.newest;
        self.since = at;
    }

    /// Whether it lasts for so long.
    pub(crate) fn lasts(&self, span: &Span, at: Timestamp) -> bool {
        match span {
            Span::Steps { steps, .. } => self.newest.0 - self.began.0 >= *steps as f64,
            Span::Time(time) => self.since.plus(*time) <= at,
        }
    }

    /// How long it lasts, for people.
    pub(crate) fn text(&self, span: &Span, at: Timestamp) -> String {
        match span {
            Span::Steps { field, .. } => {
                let steps = short(self.newest.0 - self.began.0);
                if field == "step" {
                    format!("{steps} steps")
                } else {
                    format!("{steps} steps of {field}")
                }
            }
            Span::Time(_) => duration_text(self.since.until(at)),
        }
    }

    /// The same on a clock that was set by so many nanoseconds.
    pub(crate) fn shift(&mut self, by: i64) {
        self.since = Timestamp::from_nanos(self.since.nanos().saturating_add(by));
    }
}
