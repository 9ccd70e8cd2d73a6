//! Points on their way out.

use std::collections::HashMap;
use std::io::{self, Write};

use fleet_cli::{Align, Cell, Column, Exit, Failure, Format, Out, Records, Table};
use fleet_core::{Timestamp, duration_text};
use fleet_curve::{Found, Number, Owner, Point};

use crate::args::CurvesArgs;
use crate::rows::Rows;

const FORMATS: &[Format] = &[Format::Table, Format::Wide, Format::Jsonl, Format::Json, Format::Csv];

/// Rows of a table that a person sees unless more are asked for.
const ROWS_SEEN: usize = 40;

/// Writes points in one form.
pub(crate) struct Printer {
    out: Out,
    form: Form,
    last: Option<Last>,
}

enum Form {
    Lines,
    Array {
        first: bool,
    },
    /// A line of text for each point: while following no columns can be known.
    Text,
    Table {
        rows: Rows,
        most: Option<usize>,
        wide: bool,
    },
    Csv(Rows),
}

/// The newest value of each curve, in the order in which they turned up.
#[derive(Default)]
struct Last {
    /// Of each source: which curve has a name.
    at: Vec<HashMap<String, usize>>,
    curves: Vec<(Owner, Point)>,
}

impl Printer {
    /// Opens the output.
    ///
    /// # Errors
    /// The form needs an end and there is none, or the output cannot be opened.
    pub(crate) fn open(args: &CurvesArgs) -> Result<Printer, Failure> {
        let format = args.output.format(FORMATS)?;
        if args.follow && matches!(format, Format::Json | Format::Csv) {
            let what = "--follow has no end, which -o json and -o csv need";
            return Err(Failure::new(Exit::CouldNot, what).hint("use -o jsonl"));
        }
        let out = args.output.open(false)?;
        let most = args.rows.or_else(|| out.is_terminal().then_some(ROWS_SEEN));
        let form = match format {
            Format::Table | Format::Wide if args.follow => Form::Text,
            Format::Table => Form::Table { rows: Rows::default(), most, wide: false },
            Format::Wide => Form::Table { rows: Rows::default(), most, wide: true },
            Format::Json => Form::Array { first: true },
            Format::Csv => Form::Csv(Rows::default()),
            _ => Form::Lines,
        };
        Ok(Printer { out, form, last: args.last.then(Last::default) })
    }

    /// Takes one point; `at` tells its source from others.
    ///
    /// # Errors
    /// The reader left, or the output is full.
    pub(crate) fn point(&mut self, at: usize, owner: &Owner, point: Point) -> io::Result<()> {
        if let Some(last) = &mut self.last {
            last.take(at, owner, &point);
            return Ok(());
        }
        self.write(at, owner, point)
    }

    fn write(&mut self, at: usize, owner: &Owner, point: Point) -> io::Result<()> {
        match &mut self.form {
            Form::Lines => {
                serde_json::to_writer(&mut self.out, &point.record(owner))?;
                self.out.write_all(b"\n")
            }
            Form::Array { first } => {
                let before = if std::mem::take(first) { "[\n" } else { ",\n" };
                self.out.write_all(before.as_bytes())?;
                Ok(serde_json::to_writer(&mut self.out, &point.record(owner))?)
            }
            Form::Text => text(&mut self.out, owner, &point),
            Form::Table { rows, .. } | Form::Csv(rows) => {
                rows.take(at, owner, point);
                Ok(())
            }
        }
    }

    /// Sends on what was written.
    ///
    /// # Errors
    /// The reader left, or the output is full.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Ends the output.
    ///
    /// # Errors
    /// The reader left, or the output is full.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        match (self.last.take(), &self.form) {
            (Some(last), Form::Table { .. }) => {
                last.table().write(&mut self.out)?;
                return self.out.finish();
            }
            (Some(last), _) => {
                for (at, (owner, point)) in last.curves.into_iter().enumerate() {
                    self.write(at, &owner, point)?;
                }
            }
            (None, _) => {}
        }
        match &self.form {
            Form::Array { first } => {
                self.out.write_all(if *first { b"[]\n" } else { b"\n]\n" })?;
            }
            Form::Table { rows, most, wide } => rows.table(*most, *wide).write(&mut self.out)?,
            Form::Csv(rows) => self.out.write_all(&rows.csv()?)?,
            Form::Lines | Form::Text => {}
        }
        self.out.finish()
    }
}

impl Last {
    fn take(&mut self, at: usize, owner: &Owner, point: &Point) {
        for (name, number) in &point.found.values {
            let found = || Found { step: point.found.step, values: vec![(name.clone(), *number)] };
            let one = || Point { found: found(), labels: point.labels.clone(), ..*point };
            if self.at.len() <= at {
                self.at.resize_with(at + 1, HashMap::new);
            }
            match self.at[at].get(name) {
                Some(&known) if self.curves[known].1.ts > point.ts => {}
                Some(&known) => {
                    let held = &mut self.curves[known].1;
                    held.found.step = point.found.step;
                    held.found.values[0].1 = *number;
                    held.labels.clone_from(&point.labels);
                    (held.ts, held.attempt, held.source) = (point.ts, point.attempt, point.source);
                }
                None => {
                    self.at[at].insert(name.clone(), self.curves.len());
                    self.curves.push((owner.clone(), one()));
                }
            }
        }
    }

    fn table(&self) -> Table {
        let column = |title, align| Column { title, align };
        let titles = [
            ("ID", Align::Left),
            ("METRIC", Align::Left),
            ("VALUE", Align::Right),
            ("STEP", Align::Right),
            ("AGE", Align::Right),
            ("SOURCE", Align::Left),
        ];
        let mut table = Table::new(titles.map(|(title, align)| column(title, align)).to_vec());
        let now = Timestamp::now();
        for (owner, point) in &self.curves {
            let age = now.seconds_since(point.ts).max(0.0);
            let age = std::time::Duration::from_secs_f64(age.min(1e15));
            for (name, number) in &point.found.values {
                table.row(vec![
                    Cell::maybe(name_of(owner)),
                    Cell::new(name),
                    Cell::new(short(*number)),
                    Cell::maybe(point.found.step.map(|step| step.to_string())),
                    Cell::new(duration_text(age)),
                    Cell::new(point.source.word()),
                ]);
            }
        }
        table
    }
}

fn text(out: &mut Out, owner: &Owner, point: &Point) -> io::Result<()> {
    if let Some(name) = name_of(owner) {
        write!(out, "{name}  ")?;
    }
    if let Some(step) = point.found.step {
        write!(out, "step {step}  ")?;
    }
    let values = point.found.values.iter().map(|(k, n)| format!("{k} {}", short(*n)));
    writeln!(out, "{}", values.collect::<Vec<_>>().join("  "))
}

/// What a person calls it.
pub(crate) fn name_of(owner: &Owner) -> Option<String> {
    owner.id.as_ref().map(|id| id.to_string()).or_else(|| owner.name.clone())
}

/// The number with six significant digits, for a person.
pub(crate) fn short(number: Number) -> String {
    let value = number.value();
    let size = value.abs();
    if matches!(number, Number::Whole(_)) || !value.is_finite() || value == 0.0 {
        return number_text(number);
    }
    if !(1e-4..1e6).contains(&size) {
        let text = format!("{value:.5e}");
        let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
        return format!("{}e{exponent}", digits.trim_end_matches('0').trim_end_matches('.'));
    }
    let places = (5 - size.log10().floor() as i32).clamp(0, 12) as usize;
    let text = format!("{value:.places$}");
    let Some((whole, places)) = text.split_once('.') else { return text };
    let places = places.trim_end_matches('0');
    if places.is_empty() { whole.to_owned() } else { format!("{whole}.{places}") }
}

/// The number as it is in records, without their quotes.
pub(crate) fn number_text(number: Number) -> String {
    let mut json = Vec::new();
    let mut records = Records::lines(&mut json);
    // Writing a number to memory cannot fail.
    let _ = records.write(&number);
    String::from_utf8_lossy(&json).trim_end().trim_matches('"').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_sees_six_digits() {
        for (value, seen) in [
            (0.037500000000000003, "0.0375"),
            (4.9e-5, "4.9e-5"),
            (123456.789, "123457"),
            (2.0, "2"),
            (1e9, "1e9"),
            (-12.7211842, "-12.7212"),
            (0.0, "0.0"),
            (f64::NAN, "NaN"),
        ] {
            assert_eq!(short(Number::Double(value)), seen);
        }
        assert_eq!(short(Number::Whole(12_345_678)), "12345678");
    }
}
