//! Samples on their way out.

use std::io::{self, Write};

use fleet_cli::{Exit, Failure, Format, Out, Records, Table};
use fleet_core::Sample;

use crate::args::MetricsArgs;
use crate::columns::{SHOWN, csv_head, csv_row};

pub(crate) const FORMATS: &[Format] =
    &[Format::Table, Format::Wide, Format::Jsonl, Format::Json, Format::Csv];

/// Writes rounds in one form.
pub(crate) struct Printer {
    out: Out,
    form: Form,
    /// Rounds that were written.
    rounds: u64,
}

enum Form {
    Table {
        wide: bool,
    },
    Lines,
    /// One array cannot be written in rounds; it is short, as `--follow` is refused.
    Array(Vec<Sample>),
    Csv,
}

impl Printer {
    /// Opens the output.
    ///
    /// # Errors
    /// The form needs an end and there is none, or the output cannot be opened.
    pub(crate) fn open(args: &MetricsArgs) -> Result<Printer, Failure> {
        let format = args.output.format(FORMATS)?;
        let needs_end = format == Format::Json || args.output.needs_end();
        if args.rounds().is_none() && needs_end {
            let what = "--follow has no end, which -o json and --output-file need";
            let failure = Failure::new(Exit::CouldNot, what);
            return Err(failure.hint("say --count, or use -o jsonl and >> FILE"));
        }
        let form = match format {
            Format::Table => Form::Table { wide: false },
            Format::Wide => Form::Table { wide: true },
            Format::Json => Form::Array(Vec::new()),
            Format::Csv => Form::Csv,
            _ => Form::Lines,
        };
        let out = args.output.open(false)?;
        Ok(Printer { out, form, rounds: 0 })
    }

    /// Writes one round and sends it on its way, so that a reader need not wait for the next.
    ///
    /// # Errors
    /// The reader left, or the output is full.
    pub(crate) fn round(&mut self, samples: Vec<Sample>) -> io::Result<()> {
        let first = self.rounds == 0;
        self.rounds += 1;
        match &mut self.form {
            Form::Table { wide } => table(&mut self.out, *wide, first, &samples)?,
            Form::Lines => lines(&mut self.out, &samples)?,
            Form::Array(all) => all.extend(samples),
            Form::Csv => csv(&mut self.out, first, &samples)?,
        }
        self.out.flush()
    }

    /// Ends the output.
    ///
    /// # Errors
    /// The reader left, or the output is full.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        if let Form::Array(samples) = &self.form {
            let mut records = Records::array(&mut self.out);
            samples.iter().try_for_each(|sample| records.write(sample))?;
            records.finish()?;
        }
        self.out.finish()
    }
}

fn table(out: &mut Out, wide: bool, first: bool, samples: &[Sample]) -> io::Result<()> {
    if !first {
        out.write_all(b"\n")?;
    }
    let shown = || SHOWN.iter().filter(|s| wide || !s.wide);
    let mut table = Table::new(shown().map(|s| s.column).collect());
    for sample in samples {
        table.row(shown().map(|s| s.cell(sample)).collect());
    }
    table.write(out)
}

fn lines(out: &mut Out, samples: &[Sample]) -> io::Result<()> {
    let mut records = Records::lines(out);
    samples.iter().try_for_each(|sample| records.write(sample))
}

fn csv(out: &mut Out, first: bool, samples: &[Sample]) -> io::Result<()> {
    // Made in memory: the csv crate would wrap an error of the output beyond recognition.
    let mut writer = csv::Writer::from_writer(Vec::new());
    if first {
        writer.write_record(csv_head()).map_err(io::Error::other)?;
    }
    for sample in samples {
        writer.write_record(csv_row(sample)?).map_err(io::Error::other)?;
    }
    let bytes = writer.into_inner().map_err(csv::IntoInnerError::into_error)?;
    out.write_all(&bytes)
}
