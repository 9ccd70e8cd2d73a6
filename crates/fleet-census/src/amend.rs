//! Asking a shim to change the limits of its process while that runs.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use fleet_core::{Amendment, Limits, ProcessRecord, RunKey, Signal, can_change_in_place};
use fleet_registry::{Home, RunDir, read_amendment, read_record, write_amendment};
use serde_json::Value;

use crate::ask::signal_shim;

/// How long a shim may take; lowering a limit on memory can take the kernel a while.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why limits did not change.
#[derive(Debug, thiserror::Error)]
pub enum AmendError {
    /// They cannot while it runs.
    #[error(
        "these limits need a new start: while it runs, only limits on memory, cpu and pids change, \
         and only those that its cgroup holds it to"
    )]
    NeedsRestart,
    /// The kernel or the shim refused them; those before hold on.
    #[error("{0}")]
    Refused(String),
    /// It has ended.
    #[error("it has ended")]
    Ended,
    /// Its folder cannot be read or written.
    #[error("cannot use the folder of its run")]
    Folder(#[source] io::Error),
    /// Nobody answered. What was asked lies in its folder, and holds from the next start on.
    #[error("its shim has not answered for {} s", PATIENCE.as_secs())]
    NoAnswer,
}

/// Changes the limits of a living run, and what a fleet file says of it, where it comes from one;
/// on return they hold, and are recorded. Only what [`can_change_in_place`] allows is asked for.
///
/// # Errors
/// They did not change; the error says why.
pub fn amend(
    home: &Home,
    run: &RunKey,
    limits: &Limits,
    wish: Option<Value>,
) -> Result<(), AmendError> {
    let dir = home.run_of(run);
    let record = read_record(&dir).map_err(AmendError::Folder)?;
    if record.state.has_ended() {
        return Err(AmendError::Ended);
    }
    if !can_change_in_place(&record.limits, limits) {
        return Err(AmendError::NeedsRestart);
    }
    let limits = limits.clone().held_as(&record.limits);
    let asked = Amendment { limits, wish, refused: None };
    write_amendment(&dir, &asked).map_err(AmendError::Folder)?;
    wait(&dir, record, &asked)
}

fn wait(dir: &RunDir, mut record: ProcessRecord, asked: &Amendment) -> Result<(), AmendError> {
    let since = Instant::now();
    signal_shim(&record, Signal::USR2);
    loop {
        let now = read_record(dir).map_err(AmendError::Folder)?;
        if now.limits == asked.limits {
            return Ok(());
        }
        if let Ok(Some(Amendment { refused: Some(why), .. })) = read_amendment(dir) {
            return Err(AmendError::Refused(why));
        }
        if now.state.has_ended() {
            return Err(AmendError::Ended);
        }
        // A successor of the one that was asked may not have seen it.
        if now.shim != record.shim {
            signal_shim(&now, Signal::USR2);
        }
        record = now;
        if since.elapsed() > PATIENCE {
            return Err(AmendError::NoAnswer);
        }
        thread::sleep(Duration::from_millis(2));
    }
}
