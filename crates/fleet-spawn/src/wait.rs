//! Waiting for a run to come as far as was asked.

use std::thread;
use std::time::{Duration, Instant};

use fleet_census::holds_lock;
use fleet_cli::{Exit, Failure, talk};
use fleet_core::{Cause, Health, ProcessRecord, RunKey, Spec, State};
use fleet_registry::{Home, read_record};

use crate::args::Wait;

/// How long a successor of a shim that died during the start may take.
const TAKE_OVER: Duration = Duration::from_secs(10);

/// Waits until the run is as asked, or can no longer be.
pub(crate) fn until(
    home: &Home,
    run: &RunKey,
    wait: Option<Wait>,
    timeout: Option<Duration>,
) -> anyhow::Result<Exit> {
    let Some(wait) = wait.filter(|&wait| wait != Wait::Started) else { return Ok(Exit::Yes) };
    if wait == Wait::Healthy && !can_be_healthy(home, run) {
        let words = format!("'{}' runs, but cannot say that it is ready", run.id);
        let hint = "the home's path is too long for a socket; choose a shorter one with --home";
        return Err(Failure::new(Exit::CouldNot, words).hint(hint).into());
    }
    let reached = |record: &ProcessRecord| {
        record.state.has_ended() || (wait == Wait::Healthy && is_decided(record))
    };
    let Some(record) = watch(home, run, timeout, reached) else {
        let word = if wait == Wait::Ended { "ended" } else { "healthy" };
        let last = read_record(&home.run_of(run)).ok().and_then(|record| record.health_reason);
        let last = last.map_or(String::new(), |reason| format!(" ({reason})"));
        let words = format!("'{}' is not {word} yet{last}; it goes on running", run.id);
        return Err(Failure::new(Exit::TimedOut, words).into());
    };
    if wait == Wait::Healthy && record.health == Some(Health::Unhealthy) {
        let reason = record.health_reason.unwrap_or_default();
        talk(format!("'{}' is unhealthy: {reason}", run.id));
        return Ok(Exit::No);
    }
    if !record.state.has_ended() || record.state == State::Completed && wait == Wait::Ended {
        return Ok(Exit::Yes);
    }
    let reason = record.exit.map(|exit| exit.reason).unwrap_or_default();
    talk(format!("'{}' {}: {reason}", run.id, record.state));
    Ok(Exit::No)
}

/// Whether its health is known, one way or the other.
fn is_decided(record: &ProcessRecord) -> bool {
    matches!(record.health, Some(Health::Healthy | Health::Unhealthy))
}

/// Whether it has a way to become healthy: a check, or a socket to say that it is ready.
fn can_be_healthy(home: &Home, run: &RunKey) -> bool {
    let dir = home.run_of(run);
    let has_check = || {
        let spec = std::fs::read(dir.spec()).ok();
        let spec = spec.and_then(|text| serde_json::from_slice::<Spec>(&text).ok());
        spec.is_some_and(|spec| spec.health.is_some())
    };
    dir.notify_socket().is_some() || has_check()
}

/// Waits for the record to tell what the pipe did not.
pub(crate) fn until_started(home: &Home, run: &RunKey) -> anyhow::Result<()> {
    let decided = |record: &ProcessRecord| record.state != State::Starting;
    let failed = |exit, words: String| Err(Failure::new(exit, words).into());
    let Some(record) = watch(home, run, Some(TAKE_OVER), decided) else {
        let words = format!("the supervisor of '{}' died before it could start it", run.id);
        return failed(Exit::CouldNot, words);
    };
    match record.exit {
        Some(end) if end.cause == Cause::ExecFailed => {
            let missing = end.code == Some(Exit::NotFound as i32);
            failed(if missing { Exit::NotFound } else { Exit::NotExecutable }, end.reason)
        }
        _ => Ok(()),
    }
}

/// Looks at the run's record again and again, less often as time goes by, until it is as wanted;
/// `None` when the time is over, or when nobody is left who could change it.
fn watch(
    home: &Home,
    run: &RunKey,
    timeout: Option<Duration>,
    wanted: impl Fn(&ProcessRecord) -> bool,
) -> Option<ProcessRecord> {
    let dir = home.run_of(run);
    let since = Instant::now();
    let mut nap = Duration::from_millis(1);
    loop {
        let supervised = holds_lock(&dir);
        let record = read_record(&dir).ok();
        let never_began = record.as_ref().is_none_or(|record| record.state == State::Starting);
        if let Some(record) = record.filter(&wanted) {
            return Some(record);
        }
        if timeout.is_some_and(|limit| since.elapsed() >= limit) || !supervised && never_began {
            return None;
        }
        thread::sleep(nap);
        nap = (nap * 2).min(Duration::from_millis(100));
    }
}
