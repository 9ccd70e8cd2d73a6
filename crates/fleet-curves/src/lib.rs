//! `fleet-curves`: training curves of processes and of files.
//!
//! # Theory of operation
//!
//! What is read is a list of sources (`choose`), each the curves of one run or of files, read by
//! [`fleet_curve`]. Each point passes a filter (`Filter`) and goes to one printer (`print`): at once
//! where the form allows it, else into rows (`rows`) that are written when all columns are known.
//!
//! Following asks all sources again and again, and the registry for new processes now and then. A
//! source never forgets its place, so that every point comes once.

mod args;
mod choose;
mod print;
mod rows;

use std::io;
use std::time::{Duration, Instant};

use anyhow::Context;
use fleet_cli::{Exit, Failure, talk};
use fleet_core::Timestamp;
use fleet_curve::{Curves, Owner, Patterns, Point, Source, of_stream};
use fleet_os::sleep_unless_left;

pub use args::{CurvesArgs, Pattern, SourceName};

use choose::Sources;
use print::Printer;

/// Following looks for more so often.
const EVERY: Duration = Duration::from_millis(250);

/// And for new processes so often.
const RECOUNT: Duration = Duration::from_secs(2);

/// Shows what was asked for.
///
/// # Errors
/// A selector is none or matches nothing, a pattern is none, the registry or standard input cannot
/// be read, or the output not written.
pub fn show(args: CurvesArgs) -> anyhow::Result<Exit> {
    let patterns = patterns(&args)?;
    let mut printer = Printer::open(&args)?;
    let filter = Filter::new(&args);
    let mut sources = Sources::find(&args, patterns.clone())?;
    let mut shown = Shown { filter: &filter, printer: &mut printer, points: 0, failed: None };
    if sources.stdin {
        let mut sink = |point| shown.take(0, &Owner::default(), point);
        of_stream(&mut io::stdin().lock(), patterns, args.metric.clone(), &mut sink)
            .context("cannot read standard input")?;
    }
    shown.poll(&mut sources.curves)?;
    if args.follow {
        return follow(&args, &mut sources, &mut shown);
    }
    for (at, curves) in sources.curves.iter_mut().enumerate() {
        let owner = curves.owner.clone();
        curves.finish(&mut |point| shown.take(at, &owner, point));
    }
    let points = shown.points;
    shown.check()?;
    printer.finish()?;
    if points == 0 && sources.exit == Exit::Yes {
        talk("there is no curve in what was read");
        return Ok(Exit::No);
    }
    Ok(sources.exit)
}

fn follow(args: &CurvesArgs, sources: &mut Sources, shown: &mut Shown<'_>) -> anyhow::Result<Exit> {
    let mut counted = Instant::now();
    while !sleep_unless_left(io::stdout(), EVERY)? {
        if args.file.is_empty() && counted.elapsed() >= RECOUNT {
            counted = Instant::now();
            sources.join()?;
        }
        shown.poll(&mut sources.curves)?;
    }
    Ok(sources.exit)
}

/// The patterns of the file and those that were typed.
fn patterns(args: &CurvesArgs) -> anyhow::Result<Patterns> {
    let mut patterns = match &args.config {
        Some(file) if !file.exists() => {
            let words = format!("cannot read '{}': there is no such file", file.display());
            return Err(Failure::new(Exit::CouldNot, words).into());
        }
        Some(file) => Patterns::read(file)?,
        None => Patterns::of_user()?,
    };
    for typed in &args.pattern {
        patterns.add(&typed.name, &typed.regex)?;
    }
    Ok(patterns)
}

/// Which points are shown, and what of them.
struct Filter {
    metrics: Vec<String>,
    source: Option<Source>,
    since: Option<Timestamp>,
}

impl Filter {
    fn new(args: &CurvesArgs) -> Filter {
        Filter {
            metrics: args.metric.clone(),
            source: args.source.map(Source::from),
            since: args.since,
        }
    }

    fn take(&self, mut point: Point) -> Option<Point> {
        if self.source.is_some_and(|wanted| wanted != point.source)
            || self.since.is_some_and(|since| point.ts < since)
        {
            return None;
        }
        if !self.metrics.is_empty() {
            point.found.values.retain(|(name, _)| self.metrics.contains(name));
        }
        (!point.found.values.is_empty()).then_some(point)
    }
}

/// Where points go.
struct Shown<'a> {
    filter: &'a Filter,
    printer: &'a mut Printer,
    points: u64,
    /// The output does not take them any more.
    failed: Option<io::Error>,
}

impl Shown<'_> {
    fn take(&mut self, at: usize, owner: &Owner, point: Point) {
        if self.failed.is_some() {
            return;
        }
        if let Some(point) = self.filter.take(point) {
            self.points += 1;
            self.failed = self.printer.point(at, owner, point).err();
        }
    }

    /// Shows what came since.
    fn poll(&mut self, sources: &mut [Curves]) -> anyhow::Result<()> {
        for (at, curves) in sources.iter_mut().enumerate() {
            let owner = curves.owner.clone();
            curves.poll(&mut |point| self.take(at, &owner, point));
            curves.problems().iter().for_each(talk);
            self.check()?;
        }
        Ok(self.printer.flush()?)
    }

    fn check(&mut self) -> io::Result<()> {
        self.failed.take().map_or(Ok(()), Err)
    }
}
