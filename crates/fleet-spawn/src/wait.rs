//! Waiting for a run to come as far as was asked.

use std::time::{Duration, Instant};

use fleet_census::Vigil;
use fleet_cli::{Exit, Failure, talk};
use fleet_core::{Cause, Health, ProcessRecord, RunKey, State};
use fleet_registry::{Home, read_record, read_spec};

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
    if wait == Wait::Healthy && home.run_of(run).notify_socket().is_none() {
        let words = format!("'{}' runs, but cannot say that it is ready", run.id);
        let hint = "the home's path is too long for a socket; choose a shorter one with --home";
        return Err(Failure::new(Exit::CouldNot, words).hint(hint).into());
    }
    let reached = |record: &ProcessRecord| {
        record.state.has_ended()
            || (wait == Wait::Healthy && record.health == Some(Health::Healthy))
    };
    let Some(record) = watch(home, run, timeout, reached)? else {
        let word = if wait == Wait::Ended { "ended" } else { "healthy" };
        let words = format!("'{}' is not {word} yet; it goes on running", run.id);
        return Err(Failure::new(Exit::TimedOut, words).into());
    };
    if !record.state.has_ended() || record.state == State::Completed && wait == Wait::Ended {
        return Ok(Exit::Yes);
    }
    let reason = record.exit.map(|exit| exit.reason).unwrap_or_default();
    talk(format!("'{}' {}: {reason}", run.id, record.state));
    Ok(Exit::No)
}

/// Waits for the record to tell what the pipe did not.
pub(crate) fn until_started(home: &Home, run: &RunKey) -> anyhow::Result<()> {
    let decided = |record: &ProcessRecord| record.state != State::Starting;
    let failed = |exit, words: String| Err(Failure::new(exit, words).into());
    let Some(record) = watch(home, run, Some(TAKE_OVER), decided)? else {
        let words = format!("the supervisor of '{}' died before it could start it", run.id);
        return failed(Exit::CouldNot, words);
    };
    match record.exit {
        Some(end) if end.cause == Cause::Lost => failed(Exit::CouldNot, end.reason),
        Some(end) if end.cause == Cause::ExecFailed => {
            let missing = end.code == Some(Exit::NotFound as i32);
            failed(if missing { Exit::NotFound } else { Exit::NotExecutable }, end.reason)
        }
        _ => Ok(()),
    }
}

/// Waits until the run's record is as wanted; `None` when the time is over.
fn watch(
    home: &Home,
    run: &RunKey,
    timeout: Option<Duration>,
    wanted: impl Fn(&ProcessRecord) -> bool,
) -> anyhow::Result<Option<ProcessRecord>> {
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let mut vigil = Vigil::over(home, vec![newest(home, run)?]);
    let reached = vigil.until(deadline, |_, record| wanted(record));
    vigil.said().iter().for_each(talk);
    Ok(reached.then(|| vigil.record(0).clone()))
}

/// The newest record of the run; its shim may not have written one yet.
fn newest(home: &Home, run: &RunKey) -> anyhow::Result<ProcessRecord> {
    let dir = home.run_of(run);
    if let Ok(record) = read_record(&dir) {
        return Ok(record);
    }
    let spec = read_spec(&dir)?;
    Ok(ProcessRecord::wanted(&spec, fleet_os::boot_id()?, fleet_os::host_name()))
}
