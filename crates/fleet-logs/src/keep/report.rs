//! What is said of each file.

use std::io;

use fleet_cli::{Align, Cell, Column, Exit, Format, Out, OutputArgs, Records, Table, talk};
use fleet_core::{RunKey, Timestamp, size_text};
use fleet_logfile::keep::{CareError, Deed, Done};
use serde::Serialize;

const FORMATS: [Format; 3] = [Format::Table, Format::Jsonl, Format::Json];

/// The record of one file.
#[derive(Serialize)]
struct Record<'a> {
    kind: &'static str,
    ts: Timestamp,
    id: &'a str,
    run: u32,
    file: &'a str,
    bytes: u64,
    #[serde(flatten)]
    what: What<'a>,
}

/// What was done with it.
#[derive(Serialize)]
#[serde(tag = "deed", rename_all = "snake_case")]
enum What<'a> {
    SetAside,
    Removed { reason: &'a str },
    Compressed { into: &'a str, into_bytes: u64 },
}

/// Says at once what was done with a file; a table, which must know all widths, at the end.
pub(crate) struct Report {
    out: Option<Writer>,
    /// The worst that happened.
    exit: Exit,
    /// Why something could not be said.
    broken: Option<io::Error>,
}

enum Writer {
    Records(Records<Out>),
    /// None before there is anything to show.
    Table(Option<Table>, Out),
}

impl Report {
    /// Opens the output.
    pub(crate) fn open(output: &OutputArgs) -> anyhow::Result<Report> {
        let format = output.format(&FORMATS)?;
        let out = output.open(true)?;
        let writer = match format {
            Format::Jsonl => Writer::Records(Records::lines(out)),
            Format::Json => Writer::Records(Records::array(out)),
            _ => Writer::Table(None, out),
        };
        Ok(Report { out: Some(writer), ..Report::silent() })
    }

    /// Says nothing but what went wrong.
    pub(crate) fn silent() -> Report {
        Report { out: None, exit: Exit::Yes, broken: None }
    }

    /// Says what was done with a file of a run, or what went wrong.
    pub(crate) fn tell(&mut self, run: &RunKey, told: Result<Done, CareError>) {
        match told {
            Ok(Done { file, bytes, deed }) => {
                let what = match &deed {
                    Deed::Removed { why } => What::Removed { reason: why },
                    Deed::Compressed { into, bytes } => {
                        What::Compressed { into, into_bytes: *bytes }
                    }
                };
                self.say(run, &file, bytes, what);
            }
            Err(error) => {
                talk(format_args!("'{run}': {error}: {}", error.source));
                self.exit = Exit::CouldNot;
            }
        }
    }

    /// Says that a file was set aside.
    pub(crate) fn set_aside(&mut self, run: &RunKey, file: &str, bytes: u64) {
        self.say(run, file, bytes, What::SetAside);
    }

    fn say(&mut self, run: &RunKey, file: &str, bytes: u64, what: What<'_>) {
        let (kind, ts, id) = ("log_file", Timestamp::now(), run.id.as_str());
        let said = match &mut self.out {
            None => Ok(()),
            Some(Writer::Records(records)) => {
                records.write(&Record { kind, ts, id, run: run.run, file, bytes, what })
            }
            Some(Writer::Table(table, _)) => {
                let (done, now) = what.words();
                let cells = [&run.to_string(), file, &size_text(bytes), done, &now];
                table.get_or_insert_with(new_table).row(cells.map(Cell::new).to_vec());
                Ok(())
            }
        };
        if let Err(error) = said {
            self.broken.get_or_insert(error);
        }
    }

    /// The worst that happened so far.
    pub(crate) fn exit(&self) -> Exit {
        self.exit
    }

    /// Nothing more comes.
    ///
    /// # Errors
    /// Something could not be written, now or before.
    pub(crate) fn finish(self) -> anyhow::Result<()> {
        if let Some(error) = self.broken {
            return Err(error.into());
        }
        match self.out {
            None => {}
            Some(Writer::Records(records)) => records.finish()?.finish()?,
            Some(Writer::Table(table, mut out)) => {
                if let Some(table) = table {
                    table.write(&mut out)?;
                }
                out.finish()?;
            }
        }
        Ok(())
    }
}

impl What<'_> {
    fn words(&self) -> (&'static str, String) {
        match self {
            What::SetAside => ("set aside", String::new()),
            What::Removed { reason } => ("removed", (*reason).to_owned()),
            What::Compressed { into_bytes, .. } => {
                ("compressed", format!("{} now", size_text(*into_bytes)))
            }
        }
    }
}

fn new_table() -> Table {
    let column = |title, align| Column { title, align };
    Table::new(vec![
        column("RUN", Align::Left),
        column("FILE", Align::Left),
        column("SIZE", Align::Right),
        column("DEED", Align::Left),
        column("WHY", Align::Left),
    ])
}
