//! The columns of the overview of processes.

use std::time::Duration;

use fleet_cli::{Align, Cell, Column};
use fleet_core::{Sample, Subject, duration_text, size_text};
use serde_json::Value;

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
    left("STATE", false, state),
    right("RUN", true, |s| s.run.map(|n| n.to_string())),
    right("PID", true, |s| s.pid.map(|n| n.to_string())),
    right("CPU%", false, |s| s.measures.cpu_percent.map(|n| format!("{n:.1}"))),
    right("MEM", false, |s| s.measures.memory_bytes.map(size_text)),
    right("MEM%", true, |s| s.measures.memory_percent.map(|n| format!("{n:.1}"))),
    left("BASIS", true, |s| s.memory_basis.map(|b| b.word().to_owned())),
    right("LIMIT%", true, |s| s.measures.memory_limit_percent.map(|n| format!("{n:.1}"))),
    right("PEAK", true, |s| s.measures.memory_peak_bytes.map(size_text)),
    right("SWAP", true, |s| s.measures.swap_bytes.map(size_text)),
    right("PROCS", true, |s| s.measures.processes.map(|n| n.to_string())),
    right("THREADS", false, |s| s.measures.threads.map(|n| n.to_string())),
    right("FDS", false, |s| s.measures.fds.map(|n| n.to_string())),
    right("READ", false, |s| s.measures.io_read_bytes.map(size_text)),
    right("WRITE", false, |s| s.measures.io_write_bytes.map(size_text)),
    right("CONNS", true, |s| s.measures.connections.map(|n| n.to_string())),
    left("PORTS", true, ports),
    right("NICE", true, |s| s.measures.nice.map(|n| n.to_string())),
    right("GPU%", true, |s| s.measures.gpu_percent.map(|n| format!("{n:.1}"))),
    right("GPU MEM", true, |s| s.measures.gpu_memory_bytes.map(size_text)),
    right("LINES", true, |s| s.measures.log_lines.map(|n| n.to_string())),
    right("SILENT", true, |s| age(s.measures.silent_seconds)),
    right("UPTIME", false, |s| age(s.measures.uptime_seconds)),
    right("RESTARTS", true, |s| s.restarts.map(|n| n.to_string())),
    left("HEALTH", true, |s| s.health.map(|h| h.word().to_owned())),
    left("LABELS", true, labels),
    left("KPIS", true, kpis),
    left("EXIT", true, why),
];

/// The host has no id; parentheses cannot be part of one. A member stands below its process.
pub(crate) fn name(sample: &Sample) -> Option<String> {
    if sample.subject == Subject::Member {
        let (name, pid) = (sample.name.as_deref().unwrap_or("?"), sample.pid?);
        return Some(format!("  {}[{pid}]", name.escape_debug()));
    }
    let id = sample.id.as_ref().map(|id| id.as_str().to_owned());
    let name = || sample.name.clone().unwrap_or_else(|| format!("({})", sample.subject.word()));
    Some(id.unwrap_or_else(name))
}

/// A fleet has no state but is in some health.
fn state(sample: &Sample) -> Option<String> {
    let health = || sample.health.filter(|_| sample.subject == Subject::Fleet);
    sample.state.clone().or_else(|| health().map(|health| health.word().to_owned()))
}

/// The figures that it is judged by, each with where it is going.
fn kpis(sample: &Sample) -> Option<String> {
    let kpis = sample.more.get("kpis")?.as_object()?;
    let shown = |(name, kpi): (&String, &Value)| {
        let trend = kpi["trend"].as_str().map_or(String::new(), |trend| format!(" {trend}"));
        let met = kpi["met"].as_bool().filter(|met| *met).map_or("", |_| " met");
        format!("{name}={}{met}{trend}", kpi["value"].to_string().trim_matches('"'))
    };
    Some(kpis.iter().map(shown).collect::<Vec<_>>().join(", "))
}

/// How it ended, or why a fleet is not as it should be.
pub(crate) fn why(sample: &Sample) -> Option<String> {
    let reasons = || {
        let list = sample.more.get("reasons")?.as_array()?;
        let list: Vec<&str> = list.iter().filter_map(Value::as_str).collect();
        (!list.is_empty()).then(|| list.join("; "))
    };
    sample.exit.as_ref().map(|end| end.reason.clone()).or_else(reasons)
}

pub(crate) fn age(seconds: Option<f64>) -> Option<String> {
    Some(duration_text(Duration::try_from_secs_f64(seconds?).ok()?))
}

/// The ports that the process listens on.
fn ports(sample: &Sample) -> Option<String> {
    let ports = sample.more.get("ports_listening")?.as_array()?;
    let ports: Vec<String> = ports.iter().map(Value::to_string).collect();
    Some(ports.join(","))
}

/// The labels as `key=value,key=value`.
pub(crate) fn labels(sample: &Sample) -> Option<String> {
    let pairs: Vec<String> = sample.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
    (!pairs.is_empty()).then(|| pairs.join(","))
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleet_core::Timestamp;

    #[test]
    fn the_host_has_a_name_that_no_process_can_have() {
        let sample = Sample::new(Subject::Host, Timestamp::from_nanos(0));
        assert_eq!(name(&sample).unwrap(), "(host)");
    }

    #[test]
    fn a_member_cannot_break_the_table() {
        let mut sample = Sample::new(Subject::Member, Timestamp::from_nanos(0));
        sample.id = "a".parse().ok();
        (sample.name, sample.pid) = (Some("a\n\"b".to_owned()), Some(7));
        assert_eq!(name(&sample).unwrap(), "  a\\n\\\"b[7]");
    }
}
