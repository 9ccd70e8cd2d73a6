//! Sending a signal as it is.

use std::io;

use fleet_census::Tree;
use fleet_cli::talk;
use fleet_core::{ProcessRecord, Signal, State};
use fleet_os::PidFd;
use fleet_registry::Home;

use crate::target::{Refusal, Target, nobody_there};

/// Sends the signal to each main process, or to each whole tree.
pub(crate) fn send(home: &Home, targets: &mut [Target], signal: Signal, tree: bool) {
    for target in targets {
        let record = &target.record;
        let sent = match nobody_there(record) {
            Some(refusal) => Err(refusal),
            None if tree => to_tree(&Tree::of(home, record), signal),
            None => to_main(record, signal),
        };
        if sent.is_ok() && record.state == State::Paused && waits(signal) {
            talk(format!("'{}' is paused and sees {signal} when it is resumed", record.id));
        }
        target.refusal = sent.err();
    }
}

/// Whether a stopped process does not notice this signal (signal(7)).
fn waits(signal: Signal) -> bool {
    ![Signal::KILL, Signal::CONT, Signal::STOP].contains(&signal)
}

fn to_main(record: &ProcessRecord, signal: Signal) -> Result<(), Refusal> {
    let pid = record.pid.map_or(String::new(), |pid| format!(" (pid {pid})"));
    let gone = || Target::no(format!("has no main process any more{pid}; nobody was signalled"));
    let main = record.main().map(PidFd::of).transpose().map_err(could_not)?.flatten();
    let main = main.filter(|main| !main.has_exited()).ok_or_else(gone)?;
    match main.signal(signal) {
        Err(e) if e.kind() == io::ErrorKind::NotFound => Err(gone()),
        sent => sent.map_err(could_not),
    }
}

fn to_tree(tree: &Tree<'_>, signal: Signal) -> Result<(), Refusal> {
    let held = tree.hold();
    if held.is_empty() {
        return Err(Target::no("has no process any more; nobody was signalled"));
    }
    for (_, process) in held {
        match process.signal(signal) {
            Err(e) if e.kind() != io::ErrorKind::NotFound => return Err(could_not(e)),
            _ => {}
        }
    }
    Ok(())
}

fn could_not(e: io::Error) -> Refusal {
    Refusal::CouldNot(format!("cannot be signalled: {e}"))
}
