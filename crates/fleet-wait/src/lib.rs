//! Waiting for processes of a fleet.
//!
//! # Theory of operation
//!
//! The processes are those of one census, which is mended first. A [`Vigil`] then sleeps in the
//! kernel until records change; each record that is as wanted, or can no longer be, is printed at
//! once and no longer waited for (`verdicts`). What loses its supervisors meanwhile is mended, so
//! that nobody waits for ever for what cannot come. An interrupt ends this program as any other:
//! it holds nothing.

mod args;
mod print;
mod verdicts;

use std::collections::HashMap;
use std::time::Instant;

use fleet_census::{Census, Vigil};
use fleet_cli::{Exit, Failure, Format, Selection, talk};
use fleet_core::{Id, ProcessRecord};
use fleet_registry::Home;

pub use args::Args;
use print::Printer;
use verdicts::Verdicts;

const FORMATS: [Format; 3] = [Format::Table, Format::Jsonl, Format::Json];

/// Waits until the chosen processes are as wanted, and prints their records.
///
/// # Errors
/// Nothing was named, the registry cannot be read, or the output cannot be written.
pub fn wait(args: Args) -> anyhow::Result<i32> {
    if args.select.is_empty() {
        let words = "nothing to wait for was named";
        return Err(Failure::new(Exit::CouldNot, words).hint("name processes or labels").into());
    }
    let format = args.output.format(&FORMATS)?;
    let home = args.home.locate()?;
    // First what comes through the pipe: it may be spawned only now.
    let selection = args.select.read()?;
    let deadline = args.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    // Each supervisor is held by a descriptor.
    fleet_os::allow_many_files();
    let (chosen, unmatched) = choose(&home, &selection, args.select.selectors.is_empty())?;
    for name in &unmatched {
        talk(format!("no process matches '{name}'"));
    }
    if chosen.is_empty() && unmatched.is_empty() {
        talk("nothing to wait for");
    }
    let mut printer = Printer::new(args.output.open(true)?, format);
    let mut verdicts = Verdicts::new(args.until, args.any, chosen.len(), !unmatched.is_empty());
    let mut vigil = Vigil::over(&home, chosen);
    let in_time = loop {
        for (at, record) in verdicts.take(&mut vigil) {
            printer.print(at, &record)?;
        }
        if verdicts.are_enough() {
            break true;
        }
        let in_time = vigil.turn(deadline);
        vigil.said().iter().for_each(talk);
        if !in_time {
            break false;
        }
    };
    printer.finish()?;
    if !in_time {
        for (_, record) in vigil.open() {
            talk(format!("'{}' is {} and not {} yet", record.id, record.state, args.until));
        }
        return Ok(Exit::TimedOut.into());
    }
    Ok(verdicts.exit())
}

/// Everything that was chosen, living or ended, and the names that chose nothing.
fn choose(
    home: &Home,
    selection: &Selection,
    by_label: bool,
) -> anyhow::Result<(Vec<ProcessRecord>, Vec<String>)> {
    let mut census: Census = fleet_census::take(home)?;
    census.problems.iter().for_each(talk);
    census.heal().iter().for_each(talk);
    let (chosen, unmatched) = selection.filter(census.seen, |seen| &seen.record);
    let mut records: Vec<ProcessRecord> = chosen.into_iter().map(|seen| *seen.record).collect();
    if by_label {
        keep_newest(&mut records);
    }
    Ok((records, unmatched))
}

/// Labels alone choose all runs; an older one says nothing of what is waited for.
fn keep_newest(records: &mut Vec<ProcessRecord>) {
    let mut newest: HashMap<Id, u32> = HashMap::new();
    for record in records.iter() {
        let run = newest.entry(record.id.clone()).or_default();
        *run = record.run.max(*run);
    }
    records.retain(|record| newest.get(&record.id) == Some(&record.run));
}
