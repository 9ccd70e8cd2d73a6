//! Having the supervisors look again, now.

use std::thread;
use std::time::{Duration, Instant};

use fleet_census::{Seen, signal_shim};
use fleet_core::{Observed, Probe, ProcessRecord, Signal, State, duration_text};
use fleet_registry::{Home, read_record, read_spec};

/// What a supervisor may take beyond the time of its question.
const BEYOND: Duration = Duration::from_secs(2);

/// A supervisor that was asked.
struct Waiting<'a> {
    seen: &'a mut Seen,
    /// How long it may take.
    limit: Duration,
}

/// Asks the supervisors of all that run and have a check, at once, and puts in what they find.
/// Returns a sentence for each that does not answer in time.
pub(crate) fn look_again(home: &Home, chosen: &mut [Seen]) -> Vec<String> {
    let begin = Instant::now();
    let mut waiting: Vec<Waiting<'_>> =
        chosen.iter_mut().filter_map(|seen| ask(home, seen)).collect();
    let mut late = Vec::new();
    let mut nap = Duration::from_millis(1);
    loop {
        waiting.retain_mut(|one| match answer(home, one.seen) {
            Some(record) => {
                put_in(one.seen, record);
                false
            }
            None if begin.elapsed() < one.limit => true,
            None => {
                let (id, limit) = (&one.seen.record.id, duration_text(one.limit));
                late.push(format!("the supervisor of '{id}' did not answer within {limit}"));
                false
            }
        });
        if waiting.is_empty() {
            return late;
        }
        thread::sleep(nap);
        nap = (nap * 2).min(Duration::from_millis(20));
    }
}

/// Asks one, if there is somebody to ask and something to look at: a line that is waited for and a
/// watchdog cannot be asked.
fn ask<'a>(home: &Home, seen: &'a mut Seen) -> Option<Waiting<'a>> {
    if seen.observed != Observed::AsRecorded(State::Running) || seen.record.health.is_none() {
        return None;
    }
    let dir = home.run_of(&seen.record.key());
    let check = read_spec(&dir).ok()?.health?;
    if matches!(check.probe, Probe::Log { .. }) {
        return None;
    }
    // A question that is under way may end first, and its answer is as good.
    let limit = Duration::try_from_secs_f64(check.timeout_seconds).unwrap_or_default() + BEYOND;
    // What its own record says now, which may be newer than the registry.
    if let Ok(record) = read_record(&dir) {
        put_in(seen, record);
    }
    signal_shim(&seen.record, Signal::USR2).then_some(Waiting { seen, limit })
}

/// The record with the answer, once it is there, or once there is nobody to ask any more.
fn answer(home: &Home, seen: &Seen) -> Option<ProcessRecord> {
    let record = read_record(&home.run_of(&seen.record.key())).ok()?;
    let answered = record.checked_at != seen.record.checked_at;
    (answered || record.state != State::Running).then_some(record)
}

fn put_in(seen: &mut Seen, record: ProcessRecord) {
    if let Ok(json) = serde_json::to_vec(&record) {
        seen.observed = Observed::AsRecorded(record.state);
        (*seen.record, seen.json) = (record, json.into());
    }
}
