//! Writing lines: as text for people, as records for programs, or as the bytes they were.

mod clean;
mod csv;
mod live;
mod stamp;
mod text;
mod wire;

use std::io::{self, Write};
use std::sync::Arc;

use fleet_cli::{Exit, Failure, Format, Out, Records};

use crate::args::Args;
use crate::entry::{Entry, Face};
use crate::sink::{Sink, Tracebacks};
pub(crate) use clean::{clean, is_clean};
use csv::Csv;
use text::Text;
use wire::Wire;

/// Where lines go.
pub(crate) enum Printer {
    /// For people.
    Text(Text),
    /// A record a line.
    Lines(Out, Wire),
    /// One array of records.
    Array(Records<Out>, Wire),
    /// A row a line.
    Csv(Csv),
    /// The bytes as they were written.
    Raw(Out),
}

impl Printer {
    /// As the arguments want it.
    ///
    /// # Errors
    /// The format is none of ours or has no end, or the output cannot be opened.
    pub(crate) fn open(args: &Args) -> anyhow::Result<Printer> {
        // Following flushes at the end of each batch instead: nothing waits, and catching up is
        // quick.
        let open = || args.output.open(false);
        if args.raw {
            return Ok(Printer::Raw(open()?));
        }
        let format =
            args.output.format(&[Format::Table, Format::Jsonl, Format::Json, Format::Csv])?;
        let endless = args.follow && !args.until_ended;
        Ok(match format {
            Format::Json if endless => {
                let message = "'-o json' is an array, which has no end while following";
                return Err(Failure::new(Exit::CouldNot, message).hint("use -o jsonl").into());
            }
            Format::Json => Printer::Array(Records::array(open()?), Wire::default()),
            Format::Jsonl => Printer::Lines(open()?, Wire::default()),
            Format::Csv => Printer::Csv(Csv::new(open()?)?),
            _ => Printer::Text(Text::new(open()?, !args.no_id, args.timestamps)),
        })
    }
}

impl Sink for Printer {
    fn take(&mut self, entry: &Entry) -> io::Result<()> {
        match self {
            Printer::Text(text) => text.write(entry),
            Printer::Lines(out, wire) => out.write_all(wire.line(entry)?),
            Printer::Array(records, wire) => records.write_json(wire.record(entry)?),
            Printer::Csv(csv) => csv.write(entry),
            Printer::Raw(out) => {
                out.write_all(&entry.message.text)?;
                if entry.message.partial { Ok(()) } else { out.write_all(b"\n") }
            }
        }
    }

    fn line_up(&mut self, face: &Arc<Face>) {
        if let Printer::Text(text) = self {
            text.line_up(face);
        }
    }

    fn live(&mut self, drawn: Option<&Entry>) -> io::Result<()> {
        match self {
            Printer::Text(text) => text.live(drawn),
            _ => Ok(()),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match self {
            Printer::Text(text) => text.flush(),
            Printer::Lines(out, _) | Printer::Raw(out) => out.flush(),
            Printer::Csv(csv) => csv.flush(),
            Printer::Array(..) => Ok(()),
        }
    }

    fn is_stdout(&self) -> bool {
        match self {
            Printer::Text(Text { out, .. }) | Printer::Lines(out, _) | Printer::Raw(out) => {
                out.is_stdout()
            }
            Printer::Csv(csv) => csv.is_stdout(),
            // Its reader gets all of it at the end or nothing.
            Printer::Array(..) => false,
        }
    }

    fn finish(self: Box<Self>) -> io::Result<()> {
        match *self {
            Printer::Text(Text { out, .. }) | Printer::Lines(out, _) | Printer::Raw(out) => {
                out.finish()
            }
            Printer::Csv(csv) => csv.finish(),
            Printer::Array(records, _) => records.finish()?.finish(),
        }
    }

    fn tracebacks(&self) -> Tracebacks {
        match self {
            Printer::Lines(..) | Printer::Array(..) | Printer::Csv(_) => Tracebacks::Records,
            Printer::Text(_) | Printer::Raw(_) => Tracebacks::Whole,
        }
    }

    fn is_terminal(&self) -> bool {
        matches!(self, Printer::Text(text) if text.out.is_terminal())
    }

    fn shows_beginnings(&self) -> bool {
        matches!(self, Printer::Raw(_)) || self.is_terminal()
    }
}
