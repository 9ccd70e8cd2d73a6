//! Care for the logs instead of a look at them: `--prune` and `--rotate`.
//!
//! How the files of a run are kept stands in its spec. A shim sets files aside by itself and, where
//! there is more to do, starts this tool for its run (`--helper`), so that it need not know how
//! to compress and never waits for it. A person may ask for both at any time; how much all logs
//! of a fleet may have together is looked at only then, best from cron.

mod prune;
mod report;
mod rotate;
mod settings;

use fleet_census::{Census, Seen};
use fleet_cli::{Exit, Failure, talk};
use fleet_registry::Home;

use crate::args::Args;
use report::Report;

/// Prunes or rotates the logs that were chosen, and reports each file.
///
/// # Errors
/// Nothing was chosen, the settings or the registry cannot be read, or the output not be written.
pub(crate) fn care(args: &Args) -> anyhow::Result<Exit> {
    let home = args.home.locate()?;
    if args.keep.helper {
        return prune::one(&home, &args.select);
    }
    if args.select.is_empty() && !args.keep.all {
        let (what, hint) = ("no logs were named", "name processes or labels, or say --all");
        return Err(Failure::new(Exit::CouldNot, what).hint(hint).into());
    }
    let mut report = Report::open(&args.output)?;
    let total = if args.keep.prune { total(args)? } else { None };
    let (chosen, mut exit) = choose(args, &home)?;
    exit = exit.max(if args.keep.prune {
        prune::prune(&home, &chosen, total, &mut report)?
    } else {
        rotate::rotate(&home, &chosen, &mut report)?
    });
    report.finish()?;
    Ok(exit)
}

/// How much all of them may have.
fn total(args: &Args) -> anyhow::Result<Option<u64>> {
    match args.keep.total {
        None if args.keep.all => Ok(settings::of_user()?.total_bytes),
        typed => Ok(typed),
    }
}

/// The runs that were chosen. What is orphaned is given a shim first, which may be asked.
fn choose(args: &Args, home: &Home) -> anyhow::Result<(Vec<Seen>, Exit)> {
    let selection = args.select.read()?;
    let mut census: Census = fleet_census::take(home)?;
    census.problems.iter().for_each(talk);
    if args.keep.rotate {
        census.heal().iter().for_each(talk);
    }
    let (chosen, unmatched) = selection.filter(census.seen, |seen| &seen.record);
    for name in &unmatched {
        talk(format!("no process matches '{name}'"));
    }
    let none = chosen.is_empty() && !args.keep.all;
    if none && unmatched.is_empty() {
        talk("no process has these labels");
    }
    Ok((chosen, if none || !unmatched.is_empty() { Exit::No } else { Exit::Yes }))
}
