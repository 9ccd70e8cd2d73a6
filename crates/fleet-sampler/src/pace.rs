//! How far a process has come by its own account, and how long the rest takes.

use fleet_core::{ProcessRecord, Sample, State, Timestamp};
use serde::{Deserialize, Serialize};

use crate::numbers::millis;

/// What a process says of its progress, within one attempt.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Pace {
    attempt: u32,
    /// What was said first.
    first: Mark,
    /// What was said last.
    last: Mark,
}

/// So much was done at this time.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
struct Mark {
    /// Seconds since 1970.
    at: f64,
    /// 0 to 100.
    percent: f64,
}

/// A time as seconds since 1970.
pub(crate) fn seconds(ts: Timestamp) -> f64 {
    ts.nanos() as f64 / 1e9
}

/// Takes in what a process says now; another attempt begins anew.
pub(crate) fn take(pace: &mut Option<Pace>, attempt: u32, at: f64, percent: f64) {
    let said = Mark { at, percent: percent.clamp(0.0, 100.0) };
    match pace.as_mut().filter(|pace| pace.attempt == attempt) {
        Some(pace) if pace.last.at <= at => pace.last = said,
        Some(_) => {}
        None => *pace = Some(Pace { attempt, first: said, last: said }),
    }
}

impl Pace {
    /// Puts progress, and what it lets expect, into the sample of the process.
    pub(crate) fn tell(&self, sample: &mut Sample, record: &ProcessRecord) {
        if self.attempt != record.attempt {
            return;
        }
        sample.measures.progress_percent = Some(self.last.percent);
        if matches!(record.state, State::Running | State::Stopping) {
            sample.measures.eta_seconds = self.eta(record, seconds(sample.ts)).map(millis);
        }
    }

    /// The first attempt began with nothing done. A later one may go on from a checkpoint, so it
    /// is counted from what it said first.
    fn eta(&self, record: &ProcessRecord, now: f64) -> Option<f64> {
        let started = record.started_at.filter(|_| record.attempt == 1);
        let (from, paused) = match started {
            Some(at) => {
                let paused = record.paused_seconds.unwrap_or(0.0);
                (Mark { at: seconds(at), percent: 0.0 }, paused)
            }
            None => (self.first, 0.0),
        };
        let worked = self.last.at - from.at - paused;
        let done = self.last.percent - from.percent;
        if worked <= 0.0 || done <= 0.0 {
            return None;
        }
        let rest = (100.0 - self.last.percent) / done * worked;
        Some((rest - (now - self.last.at).max(0.0)).max(0.0))
    }
}
