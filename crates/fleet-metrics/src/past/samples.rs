//! Stored samples as they are.

use std::io;

use fleet_cli::{Align, Cell, Format, Out, Records, Table};
use fleet_core::Sample;
use fleet_history::{HistoryError, Wanted, records};

use super::{FORMATS, Past};
use crate::columns::SHOWN;
use crate::print::{csv, is_main};

/// Rows of a table that are aligned with each other; a longer history does not fit the memory.
const ALIGNED: usize = 1000;

/// Prints the samples, and returns whether there were any and what could not be read.
pub(crate) fn show(past: &Past) -> anyhow::Result<(bool, Vec<String>)> {
    let out = past.args.output.open(false)?;
    let mut printer = match past.args.output.format(FORMATS)? {
        Format::Table => Printer::table(out, false),
        Format::Wide => Printer::table(out, true),
        Format::Json => Printer::Records(Records::array(out)),
        Format::Csv => Printer::csv(out)?,
        _ => Printer::Records(Records::lines(out)),
    };
    let wanted = Wanted {
        since: past.since,
        until: past.args.history.until,
        series: &|series| past.choice.takes(series),
    };
    let mut found = false;
    let problems = records(past.folder, &wanted, |line| {
        found = true;
        printer.line(line)
    });
    let problems = problems?;
    printer.finish()?;
    Ok((found, problems))
}

enum Printer {
    Records(Records<Out>),
    Csv(Out),
    Table { out: Out, wide: bool, rows: Vec<Sample> },
}

/// Why a sample is not printed.
#[derive(Debug, thiserror::Error)]
enum Stopped {
    #[error(transparent)]
    History(#[from] HistoryError),
    #[error(transparent)]
    Output(#[from] io::Error),
}

impl Printer {
    fn table(out: Out, wide: bool) -> Printer {
        Printer::Table { out, wide, rows: Vec::new() }
    }

    fn csv(mut out: Out) -> io::Result<Printer> {
        csv::write(&mut out, true, &[])?;
        Ok(Printer::Csv(out))
    }

    fn line(&mut self, line: &[u8]) -> Result<(), Stopped> {
        match self {
            Printer::Records(records) => records.write_json(line)?,
            Printer::Csv(out) => {
                if let Ok(sample) = serde_json::from_slice(line) {
                    csv::write(out, false, &[sample])?;
                }
            }
            Printer::Table { out, wide, rows } => {
                // The columns are those of processes, host and fleet.
                let sample = serde_json::from_slice::<Sample>(line).ok();
                rows.extend(sample.filter(|sample| *wide || is_main(sample.subject)));
                if rows.len() >= ALIGNED {
                    write_table(out, *wide, rows)?;
                    rows.clear();
                }
            }
        }
        Ok(())
    }

    fn finish(self) -> io::Result<()> {
        match self {
            Printer::Records(records) => records.finish()?.finish(),
            Printer::Csv(out) => out.finish(),
            Printer::Table { mut out, wide, rows } => {
                if !rows.is_empty() {
                    write_table(&mut out, wide, &rows)?;
                }
                out.finish()
            }
        }
    }
}

fn write_table(out: &mut Out, wide: bool, rows: &[Sample]) -> io::Result<()> {
    let shown = || SHOWN.iter().filter(|s| wide || !s.wide);
    let heads = shown().map(|s| (s.column.title.to_owned(), s.column.align));
    let mut table = Table::titled([("TIME".to_owned(), Align::Left)].into_iter().chain(heads));
    for sample in rows {
        let cells = shown().map(|s| s.cell(sample));
        table.row([Cell::new(super::time_text(sample.ts))].into_iter().chain(cells).collect());
    }
    table.write(out)
}
