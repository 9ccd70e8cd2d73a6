//! `fleet-emit`: a process says something of itself: a metric.
//!
//! # Theory of operation
//!
//! `fleet-emit metric` makes one `sample` record (`line`) and appends it with one write(2) to the
//! file of the run that it is called in (`place`), which the environment names. Nothing else has
//! to run, no lock has to be waited for longer than a moment, and readers follow the file as it
//! grows (`fleet-curves`, `fleet-metrics --curves`). The file is bounded: one that is full is set
//! aside under one other name (`file`).

mod args;
mod file;
mod line;
mod place;

use std::io::{self, BufRead, Read};

use anyhow::Context;
use fleet_cli::{Exit, talk};
use fleet_core::Timestamp;

pub use args::{EmitArgs, MetricArgs, What};

use file::append;
use line::{MAX_LINE, Values};
use place::Place;

/// Says what was asked for.
///
/// # Errors
/// What is said makes no sense, or cannot be written.
pub fn emit(args: EmitArgs) -> anyhow::Result<Exit> {
    match args.what {
        What::Metric(args) => metric(&args),
    }
}

fn metric(args: &MetricArgs) -> anyhow::Result<Exit> {
    let mut exit = Exit::Yes;
    if args.stdin {
        // The place is known before anything is read, so that a mistake is said at once.
        let place = Place::find(args)?;
        exit = each_line(io::stdin().lock(), &place)?;
    } else {
        let values = Values::typed(&args.values)?;
        let place = Place::find(args)?;
        write(&place, &values)?;
    }
    Ok(exit)
}

fn write(place: &Place, values: &Values) -> anyhow::Result<()> {
    let line = values.line(&place.said_by, Timestamp::now())?;
    append(&place.file, &line).with_context(|| format!("cannot write '{}'", place.file.display()))
}

/// Emits each line of JSON; says which are none, and goes on.
fn each_line(mut lines: impl BufRead, place: &Place) -> anyhow::Result<Exit> {
    let mut exit = Exit::Yes;
    let mut line = Vec::new();
    for number in 1_u64.. {
        line.clear();
        let mut bounded = lines.by_ref().take(MAX_LINE as u64 + 1);
        if bounded.read_until(b'\n', &mut line).context("cannot read standard input")? == 0 {
            break;
        }
        if line.len() > MAX_LINE && !line.ends_with(b"\n") {
            lines.skip_until(b'\n').context("cannot read standard input")?;
        }
        if line.trim_ascii().is_empty() {
            continue;
        }
        match Values::json(line.trim_ascii()) {
            Ok(values) => write(place, &values)?,
            Err(error) => {
                talk(format_args!("standard input line {number}: {error}"));
                exit = Exit::CouldNot;
            }
        }
    }
    Ok(exit)
}
