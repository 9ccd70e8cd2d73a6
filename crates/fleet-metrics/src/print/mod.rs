//! Samples on their way out: one file for each form.

pub(crate) mod csv;
mod document;
mod exposed;
mod lists;
mod table;

use std::io::{self, Write};

use fleet_cli::{Exit, Failure, Format, Out, OutputArgs, Records};
use fleet_core::Sample;
use fleet_exposition::Form as Exposed;

use crate::args::MetricsArgs;
use crate::told::Told;

use document::document;
use exposed::Exposing;
use table::Tables;
pub(crate) use table::is_main;

const FORMATS: &[Format] = &[
    Format::Table,
    Format::Wide,
    Format::Jsonl,
    Format::Json,
    Format::Csv,
    Format::Prometheus,
    Format::Openmetrics,
];

/// Writes rounds in one form.
pub(crate) enum Printer {
    /// One round follows the other.
    Stream { out: Out, form: Stream, rounds: u64 },
    /// A file holds the newest round, whole at every moment.
    File(NewestInFile),
    /// Standard output gets the newest round when there are no more.
    AtEnd { out: Out, form: Whole, newest: Vec<u8> },
    /// The rounds are for others.
    Silent,
}

/// A form in which rounds can follow each other.
pub(crate) enum Stream {
    Table(Tables),
    Lines,
    Documents,
    Csv,
}

/// A form that stands for one round alone.
pub(crate) enum Whole {
    Document,
    Exposition(Exposing),
}

/// Replaces a file by each round.
pub(crate) struct NewestInFile {
    output: OutputArgs,
    form: Whole,
    /// A round that cannot be written ends the tool, as nothing else is left to do.
    once: bool,
    told: Told,
}

impl Printer {
    /// Opens the output.
    ///
    /// # Errors
    /// The form needs an end and there is none, or the output cannot be opened.
    pub(crate) fn open(args: &MetricsArgs) -> Result<Printer, Failure> {
        if (args.listen.listen.is_some() || args.history.record) && !args.output.is_chosen() {
            return Ok(Printer::Silent);
        }
        let format = args.output.format(FORMATS)?;
        let endless = args.rounds().is_none();
        let form = match format {
            Format::Prometheus => Whole::Exposition(Exposing::new(Exposed::Text)),
            Format::Openmetrics => Whole::Exposition(Exposing::new(Exposed::OpenMetrics)),
            Format::Json if args.output.needs_end() => Whole::Document,
            _ => return Printer::stream(args, format, endless),
        };
        if args.output.needs_end() {
            let (output, told) = (args.output.clone(), Told::default());
            return Ok(Printer::File(NewestInFile { output, form, once: !endless, told }));
        }
        if endless {
            let what = "rounds without end make no single scrape, which this form is";
            let hint = "say --output-file FILE.prom, which each round replaces, or --listen";
            return Err(Failure::new(Exit::CouldNot, what).hint(hint));
        }
        Ok(Printer::AtEnd { out: args.output.open(false)?, form, newest: Vec::new() })
    }

    fn stream(args: &MetricsArgs, format: Format, endless: bool) -> Result<Printer, Failure> {
        if endless && args.output.needs_end() {
            let what = "rounds without end never complete the --output-file in this form";
            let hint = "say -o prometheus, openmetrics or json, of which each round replaces the \
                        file, or --count N, or use -o jsonl and >> FILE";
            return Err(Failure::new(Exit::CouldNot, what).hint(hint));
        }
        let form = match format {
            Format::Table => Stream::Table(Tables::new(false, &args.shape)),
            Format::Wide => Stream::Table(Tables::new(true, &args.shape)),
            Format::Json => Stream::Documents,
            Format::Csv => Stream::Csv,
            _ => Stream::Lines,
        };
        Ok(Printer::Stream { out: args.output.open(false)?, form, rounds: 0 })
    }

    /// Whether the rounds go to standard output, where somebody reads them, or leaves.
    pub(crate) fn is_read(&self) -> bool {
        match self {
            Printer::Stream { out, .. } | Printer::AtEnd { out, .. } => out.is_stdout(),
            Printer::File(_) | Printer::Silent => false,
        }
    }

    /// Writes one round and sends it on its way, so that a reader need not wait for the next.
    ///
    /// # Errors
    /// The reader left, or the output is full.
    pub(crate) fn round(&mut self, samples: &[Sample]) -> io::Result<()> {
        match self {
            Printer::Stream { out, form, rounds } => {
                let first = *rounds == 0;
                *rounds += 1;
                form.round(out, first, samples)?;
                out.flush()
            }
            Printer::File(file) => file.round(samples),
            Printer::AtEnd { form, newest, .. } => {
                *newest = form.round(samples)?;
                Ok(())
            }
            Printer::Silent => Ok(()),
        }
    }

    /// Ends the output.
    ///
    /// # Errors
    /// The reader left, or the output is full.
    pub(crate) fn finish(self) -> io::Result<()> {
        match self {
            Printer::Stream { out, .. } => out.finish(),
            Printer::AtEnd { mut out, newest, .. } => {
                out.write_all(&newest)?;
                out.finish()
            }
            Printer::File(_) | Printer::Silent => Ok(()),
        }
    }
}

impl Stream {
    fn round(&mut self, out: &mut Out, first: bool, samples: &[Sample]) -> io::Result<()> {
        match self {
            Stream::Table(tables) => tables.write(out, first, samples),
            Stream::Lines => {
                let mut records = Records::lines(out);
                samples.iter().try_for_each(|sample| records.write(sample))
            }
            Stream::Documents => out.write_all(&document(samples)?),
            Stream::Csv => csv::write(out, first, samples),
        }
    }
}

impl Whole {
    fn round(&mut self, samples: &[Sample]) -> io::Result<Vec<u8>> {
        match self {
            Whole::Document => Ok(document(samples)?),
            Whole::Exposition(exposing) => Ok(exposing.round(samples)),
        }
    }
}

impl NewestInFile {
    /// A follower goes on when the file cannot be written now: the disk may have room again before
    /// the next round.
    fn round(&mut self, samples: &[Sample]) -> io::Result<()> {
        let text = self.form.round(samples)?;
        match self.replace(&text) {
            Err(e) if !self.once => {
                self.told.say(e.to_string());
                Ok(())
            }
            done => done,
        }
    }

    fn replace(&self, text: &[u8]) -> io::Result<()> {
        let mut out = self.output.open(false).map_err(io::Error::other)?;
        out.write_all(text)?;
        out.finish()
    }
}
