//! Current files are set aside on demand.
//!
//! A living run's file is its shim's: a request is put beside the run, the shim is told to look
//! (SIGUSR2), and removes the request when it is done. All are asked before any is waited for. The
//! file of a run that has ended is set aside here.

use std::collections::HashSet;
use std::fs::{self, File};
use std::io;
use std::thread;
use std::time::{Duration, Instant};

use fleet_census::{Seen, signal_shim};
use fleet_cli::{Exit, talk};
use fleet_core::{ProcessRecord, RunKey, Signal};
use fleet_logfile::LogFile;
use fleet_logfile::keep::{Kept, kept};
use fleet_registry::{Home, RunDir, read_record, read_spec, replace_file};

use crate::keep::report::Report;

/// How long a shim may take; it does nothing else that lasts.
const PATIENCE: Duration = Duration::from_secs(5);
const PAUSE: Duration = Duration::from_millis(2);

/// A run that was asked.
struct Target {
    run: RunKey,
    dir: RunDir,
    record: ProcessRecord,
    /// Stamps of what had been set aside before.
    before: HashSet<String>,
}

/// Sets the current files of these runs aside and says which.
///
/// # Errors
/// None: what goes wrong with one run is said, and the others follow.
pub(crate) fn rotate(home: &Home, chosen: &[Seen], report: &mut Report) -> anyhow::Result<Exit> {
    let mut exit = Exit::Yes;
    let mut asked = Vec::new();
    for seen in chosen {
        match Target::ask(home, seen) {
            Ok(target) => asked.push(target),
            Err(error) => {
                exit = Exit::CouldNot;
                talk(format_args!("cannot rotate the log of '{}': {error}", seen.record.key()));
            }
        }
    }
    let end = Instant::now() + PATIENCE;
    for mut target in asked {
        match target.wait(end) {
            Ok(()) => target.tell(report)?,
            Err((worse, why)) => {
                exit = exit.max(worse);
                talk(format_args!("the log of '{}' was not rotated: {why}", target.run));
            }
        }
    }
    Ok(exit)
}

impl Target {
    /// Asks the shim of a run, or does it where there is none.
    fn ask(home: &Home, seen: &Seen) -> io::Result<Target> {
        let (run, record) = (seen.record.key(), (*seen.record).clone());
        let dir = home.run_of(&run);
        let before = closed(&dir)?.filter_map(|kept| kept.stamp).collect();
        let target = Target { run, dir, record, before };
        let lock = File::open(target.dir.shim_lock())?;
        if lock.try_lock().is_err() {
            replace_file(&target.dir.rotate_request(), b"")?;
            signal_shim(&target.record, Signal::USR2);
        } else if target.dir.log().is_dir() {
            let limits = read_spec(&target.dir)?.log;
            let mut log = LogFile::open(&target.dir.log(), limits)?;
            log.end_torn_line()?;
            log.set_aside()?;
        }
        Ok(target)
    }

    /// Waits until the request is gone.
    fn wait(&mut self, end: Instant) -> Result<(), (Exit, String)> {
        let request = self.dir.rotate_request();
        loop {
            match fs::read_to_string(&request) {
                Err(_) => return Ok(()),
                Ok(why) if !why.is_empty() => {
                    let _ = fs::remove_file(request);
                    return Err((Exit::CouldNot, why));
                }
                Ok(_) => {}
            }
            let gone = !self.dir.is_supervised();
            if gone || Instant::now() >= end {
                let _ = fs::remove_file(request);
                let why = if gone { "it has ended meanwhile" } else { "its shim does not answer" };
                return Err((Exit::No, why.to_owned()));
            }
            // A successor of the one that was asked may not have seen it.
            match read_record(&self.dir) {
                Ok(now) if now.shim != self.record.shim => {
                    signal_shim(&now, Signal::USR2);
                    self.record = now;
                }
                _ => {}
            }
            thread::sleep(PAUSE);
        }
    }

    /// Says which file was set aside.
    fn tell(&self, report: &mut Report) -> io::Result<()> {
        let mut nothing = true;
        let known = |kept: &Kept| kept.stamp.as_ref().is_some_and(|s| self.before.contains(s));
        for kept in closed(&self.dir)?.filter(|kept| !known(kept)) {
            report.set_aside(&self.run, &kept.name, kept.bytes);
            nothing = false;
        }
        if nothing {
            talk(format_args!("'{}' has printed nothing since its last file", self.run));
        }
        Ok(())
    }
}

/// The files that were set aside.
fn closed(dir: &RunDir) -> io::Result<impl Iterator<Item = Kept>> {
    let all = match kept(&dir.log()) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Vec::new(),
        all => all?,
    };
    Ok(all.into_iter().filter(|kept| kept.stamp.is_some()))
}
