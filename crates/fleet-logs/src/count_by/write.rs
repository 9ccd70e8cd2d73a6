//! Counts as a table, as records, or as comma-separated values.

use std::collections::{BTreeSet, HashMap};
use std::io::{self, Write};

use fleet_cli::{Align, Cell, Format, Out, Records, Table};
use fleet_core::{Labels, Sample, Subject, Timestamp, number_value};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;

use super::key::Key;
use super::{Row, texts};

/// A cross table is no wider.
const MAX_COLUMNS: usize = 10;

/// Rows of a table are held until they can be lined up, so many of them.
const MAX_HELD: usize = 10_000;

/// Where counts go.
pub(super) struct Writer {
    to: To,
    /// Whether each count has its window of time.
    timed: bool,
    /// Rows of a table that are not written yet.
    held: Vec<Row>,
    /// How wide the columns of a table are that was begun and goes on.
    widths: Vec<usize>,
}

enum To {
    Table(Out),
    Records(Records<Out>),
    /// Only one of several outputs: it holds a buffer.
    Csv(Box<csv::Writer<Out>>),
}

impl Writer {
    pub(super) fn new(out: Out, format: Format, keys: &[Key], timed: bool) -> io::Result<Writer> {
        let to = match format {
            Format::Jsonl => To::Records(Records::lines(out)),
            Format::Json => To::Records(Records::array(out)),
            Format::Csv => {
                let mut csv = csv::Writer::from_writer(out);
                csv.write_record(titles(keys, timed))?;
                To::Csv(Box::new(csv))
            }
            _ => To::Table(out),
        };
        Ok(Writer { to, timed, held: Vec::new(), widths: Vec::new() })
    }

    pub(super) fn write(
        &mut self,
        keys: &[Key],
        rows: Vec<Row>,
        labels: &HashMap<String, Labels>,
    ) -> io::Result<()> {
        match &mut self.to {
            To::Table(_) => {
                self.held.extend(rows);
                if self.held.len() > MAX_HELD { self.table(keys) } else { Ok(()) }
            }
            To::Records(records) => {
                rows.iter().try_for_each(|row| records.write(&CountRecord { keys, row, labels }))
            }
            To::Csv(csv) => rows.iter().try_for_each(|row| Ok(csv.write_record(cells(row))?)),
        }
    }

    /// Passes on what is complete, while more may come.
    pub(super) fn flush(&mut self, keys: &[Key]) -> io::Result<()> {
        match &mut self.to {
            To::Table(out) => {
                let head =
                    titles(keys, self.timed).iter().map(|title| title.to_uppercase()).collect();
                let rows = self.held.drain(..).map(|row| cells(&row));
                let begins = self.widths.is_empty();
                self.widths.resize(keys.len() + 3, 0);
                for row in begins.then_some(head).into_iter().chain(rows) {
                    writeln!(out, "{}", lined_up(&row, &mut self.widths))?;
                }
                out.flush()
            }
            To::Records(records) => records.flush(),
            To::Csv(csv) => csv.flush(),
        }
    }

    pub(super) fn finish(mut self, keys: &[Key]) -> io::Result<()> {
        self.table(keys)?;
        match self.to {
            To::Table(out) => out.finish(),
            To::Records(records) => records.finish()?.finish(),
            To::Csv(csv) => csv.into_inner().map_err(|error| error.into_error())?.finish(),
        }
    }

    pub(super) fn is_stdout(&self) -> bool {
        match &self.to {
            To::Table(out) => out.is_stdout(),
            // Its reader gets whole windows, or all at the end.
            To::Records(_) | To::Csv(_) => false,
        }
    }

    fn table(&mut self, keys: &[Key]) -> io::Result<()> {
        let To::Table(out) = &mut self.to else { return Ok(()) };
        let mut rows = std::mem::take(&mut self.held);
        if rows.is_empty() {
            return Ok(());
        }
        // Bars come out at the end, with the times at which they were drawn.
        rows.sort_by_key(|row| row.since);
        let crossed = if self.timed { None } else { crossed(keys, &rows) };
        crossed.unwrap_or_else(|| listed(keys, &rows, self.timed)).write(out)
    }
}

fn listed(keys: &[Key], rows: &[Row], timed: bool) -> Table {
    let titles = titles(keys, timed);
    let numbers = if timed { 2 } else { 1 };
    let first = titles.len() - numbers;
    let side = |at: usize| if at < first { Align::Left } else { Align::Right };
    let titles = titles.iter().enumerate();
    let mut table = Table::titled(titles.map(|(at, title)| (title.to_uppercase(), side(at))));
    for row in rows {
        table.row(cells(row).iter().map(Cell::new).collect());
    }
    table
}

/// Two keys as the two sides of a table, where the second has few values.
fn crossed(keys: &[Key], rows: &[Row]) -> Option<Table> {
    let [down, _] = keys else { return None };
    let columns: BTreeSet<String> =
        rows.iter().filter_map(|row| texts(&row.values).pop()).collect();
    if columns.len() > MAX_COLUMNS {
        return None;
    }
    let mut sums: HashMap<String, (u64, HashMap<String, u64>)> = HashMap::new();
    for row in rows {
        let mut names = texts(&row.values).into_iter();
        let (Some(name), Some(column)) = (names.next(), names.next()) else { continue };
        let (sum, cells) = sums.entry(name).or_default();
        *sum += row.lines;
        *cells.entry(column).or_default() += row.lines;
    }
    let mut sums: Vec<_> = sums.into_iter().collect();
    sums.sort_by(|a, b| (b.1.0, &a.0).cmp(&(a.1.0, &b.0)));
    let heads = columns.iter().map(|column| (column.clone(), Align::Right));
    let first = (down.name().to_uppercase(), Align::Left);
    let last = ("LINES".to_owned(), Align::Right);
    let mut table = Table::titled([first].into_iter().chain(heads).chain([last]));
    for (name, (sum, cells)) in sums {
        let counts =
            columns.iter().map(|column| Cell::maybe(cells.get(column).map(u64::to_string)));
        let row = [Cell::new(name)].into_iter().chain(counts).chain([Cell::new(sum.to_string())]);
        table.row(row.collect());
    }
    Some(table)
}

fn titles(keys: &[Key], timed: bool) -> Vec<String> {
    let keys = keys.iter().map(|key| key.name().into_owned());
    let (before, behind): (&[&str], &[&str]) =
        if timed { (&["since"], &["lines", "lines_per_second"]) } else { (&[], &["lines"]) };
    let before = before.iter().map(|title| (*title).to_owned());
    before.chain(keys).chain(behind.iter().map(|title| (*title).to_owned())).collect()
}

fn cells(row: &Row) -> Vec<String> {
    let since = row.timed.then(|| Timestamp::from_nanos(row.since).to_string());
    let rate = row.timed.then(|| format!("{:.3}", per_second(row)));
    let values = texts(&row.values);
    since.into_iter().chain(values).chain([row.lines.to_string()]).chain(rate).collect()
}

/// A row of a table whose later rows are not known yet: columns grow as they must.
fn lined_up(row: &[String], widths: &mut [usize]) -> String {
    let mut line = String::new();
    for (cell, width) in row.iter().zip(widths) {
        *width = (*width).max(cell.chars().count());
        line.push_str(&format!("{cell:<width$}  "));
    }
    line.trim_end().to_owned()
}

fn per_second(row: &Row) -> f64 {
    row.lines as f64 / ((row.until - row.since) as f64 / 1e9)
}

/// A count as programs get it.
struct CountRecord<'a> {
    keys: &'a [Key],
    row: &'a Row,
    labels: &'a HashMap<String, Labels>,
}

impl CountRecord<'_> {
    fn labels_of(&self, key: &Key, value: &Value) -> Option<&Labels> {
        let id = value.as_str().filter(|_| *key == Key::Id)?;
        self.labels.get(id).filter(|labels| !labels.is_empty())
    }
}

impl Serialize for CountRecord<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let row = self.row;
        let moment = Timestamp::from_nanos;
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("kind", Sample::KIND)?;
        map.serialize_entry("ts", &if row.timed { moment(row.until) } else { Timestamp::now() })?;
        map.serialize_entry("subject", &Subject::Log)?;
        for (key, value) in self.keys.iter().zip(&row.values).filter(|(_, v)| !v.is_null()) {
            map.serialize_entry(key.name().as_ref(), value)?;
            if let Some(labels) = self.labels_of(key, value) {
                map.serialize_entry("labels", labels)?;
            }
        }
        map.serialize_entry("lines", &row.lines)?;
        if row.timed {
            map.serialize_entry("lines_per_second", &number_value(per_second(row)))?;
        }
        map.serialize_entry("since", &moment(row.since))?;
        map.serialize_entry("until", &moment(row.until))?;
        map.end()
    }
}
