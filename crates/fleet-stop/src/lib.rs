//! Stopping processes of a fleet.
//!
//! # Theory of operation
//!
//! A stop is a request to the shim, by SIGTERM; how it is to go, where that differs from what was
//! spawned, is put beside the run first. All shims are asked before any is waited for, so that a
//! thousand take as long as the slowest. Then each run's own record is read when its shim is
//! gone. A process without a shim is given one that adopts it; where that cannot be, this program
//! ends its tree itself (`direct`).

mod args;
mod asked;
mod direct;

use fleet_census::{Census, Seen};
use fleet_cli::{Align, Cell, Column, Exit, Failure, Format, Out, Records, Table, talk};
use fleet_core::ProcessRecord;

pub use args::Args;
use asked::{How, Target};

const FORMATS: [Format; 3] = [Format::Table, Format::Jsonl, Format::Json];

/// Stops the chosen processes and reports each.
///
/// # Errors
/// Nothing was chosen, the registry cannot be read, or the output cannot be written.
pub fn stop(args: Args) -> anyhow::Result<Exit> {
    if args.select.is_empty() && !args.all {
        let words = "nothing to stop was named";
        return Err(Failure::new(Exit::CouldNot, words)
            .hint("name processes or labels, or say --all")
            .into());
    }
    let format = args.output.format(&FORMATS)?;
    let home = args.home.locate()?;
    let selection = args.select.read()?;
    let mut census: Census = fleet_census::take(&home)?;
    census.problems.iter().for_each(talk);
    // What is orphaned gets a shim that can be asked; a failure is dealt with below.
    census.heal().iter().for_each(talk);
    let (chosen, unmatched) = selection.filter(census.seen, |seen| &seen.record);
    for name in &unmatched {
        talk(format!("no process matches '{name}'"));
    }
    let named = !args.select.selectors.is_empty();
    let chosen: Vec<Seen> =
        chosen.into_iter().filter(|seen| named || seen.observed.is_living()).collect();
    if chosen.is_empty() && unmatched.is_empty() {
        talk("nothing to stop");
    }
    let how = How::new(&args);
    let mut targets: Vec<Target> =
        chosen.into_iter().map(|seen| Target::ask(&home, seen, &how)).collect();
    let mut ended = Vec::new();
    let mut all_stopped = unmatched.is_empty();
    for target in &mut targets {
        match target.wait(&home, &how) {
            Ok(record) => ended.push(record),
            Err(why) => {
                all_stopped = false;
                talk(format!("'{}' did not stop: {why}", target.record().id));
                ended.push(target.record().clone());
            }
        }
    }
    report(args.output.open(false)?, format, &ended)?;
    Ok(if all_stopped { Exit::Yes } else { Exit::No })
}

fn report(mut out: Out, format: Format, ended: &[ProcessRecord]) -> anyhow::Result<()> {
    match format {
        Format::Jsonl => drop(Records::lines(&mut out).write_all(ended)?),
        Format::Json => drop(Records::array(&mut out).write_all(ended)?),
        _ => table(&mut out, ended)?,
    }
    Ok(out.finish()?)
}

fn table(out: &mut Out, ended: &[ProcessRecord]) -> anyhow::Result<()> {
    if ended.is_empty() {
        return Ok(());
    }
    let left = |title| Column { title, align: Align::Left };
    let mut table = Table::new(vec![left("ID"), left("STATE"), left("HOW")]);
    for record in ended {
        let reason = record.exit.as_ref().map(|exit| exit.reason.as_str());
        table.row(vec![
            Cell::new(record.id.as_str()),
            Cell::new(record.state.word()),
            Cell::maybe(reason),
        ]);
    }
    Ok(table.write(out)?)
}
