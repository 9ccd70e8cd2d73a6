//! Restarting: the shim is asked, and its new attempt waited for.

use std::time::{Duration, Instant};

use fleet_census::{AFTER_GRACE, ask, grace, signal_shim};
use fleet_core::{ProcessRecord, Shim, Signal, State, StopRequest, duration_text};
use fleet_registry::Home;

use crate::target::{Target, wait};

/// How the restarts are to go.
pub(crate) struct Restart {
    request: StopRequest,
    grace: Option<Duration>,
}

/// What was asked of one.
struct Asked {
    attempt: u32,
    shim: Option<Shim>,
}

impl Restart {
    pub(crate) fn new(grace: Option<Duration>) -> Restart {
        let by = format!("{}:{} (fleet-signal)", fleet_os::this_user(), std::process::id());
        let grace_seconds = grace.map(|grace| grace.as_secs_f64());
        Restart { request: StopRequest { by, grace_seconds, signal: None }, grace }
    }

    /// Asks all, then waits until the new attempt of each runs or has failed.
    pub(crate) fn run(&self, home: &Home, targets: &mut [Target]) {
        let mut asked: Vec<Option<Asked>> = Vec::new();
        let mut limit = Duration::ZERO;
        for target in targets.iter_mut() {
            target.refusal = cannot_restart(&target.record).map(Target::no);
            asked.push(target.refusal.is_none().then(|| self.ask(home, &target.record)));
            if target.refusal.is_none() {
                let grace = self.grace.unwrap_or_else(|| grace(home, &target.record));
                limit = limit.max(grace.saturating_add(AFTER_GRACE));
            }
        }
        let pending: Vec<usize> = (0..targets.len()).filter(|&at| asked[at].is_some()).collect();
        let deadline = Instant::now().checked_add(limit).unwrap_or_else(Instant::now);
        let settled = |at: usize, record: &ProcessRecord| {
            let Some(asked) = &mut asked[at] else { return true };
            if record.shim != asked.shim {
                asked.shim = record.shim;
                // A shim that took over after the request may not have seen it.
                if home.run_of(&record.key()).stop_request().exists() {
                    signal_shim(record, Signal::HUP);
                }
            }
            record.state.has_ended()
                || record.attempt > asked.attempt && record.state != State::Starting
        };
        let late = |_: &ProcessRecord| {
            format!("has not been started again within {}", duration_text(limit))
        };
        let before: Vec<u32> = targets.iter().map(|target| target.record.attempt).collect();
        wait(home, targets, &pending, deadline, settled, late);
        for at in pending {
            let target = &mut targets[at];
            if target.refusal.is_none() {
                target.refusal = failure(&target.record, before[at]).map(Target::no);
            }
        }
    }

    fn ask(&self, home: &Home, record: &ProcessRecord) -> Asked {
        ask(home, record, Signal::HUP, &self.request);
        Asked { attempt: record.attempt, shim: record.shim }
    }
}

fn cannot_restart(record: &ProcessRecord) -> Option<String> {
    match record.state {
        State::Queued => Some("waits for its turn and has not started".to_owned()),
        ended if ended.has_ended() => {
            Some(format!("has ended ({ended}); start it anew with fleet-spawn"))
        }
        _ => None,
    }
}

/// Why the restart is none, if it is none.
fn failure(record: &ProcessRecord, before: u32) -> Option<String> {
    let reason = || record.exit.as_ref().map_or_else(String::new, |exit| exit.reason.clone());
    match record.state {
        State::Running | State::Paused | State::Completed => None,
        _ if record.attempt <= before => {
            Some(format!("was stopped before it could be started again: {}", reason()))
        }
        State::Stopping => Some("was started again and is being stopped".to_owned()),
        state => Some(format!("was started again and is {state}: {}", reason())),
    }
}
