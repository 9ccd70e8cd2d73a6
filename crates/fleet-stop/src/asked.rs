//! Asking a shim, and waiting for what it says.

use std::thread;
use std::time::{Duration, Instant};

use fleet_census::{AFTER_GRACE, Seen, ask, grace, holds_lock, signal_shim};
use fleet_core::{Observed, ProcessRecord, Signal, State, StopRequest};
use fleet_os::PidFd;
use fleet_registry::{Home, read_record};

use crate::args::Args;
use crate::direct;

/// How the stop is to go.
pub(crate) struct How {
    pub(crate) by: String,
    pub(crate) grace: Option<Duration>,
    pub(crate) signal: Option<Signal>,
}

impl How {
    pub(crate) fn new(args: &Args) -> How {
        let by = fleet_os::this_user();
        How {
            by: format!("{by}:{} (fleet-stop)", std::process::id()),
            grace: if args.force { Some(Duration::ZERO) } else { args.grace },
            signal: if args.force { Some(Signal::KILL) } else { args.signal },
        }
    }
}

/// One process that is to stop.
pub(crate) struct Target {
    seen: Seen,
    since: Instant,
    limit: Duration,
}

impl Target {
    /// Asks its shim, if it has one; what has ended is asked nothing.
    pub(crate) fn ask(home: &Home, seen: Seen, how: &How) -> Target {
        let grace = how.grace.unwrap_or_else(|| grace(home, &seen.record));
        if seen.observed.is_living() {
            let request = StopRequest {
                by: how.by.clone(),
                grace_seconds: how.grace.map(|d| d.as_secs_f64()),
                signal: how.signal,
            };
            ask(home, &seen.record, Signal::TERM, &request);
        }
        Target { seen, since: Instant::now(), limit: grace + AFTER_GRACE }
    }

    /// What is known of it.
    pub(crate) fn record(&self) -> &ProcessRecord {
        &self.seen.record
    }

    /// Waits until it is over.
    pub(crate) fn wait(&mut self, home: &Home, how: &How) -> Result<ProcessRecord, String> {
        if !self.seen.observed.is_living() {
            return Ok((*self.seen.record).clone());
        }
        if let Observed::Orphaned(_) = self.seen.observed {
            return direct::stop(home, &self.seen.record, how);
        }
        let dir = home.run_of(&self.seen.record.key());
        let mut asked = self.seen.record.shim;
        loop {
            let supervised = holds_lock(&dir);
            if let Ok(record) = read_record(&dir) {
                if record.state.has_ended() {
                    return Ok(record);
                }
                // A shim that took over after the request may not have seen it.
                let seen = record.state == State::Stopping && !dir.stop_request().exists();
                if record.shim != asked && !seen {
                    signal_shim(&record, Signal::TERM);
                }
                asked = record.shim;
                *self.seen.record = record;
            }
            if !dir.path().exists() {
                if let Some(over) = self.look_without_folder(home, how) {
                    return over;
                }
            } else if !supervised {
                return direct::stop(home, &self.seen.record, how);
            }
            if self.since.elapsed() > self.limit {
                return Err(self.why_not());
            }
            self.sleep();
        }
    }

    /// Somebody removed the folder of the run. Its shim, which holds all that it needs, ends the
    /// process as it was asked to and tells the registry alone. Nothing, while that goes on.
    fn look_without_folder(
        &mut self,
        home: &Home,
        how: &How,
    ) -> Option<Result<ProcessRecord, String>> {
        let shim = self.seen.record.shim;
        let held = shim.and_then(|shim| PidFd::of(shim.who).ok().flatten());
        if held.is_some_and(|shim| !shim.has_exited()) {
            return None;
        }
        let key = self.seen.record.key();
        let entries = fleet_registry::replay(home).map(|replay| replay.entries).unwrap_or_default();
        match entries.into_iter().map(|e| e.record).find(|record| record.key() == key) {
            Some(newest) if newest.state.has_ended() => Some(Ok(*newest)),
            Some(newest) if newest.shim != shim => {
                signal_shim(&newest, Signal::TERM);
                self.seen.record = newest;
                None
            }
            _ => Some(direct::stop(home, &self.seen.record, how)),
        }
    }

    fn why_not(&self) -> String {
        match &self.seen.record.stop {
            Some(stop) if !stop.unkillable.is_empty() => {
                format!("unkillable (pid and state): {}", stop.unkillable.join(", "))
            }
            _ => format!("its shim has not answered for {:?}", self.limit),
        }
    }

    /// Until the shim is gone or a moment is over.
    fn sleep(&self) {
        let shim = self.seen.record.shim.map(|shim| shim.who);
        match shim.and_then(|who| PidFd::of(who).ok().flatten()) {
            Some(shim) => shim.wait(Duration::from_millis(100)),
            None => thread::sleep(Duration::from_millis(5)),
        }
    }
}
