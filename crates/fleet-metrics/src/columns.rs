//! The columns of tables and of CSV.

use std::time::Duration;

use fleet_cli::{Align, Cell, Column};
use fleet_core::{Sample, State, Subject, duration_text, size_text};
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
    right("LINES", true, |s| s.measures.log_lines.map(|n| n.to_string())),
    right("SILENT", true, |s| age(s.measures.silent_seconds)),
    right("UPTIME", false, |s| age(s.measures.uptime_seconds)),
    right("RESTARTS", true, |s| s.restarts.map(|n| n.to_string())),
    left("HEALTH", true, |s| s.health.map(|h| h.word().to_owned())),
    left("LABELS", true, labels),
    left("EXIT", true, why),
];

/// The host has no id; parentheses cannot be part of one. A member stands below its process.
fn name(sample: &Sample) -> Option<String> {
    if sample.subject == Subject::Member {
        let (name, pid) = (sample.name.as_deref().unwrap_or("?"), sample.pid?);
        return Some(format!("  {}[{pid}]", name.escape_debug()));
    }
    let id = sample.id.as_ref().map(|id| id.as_str().to_owned());
    let part = || match &sample.name {
        Some(name) => format!("({} {name})", sample.subject.word()),
        None => format!("({})", sample.subject.word()),
    };
    Some(id.unwrap_or_else(part))
}

/// A fleet has no state but is in some health.
fn state(sample: &Sample) -> Option<String> {
    let health = || sample.health.filter(|_| sample.subject == Subject::Fleet);
    sample.state.clone().or_else(|| health().map(|health| health.word().to_owned()))
}

/// How it ended, or why a fleet is not as it should be.
fn why(sample: &Sample) -> Option<String> {
    let reasons = || {
        let list = sample.more.get("reasons")?.as_array()?;
        Some(list.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("; "))
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

fn labels(sample: &Sample) -> Option<String> {
    let pairs: Vec<String> = sample.labels.iter().map(|(k, v)| format!("{k}={v}")).collect();
    (!pairs.is_empty()).then(|| pairs.join(","))
}

/// The fields of a record that are columns of CSV as they are.
const PLAIN: &[&str] = &[
    "ts",
    "subject",
    "host",
    "name",
    "id",
    "run",
    "attempt",
    "state",
    "pid",
    "restarts",
    "health",
    "cpu_seconds_total",
    "cpu_percent",
    "cpus",
    "cpu_limit_percent",
    "memory_bytes",
    "memory_basis",
    "memory_resident_bytes",
    "memory_unique_bytes",
    "memory_peak_bytes",
    "memory_limit_bytes",
    "memory_limit_percent",
    "memory_percent",
    "memory_total_bytes",
    "memory_available_bytes",
    "swap_bytes",
    "swap_total_bytes",
    "threads",
    "processes",
    "fds",
    "fds_limit",
    "fds_percent",
    "connections",
    "connections_established",
    "connections_opening",
    "connections_closing",
    "connections_close_wait",
    "sockets_listening",
    "sockets_udp",
    "io_read_bytes",
    "io_write_bytes",
    "io_read_total_bytes",
    "io_write_total_bytes",
    "faults_minor",
    "faults_major",
    "switches_voluntary",
    "switches_involuntary",
    "nice",
    "log_bytes",
    "log_lines",
    "log_dropped_bytes",
    "silent_seconds",
    "load1",
    "load5",
    "load15",
    "uptime_seconds",
    "boot_time_seconds",
    "pressure_cpu_percent",
    "pressure_memory_percent",
    "pressure_memory_full_percent",
    "pressure_io_percent",
    "pressure_io_full_percent",
    "pressure_cpu_seconds_total",
    "pressure_memory_seconds_total",
    "pressure_memory_full_seconds_total",
    "pressure_io_seconds_total",
    "pressure_io_full_seconds_total",
    "disk_total_bytes",
    "disk_bytes",
    "disk_available_bytes",
    "disk_percent",
    "inodes_total",
    "inodes",
    "inodes_percent",
    "busy_seconds_total",
    "busy_percent",
    "network_receive_bytes",
    "network_transmit_bytes",
    "network_receive_packets",
    "network_transmit_packets",
    "network_errors",
    "network_dropped",
    "temperature_celsius",
    "temperature_limit_celsius",
];

/// The fields of its `exit` that are columns, with `exit_` before their names.
const EXIT: &[&str] = &["code", "signal", "cause", "reason", "duration_seconds"];

/// The head of CSV: the same whatever is sampled, so that files can be appended to each other.
pub(crate) fn csv_head() -> Vec<String> {
    let mut head: Vec<String> = PLAIN.iter().map(|name| (*name).to_owned()).collect();
    head.push("labels".to_owned());
    head.extend(EXIT.iter().map(|name| format!("exit_{name}")));
    head.extend(states());
    head
}

/// The row of a sample. What is not known is an empty field; labels are `key=value,key=value`.
pub(crate) fn csv_row(sample: &Sample) -> serde_json::Result<Vec<String>> {
    let record = serde_json::to_value(sample)?;
    let mut row: Vec<String> = PLAIN.iter().map(|name| plain(&record[*name])).collect();
    row.push(labels(sample).unwrap_or_default());
    row.extend(EXIT.iter().map(|name| plain(&record["exit"][*name])));
    row.extend(states().map(|name| plain(&record[name.as_str()])));
    Ok(row)
}

/// The names of the fleet's measures.
fn states() -> impl Iterator<Item = String> {
    let words = State::ALL.iter().map(|s| s.word()).chain(["orphaned"]);
    words.chain(OF_THE_FLEET).map(str::to_owned)
}

const OF_THE_FLEET: [&str; 9] = [
    "runs_ended",
    "success_percent",
    "cpu_efficiency_percent",
    "memory_efficiency_percent",
    "cpu_average_percent",
    "memory_average_bytes",
    "threads_average",
    "progress_percent",
    "eta_seconds",
];

fn plain(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleet_core::{Cause, End, Timestamp};

    #[test]
    fn csv_columns_are_plain_and_rows_fit_the_head() {
        let mut sample = Sample::new(Subject::Process, Timestamp::from_nanos(0));
        sample.labels.insert("team".into(), "a".into());
        sample.measures.cpu_percent = Some(12.5);
        sample.exit = Some(End::new(Cause::Exited, "exited, \"with\" code 3"));
        let (head, row) = (csv_head(), csv_row(&sample).unwrap());
        assert_eq!(head.len(), row.len());
        let field = |name: &str| &row[head.iter().position(|h| h == name).unwrap()];
        assert_eq!(field("cpu_percent"), "12.5");
        assert_eq!(field("memory_bytes"), "");
        assert_eq!(field("labels"), "team=a");
        assert_eq!(field("exit_cause"), "exited");
        assert!(head.iter().all(|h| h.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')));
    }

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
