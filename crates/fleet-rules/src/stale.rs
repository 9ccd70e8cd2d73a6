//! The same value for so many steps or for so long.

use std::fmt;

use fleet_core::Timestamp;
use serde::{Deserialize, Serialize};

use crate::alert::fingerprint;
use crate::compare::Verdict;
use crate::span::{Mark, Span};

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

/// Longest value that is remembered as it is, in bytes; of a longer one a hash.
const LONGEST: usize = 64;

/// What is remembered of a value.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Same {
    /// The value, as a text.
    value: String,
    /// Since when it is that.
    pub(crate) mark: Mark,
}

impl Same {
    /// Takes a value in and says whether it stayed the same for so long; a value that comes late
    /// says nothing.
    pub(crate) fn note(
        memory: &mut Option<Same>,
        stale: &Stale,
        value: &str,
        step: Option<f64>,
        at: Timestamp,
    ) -> Verdict {
        let value = bounded(value);
        let Some(same) = memory else {
            *memory = Some(Same { value, mark: Mark::new(step, at) });
            return Verdict::No;
        };
        if !same.mark.count(step) {
            *same = Same { value, mark: Mark::new(step, at) };
        } else if same.value != value {
            same.value = value;
            same.mark.begin(at);
        }
        same.mark.lasts(&stale.span, at).into()
    }

    /// Since when the rule holds or will hold if nothing comes, where that is a matter of time.
    pub(crate) fn due(&self, stale: &Stale) -> Option<Timestamp> {
        match stale.span {
            Span::Time(time) => Some(self.mark.since.plus(time)),
            Span::Steps { .. } => None,
        }
    }

    /// What it shows, for people.
    pub(crate) fn text(&self, stale: &Stale, at: Timestamp) -> String {
        format!("{} stays {} for {}", stale.field, self.value, self.mark.text(&stale.span, at))
    }
}

fn bounded(value: &str) -> String {
    if value.len() <= LONGEST {
        return value.to_owned();
    }
    format!("a value of {} bytes ({})", value.len(), fingerprint(value, std::iter::empty()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_nanos((1_800_000_000 + seconds) * 1_000_000_000)
    }

    fn story(span: Span, values: &[(i64, Option<f64>, &str)]) -> Vec<bool> {
        let stale = Stale { field: "champion".to_owned(), span };
        let mut memory = None;
        let said = values.iter().map(|(second, step, value)| {
            Same::note(&mut memory, &stale, value, *step, at(*second)) == Verdict::Yes
        });
        said.collect()
    }

    #[test]
    fn the_table() {
        let steps = |steps| Span::Steps { steps, field: "generation".to_owned() };
        let (long, other) = ("x".repeat(100), "y".repeat(100));
        type Case<'c> = (&'c str, Span, &'c [(i64, Option<f64>, &'c str)], &'c [bool]);
        let cases: [Case<'_>; 5] = [
            (
                "so many generations",
                steps(20),
                &[
                    (0, Some(1.0), "a"),
                    (1, Some(20.0), "a"),
                    (2, Some(21.0), "a"),
                    (3, Some(22.0), "b"),
                ],
                &[false, false, true, false],
            ),
            (
                "records are counted where none is said",
                steps(2),
                &[(0, None, "a"), (1, None, "a"), (2, None, "a"), (3, None, "b"), (4, None, "b")],
                &[false, false, true, false, false],
            ),
            (
                "so long",
                Span::Time(Duration::from_secs(30)),
                &[(0, None, "1"), (29, None, "1"), (30, None, "1"), (31, None, "2")],
                &[false, false, true, false],
            ),
            (
                "steps that go back begin anew",
                steps(5),
                &[
                    (0, Some(50.0), "a"),
                    (1, Some(60.0), "a"),
                    (2, Some(1.0), "a"),
                    (3, Some(5.0), "a"),
                ],
                &[false, true, false, false],
            ),
            (
                "long values are told apart",
                steps(1),
                &[(0, None, &long), (1, None, &other), (2, None, &other)],
                &[false, false, true],
            ),
        ];
        for (name, span, values, said) in cases {
            assert_eq!(story(span, values), said, "{name}");
        }
    }
}
