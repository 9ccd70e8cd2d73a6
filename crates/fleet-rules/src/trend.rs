//! A straight line through the values of some time.

use std::fmt;
use std::time::Duration;

use fleet_core::{Timestamp, duration_text};
use serde::{Deserialize, Serialize};

use crate::buckets::{Buckets, Point};
use crate::compare::Verdict;
use crate::exact::{Exact, short};
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

/// What is remembered of a value.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Values {
    values: Buckets,
    newest: Exact,
}

/// A straight line through points, by weighted least squares.
#[derive(Clone, Copy, Debug)]
struct Line {
    /// Rise in a second.
    slope: f64,
    /// Where it is at the first point.
    start: f64,
    /// Seconds from the first point to the last.
    length: f64,
    /// The share of the variance that it explains.
    fit: f64,
}

impl Values {
    /// Takes a value in and says whether the line does what it must. Nothing can be told before
    /// there are values of the whole time; what is no finite number is passed over.
    pub(crate) fn note(
        &mut self,
        trend: &Trend,
        value: f64,
        at: Timestamp,
        late: bool,
    ) -> Option<Verdict> {
        if !value.is_finite() {
            return None;
        }
        self.values.note(value, at, trend.over);
        if late {
            return None;
        }
        self.newest = Exact(value);
        if !self.values.span(at, trend.over) {
            return Some(Verdict::Unknown);
        }
        let line = Line::through(&self.values.points(trend.over));
        Some(line.map_or(Verdict::Unknown, |line| self.does(trend, line).into()))
    }

    fn does(&self, trend: &Trend, line: Line) -> bool {
        let rise = line.slope * line.length;
        line.fit >= trend.fit
            && match trend.course {
                Course::Reaches { value, within } => {
                    line.reaches(self.newest.0, value, within.as_secs_f64())
                }
                Course::Rises(share) => rise > share * line.start.abs(),
            }
    }

    /// What it shows, for people.
    pub(crate) fn text(&self, trend: &Trend) -> String {
        let (name, over) = (&trend.field, duration_text(trend.over));
        let newest = short(self.newest.0);
        let Some(line) = Line::through(&self.values.points(trend.over)) else {
            return format!("{name} is {newest}");
        };
        let moved = format!("{name} is {newest}, {} over {over}", moves(line.slope * line.length));
        match trend.course {
            Course::Reaches { value, .. } => {
                let seconds = (value - self.newest.0) / line.slope;
                let left = Duration::try_from_secs_f64(seconds).map(duration_text);
                let left = left.map_or(String::new(), |left| format!(" in {left}"));
                format!("{moved}, reaches {}{left}", short(value))
            }
            Course::Rises(_) => format!("{moved} (fit {})", short(line.fit)),
        }
    }

    /// The same on a clock that was set by so many nanoseconds.
    pub(crate) fn shift(&mut self, by: i64, trend: &Trend) {
        self.values.shift(by, trend.over);
    }
}

fn moves(by: f64) -> String {
    if by < 0.0 { format!("fell by {}", short(-by)) } else { format!("rose by {}", short(by)) }
}

impl Line {
    /// None through fewer than three points, or through what is too large to reckon with.
    fn through(points: &[Point]) -> Option<Line> {
        let [first, _, .., last] = points else { return None };
        let total: f64 = points.iter().map(|p| p.weight).sum();
        let mean =
            |of: fn(&Point) -> f64| points.iter().map(|p| p.weight * of(p)).sum::<f64>() / total;
        let (x, y) = (mean(|p| p.seconds), mean(|p| p.value));
        let product =
            |of: &dyn Fn(&Point) -> f64| points.iter().map(|p| p.weight * of(p)).sum::<f64>();
        let xx = product(&|p| (p.seconds - x).powi(2));
        let xy = product(&|p| (p.seconds - x) * (p.value - y));
        let yy = product(&|p| (p.value - y).powi(2));
        let slope = xy / xx;
        let fit = if yy == 0.0 { 1.0 } else { slope * xy / yy };
        let start = y + slope * (first.seconds - x);
        let line = Line { slope, start, length: last.seconds - first.seconds, fit };
        (points.len() > 2 && (slope + fit + start).is_finite()).then_some(line)
    }

    /// Whether a value that moves on so will be at `goal` in so many seconds, or went past it
    /// within the points.
    fn reaches(&self, now: f64, goal: f64, within: f64) -> bool {
        let went_past = (self.start - goal) * (now - goal) <= 0.0;
        let seconds = (goal - now) / self.slope;
        now == goal || self.slope != 0.0 && (went_past || (0.0..=within).contains(&seconds))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_nanos((1_800_000_000 + seconds) * 1_000_000_000)
    }

    const MINUTE: Duration = Duration::from_secs(60);

    /// What is said at last of a value a second.
    fn said(course: Course, fit: f64, value: impl Fn(i64) -> f64, seconds: i64) -> Verdict {
        let trend = Trend { field: "x".to_owned(), over: MINUTE, course, fit };
        let mut values = Values::default();
        let all = (0..=seconds).map(|s| values.note(&trend, value(s), at(s), false));
        all.flatten().last().unwrap()
    }

    #[test]
    fn what_a_line_reaches() {
        let goal = |value| Course::Reaches { value, within: MINUTE };
        let falls = |s: i64| 1000.0 - 10.0 * s as f64;
        assert_eq!(said(goal(0.0), 0.0, falls, 30), Verdict::Unknown, "too early");
        assert_eq!(said(goal(-1000.0), 0.0, falls, 60), Verdict::No, "in 140 seconds");
        assert_eq!(said(goal(-190.0), 0.0, falls, 60), Verdict::Yes, "in 59 seconds");
        assert_eq!(said(goal(450.0), 0.0, falls, 60), Verdict::Yes, "went past it");
        assert_eq!(said(goal(2000.0), 0.0, falls, 60), Verdict::No, "goes away from it");
        assert_eq!(said(goal(5.0), 0.0, |_| 5.0, 60), Verdict::Yes, "is there");
        assert_eq!(said(goal(0.0), 0.0, |_| 5.0, 60), Verdict::No, "stands still");
        let nan = |s: i64| if s % 2 == 0 { falls(s) } else { f64::NAN };
        assert_eq!(said(goal(-190.0), 0.9, nan, 60), Verdict::Yes, "a NaN poisons nothing");
    }

    #[test]
    fn steady_growth_is_not_noise() {
        let grows = |s: i64| 100.0 + s as f64;
        assert_eq!(said(Course::Rises(0.5), 0.9, grows, 60), Verdict::Yes);
        assert_eq!(said(Course::Rises(0.7), 0.9, grows, 60), Verdict::No, "too little");
        let jumps = |s: i64| if s == 60 { 1000.0 } else { 100.0 };
        assert_eq!(said(Course::Rises(0.2), 0.9, jumps, 60), Verdict::No, "one jump");
        let saw = |s: i64| 100.0 + (s % 20) as f64 * 5.0;
        assert_eq!(said(Course::Rises(0.05), 0.9, saw, 60), Verdict::No, "up and down");
        assert_eq!(said(Course::Rises(0.05), 0.9, |s| -grows(s), 60), Verdict::No, "falls");
    }
}
