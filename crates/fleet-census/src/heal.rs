//! Mending what dead shims left behind.

use std::io;

use fleet_core::{Cause, End, Happening, Observed, ProcessRecord, State, Timestamp};
use fleet_os::Cgroup;
use fleet_registry::{Home, RegistryLock, read_record, write_record};

use crate::supervisor::{Supervisor, open_shim_lock};
use crate::truth::{Census, Seen};

impl Census {
    /// Starts a shim for everything orphaned, and for what is lost and wanted to be restarted;
    /// writes down the end of what else is lost. Returns a sentence for each.
    pub fn heal(&mut self) -> Vec<String> {
        let home = &self.home;
        self.seen.iter_mut().filter_map(|seen| mend(home, seen)).collect()
    }
}

/// Mends one run if it needs it, and says so in a sentence.
pub(crate) fn mend(home: &Home, seen: &mut Seen) -> Option<String> {
    let outcome = match seen.observed {
        Observed::AsRecorded(_) => return None,
        Observed::Orphaned(_) => adopt(home, seen).map(|()| {
            let pid = seen.record.pid.map_or(String::new(), |pid| format!(" (pid {pid})"));
            format!("'{}'{pid} had lost its shim; a new one took over", seen.record.key())
        }),
        Observed::Lost { reboot: false } if can_restart(home, &seen.record) => adopt(home, seen)
            .map(|()| {
                format!("'{}' had died with its shim; it is started again", seen.record.key())
            }),
        Observed::Lost { reboot } => lose(home, seen, reboot)
            .map(|()| format!("'{}' is lost: {}", seen.record.key(), lost_words(seen))),
    };
    Some(outcome.unwrap_or_else(|why| format!("cannot mend '{}': {why}", seen.record.key())))
}

/// Whether it is wanted, and what is needed for it is still there.
fn can_restart(home: &Home, record: &ProcessRecord) -> bool {
    record.is_to_start_again() && home.run_of(&record.key()).spec().exists()
}

type Mended = Result<(), Box<dyn std::error::Error>>;

/// Starts a shim that adopts the run, unless somebody else is doing so.
fn adopt(home: &Home, seen: &mut Seen) -> Mended {
    let key = seen.record.key();
    let lock = open_shim_lock(&home.run_of(&key))?;
    if lock.try_lock().is_ok() {
        Supervisor::find()?.adopt(home, &key, &lock)?;
    }
    seen.observed = Observed::AsRecorded(seen.record.state);
    Ok(())
}

/// Records that nobody knows how the run ended.
fn lose(home: &Home, seen: &mut Seen, reboot: bool) -> Mended {
    let dir = home.run_of(&seen.record.key());
    let reason = reason(seen.record.state, reboot);
    if let Some(cgroup) = Cgroup::of(&seen.record.limits) {
        // What lives on in it keeps it.
        let _ = cgroup.remove();
    }
    let lock = RegistryLock::take(home)?;
    // Somebody else may have written the end while we waited for the lock.
    if let Ok(own) = read_record(&dir)
        && own.state.has_ended()
    {
        *seen.record = own;
    } else {
        let record = &mut seen.record;
        record.state = record.state.after(Happening::FoundDead)?;
        (record.waiting, record.in_line) = (None, false);
        record.ts = Timestamp::now();
        record.ended_at = Some(record.ts);
        let cause = if reboot { Cause::Reboot } else { Cause::Lost };
        record.exit = Some(Box::new(End::new(cause, reason)));
        match write_record(&dir, record) {
            // Somebody removed its folder: then the registry alone can tell.
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            written => written?,
        }
    }
    lock.append(&seen.record)?;
    dir.remove_channels();
    seen.observed = Observed::AsRecorded(seen.record.state);
    seen.json = serde_json::to_vec(&seen.record)?.into();
    Ok(())
}

/// How it was lost, as it was written down.
fn lost_words(seen: &Seen) -> &str {
    seen.record.exit.as_ref().map_or("nobody knows how", |exit| exit.reason.as_str())
}

fn reason(state: State, reboot: bool) -> &'static str {
    match (reboot, state) {
        (true, State::Queued) => "the machine was started anew while it waited for its turn",
        (true, _) => "the machine was started anew while it ran",
        (false, _) => {
            "process, shim and keeper died together and left no word; what waited in its pipes is gone"
        }
    }
}
