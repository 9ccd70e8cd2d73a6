//! Ending a tree without a shim.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use fleet_census::{Tree, open_shim_lock};
use fleet_core::{
    Cause, End, Happening, Outcome, ProcessRecord, Signal, State, StopAsked, Timestamp,
};
use fleet_os::{Cgroup, PidFd};
use fleet_registry::{Home, RegistryLock, write_record};

use crate::asked::How;

const GRACE: Duration = Duration::from_secs(10);
const KILLING: Duration = Duration::from_secs(5);

/// Ends the tree of a process that nobody supervises, and writes down its end. The run's lock is
/// held meanwhile, so that nobody adopts it.
pub(crate) fn stop(
    home: &Home,
    record: &ProcessRecord,
    how: &How,
) -> Result<ProcessRecord, String> {
    let dir = home.run_of(&record.key());
    let lock = match open_shim_lock(&dir) {
        // Somebody removed its folder, and nobody can adopt it.
        Err(e) if e.kind() == io::ErrorKind::NotFound => None,
        opened => Some(opened.map_err(|e| e.to_string())?),
    };
    if lock.as_ref().is_some_and(|lock| lock.try_lock().is_err()) {
        return Err("another tool is taking care of it at this moment".to_owned());
    }
    let main = record.main().and_then(|main| PidFd::of(main).ok().flatten());
    let cgroup = Cgroup::of(&record.limits);
    let ending = Ending { tree: Tree::of(home, record), main, cgroup };
    let signal = how.signal.unwrap_or(Signal::TERM);
    let asked = StopAsked {
        at: Timestamp::now(),
        by: how.by.clone(),
        restart: false,
        unkillable: Vec::new(),
    };
    ending.signal(signal);
    let killed = !ending.wait(how.grace.unwrap_or(GRACE));
    if killed && !ending.kill() {
        let left: Vec<String> = ending.tree.members().iter().map(i32::to_string).collect();
        return Err(format!("unkillable (pid): {}", left.join(", ")));
    }
    if let Some(cgroup) = &ending.cgroup {
        let _ = cgroup.remove();
    }
    let outcome = ending.main.as_ref().and_then(PidFd::outcome).unwrap_or(Outcome::Unknown);
    let mut ended = record.clone();
    ended.stop = Some(asked);
    let after_grace = killed && signal != Signal::KILL;
    write_end(home, ended, outcome, after_grace).map_err(|e| e.to_string())
}

fn write_end(
    home: &Home,
    mut record: ProcessRecord,
    outcome: Outcome,
    killed: bool,
) -> anyhow::Result<ProcessRecord> {
    let by = record.stop.as_ref().map(|stop| stop.by.clone()).unwrap_or_default();
    let how = if killed { ", killed after its grace period" } else { "" };
    let what = match record.state {
        State::Queued => "it was never started".to_owned(),
        _ => outcome.words(),
    };
    let reason = format!("stopped by {by} without its shim{how}; {what}");
    let mut end = End::new(Cause::Stopped, reason).with_outcome(outcome);
    end.by = Some(by);
    record.state = record.state.after(Happening::StopAsked)?;
    if !record.state.has_ended() {
        record.state = record.state.after(Happening::Died)?;
    }
    (record.waiting, record.in_line) = (None, false);
    record.ts = Timestamp::now();
    record.ended_at = Some(record.ts);
    record.exit = Some(Box::new(end));
    match write_record(&home.run_of(&record.key()), &record) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => {}
        written => written?,
    }
    RegistryLock::take(home)?.append(&record)?;
    Ok(record)
}

/// A tree that is nobody's child, about to end.
struct Ending<'a> {
    tree: Tree<'a>,
    main: Option<PidFd>,
    cgroup: Option<Cgroup>,
}

impl Ending<'_> {
    fn signal(&self, signal: Signal) {
        for (_, held) in self.tree.hold() {
            let _ = held.signal(signal);
            let _ = held.signal(Signal::CONT);
        }
    }

    /// Waits until nothing of it lives; whether that came true in time.
    fn wait(&self, limit: Duration) -> bool {
        let since = Instant::now();
        while !self.tree.members().is_empty() {
            if since.elapsed() >= limit {
                return false;
            }
            thread::sleep(Duration::from_millis(10));
        }
        true
    }

    /// Kills until nothing is left, since a fork can race one pass.
    fn kill(&self) -> bool {
        let since = Instant::now();
        if let Some(cgroup) = &self.cgroup {
            cgroup.unthrottle();
        }
        loop {
            self.signal(Signal::KILL);
            if self.wait(Duration::from_millis(50)) {
                return true;
            }
            if since.elapsed() >= KILLING {
                return false;
            }
        }
    }
}
