//! No better value for so many steps or for so long.

use std::fmt;

use fleet_core::Timestamp;
use serde::{Deserialize, Serialize};

use crate::compare::Verdict;
use crate::exact::{Exact, short};
use crate::span::{Mark, Span};

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

/// What is remembered of a value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Best {
    /// The best so far.
    value: Exact,
    /// Since when it is that.
    pub(crate) mark: Mark,
}

impl Best {
    /// Takes a value in and says whether it got no better for so long. A NaN is never better than
    /// anything; anything is better than a NaN.
    pub(crate) fn note(
        memory: &mut Option<Best>,
        plateau: &Plateau,
        value: f64,
        step: Option<f64>,
        at: Timestamp,
    ) -> Verdict {
        let fresh = || Best { value: Exact(value), mark: Mark::new(step, at) };
        let Some(best) = memory else {
            *memory = Some(fresh());
            return Verdict::No;
        };
        if !best.mark.count(step) {
            *best = fresh();
        } else if plateau.is_better(value, best.value.0) {
            best.value = Exact(value);
            best.mark.begin(at);
        }
        best.mark.lasts(&plateau.span, at).into()
    }

    /// What it shows, for people.
    pub(crate) fn text(&self, plateau: &Plateau, at: Timestamp) -> String {
        let word = match plateau.direction {
            Direction::Down => "lower",
            Direction::Up => "higher",
        };
        let (best, long) = (short(self.value.0), self.mark.text(&plateau.span, at));
        format!("{} got no {word} than {best} for {long}", plateau.field)
    }
}

impl Plateau {
    fn is_better(&self, value: f64, best: f64) -> bool {
        if best.is_nan() {
            return !value.is_nan();
        }
        match self.direction {
            Direction::Down => value < best - self.min_delta,
            Direction::Up => value > best + self.min_delta,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_nanos((1_800_000_000 + seconds) * 1_000_000_000)
    }

    /// Whether it holds after each of these steps and values, one a second.
    fn story(plateau: &Plateau, values: &[(Option<f64>, f64)]) -> Vec<bool> {
        let mut memory = None;
        let said = values.iter().enumerate().map(|(second, (step, value))| {
            Best::note(&mut memory, plateau, *value, *step, at(second as i64)) == Verdict::Yes
        });
        said.collect()
    }

    fn plateau(span: Span, min_delta: f64, direction: Direction) -> Plateau {
        Plateau { field: "loss".to_owned(), span, min_delta, direction }
    }

    fn steps(steps: u64) -> Span {
        Span::Steps { steps, field: "step".to_owned() }
    }

    #[test]
    fn the_table() {
        let down = plateau(steps(100), 0.0, Direction::Down);
        let (nan, inf) = (f64::NAN, f64::INFINITY);
        type Case<'c> = (&'c str, &'c Plateau, &'c [(Option<f64>, f64)], &'c [bool]);
        let cases: [Case<'_>; 8] = [
            (
                "so many steps without a better value",
                &down,
                &[(Some(0.0), 1.0), (Some(99.0), 1.0), (Some(100.0), 1.0), (Some(101.0), 0.9)],
                &[false, false, true, false],
            ),
            (
                "a NaN is no better, whatever comes",
                &down,
                &[(Some(0.0), 1.0), (Some(50.0), nan), (Some(100.0), nan), (Some(120.0), inf)],
                &[false, false, true, true],
            ),
            (
                "anything is better than a NaN",
                &down,
                &[(Some(0.0), nan), (Some(100.0), nan), (Some(101.0), 5.0), (Some(200.0), 5.0)],
                &[false, true, false, false],
            ),
            (
                "records without steps are counted",
                &plateau(steps(2), 0.0, Direction::Down),
                &[(None, 1.0), (None, 1.0), (None, 2.0), (None, 0.5)],
                &[false, false, true, false],
            ),
            (
                "too little better is no better, and adds up",
                &plateau(steps(2), 0.1, Direction::Down),
                &[(None, 1.0), (None, 0.95), (None, 0.91), (None, 0.89)],
                &[false, false, true, false],
            ),
            (
                "more is better",
                &plateau(steps(2), 0.0, Direction::Up),
                &[(None, 0.5), (None, 0.6), (None, 0.6), (None, 0.5), (None, 0.7)],
                &[false, false, false, true, false],
            ),
            (
                "steps that go back begin anew; late ones do not",
                &down,
                &[(Some(500.0), 1.0), (Some(700.0), 2.0), (Some(699.0), 2.0), (Some(0.0), 9.0)],
                &[false, true, true, false],
            ),
            (
                "a time",
                &plateau(Span::Time(Duration::from_secs(2)), 0.0, Direction::Down),
                &[(None, 1.0), (None, 1.0), (None, 1.0), (None, 0.5)],
                &[false, false, true, false],
            ),
        ];
        for (name, plateau, values, said) in cases {
            assert_eq!(story(plateau, values), said, "{name}");
        }
    }
}
