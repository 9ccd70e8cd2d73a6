//! Making what runs as a file says: limits that change in place, and ends for what is to start anew.

use std::time::{Duration, Instant};

use fleet_census::{AFTER_GRACE, AmendError, Vigil, ask, grace};
use fleet_cli::{Exit, talk};
use fleet_core::{ProcessRecord, Signal, StopRequest};
use fleet_registry::Home;

use super::member::Member;

/// What became of limits that differ.
pub(super) enum Amended {
    /// The new ones hold.
    InPlace,
    /// They cannot change while it runs.
    NeedsRestart,
}

/// Changes the limits of a living process to what the file at `path` says.
///
/// # Errors
/// The kernel or the shim refused them; those before hold on.
pub(super) fn amend(
    home: &Home,
    path: &str,
    member: &Member,
    record: &ProcessRecord,
) -> anyhow::Result<Amended> {
    let wish = member.origin(path)?.wish;
    match fleet_census::amend(home, &record.key(), &member.wish.limits.limits(), Some(wish)) {
        Ok(()) => Ok(Amended::InPlace),
        // What has ended meanwhile is started as the file says.
        Err(AmendError::NeedsRestart | AmendError::Ended) => Ok(Amended::NeedsRestart),
        Err(error) => Err(error.into()),
    }
}

/// Asks the shims of all these to end them, as fleet-stop does, and waits until all have ended.
/// What does not end in time is said.
pub(super) fn stop(home: &Home, records: Vec<ProcessRecord>) -> Exit {
    if records.is_empty() {
        return Exit::Yes;
    }
    let by = format!("{}:{} (fleet-spawn --file)", fleet_os::this_user(), std::process::id());
    let request = StopRequest { by, grace_seconds: None, signal: None };
    let longest = records.iter().map(|record| grace(home, record)).max().unwrap_or(Duration::ZERO);
    for record in &records {
        ask(home, record, Signal::TERM, &request);
    }
    let names: Vec<&str> = records.iter().map(|record| record.id.as_str()).collect();
    talk(format!("stopping {}", super::some_of(&names)));
    let deadline = Instant::now().checked_add(longest + AFTER_GRACE);
    let mut vigil = Vigil::over(home, records);
    let mut shims: Vec<_> = vigil.open().map(|(_, record)| record.shim).collect();
    let all = vigil.until(deadline, |at, record| {
        // A shim that took over after the request may not have seen it.
        let newer = record.shim != shims[at] && record.stop.is_none();
        if newer && !record.state.has_ended() {
            ask(home, record, Signal::TERM, &request);
        }
        shims[at] = record.shim;
        record.state.has_ended()
    });
    vigil.said().iter().for_each(talk);
    if all {
        return Exit::Yes;
    }
    for (_, record) in vigil.open() {
        talk(format!("'{}' did not stop; see 'fleet-stop {}'", record.id, record.id));
    }
    Exit::No
}
