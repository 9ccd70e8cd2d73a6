//! The same value for so many steps or for so long.

use std::fmt;

use crate::span::Span;

/// A value that stays the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Stale {
    /// The value: a number, a text, true or false.
    pub field: String,
    /// For how long it must stay the same.
    pub span: Span,
}

impl fmt::Display for Stale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} stays the same for {}", self.field, self.span)
    }
}
