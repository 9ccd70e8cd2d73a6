//! One process that is acted on.

use std::time::Instant;

use fleet_census::Vigil;
use fleet_cli::{Exit, talk};
use fleet_core::{ProcessRecord, State};
use fleet_registry::{Home, read_record};

/// A process and what became of the wish.
pub(crate) struct Target {
    pub(crate) record: ProcessRecord,
    pub(crate) refusal: Option<Refusal>,
}

/// Why what was wanted is not so.
pub(crate) enum Refusal {
    /// As the process is, it cannot be.
    No(String),
    /// The system did not let us.
    CouldNot(String),
}

impl Refusal {
    /// What follows the name in a sentence.
    pub(crate) fn words(&self) -> &str {
        match self {
            Refusal::No(words) | Refusal::CouldNot(words) => words,
        }
    }

    pub(crate) fn exit(&self) -> Exit {
        match self {
            Refusal::No(_) => Exit::No,
            Refusal::CouldNot(_) => Exit::CouldNot,
        }
    }
}

impl Target {
    /// What is known of it, as fresh as can be.
    pub(crate) fn new(home: &Home, record: ProcessRecord) -> Target {
        let own = read_record(&home.run_of(&record.key())).ok();
        let record = own.filter(|own| own.ts >= record.ts).unwrap_or(record);
        Target { record, refusal: None }
    }

    /// An honest no.
    pub(crate) fn no(words: impl Into<String>) -> Refusal {
        Refusal::No(words.into())
    }
}

/// Why nothing of a process in this state can be signalled, if that is so.
pub(crate) fn nobody_there(record: &ProcessRecord) -> Option<Refusal> {
    let words = match record.state {
        State::Running | State::Paused | State::Stopping => return None,
        State::Queued => "waits for its turn and has not started".to_owned(),
        State::Starting => "is only starting".to_owned(),
        State::Backoff => "waits for its next attempt and has no process now".to_owned(),
        ended => format!("has ended: {ended}"),
    };
    Some(Refusal::No(words))
}

/// Waits until `settled` says so of each of the targets that `pending` names by their place; those
/// of which it does not in time are refused with what `late` says.
pub(crate) fn wait(
    home: &Home,
    targets: &mut [Target],
    pending: &[usize],
    deadline: Instant,
    mut settled: impl FnMut(usize, &ProcessRecord) -> bool,
    late: impl Fn(&ProcessRecord) -> String,
) {
    let records = pending.iter().map(|&at| targets[at].record.clone()).collect();
    let mut vigil = Vigil::over(home, records);
    vigil.until(Some(deadline), |at, record| settled(pending[at], record));
    vigil.said().iter().for_each(talk);
    for (_, record) in vigil.open() {
        let target = targets.iter_mut().find(|target| target.record.key() == record.key());
        if let Some(target) = target {
            target.refusal = Some(Refusal::No(late(record)));
        }
    }
    for (at, &place) in pending.iter().enumerate() {
        targets[place].record = vigil.record(at).clone();
    }
}
