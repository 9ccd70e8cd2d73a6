//! Tables of the parts of the host, which have columns of their own.

use std::io::{self, Write};

use fleet_cli::{Align, Cell, Column, Out, Table};
use fleet_core::{Sample, Subject, size_text};

/// A column of such a table.
type Part = (&'static str, fn(&Sample) -> Option<String>);

/// The tables: of whom, and with which columns. The first column of each is on the left.
const PARTS: &[(Subject, &[Part])] = &[
    (
        Subject::Disk,
        &[
            ("DISK", |s| s.name.clone()),
            ("STATE", |s| s.state.clone()),
            ("SIZE", |s| s.measures.disk_total_bytes.map(size_text)),
            ("USED", |s| s.measures.disk_bytes.map(size_text)),
            ("FREE", |s| s.measures.disk_available_bytes.map(size_text)),
            ("USED%", |s| s.measures.disk_percent.map(tenths)),
            ("INODES%", |s| s.measures.inodes_percent.map(tenths)),
            ("READ", |s| s.measures.io_read_bytes.map(size_text)),
            ("WRITE", |s| s.measures.io_write_bytes.map(size_text)),
            ("BUSY%", |s| s.measures.busy_percent.map(tenths)),
        ],
    ),
    (
        Subject::Network,
        &[
            ("NETWORK", |s| s.name.clone()),
            ("RECEIVED", |s| s.measures.network_receive_bytes.map(size_text)),
            ("SENT", |s| s.measures.network_transmit_bytes.map(size_text)),
            ("ERRORS", |s| s.measures.network_errors.map(|n| n.to_string())),
            ("DROPPED", |s| s.measures.network_dropped.map(|n| n.to_string())),
        ],
    ),
    (
        Subject::Sensor,
        &[
            ("SENSOR", |s| s.name.clone()),
            ("CELSIUS", |s| s.measures.temperature_celsius.map(tenths)),
            ("LIMIT", |s| s.measures.temperature_limit_celsius.map(tenths)),
        ],
    ),
];

fn tenths(value: f64) -> String {
    format!("{value:.1}")
}

/// Whether there is such a table for a subject.
pub(crate) fn has(subject: Subject) -> bool {
    PARTS.iter().any(|(of, _)| *of == subject)
}

/// Writes the tables that have rows, each behind an empty line.
///
/// # Errors
/// The reader left, or the output is full.
pub(crate) fn write(out: &mut Out, samples: &[Sample]) -> io::Result<()> {
    for (subject, columns) in PARTS {
        let mut rows = samples.iter().filter(|sample| sample.subject == *subject).peekable();
        if rows.peek().is_none() {
            continue;
        }
        let align = |at| if at == 0 { Align::Left } else { Align::Right };
        let heads = columns.iter().enumerate();
        let mut table =
            Table::new(heads.map(|(at, (title, _))| Column { title, align: align(at) }).collect());
        for sample in rows {
            table.row(columns.iter().map(|(_, text)| Cell::maybe(text(sample))).collect());
        }
        out.write_all(b"\n")?;
        table.write(out)?;
    }
    Ok(())
}
