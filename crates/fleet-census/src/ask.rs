//! Asking a shim for something by a signal.

use std::time::Duration;

use fleet_core::{ProcessRecord, Signal, StopRequest};
use fleet_os::PidFd;
use fleet_registry::{Home, read_spec, replace_file};

/// Beyond the grace, the time that killing and writing down may take; a shim calls a process
/// unkillable after five seconds.
pub const AFTER_GRACE: Duration = Duration::from_secs(10);

/// How long the process may take to end if nothing else is said: as it was spawned, 10 s where that
/// can no longer be read.
pub fn grace(home: &Home, record: &ProcessRecord) -> Duration {
    let spec = read_spec(&home.run_of(&record.key())).ok();
    Duration::try_from_secs_f64(spec.map_or(10.0, |s| s.grace_seconds)).unwrap_or_default()
}

/// Asks the shim of a run to end its tree, for good (TERM) or to start it again (HUP). How that is
/// to go is put beside the run first. Whether there was a shim to be asked; one that dies before it
/// sees the request is found out by who waits for the answer.
pub fn ask(home: &Home, record: &ProcessRecord, signal: Signal, request: &StopRequest) -> bool {
    // Without it the stop goes as it was spawned, which is better than not at all.
    let json = serde_json::to_vec(request).unwrap_or_default();
    let _ = replace_file(&home.run_of(&record.key()).stop_request(), &json);
    signal_shim(record, signal)
}

/// Sends a signal to the shim of a run; whether there was one.
pub fn signal_shim(record: &ProcessRecord, signal: Signal) -> bool {
    let shim = record.shim.and_then(|shim| PidFd::of(shim.who).ok().flatten());
    shim.is_some_and(|shim| shim.signal(signal).is_ok())
}
