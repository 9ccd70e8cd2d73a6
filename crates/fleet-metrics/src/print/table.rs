//! Tables for people.

use std::collections::BTreeSet;
use std::io::{self, Write};
use std::time::Duration;

use fleet_cli::{Align, Cell, Out, Table};
use fleet_core::{
    Measure, MeasureKind, Measures, Sample, Subject, Timestamp, duration_text, size_text,
};
use serde_json::Value;

use super::lists;
use crate::columns::{SHOWN, name, why};
use crate::shape::ShapeArgs;
use crate::view::PER_SECOND;

/// What the narrow table shows of GPUs, of which their drivers tell a lot.
const OF_GPUS: &[&str] = &[
    "temperature_celsius",
    "gpu_percent",
    "gpu_memory_bytes",
    "gpu_memory_total_bytes",
    "gpu_power_watts",
    "gpu_processes",
    "gpu_lost",
];

/// Writes rounds as tables.
pub(crate) struct Tables {
    wide: bool,
    /// Only some measures are shown.
    view: bool,
    /// By name, as no other order was asked for.
    by_name: bool,
}

impl Tables {
    pub(super) fn new(wide: bool, shape: &ShapeArgs) -> Tables {
        let by_name = shape.sort.is_none() && shape.top.is_none();
        Tables { wide, view: shape.view.is_some(), by_name }
    }

    /// Writes a round: the processes with host and fleet, then, where they are asked for, a table
    /// for each other subject.
    pub(super) fn write(&self, out: &mut Out, first: bool, samples: &[Sample]) -> io::Result<()> {
        if !first {
            out.write_all(b"\n")?;
        }
        let mut main: Vec<&Sample> = samples.iter().filter(|s| is_main(s.subject)).collect();
        self.order(&mut main);
        match self.view {
            true => by_subject(&main, out)?,
            false => self.overview(&main).write(out)?,
        }
        if !self.wide && !self.view {
            tell_why(&main, out)?;
        }
        if let Some(sockets) = lists::sockets(&main) {
            writeln!(out, "\nconnections")?;
            sockets.write(out)?;
        }
        for subject in APART.iter().filter(|subject| self.shows(**subject)) {
            let mut rows: Vec<&Sample> = samples.iter().filter(|s| s.subject == *subject).collect();
            if rows.is_empty() {
                continue;
            }
            self.order(&mut rows);
            writeln!(out, "\n{}", subject.word())?;
            let narrow = *subject == Subject::Gpu && !self.wide && !self.view;
            match subject {
                Subject::Custom => lists::values(&rows, Timestamp::now()).write(out)?,
                _ => measured(&rows, narrow.then_some(OF_GPUS)).write(out)?,
            }
        }
        Ok(())
    }

    fn order(&self, rows: &mut [&Sample]) {
        if self.by_name {
            // The members of a tree keep their order, below their process.
            rows.sort_by_key(|sample| {
                let who = sample.id.as_ref().map_or(sample.name.clone(), |id| Some(id.to_string()));
                (rank(sample.subject), who, sample.run, sample.subject == Subject::Member)
            });
        }
    }

    /// The narrow table is about the fleet; what the machine consists of is in the wide one. Cores
    /// and values of the user's own are sampled only for who asked for them.
    fn shows(&self, subject: Subject) -> bool {
        let asked_for = matches!(subject, Subject::Gpu | Subject::Core | Subject::Custom);
        self.wide || self.view || asked_for
    }

    fn overview(&self, samples: &[&Sample]) -> Table {
        let shown = || SHOWN.iter().filter(|s| self.wide || !s.wide);
        let mut table = Table::new(shown().map(|s| s.column).collect());
        for sample in samples {
            table.row(shown().map(|s| s.cell(sample)).collect());
        }
        table
    }
}

/// The subjects of which each has a table of its own.
const APART: &[Subject] = &[
    Subject::Gpu,
    Subject::Disk,
    Subject::Network,
    Subject::Core,
    Subject::Sensor,
    Subject::Container,
    Subject::Custom,
    Subject::Collector,
];

/// Whether it has its row in the overview.
pub(crate) fn is_main(subject: Subject) -> bool {
    !APART.contains(&subject)
}

/// Host, fleet and processes each with the columns that they have, if they have any.
fn by_subject(samples: &[&Sample], out: &mut Out) -> io::Result<()> {
    let has_any = |sample: &&Sample| {
        sample.measures.values().next().is_some() || own_values(sample).next().is_some()
    };
    let parts = samples.chunk_by(|a, b| rank(a.subject) == rank(b.subject));
    for (at, rows) in parts.filter(|rows| rows.iter().any(has_any)).enumerate() {
        if at > 0 {
            out.write_all(b"\n")?;
        }
        measured(rows, None).write(out)?;
    }
    Ok(())
}

/// Why the fleet is not as it should be.
fn tell_why(samples: &[&Sample], out: &mut Out) -> io::Result<()> {
    let fleet = samples.iter().find(|sample| sample.subject == Subject::Fleet);
    let Some(reasons) = fleet.and_then(|fleet| why(fleet)) else { return Ok(()) };
    writeln!(out, "\n(fleet): {reasons}")
}

/// Host and fleet stand above the processes.
fn rank(subject: Subject) -> u8 {
    match subject {
        Subject::Host => 0,
        Subject::Fleet => 1,
        _ => 2,
    }
}

/// A table of all that was measured: who it is, the state where there is one, and a column for each
/// measure that any of them has and that is wanted.
fn measured(samples: &[&Sample], only: Option<&[&str]>) -> Table {
    let wanted = |name: &str| only.is_none_or(|only| only.contains(&name));
    let has = |name: &str| {
        wanted(name) && samples.iter().any(|s| s.measures.values().any(|(m, _)| m.name == name))
    };
    let measures: Vec<&str> = Measures::ALL.iter().map(|m| m.name).filter(|n| has(n)).collect();
    let own: BTreeSet<&str> = samples.iter().flat_map(|sample| own_values(sample)).collect();
    let with_state = samples.iter().any(|sample| sample.state.is_some());
    let mut heads = vec![("NAME".to_owned(), Align::Left)];
    heads.extend(with_state.then(|| ("STATE".to_owned(), Align::Left)));
    heads.extend(measures.iter().map(|name| (title(name), Align::Right)));
    heads.extend(own.iter().map(|name| (title(name), Align::Right)));
    let mut table = Table::titled(heads);
    for sample in samples {
        let mut row = vec![Cell::maybe(name(sample))];
        row.extend(with_state.then(|| Cell::maybe(sample.state.as_deref())));
        row.extend(measures.iter().map(|name| {
            let value = sample.measures.values().find(|(m, _)| m.name == *name);
            Cell::maybe(value.map(|(_, value)| text(name, value)))
        }));
        row.extend(own.iter().map(|name| {
            Cell::maybe(sample.more.get(*name).and_then(|value| own_text(name, value)))
        }));
        table.row(row);
    }
    table
}

/// The names of the rates, which are no measures.
fn own_values(sample: &Sample) -> impl Iterator<Item = &str> {
    sample.more.keys().map(String::as_str).filter(|name| name.ends_with(PER_SECOND))
}

fn own_text(name: &str, value: &Value) -> Option<String> {
    value.as_f64().map(|rate| text(name.trim_end_matches(PER_SECOND), rate))
}

/// A title without what the form of the value says: `memory_bytes` shows sizes, `cpu_percent` has
/// its sign.
fn title(name: &str) -> String {
    let (stem, sign) = match name {
        n if n.ends_with("_percent") => (n.trim_end_matches("_percent"), "%"),
        n if n.ends_with(PER_SECOND) => (n.trim_end_matches(PER_SECOND), "/S"),
        n => (n, ""),
    };
    let counter = Measure::named(name).is_some_and(|of| of.kind == MeasureKind::Counter);
    let stem = if counter { stem.trim_end_matches("_total") } else { stem };
    let stem = stem.trim_end_matches("_bytes").trim_end_matches("_seconds");
    format!("{}{sign}", stem.to_uppercase())
}

/// A value as people read it, by the unit in the name of its measure.
fn text(name: &str, value: f64) -> String {
    let stem = name.trim_end_matches("_total");
    match value {
        v if stem.ends_with("_bytes") => size_text(v as u64),
        v if stem.ends_with("_seconds") => {
            let duration = Duration::try_from_secs_f64(v.max(0.0)).unwrap_or(Duration::MAX);
            duration_text(duration)
        }
        v if stem.ends_with("_percent") => format!("{v:.1}"),
        v if v.fract() == 0.0 => format!("{v:.0}"),
        v => format!("{v:.2}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_leave_out_what_the_values_show() {
        assert_eq!(title("memory_bytes"), "MEMORY");
        assert_eq!(title("cpu_percent"), "CPU%");
        assert_eq!(
            (title("inodes"), title("inodes_total")),
            ("INODES".into(), "INODES_TOTAL".into())
        );
        assert_eq!(title("cpu_seconds_total"), "CPU");
        assert_eq!(title("io_read_bytes_per_second"), "IO_READ/S");
        assert_eq!(own_text("io_read_bytes_per_second", &4096.5.into()), Some(size_text(4096)));
    }

    #[test]
    fn values_read_by_their_units() {
        assert_eq!(text("memory_bytes", 4096.0), size_text(4096));
        assert_eq!(text("uptime_seconds", 90.0), duration_text(Duration::from_secs(90)));
        assert_eq!(text("cpu_percent", 12.34), "12.3");
        assert_eq!(text("threads", 7.0), "7");
        assert_eq!(text("load1", 0.256), "0.26");
    }
}
