//! `fleet-logs`: what the processes of a fleet print, now and as it comes.
//!
//! # Theory of operation
//!
//! Each selected run is a source of lines, whose pieces are joined, each with its attempt; all
//! begin at the place where what is wanted begins. A sieve (`sieve`) puts tracebacks together
//! (`fleet_traceback`), keeps what is wanted (`filter`, `pattern`) and what stands around it
//! (`context`). A merge by time of all sources goes to one sink (`sink`): a printer (`print`) of
//! text, records or raw bytes, or a counter (`count`).
//!
//! What is there now is read in large blocks by several threads (`bulk`), what grows by a reader
//! of lines (`run`).
//!
//! Following (`follow`) asks the same sources again whenever inotify(7), or now and then a timer,
//! says that there may be more. A source never forgets its place, so that what is shown first and
//! what follows neither overlap nor leave a gap. The registry is watched in the same way, for new
//! runs and for ends.

mod args;
mod bulk;
mod choose;
mod classify;
mod context;
mod count;
mod count_by;
mod cursor;
mod entry;
mod errors;
mod filter;
mod folded;
mod follow;
mod import;
mod keep;
mod pattern;
mod print;
mod progress;
mod run;
mod sieve;
mod sink;
mod source;

use std::collections::{HashMap, HashSet};
use std::io;
use std::sync::Arc;

use fleet_census::{Census, Seen};
use fleet_cli::{Exit, Failure, talk};
use fleet_core::{Id, ProcessRecord, RunKey};
use fleet_logfile::Merge;
use fleet_registry::Home;

pub use args::{
    Args, CountArgs, ErrorArgs, KeepArgs, Lines, SearchArgs, SourceArgs, StreamName, Timestamps,
};

use bulk::{Bulk, Opened};
use choose::{Choice, runs_of_each};
use classify::Classify;
use context::Around;
use count::Count;
use count_by::CountBy;
use cursor::Cursor;
use errors::Errors;
use filter::{Filter, Window};
use folded::Folded;
use follow::Follower;
use print::Printer;
use progress::Progress;
use run::Run;
use sink::{Sink, Tracebacks};
use source::Source;

/// Lines of each process when following begins.
const LINES_BEFORE: usize = 10;

/// Lines of each process that are compared when following for what is unlike before begins.
const LINES_COMPARED: usize = 1000;

/// Lines of each process on a terminal.
const LINES_SEEN: usize = 100;

/// More sources than this are more files than a process may have open by default.
const MANY: usize = 500;

/// Shows what was asked for.
///
/// # Errors
/// A selector is none or matches nothing, the registry cannot be read, or the output not written.
pub fn show(args: Args) -> anyhow::Result<Exit> {
    if args.keep.is_wanted() {
        return keep::care(&args);
    }
    check_times(&args)?;
    let mut sink = open_sink(&args)?;
    let filter = Arc::new(Filter::read(&args.search)?);
    if !args.source.files.is_empty() {
        return import::show(&args, filter, sink);
    }
    let choice = Choice::read(&args.select)?;
    let home = args.home.locate()?;
    let follow = args.follow || args.until_ended;
    // Before the first look, so that no change falls between the two.
    let watched = follow.then(|| follow::watch(&home));
    let census = fleet_census::take(&home)?;
    let cursor = open_cursor(&args, &home, &census)?;
    let (seen, mut exit) = choice.first(census)?;
    if let Some(attempt) = args.attempt.filter(|_| !follow) {
        exit = exit.max(not_begun(attempt, &seen));
    }
    let plan = Plan { cursor, ..Plan::new(&args, filter, sink.as_ref(), seen.len()) };
    let Some(watch) = watched else {
        // What has no end yet is left for the next call, which goes on there.
        let goes_on = plan.cursor.as_ref().map(|_| living(&seen)).unwrap_or_default();
        let open = |record: &ProcessRecord, numbered| {
            Opened::open(&home, record, &plan, numbered, !goes_on.contains(&record.key()))
        };
        let logs = open_all(&seen, &mut exit, open);
        return once(logs, &plan, sink, exit);
    };
    let open = |record: &_, numbered| Run::open(&home, record, &plan, numbered);
    let runs = open_all(&seen, &mut exit, open);
    runs.iter().for_each(|run| sink.line_up(&run.face));
    let ended = args.until_ended;
    Follower::new(home, choice, plan, sink, watch, ended, exit).run(runs, &seen)
}

/// Refuses a time that ends before it begins: an empty answer would look like good news.
fn check_times(args: &Args) -> Result<(), Failure> {
    match args.since.zip(args.until) {
        Some((since, until)) if until < since => {
            let message = format!("--until {until} lies before --since {since}");
            Err(Failure::new(Exit::CouldNot, message).hint("'10m' is ten minutes back from now"))
        }
        _ => Ok(()),
    }
}

/// Opens the cursor that was asked for.
fn open_cursor(args: &Args, home: &Home, census: &Census) -> anyhow::Result<Option<Arc<Cursor>>> {
    let Some(path) = &args.source.cursor else { return Ok(None) };
    let cursor = Cursor::open(path, home.path())?;
    let known: HashSet<RunKey> = census.seen.iter().map(|seen| seen.record.key()).collect();
    cursor.forget(|key| known.contains(key));
    Ok(Some(Arc::new(cursor)))
}

/// What becomes of the lines.
fn open_sink(args: &Args) -> anyhow::Result<Box<dyn Sink>> {
    if args.errors.progress {
        return Ok(Box::new(Progress::open(args)?));
    }
    let counts = &args.count;
    let sink: Box<dyn Sink> = if args.errors.errors {
        Box::new(Errors::open(args)?)
    } else if counts.count {
        Box::new(Count::open(args)?)
    } else if counts.makes_table() {
        Box::new(CountBy::open(args)?)
    } else {
        Box::new(Printer::open(args)?)
    };
    let live = (args.follow || args.until_ended) && sink.is_terminal();
    // Text and errors say nothing of classes, and need not wait for them.
    let records = sink.tracebacks() == Tracebacks::Records && !args.errors.errors;
    let asks = counts.is_of_classes() || counts.makes_table() || records;
    let sink = if asks { Box::new(Classify::before(sink, args)?) } else { sink };
    let folds = !args.raw && !counts.count;
    Ok(if folds { Box::new(Folded::new(sink, live)) } else { sink })
}

/// Says which runs have not come so far.
fn not_begun(attempt: u32, seen: &[Seen]) -> Exit {
    let mut exit = Exit::Yes;
    for one in seen.iter().filter(|s| s.record.attempt < attempt) {
        let (key, last) = (one.record.key(), one.record.attempt);
        talk(format_args!("'{key}' has no attempt {attempt}, its last is {last}"));
        exit = Exit::No;
    }
    exit
}

/// Shows what is there now.
fn once(
    logs: Vec<Opened>,
    plan: &Plan,
    mut sink: Box<dyn Sink>,
    exit: Exit,
) -> anyhow::Result<Exit> {
    if logs.is_empty() && exit == Exit::Yes {
        talk("nothing to show: no process lives or ended within a day");
    }
    logs.iter().for_each(|log| sink.line_up(log.face()));
    let mut bulk = Bulk::new(logs, plan, sink.counts().is_some());
    let shown = match sink.counts() {
        Some(counts) => bulk.count(|face, lines| counts.add(face, lines)),
        None => bulk.show(sink.as_mut())?,
    };
    let verdict = end(sink, plan, shown.any)?;
    if let Some(cursor) = &plan.cursor {
        bulk.note(cursor);
        cursor.write()?;
    }
    Ok(exit.max(shown.exit).max(verdict))
}

/// Ends the output; answers whether a search found nothing.
fn end(mut sink: Box<dyn Sink>, plan: &Plan, found: bool) -> io::Result<Exit> {
    let left_nothing = sink.left_nothing()?;
    sink.finish()?;
    Ok(if left_nothing { Exit::No } else { plan.verdict(found) })
}

/// The runs that live.
fn living(seen: &[Seen]) -> HashSet<RunKey> {
    seen.iter().filter(|s| s.observed.is_living()).map(|s| s.record.key()).collect()
}

/// What became of a round of printing.
pub(crate) struct Shown {
    /// What was wrong with the sources.
    pub(crate) exit: Exit,
    /// There was anything to show.
    pub(crate) any: bool,
}

/// Prints what the sources have, up to `most` lines of each, in order of time, and says what is
/// wrong with them.
fn print<'a, S: Source + 'a>(
    sources: impl Iterator<Item = &'a mut S>,
    most: usize,
    sink: &mut dyn Sink,
) -> anyhow::Result<Shown> {
    let mut shown = Shown { exit: Exit::Yes, any: false };
    let mut sources: Vec<&mut S> = sources.collect();
    for (_, entry) in Merge::new(sources.iter_mut().map(|source| source.entries(most))) {
        match entry {
            Ok(entry) => {
                sink.take(&entry)?;
                shown.any = true;
            }
            Err(error) => {
                talk(format_args!("cannot read a log: {error}"));
                shown.exit = Exit::CouldNot;
            }
        }
    }
    sources.iter_mut().flat_map(|source| source.complaints()).for_each(talk);
    Ok(shown)
}

/// What is wanted of each run.
#[derive(Clone)]
pub(crate) struct Plan {
    window: Window,
    filter: Arc<Filter>,
    around: Around,
    /// No more than so many are found of each run.
    most: Option<u64>,
    /// The lines of a traceback are one.
    grouped: bool,
    lines: Option<usize>,
    /// How far others before us came.
    cursor: Option<Arc<Cursor>>,
}

impl Plan {
    fn new(args: &Args, filter: Arc<Filter>, sink: &dyn Sink, sources: usize) -> Plan {
        let grouped = filter.levels.is_some()
            || match sink.tracebacks() {
                Tracebacks::Records => true,
                Tracebacks::Whole => sources > 1 && !filter.asks(),
                Tracebacks::Lines => false,
            };
        let searching = filter.asks() || args.count.is_of_classes();
        let lines = lines(args, searching, sink.is_terminal());
        Plan {
            window: Window::read(args),
            filter,
            around: Around::read(&args.search),
            most: args.search.max_count,
            grouped,
            lines,
            cursor: None,
        }
    }

    /// Whether each line is decided upon by itself, whatever stands around it.
    fn by_line(&self) -> bool {
        self.filter.asks() && !self.grouped && !self.around.is_some() && self.lines.is_none()
    }

    /// Whether a search found nothing.
    fn verdict(&self, found: bool) -> Exit {
        if found || !self.filter.asks() { Exit::Yes } else { Exit::No }
    }
}

/// Opens the logs of these runs; one that cannot be read is said and left out.
fn open_all<T>(
    seen: &[Seen],
    exit: &mut Exit,
    open: impl Fn(&ProcessRecord, bool) -> io::Result<T>,
) -> Vec<T> {
    if seen.len() > MANY {
        fleet_os::allow_many_files();
    }
    let runs: HashMap<Id, usize> = runs_of_each(seen);
    let mut opened = Vec::with_capacity(seen.len());
    for Seen { record, .. } in seen {
        let numbered = runs.get(&record.id).is_some_and(|count| *count > 1);
        match open(record, numbered) {
            Ok(one) => opened.push(one),
            Err(error) => {
                talk(format_args!("cannot read the log of '{}': {error}", record.key()));
                *exit = Exit::CouldNot;
            }
        }
    }
    opened
}

/// How many lines of each run, `None` for all. A pipe gets all: `| grep` must not miss a line for
/// a bound that nobody sees.
fn lines(args: &Args, searching: bool, terminal: bool) -> Option<usize> {
    let following = args.follow || args.until_ended;
    let bounded = args.since.is_some()
        || args.until.is_some()
        || args.attempt.is_some()
        || args.source.cursor.is_some();
    match args.lines {
        Some(Lines::All) => None,
        Some(Lines::Last(count)) => Some(count),
        None if bounded || args.errors.progress || args.errors.errors => None,
        // A count begins with what comes, a search for what is unlike before with what was before.
        None if following && args.count.makes_table() => Some(0),
        None if following && args.count.anomalies => Some(LINES_COMPARED),
        None if following => Some(LINES_BEFORE),
        None if searching => None,
        None if terminal => Some(LINES_SEEN),
        None => None,
    }
}
