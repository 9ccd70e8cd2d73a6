//! Printing records as they become final.

use std::io::{self, Write};

use fleet_cli::{Align, Cell, Column, Format, Out, Records, Table};
use fleet_core::ProcessRecord;

/// Prints each record at once, or a table when all are there.
pub(crate) enum Printer {
    Records(Records<Out>),
    Table(Out, Vec<(usize, ProcessRecord)>),
}

impl Printer {
    pub(crate) fn new(out: Out, format: Format) -> Printer {
        match format {
            Format::Jsonl => Printer::Records(Records::lines(out)),
            Format::Json => Printer::Records(Records::array(out)),
            _ => Printer::Table(out, Vec::new()),
        }
    }

    /// The record at this place of the choice is final.
    pub(crate) fn print(&mut self, at: usize, record: &ProcessRecord) -> io::Result<()> {
        match self {
            Printer::Records(records) => records.write(record),
            Printer::Table(_, kept) => {
                kept.push((at, record.clone()));
                Ok(())
            }
        }
    }

    pub(crate) fn finish(self) -> io::Result<()> {
        match self {
            Printer::Records(records) => records.finish()?.finish(),
            Printer::Table(mut out, mut kept) => {
                kept.sort_by_key(|(at, _)| *at);
                write_table(&mut out, &kept)?;
                out.finish()
            }
        }
    }
}

fn write_table(out: &mut Out, records: &[(usize, ProcessRecord)]) -> io::Result<()> {
    if records.is_empty() {
        return out.flush();
    }
    let left = |title| Column { title, align: Align::Left };
    let mut table = Table::new(vec![left("ID"), left("STATE"), left("HOW")]);
    for (_, record) in records {
        let exit = record.exit.as_ref().filter(|_| record.state.has_ended());
        let how = exit.map(|exit| exit.reason.as_str()).or(record.health.map(|h| h.word()));
        table.row(vec![
            Cell::new(record.id.as_str()),
            Cell::new(record.state.word()),
            Cell::maybe(how),
        ]);
    }
    table.write(out)
}
