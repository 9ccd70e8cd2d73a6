//! What is too old or too much goes, the rest is packed.

use std::io;
use std::time::SystemTime;

use fleet_census::Seen;
use fleet_cli::{Exit, Failure, SelectArgs, talk};
use fleet_core::{RunKey, size_text};
use fleet_logfile::keep::{Kept, Shelf, order_times};
use fleet_registry::{Home, read_spec};

use crate::keep::report::Report;

/// The logs of a run, and whose they are.
struct Logs {
    run: RunKey,
    shelf: Shelf,
}

/// Prunes the logs of one run that its living shim names; nobody reads what is said.
///
/// # Errors
/// It is not named as a shim does, or its spec or its log cannot be read.
pub(crate) fn one(home: &Home, select: &SelectArgs) -> anyhow::Result<Exit> {
    let key = match select.selectors.as_slice() {
        [key] => key
            .rsplit_once('#')
            .and_then(|(id, run)| Some(RunKey { id: id.parse().ok()?, run: run.parse().ok()? })),
        _ => None,
    };
    let Some(run) = key else {
        return Err(Failure::new(Exit::CouldNot, "a shim names one run, as web#1").into());
    };
    let mut report = Report::silent();
    tidy(home, run, true, &mut report)?;
    Ok(report.exit())
}

/// Prunes the logs of these runs, each as its spec says, and all together to `total` bytes.
///
/// # Errors
/// None: what goes wrong with one run is said, and the others follow.
pub(crate) fn prune(
    home: &Home,
    chosen: &[Seen],
    total: Option<u64>,
    report: &mut Report,
) -> anyhow::Result<Exit> {
    fleet_os::allow_many_files();
    let mut exit = Exit::Yes;
    let mut all = Vec::new();
    for seen in chosen {
        let run = seen.record.key();
        let living = seen.observed.is_living() || home.run_of(&run).is_supervised();
        match tidy(home, run.clone(), living, report) {
            // A folder stays locked only where its files are still to be compared with others.
            Ok(logs) => all.extend(logs.filter(|_| total.is_some())),
            Err(error) => {
                talk(format_args!("cannot prune the log of '{run}': {}", words(&error)));
                exit = Exit::CouldNot;
            }
        }
    }
    if let Some(total) = total {
        exit = exit.max(cap(&all, total, report));
    }
    Ok(exit.max(report.exit()))
}

fn words(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::WouldBlock => "another fleet-logs --prune is at it for long".to_owned(),
        _ => error.to_string(),
    }
}

/// Does what the spec of a run says of its logs; nothing to hold on to where there are none.
fn tidy(home: &Home, run: RunKey, living: bool, report: &mut Report) -> io::Result<Option<Logs>> {
    let dir = home.run_of(&run);
    let limits = read_spec(&dir)?.log;
    let Some(shelf) = Shelf::open(&dir.log(), limits, living)? else { return Ok(None) };
    shelf.care(SystemTime::now(), &mut |told| report.tell(&run, told));
    Ok(Some(Logs { run, shelf }))
}

/// Removes the oldest files of all until the rest fits.
fn cap(all: &[Logs], total: u64, report: &mut Report) -> Exit {
    let mut exit = Exit::Yes;
    let mut files: Vec<(&Logs, Kept)> = Vec::new();
    for logs in all {
        match logs.shelf.kept() {
            Ok(mut kept) => {
                order_times(&mut kept);
                files.extend(kept.into_iter().map(|kept| (logs, kept)));
            }
            Err(error) => {
                talk(format_args!("cannot list the log of '{}': {error}", logs.run));
                exit = Exit::CouldNot;
            }
        }
    }
    let mut bytes: u64 = files.iter().map(|(_, kept)| kept.bytes).sum();
    // Of one run in the order of writing, for the sort is stable.
    files.sort_by_key(|(_, kept)| kept.last);
    let why = format!("all logs together may have {}", size_text(total));
    for (logs, kept) in files.iter().filter(|(logs, kept)| logs.shelf.may_go(kept)) {
        if bytes <= total {
            break;
        }
        logs.shelf.remove(kept, why.clone(), &mut |told| {
            bytes -= if told.is_ok() { kept.bytes } else { 0 };
            report.tell(&logs.run, told);
        });
    }
    if bytes > total {
        let left = "what is being written is never removed; fleet-logs --rotate sets it aside";
        talk(format_args!("the logs still have {}: {left}", size_text(bytes)));
        exit = exit.max(Exit::No);
    }
    exit
}
