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
    let Some(wait) = wait else { return Ok(Exit::Yes) };
    if wait == Wait::Healthy && !can_be_healthy(home, run) {
        let words = format!("'{}' runs, but cannot say that it is ready", run.id);
        let hint = "the home's path is too long for a socket; choose a shorter one with --home";
        return Err(Failure::new(Exit::CouldNot, words).hint(hint).into());
    }
    let reached = |record: &ProcessRecord| {
        record.state.has_ended()
            || match wait {
                Wait::Started => !matches!(record.state, State::Queued | State::Starting),
                Wait::Healthy => is_decided(record),
                Wait::Ended => false,
            }
    };
    let Some(record) = watch(home, run, timeout, reached)? else {
        return Err(too_late(home, run, wait));
    };
    if wait == Wait::Healthy && record.health == Some(Health::Unhealthy) {
        let reason = record.health_reason.unwrap_or_default();
        talk(format!("'{}' is unhealthy: {reason}", run.id));
        return Ok(Exit::No);
    }
    if !record.state.has_ended() || record.state == State::Completed && wait != Wait::Healthy {
        return Ok(Exit::Yes);
    }
    if wait == Wait::Started {
        return could_start(record).map(|()| Exit::Yes);
    }
    let reason = record.exit.map(|exit| exit.reason).unwrap_or_default();
    talk(format!("'{}' {}: {reason}", run.id, record.state));
    Ok(Exit::No)
}

fn too_late(home: &Home, run: &RunKey, wait: Wait) -> anyhow::Error {
    let word = match wait {
        Wait::Started => "started",
        Wait::Healthy => "healthy",
        Wait::Ended => "ended",
    };
    let record = read_record(&home.run_of(run)).ok();
    let last = record.as_ref().and_then(|record| record.health_reason.as_ref());
    let last = last.map_or(String::new(), |reason| format!(" ({reason})"));
    let waiting = record.filter(|r| r.state == State::Queued).and_then(|r| r.waiting);
    let what = waiting.map_or_else(|| "goes on running".to_owned(), |why| format!("still {why}"));
    let words = format!("'{}' is not {word} yet{last}; it {what}", run.id);
    Failure::new(Exit::TimedOut, words).into()
}

/// Whether its health is known, one way or the other.
fn is_decided(record: &ProcessRecord) -> bool {
    matches!(record.health, Some(Health::Healthy | Health::Unhealthy))
}

/// Whether it has a way to become healthy: a check, or a socket to say that it is ready.
fn can_be_healthy(home: &Home, run: &RunKey) -> bool {
    let dir = home.run_of(run);
    let has_check = || read_spec(&dir).is_ok_and(|spec| spec.health.is_some());
    dir.notify_socket().is_some() || has_check()
}

/// Waits for the record to tell what the pipe did not.
pub(crate) fn until_started(home: &Home, run: &RunKey) -> anyhow::Result<()> {
    let decided = |record: &ProcessRecord| record.state != State::Starting;
    let Some(record) = watch(home, run, Some(TAKE_OVER), decided)? else {
        let words = format!("the supervisor of '{}' died before it could start it", run.id);
        return Err(Failure::new(Exit::CouldNot, words).into());
    };
    could_start(record)
}

/// Whether the command was executed, however it ended.
fn could_start(record: ProcessRecord) -> anyhow::Result<()> {
    let Some(end) = record.exit.filter(|_| record.started_at.is_none()) else { return Ok(()) };
    let exit = match (end.cause, end.code) {
        (Cause::ExecFailed, Some(code)) if code == Exit::NotFound as i32 => Exit::NotFound,
        (Cause::Lost, _) => Exit::CouldNot,
        (Cause::ExecFailed, _) => Exit::NotExecutable,
        _ => Exit::No,
    };
    Err(Failure::new(exit, end.reason).into())
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
