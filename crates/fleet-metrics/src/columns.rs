//! The columns of the overview of processes.

use std::time::Duration;

use fleet_cli::{Align, Cell, Column};
use fleet_core::{Sample, duration_text, size_text};

/// A column for people.
pub(crate) struct Shown {
    pub(crate) column: Column,
    /// Only in the wide table.
    pub(crate) wide: bool,
    text: fn(&Sample) -> Option<String>,
}

impl Shown {
    pub(crate) fn cell(&self, sample: &Sample) -> Cell {
        Cell::maybe((self.text)(sample))
    }
}

const fn left(title: &'static str, wide: bool, text: fn(&Sample) -> Option<String>) -> Shown {
    Shown { column: Column { title, align: Align::Left }, wide, text }
}

const fn right(title: &'static str, wide: bool, text: fn(&Sample) -> Option<String>) -> Shown {
    Shown { column: Column { title, align: Align::Right }, wide, text }
}

/// All columns, in their order.
pub(crate) const SHOWN: &[Shown] = &[
    left("ID", false, name),
    left("STATE", false, |s| s.state.clone()),
    right("RUN", true, |s| s.run.map(|n| n.to_string())),
    right("PID", true, |s| s.pid.map(|n| n.to_string())),
    right("CPU%", false, |s| s.measures.cpu_percent.map(|n| format!("{n:.1}"))),
    right("MEM", false, |s| s.measures.memory_bytes.map(size_text)),
    right("MEM%", true, |s| s.measures.memory_percent.map(|n| format!("{n:.1}"))),
    left("BASIS", true, |s| s.memory_basis.map(|b| b.word().to_owned())),
    right("SWAP", true, |s| s.measures.swap_bytes.map(size_text)),
    right("PROCS", true, |s| s.measures.processes.map(|n| n.to_string())),
    right("THREADS", false, |s| s.measures.threads.map(|n| n.to_string())),
    right("FDS", false, |s| s.measures.fds.map(|n| n.to_string())),
    right("READ", false, |s| s.measures.io_read_bytes.map(size_text)),
    right("WRITE", false, |s| s.measures.io_write_bytes.map(size_text)),
    right("UPTIME", false, uptime),
    right("RESTARTS", true, |s| s.restarts.map(|n| n.to_string())),
    left("HEALTH", true, |s| s.health.map(|h| h.word().to_owned())),
    left("LABELS", true, labels),
    left("EXIT", true, |s| s.exit.as_ref().map(|end| end.reason.clone())),
];

/// The host has no id; parentheses cannot be part of one.
pub(crate) fn name(sample: &Sample) -> Option<String> {
    let id = sample.id.as_ref().map(|id| id.as_str().to_owned());
    let name = || sample.name.clone().unwrap_or_else(|| format!("({})", sample.subject.word()));
    Some(id.unwrap_or_else(name))
}

fn uptime(sample: &Sample) -> Option<String> {
    let age = Duration::try_from_secs_f64(sample.measures.uptime_seconds?).ok()?;
    Some(duration_text(age))
}

/// The labels as `key=value,key=value`.
pub(crate) fn labels(sample: &Sample) -> Option<String> {
    let pairs: Vec<String> = sample.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
    (!pairs.is_empty()).then(|| pairs.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleet_core::{Subject, Timestamp};

    #[test]
    fn the_host_has_a_name_that_no_process_can_have() {
        let sample = Sample::new(Subject::Host, Timestamp::from_nanos(0));
        assert_eq!(name(&sample).unwrap(), "(host)");
    }
}
