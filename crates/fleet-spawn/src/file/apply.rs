//! Ending processes of a file.

use std::time::{Duration, Instant};

use fleet_census::{AFTER_GRACE, Vigil, ask, grace};
use fleet_cli::{Exit, talk};
use fleet_core::{ProcessRecord, Signal, StopRequest};
use fleet_registry::Home;

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
