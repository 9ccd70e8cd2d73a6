//! Pausing, resuming, restarting and signalling processes of a fleet.
//!
//! # Theory of operation
//!
//! All chosen processes are acted on before any is waited for, so that a hundred take as long as
//! the slowest; what becomes of each is seen in its own record, which its shim writes. A pause and a
//! resume are signals to each process of the tree (`suspend`), which the shim sees for itself; a
//! restart is asked of the shim (`restart`); any other signal goes to the main process or to the
//! tree (`send`). No pid is signalled that was not first held and compared.

mod args;
mod report;
mod restart;
mod send;
mod suspend;
mod target;

use std::time::{Duration, Instant};

use fleet_census::{Census, Vigil};
use fleet_cli::{Exit, Failure, Format, talk};
use fleet_core::{ProcessRecord, State};
use fleet_os::PidFd;
use fleet_registry::Home;

pub use args::{Action, Args, BadAction};
use restart::Restart;
use target::Target;

const FORMATS: [Format; 3] = [Format::Table, Format::Jsonl, Format::Json];

/// How long a start that has begun, and a shim that takes over, may take.
const SETTLING: Duration = Duration::from_secs(5);

/// Acts on the chosen processes and reports each.
///
/// # Errors
/// Nothing was chosen, options contradict, the registry cannot be read, or the output cannot be
/// written.
pub fn signal(args: Args) -> anyhow::Result<Exit> {
    check(&args)?;
    let format = args.output.format(&FORMATS)?;
    let home = args.home.locate()?;
    fleet_os::allow_many_files();
    let (chosen, unmatched) = choose(&args, &home)?;
    for name in &unmatched {
        talk(format!("no process matches '{name}'"));
    }
    if chosen.is_empty() && unmatched.is_empty() {
        talk("no living process is chosen");
    }
    let mut targets: Vec<Target> =
        settled(&home, chosen).into_iter().map(|record| Target::new(&home, record)).collect();
    match args.action {
        Action::Pause => suspend::pause(&home, &mut targets),
        Action::Resume => suspend::resume(&home, &mut targets),
        Action::Restart => Restart::new(args.grace).run(&home, &mut targets),
        Action::Send(signal) => send::send(&home, &mut targets, signal, args.tree),
    }
    let mut exit = if unmatched.is_empty() && !targets.is_empty() { Exit::Yes } else { Exit::No };
    for target in &targets {
        if let Some(refusal) = &target.refusal {
            talk(format!("'{}' {}", target.record.id, refusal.words()));
            exit = exit.max(refusal.exit());
        }
    }
    report::report(args.output.open(false)?, format, &targets)?;
    Ok(exit)
}

fn check(args: &Args) -> Result<(), Failure> {
    let refuse = |words: &str, hint: &str| Err(Failure::new(Exit::CouldNot, words).hint(hint));
    if args.select.is_empty() && !args.all {
        return refuse("nothing to signal was named", "name processes or labels, or say --all");
    }
    if args.grace.is_some() && args.action != Action::Restart {
        return refuse("--grace is for restart alone", "see fleet-signal --help");
    }
    if args.tree && !matches!(args.action, Action::Send(_)) {
        let hint = "pause, resume and restart are always of the whole tree";
        return refuse("--tree is for signals and reload alone", hint);
    }
    Ok(())
}

/// What was chosen, and the names that chose nothing. What is orphaned is given a shim first. Only
/// who is named is told of what has ended.
fn choose(args: &Args, home: &Home) -> anyhow::Result<(Vec<ProcessRecord>, Vec<String>)> {
    let selection = args.select.read()?;
    let mut census: Census = fleet_census::take(home)?;
    census.problems.iter().for_each(talk);
    census.heal().iter().for_each(talk);
    let (chosen, unmatched) = selection.filter(census.seen, |seen| &seen.record);
    let named = !args.select.selectors.is_empty();
    let chosen = chosen.into_iter().filter(|seen| named || seen.observed.is_living());
    Ok((chosen.map(|seen| *seen.record).collect(), unmatched))
}

/// The records once starts that have begun are over and new shims have taken over.
fn settled(home: &Home, records: Vec<ProcessRecord>) -> Vec<ProcessRecord> {
    let is_settled = |record: &ProcessRecord| {
        let shim = || record.shim.and_then(|shim| PidFd::of(shim.who).ok().flatten());
        record.state.has_ended() || record.state != State::Starting && shim().is_some()
    };
    if records.iter().all(is_settled) {
        return records;
    }
    let count = records.len();
    let mut vigil = Vigil::over(home, records);
    vigil.until(Some(Instant::now() + SETTLING), |_, record| is_settled(record));
    vigil.said().iter().for_each(talk);
    (0..count).map(|at| vigil.record(at).clone()).collect()
}
