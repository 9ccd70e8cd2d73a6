//! No better value for so many steps or for so long.

use std::fmt;

use crate::span::Span;

/// A value that gets no better.
#[derive(Clone, Debug, PartialEq)]
pub struct Plateau {
    /// The value.
    pub field: String,
    /// For how long it must get no better.
    pub span: Span,
    /// What is better by no more than this is no better.
    pub min_delta: f64,
    /// Where better is.
    pub direction: Direction,
}

/// Where better is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// Less is better, as with a loss.
    Down,
    /// More is better, as with an accuracy.
    Up,
}

impl fmt::Display for Plateau {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let word = match self.direction {
            Direction::Down => "lower",
            Direction::Up => "higher",
        };
        write!(f, "{} gets no {word} for {}", self.field, self.span)?;
        if self.min_delta > 0.0 {
            write!(f, ", by more than {}", self.min_delta)?;
        }
        Ok(())
    }
}
