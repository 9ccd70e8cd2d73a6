//! What is true now.

use std::io;

use fleet_core::{Id, Observed, ProcessRecord, State};
use fleet_os::{Proc, boot_id, living, marked, unsupervised};
use fleet_registry::{Entry, Home, Line, RegistryError, read_record, replay};

use crate::supervisor::holds_lock;

/// One run as it is now.
#[derive(Clone, Debug)]
pub struct Seen {
    /// The newest record of the run.
    pub record: Box<ProcessRecord>,
    /// What the kernel says.
    pub observed: Observed,
    /// The record as it was written, with fields that this build may not know.
    pub json: Line,
}

/// All runs that the registry knows.
#[derive(Clone, Debug)]
pub struct Census {
    /// Where they live.
    pub(crate) home: Home,
    /// The newest record of each run, held against the kernel, oldest run first.
    pub seen: Vec<Seen>,
    /// What could not be read, each a sentence for the person.
    pub problems: Vec<String>,
    /// Whether the registry was missing and the runs' folders spoke for it.
    pub rebuilt: bool,
}

/// Why there is no census.
#[derive(Debug, thiserror::Error)]
pub enum CensusError {
    /// The registry cannot be read.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The kernel cannot be asked.
    #[error("cannot ask the kernel which processes live")]
    Kernel(#[source] io::Error),
}

/// Counts: replays the registry and asks the kernel about each run that should live.
///
/// # Errors
/// The registry is there and cannot be read, or /proc cannot.
pub fn take(home: &Home) -> Result<Census, CensusError> {
    let replay = replay(home)?;
    let boot = boot_id().map_err(CensusError::Kernel)?;
    let supervised = supervised(&replay.entries, &boot).map_err(CensusError::Kernel)?;
    let seen = replay
        .entries
        .into_iter()
        .zip(supervised)
        .map(|(entry, supervised)| look_closer(home, entry, supervised, &boot))
        .collect();
    Ok(Census { home: home.clone(), seen, problems: replay.problems, rebuilt: replay.rebuilt })
}

/// Whether the shim of each run lives that should, asked of the kernel in one go. While it does,
/// the record is right: a shim writes down what becomes of its process.
fn supervised(entries: &[Entry], boot: &str) -> io::Result<Vec<bool>> {
    let mut shims = Vec::with_capacity(entries.len());
    let mut whose = Vec::with_capacity(entries.len());
    for (at, record) in entries.iter().map(|entry| &entry.record).enumerate() {
        if let Some(shim) = record.shim.filter(|_| !record.state.has_ended() && record.boot == boot)
        {
            shims.push(shim.who);
            whose.push(at);
        }
    }
    let mut supervised = vec![false; entries.len()];
    for (at, alive) in whose.into_iter().zip(living(&shims)?) {
        supervised[at] = alive;
    }
    Ok(supervised)
}

fn look_closer(home: &Home, entry: Entry, supervised: bool, boot: &str) -> Seen {
    let Entry { record, json } = entry;
    let as_recorded = Observed::AsRecorded(record.state);
    if record.state.has_ended() || supervised || record.is_newer() {
        return Seen { record, observed: as_recorded, json };
    }
    // The run's own record is never older than the registry's; an end may be in it alone.
    let dir = home.run_of(&record.key());
    let own = read_record(&dir).ok().filter(|own| own.ts >= record.ts).map(Box::new);
    let was_taken_up = own.is_some();
    let (record, json) = match own {
        Some(own) if own != record => {
            let json = serde_json::to_vec(&own).map_or(json, Line::from);
            (own, json)
        }
        _ => (record, json),
    };
    let observed = match record.state {
        state if state.has_ended() => Observed::AsRecorded(state),
        _ if record.boot != boot => Observed::Lost { reboot: true },
        state if holds_lock(&dir) => Observed::AsRecorded(state),
        // It holds nothing that can die with its supervisors: the next one waits on.
        State::Queued if was_taken_up => Observed::Orphaned(State::Queued),
        state if lives(&record) || lives_unrecorded(home, &record) => Observed::Orphaned(state),
        _ => Observed::Lost { reboot: false },
    };
    Seen { record, observed, json }
}

/// A run whose lock is free, as it is now.
pub(crate) fn look(home: &Home, record: &ProcessRecord) -> io::Result<Seen> {
    let json = serde_json::to_vec(record)?.into();
    Ok(look_closer(home, Entry { record: Box::new(record.clone()), json }, false, &boot_id()?))
}

/// Whether the recorded main process lives.
pub(crate) fn lives(record: &ProcessRecord) -> bool {
    record.main().is_some_and(|main| living(&[main]).is_ok_and(|alive| alive == [true]))
}

/// Whether its command was executed, although its supervisors died before they wrote its pid down:
/// then it is known by the marks in its environment.
fn lives_unrecorded(home: &Home, record: &ProcessRecord) -> bool {
    let proc = Proc::default();
    let found = || unsupervised(&proc, marked(&proc, &home.marks(&record.key())));
    record.state == State::Starting && record.pid.is_none() && !found().is_empty()
}

/// Whether a run of this id lives or is about to, by its newest folder alone: quick, however long
/// the registry is.
pub fn is_living(home: &Home, id: &Id) -> bool {
    let Some(&run) = home.runs(id).last() else { return false };
    let dir = home.run(id, run);
    match read_record(&dir) {
        Ok(record) if record.state.has_ended() => false,
        Ok(record) => {
            let here = boot_id().is_ok_and(|boot| boot == record.boot);
            holds_lock(&dir) || (here && (record.state == State::Queued || lives(&record)))
        }
        // Its shim has not written yet, or never will.
        Err(_) => holds_lock(&dir),
    }
}
