//! What is unlike what the same process said before.

mod window;

use std::collections::HashMap;

use fleet_core::{number_value, value_number};
use fleet_logline::{Fields, Level};
use serde::Serialize;
use serde_json::Value;

use window::Window;

/// So many fields of a process are watched, those that came first.
const MAX_FIELDS: usize = 32;

/// So many categories of a process are counted.
const MAX_RATES: usize = 32;

/// Lines are counted in so many nanoseconds: ten seconds.
const RATE_NANOS: i64 = 10_000_000_000;

/// Pauses are not told apart by less, in seconds.
const LEAST_PAUSE: f64 = 0.01;

/// Numbers that name something, or count on and on.
const NAMES: [&str; 24] = [
    "attempt",
    "code",
    "day",
    "epoch",
    "gid",
    "id",
    "line",
    "lineno",
    "node",
    "pid",
    "port",
    "ppid",
    "rank",
    "run",
    "seed",
    "seq",
    "status",
    "step",
    "tid",
    "time",
    "timestamp",
    "ts",
    "uid",
    "version",
];

/// Something far outside of what it was before.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Anomaly {
    /// The field; `lines.error` for lines of a level or category in ten seconds;
    /// `seconds_between_lines` for the pause before the line.
    pub field: String,
    /// Its value.
    pub value: Value,
    /// The median of the values before it; absent for what is no number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub median: Option<f64>,
    /// The median of their distances from the median.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mad: Option<f64>,
    /// How many deviations the value is away.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<f64>,
}

/// A line, as far as it is compared with those before it.
#[derive(Clone, Copy, Debug)]
pub struct Happened<'a> {
    /// Nanoseconds since 1970.
    pub stamp_nanos: i64,
    /// How grave it is.
    pub level: Option<Level>,
    /// What sort of thing it is.
    pub category: Option<&'a str>,
    /// What it says by name.
    pub fields: &'a Fields,
}

/// Compares the lines of one process with those before them.
#[derive(Clone, Debug, Default)]
pub struct Detector {
    fields: HashMap<String, Window>,
    rates: Rates,
    pauses: Option<Pauses>,
}

#[derive(Clone, Debug, Default)]
struct Pauses {
    last: Option<i64>,
    window: Window,
}

#[derive(Clone, Debug, Default)]
struct Rates {
    /// The interval of the first line.
    first: Option<i64>,
    all: HashMap<String, Rate>,
}

/// Lines of one sort, counted.
#[derive(Clone, Debug)]
struct Rate {
    interval: i64,
    count: u32,
    window: Window,
    /// That they are many in this interval.
    told: bool,
}

impl Detector {
    /// A detector that compares the pauses between lines, too: for lines that were chosen, so that
    /// a pause between them means something.
    pub fn with_pauses() -> Detector {
        Detector { pauses: Some(Pauses::default()), ..Detector::default() }
    }

    /// Takes the next line; what is the most unlike in it, if anything is.
    pub fn take(&mut self, line: Happened<'_>) -> Option<Anomaly> {
        let mut found: Option<Anomaly> = None;
        let mut offer = |anomaly: Anomaly| {
            let score = |a: &Anomaly| a.score.unwrap_or(f64::INFINITY);
            if found.as_ref().is_none_or(|known| score(&anomaly) > score(known)) {
                found = Some(anomaly);
            }
        };
        for (name, value) in line.fields {
            value_number(value).and_then(|v| self.number(name, v)).into_iter().for_each(&mut offer);
        }
        let level = line.level.map_or("unknown", Level::word);
        for sort in [Some(level), line.category].into_iter().flatten() {
            self.rates.line(sort, line.stamp_nanos).into_iter().for_each(&mut offer);
        }
        let pauses = self.pauses.as_mut();
        pauses.and_then(|p| p.line(line.stamp_nanos)).into_iter().for_each(&mut offer);
        found
    }

    fn number(&mut self, name: &str, value: f64) -> Option<Anomaly> {
        if NAMES.contains(&name) {
            return None;
        }
        if !value.is_finite() {
            let field = name.to_owned();
            let value = number_value(value);
            return Some(Anomaly { field, value, median: None, mad: None, score: None });
        }
        if !self.fields.contains_key(name) {
            if self.fields.len() >= MAX_FIELDS {
                return None;
            }
            self.fields.insert(name.to_owned(), Window::default());
        }
        let window = self.fields.get_mut(name)?;
        let found = far(window, value, 0.0, || name.to_owned());
        window.push(value);
        found
    }
}

fn far(window: &Window, value: f64, least: f64, field: impl Fn() -> String) -> Option<Anomaly> {
    window.far(value, least).map(|distance| Anomaly {
        field: field(),
        value: number_value(value),
        median: Some(distance.median),
        mad: Some(distance.mad),
        score: Some((distance.score * 10.0).round() / 10.0),
    })
}

impl Pauses {
    fn line(&mut self, stamp: i64) -> Option<Anomaly> {
        let last = self.last.replace(stamp)?;
        // A clock that was set back says nothing of a pause.
        let pause = stamp.checked_sub(last).filter(|nanos| *nanos >= 0)? as f64 / 1e9;
        let found = far(&self.window, pause, LEAST_PAUSE, || "seconds_between_lines".to_owned());
        self.window.push(pause);
        found
    }
}

impl Rates {
    fn line(&mut self, sort: &str, stamp: i64) -> Option<Anomaly> {
        let now = stamp.div_euclid(RATE_NANOS);
        let first = *self.first.get_or_insert(now);
        if !self.all.contains_key(sort) {
            if self.all.len() >= MAX_RATES {
                return None;
            }
            // Until now there was none of them.
            self.all.insert(sort.to_owned(), Rate::new(first.min(now)));
        }
        let rate = self.all.get_mut(sort)?;
        rate.move_to(now);
        rate.count += 1;
        let count = f64::from(rate.count);
        let median = rate.window.median();
        // What comes by chance varies by the root of how many there are.
        let least = median.sqrt().max(1.0);
        if rate.told || count - median < window::FAR * least {
            return None;
        }
        let found = far(&rate.window, count, least, || format!("lines.{sort}"));
        rate.told = found.is_some();
        found
    }
}

impl Rate {
    fn new(interval: i64) -> Rate {
        Rate { interval, count: 0, window: Window::default(), told: false }
    }

    /// Closes the intervals before this one; those without a line count, too.
    fn move_to(&mut self, now: i64) {
        let passed = now.saturating_sub(self.interval);
        if passed <= 0 {
            return;
        }
        self.window.push(f64::from(std::mem::take(&mut self.count)));
        for _ in 1..passed.min(window::LENGTH as i64 + 1) {
            self.window.push(0.0);
        }
        (self.interval, self.told) = (now, false);
    }
}

#[cfg(test)]
mod tests;
