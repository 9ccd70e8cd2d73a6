//! Listing the processes of a fleet.
//!
//! # Theory of operation
//!
//! One census is taken, and healed unless that is refused; the choice is made from it and shown.
//! In a pipe each process is its record as the registry has it, with fields that this build may
//! not know, and with what the kernel says put in (`view`). With `--health` the supervisors are asked
//! first to look again (`check`).

mod args;
mod check;
mod place;
mod usage;
mod view;

use std::io::Write;
use std::thread;
use std::time::Duration;

use anyhow::Context;
use fleet_census::{Census, Seen};
use fleet_cli::{Exit, Failure, Format, Out, Records, Selection, talk};
use fleet_core::{Observed, Timestamp};
use fleet_registry::{Home, Keep};

pub use args::Args;
use place::Places;

/// Ended runs are listed for so long.
const LISTED: Duration = Duration::from_secs(86400);

const FORMATS: [Format; 5] =
    [Format::Table, Format::Wide, Format::Jsonl, Format::Json, Format::Csv];

/// Lists the chosen processes, or prunes.
///
/// # Errors
/// The registry cannot be read, an option is off, or the output cannot be written.
pub fn list(args: Args) -> anyhow::Result<Exit> {
    let home = args.home.locate()?;
    if args.prune {
        return prune(&args, &home);
    }
    let format = args.output.format(&FORMATS)?;
    let selection = args.select.read()?;
    loop {
        let mut out = args.output.open(args.watch.is_some())?;
        if args.watch.is_some() && out.is_terminal() {
            // Clear the screen and begin at its top (ECMA-48: ED, CUP).
            out.write_all(b"\x1b[2J\x1b[H")?;
        }
        let exit = once(&args, &home, &selection, format, out)?;
        match args.watch {
            Some(interval) => thread::sleep(interval.max(Duration::from_millis(100))),
            None => return Ok(exit),
        }
    }
}

fn once(
    args: &Args,
    home: &Home,
    selection: &Selection,
    format: Format,
    mut out: Out,
) -> anyhow::Result<Exit> {
    let census = truth(args, home)?;
    let places = Places::of(&census.seen);
    let (mut chosen, unmatched) = choose(args, selection, census);
    if args.health {
        check::look_again(home, &mut chosen).iter().for_each(talk);
    }
    match format {
        Format::Table if args.health => view::health_table(&mut out, &chosen, &places)?,
        Format::Table => view::table(&mut out, &chosen, &places)?,
        Format::Wide => view::wide(&mut out, &chosen, &places)?,
        Format::Csv => view::csv(&mut out, &chosen)?,
        Format::Json => json(Records::array(&mut out), &chosen, &places)?,
        _ => json(Records::lines(&mut out), &chosen, &places)?,
    }
    out.finish()?;
    if !unmatched.is_empty() {
        let words = format!("no process matches '{}'", unmatched.join("', '"));
        return Err(Failure::new(Exit::No, words).into());
    }
    let well = !args.health || chosen.iter().all(view::is_well);
    let asked = !args.select.is_empty() || !args.state.is_empty();
    let none = chosen.is_empty();
    if args.watch.is_none() {
        // The program ends: to give back the memory of each record would take longer than to show it.
        std::mem::forget((chosen, places));
    }
    Ok(if well && !(asked && none) { Exit::Yes } else { Exit::No })
}

/// The census, healed and small.
fn truth(args: &Args, home: &Home) -> anyhow::Result<Census> {
    if !args.no_heal && fleet_registry::is_large(home) {
        compact(home, Keep::default())?;
    }
    let mut census = fleet_census::take(home)?;
    census.problems.iter().for_each(talk);
    if census.rebuilt && !census.seen.is_empty() {
        let path = home.registry();
        talk(format!("'{}' was missing; rebuilt from the runs' folders", path.display()));
        if !args.no_heal {
            compact(home, Keep::default())?;
        }
    }
    if !args.no_heal {
        census.heal().iter().for_each(talk);
    }
    Ok(census)
}

fn choose(args: &Args, selection: &Selection, census: Census) -> (Vec<Seen>, Vec<String>) {
    let (mut chosen, unmatched) = selection.filter(census.seen, |seen| &seen.record);
    let listed_since = Timestamp::now().minus(LISTED);
    let recent = |seen: &Seen| {
        let ended = seen.record.ended_at.unwrap_or(seen.record.ts);
        seen.observed.is_living() || ended >= listed_since
    };
    let is_state =
        |seen: &Seen| args.state.is_empty() || args.state.iter().any(|s| s == seen.observed.word());
    let named = !args.select.selectors.is_empty();
    if !args.all && !named {
        let mut newest = view::are_newest(&chosen).into_iter();
        chosen.retain(|seen| newest.next() == Some(true) && recent(seen));
    }
    chosen.retain(is_state);
    (chosen, unmatched)
}

fn json<W: Write>(mut records: Records<W>, chosen: &[Seen], places: &Places) -> anyhow::Result<()> {
    let now = Timestamp::now();
    let mut line = Vec::new();
    for seen in chosen {
        line.clear();
        view::json(seen, now, places, &mut line)?;
        records.write_json(&line)?;
    }
    records.finish()?;
    Ok(())
}

fn prune(args: &Args, home: &Home) -> anyhow::Result<Exit> {
    // What is lost has ended too, once that is written down.
    if !args.no_heal {
        fleet_census::take(home)?.heal().iter().for_each(talk);
    }
    compact(home, Keep { ended: args.keep, age: args.older_than })?;
    Ok(Exit::Yes)
}

fn compact(home: &Home, keep: Keep) -> anyhow::Result<()> {
    let pruned =
        fleet_census::prune(home, keep, Timestamp::now()).context("cannot compact the registry")?;
    pruned.problems.iter().for_each(talk);
    if !pruned.runs.is_empty() {
        talk(format!("forgot {} ended runs", pruned.runs.len()));
    }
    Ok(())
}

/// Whether anything about it needs a person.
fn needs_care(observed: Observed) -> bool {
    use fleet_core::State;
    !matches!(
        observed,
        Observed::AsRecorded(
            State::Queued
                | State::Starting
                | State::Running
                | State::Paused
                | State::Stopping
                | State::Completed
                | State::Stopped
        )
    )
}
