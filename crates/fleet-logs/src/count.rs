//! How many lines were found, instead of the lines.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use fleet_cli::{Align, Cell, Column, Exit, Failure, Format, Out, Records, Table};
use fleet_core::{Id, Labels, Timestamp};
use serde::Serialize;

use crate::args::Args;
use crate::entry::{Entry, Face};
use crate::sink::Sink;

/// Counts the lines of each run, and writes the numbers at the end.
pub(crate) struct Count {
    out: Out,
    format: Format,
    /// By id and number of the run.
    runs: BTreeMap<(Id, u32), (Arc<Face>, u64)>,
}

/// The number as programs get it.
#[derive(Serialize)]
struct CountRecord<'a> {
    kind: &'static str,
    ts: Timestamp,
    subject: &'static str,
    id: &'a Id,
    #[serde(skip_serializing_if = "Option::is_none")]
    run: Option<u32>,
    #[serde(skip_serializing_if = "Labels::is_empty")]
    labels: &'a Labels,
    lines: u64,
}

impl Count {
    /// As the arguments want it.
    ///
    /// # Errors
    /// The format is none of ours, the output cannot be opened, or there is no end to count to.
    pub(crate) fn open(args: &Args) -> anyhow::Result<Count> {
        if args.follow && !args.until_ended {
            let message = "--count says its numbers at the end, which --follow does not have";
            return Err(Failure::new(Exit::CouldNot, message).hint("add --until-ended").into());
        }
        let format = args.output.format(&[Format::Table, Format::Jsonl, Format::Json])?;
        Ok(Count { out: args.output.open(false)?, format, runs: BTreeMap::new() })
    }

    /// Adds so many to the lines of a run.
    pub(crate) fn add(&mut self, face: &Arc<Face>, lines: u64) {
        let key = (face.key.id.clone(), face.key.run);
        self.runs.entry(key).or_insert_with(|| (Arc::clone(face), 0)).1 += lines;
    }
}

impl Sink for Count {
    fn take(&mut self, entry: &Entry) -> io::Result<()> {
        self.add(&entry.face, u64::from(!entry.around));
        Ok(())
    }

    fn line_up(&mut self, face: &Arc<Face>) {
        self.add(face, 0);
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> io::Result<()> {
        let records = match self.format {
            Format::Jsonl => Records::lines(self.out),
            Format::Json => Records::array(self.out),
            _ => {
                table(self.runs.values()).write(&mut self.out)?;
                return self.out.finish();
            }
        };
        let ts = Timestamp::now();
        let runs = self.runs.values();
        records.write_all(runs.map(|(face, lines)| record(face, *lines, ts)))?.finish()
    }

    fn counts(&mut self) -> Option<&mut Count> {
        Some(self)
    }

    fn is_stdout(&self) -> bool {
        // Its reader gets all of it at the end or nothing.
        false
    }
}

fn table<'a>(runs: impl Iterator<Item = &'a (Arc<Face>, u64)>) -> Table {
    let mut table = Table::new(vec![
        Column { title: "ID", align: Align::Left },
        Column { title: "LINES", align: Align::Right },
    ]);
    for (face, lines) in runs {
        table.row(vec![Cell::new(face.name()), Cell::new(lines.to_string())]);
    }
    table
}

fn record(face: &Face, lines: u64, ts: Timestamp) -> CountRecord<'_> {
    let (id, run) = (&face.key.id, face.run());
    CountRecord { kind: "sample", ts, subject: "log", id, run, labels: &face.labels, lines }
}
