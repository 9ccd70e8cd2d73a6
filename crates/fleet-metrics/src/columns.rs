//! The columns of tables and of CSV.

use std::time::Duration;

use fleet_cli::{Align, Cell, Column};
use fleet_core::{Sample, State, Subject, duration_text, size_text};
use serde_json::{Map, Value};

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
    left("NOTES", true, notes),
];

/// What is no process has another name; parentheses cannot be part of an id.
fn name(sample: &Sample) -> Option<String> {
    let word = sample.subject.word();
    match (&sample.id, &sample.name) {
        (Some(id), None) => Some(id.as_str().to_owned()),
        (_, Some(name)) => Some(format!("({word} {name})")),
        (None, None) => Some(format!("({word})")),
    }
}

/// What is no process has no state, but a fleet is in some health, and a collector succeeds or not.
fn state(sample: &Sample) -> Option<String> {
    let word = match sample.subject {
        Subject::Fleet => sample.health.map(|health| health.word()),
        Subject::Collector => sample.measures.success.map(|n| if n > 0 { "ok" } else { "failed" }),
        _ => None,
    };
    sample.state.clone().or_else(|| word.map(str::to_owned))
}

/// How a process ended or how its KPIs stand, why a fleet or a collector is not as it should be,
/// what was measured.
fn notes(sample: &Sample) -> Option<String> {
    let more = &sample.more;
    let shown = |(key, value): (&String, &Value)| match value {
        Value::Object(_) => format!("{key}={}", plain(&value["value"])),
        value => format!("{key}={}", plain(value)),
    };
    let all = |map: &Map<String, Value>| map.iter().map(shown).collect::<Vec<_>>().join(" ");
    match sample.subject {
        Subject::Custom => Some(all(more)),
        Subject::Collector => more.get("error").map(plain),
        Subject::Fleet => {
            let list = more.get("reasons")?.as_array()?;
            Some(list.iter().map(plain).collect::<Vec<_>>().join("; "))
        }
        _ => {
            let kpis = || more.get("kpis")?.as_object().map(all);
            sample.exit.as_ref().map(|end| end.reason.clone()).or_else(kpis)
        }
    }
}

fn uptime(sample: &Sample) -> Option<String> {
    let age = Duration::try_from_secs_f64(sample.measures.uptime_seconds?).ok()?;
    Some(duration_text(age))
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
    "memory_bytes",
    "memory_basis",
    "memory_resident_bytes",
    "memory_percent",
    "memory_total_bytes",
    "memory_available_bytes",
    "swap_bytes",
    "swap_total_bytes",
    "threads",
    "processes",
    "fds",
    "io_read_bytes",
    "io_write_bytes",
    "load1",
    "load5",
    "load15",
    "uptime_seconds",
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
}
