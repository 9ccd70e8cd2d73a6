//! Points as rows, whose columns are known only when all have come.

use std::collections::HashMap;
use std::io;

use fleet_cli::{Align, Cell, Table};
use fleet_core::Timestamp;
use fleet_curve::{Number, Owner, Point, Source};

use crate::print::{name_of, number_text, short};

/// So many curves fit beside each other before a person loses sight.
const COLUMNS_SEEN: usize = 8;

/// Rows, and the columns that they have together.
#[derive(Default)]
pub(crate) struct Rows {
    names: Vec<String>,
    at: HashMap<String, usize>,
    owners: Vec<Option<String>>,
    rows: Vec<Row>,
}

struct Row {
    owner: usize,
    ts: Timestamp,
    source: Source,
    step: Option<i64>,
    values: Vec<(usize, Number)>,
}

impl Rows {
    /// Adds a point. TensorBoard writes each value by itself, so that what follows with the same
    /// step and other names is of the same row.
    pub(crate) fn take(&mut self, at: usize, owner: &Owner, point: Point) {
        while self.owners.len() <= at {
            self.owners.push(None);
        }
        self.owners[at] = name_of(owner);
        let values: Vec<_> =
            point.found.values.into_iter().map(|(name, n)| (self.column(name), n)).collect();
        let (step, source, ts) = (point.found.step, point.source, point.ts);
        if let Some(last) = self.rows.last_mut()
            && (last.owner, last.source, last.step) == (at, source, step)
            && step.is_some()
            && !values.iter().any(|(column, _)| last.values.iter().any(|(c, _)| c == column))
        {
            last.values.extend(values);
            return;
        }
        self.rows.push(Row { owner: at, ts, source, step, values });
    }

    fn column(&mut self, name: String) -> usize {
        *self.at.entry(name).or_insert_with_key(|name| {
            self.names.push(name.clone());
            self.names.len() - 1
        })
    }

    /// The table of the last rows; `wide` shows every curve.
    pub(crate) fn table(&self, most: Option<usize>, wide: bool) -> Table {
        let shown = if wide { self.names.len() } else { self.names.len().min(COLUMNS_SEEN) };
        let several = self.rows.iter().any(|row| row.owner != self.rows[0].owner);
        let heads = self.names[..shown].iter().map(String::as_str);
        let fixed = if wide { &["ID", "SOURCE", "TIME", "STEP"][..] } else { &["ID", "STEP"][..] };
        let fixed = fixed.iter().copied().filter(|title| several || *title != "ID");
        let fixed: Vec<&str> = fixed.collect();
        let mut table = Table::titled(fixed.iter().copied().chain(heads).map(|title| {
            let left = matches!(title, "ID" | "SOURCE" | "TIME");
            (title.to_owned(), if left { Align::Left } else { Align::Right })
        }));
        let from = self.rows.len().saturating_sub(most.unwrap_or(usize::MAX));
        for row in &self.rows[from..] {
            let mut cells: Vec<Cell> = fixed.iter().map(|title| self.cell(row, title)).collect();
            cells.extend((0..shown).map(|column| Cell::maybe(row.value(column).map(short))));
            table.row(cells);
        }
        table
    }

    fn cell(&self, row: &Row, title: &str) -> Cell {
        Cell::maybe(match title {
            "ID" => self.owners[row.owner].clone(),
            "SOURCE" => Some(row.source.word().to_owned()),
            "TIME" => Some(row.ts.to_string()),
            _ => row.step.map(|step| step.to_string()),
        })
    }

    /// All rows and columns as CSV.
    ///
    /// # Errors
    /// There is no memory.
    pub(crate) fn csv(&self) -> io::Result<Vec<u8>> {
        let mut csv = csv::Writer::from_writer(Vec::new());
        let head = ["ts", "id", "source", "step"].into_iter();
        csv.write_record(head.chain(self.names.iter().map(String::as_str)))
            .map_err(io::Error::other)?;
        for row in &self.rows {
            let mut cells = vec![
                row.ts.to_string(),
                self.owners[row.owner].clone().unwrap_or_default(),
                row.source.word().to_owned(),
                row.step.map_or_else(String::new, |step| step.to_string()),
            ];
            cells.extend(
                (0..self.names.len()).map(|c| row.value(c).map_or_else(String::new, number_text)),
            );
            csv.write_record(&cells).map_err(io::Error::other)?;
        }
        csv.into_inner().map_err(csv::IntoInnerError::into_error)
    }
}

impl Row {
    fn value(&self, column: usize) -> Option<Number> {
        self.values.iter().find(|(of, _)| *of == column).map(|(_, number)| *number)
    }
}
