//! Comma-separated values.
//!
//! The head is the same whatever is sampled, so that files can be appended to each other and a
//! measure that a later round has finds its column: it holds every measure that there is. What has
//! no column, because a program made up its name, is JSON in the last one.

use std::io::{self, Write};

use fleet_cli::Out;
use fleet_core::{Measures, Sample};
use serde_json::{Map, Value};

use crate::columns::labels;

/// What says whom a record is about, before what was measured.
const WHOM: &[&str] = &[
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
    "memory_basis",
];

/// The fields of its `exit` that are columns, with `exit_` before their names.
const EXIT: &[&str] = &["code", "signal", "cause", "reason", "duration_seconds"];

/// Writes a round, and before the first one the head.
///
/// # Errors
/// The reader left, or the output is full.
pub(crate) fn write(out: &mut Out, first: bool, samples: &[Sample]) -> io::Result<()> {
    if first {
        write_row(out, &head())?;
    }
    samples.iter().try_for_each(|sample| write_row(out, &row(sample)?))
}

/// Writes one row.
///
/// # Errors
/// The reader left, or the output is full.
pub(crate) fn write_row(out: &mut Out, row: &[String]) -> io::Result<()> {
    // Made in memory: the csv crate would wrap an error of the output beyond recognition.
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(row).map_err(io::Error::other)?;
    let bytes = writer.into_inner().map_err(csv::IntoInnerError::into_error)?;
    out.write_all(&bytes)
}

fn head() -> Vec<String> {
    let plain = WHOM.iter().copied().chain(Measures::ALL.iter().map(|measure| measure.name));
    let mut head: Vec<String> = plain.map(str::to_owned).collect();
    head.push("labels".to_owned());
    head.extend(EXIT.iter().map(|name| format!("exit_{name}")));
    head.push("more".to_owned());
    head
}

/// The row of a sample. What is not known is an empty field; labels are `key=value,key=value`.
fn row(sample: &Sample) -> serde_json::Result<Vec<String>> {
    let mut record = match serde_json::to_value(sample)? {
        Value::Object(record) => record,
        _ => Map::new(),
    };
    let mut take = |name: &str| record.remove(name).map_or(String::new(), plain);
    let mut row: Vec<String> = WHOM.iter().map(|name| take(name)).collect();
    row.extend(Measures::ALL.iter().map(|measure| take(measure.name)));
    row.push(labels(sample).unwrap_or_default());
    let mut exit = record.remove("exit").unwrap_or_default();
    row.extend(
        EXIT.iter().map(|name| exit.get_mut(*name).map_or(String::new(), |v| plain(v.take()))),
    );
    record.remove("kind");
    record.remove("labels");
    row.push(if record.is_empty() { String::new() } else { Value::Object(record).to_string() });
    Ok(row)
}

fn plain(value: Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) => text,
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleet_core::{Cause, End, Subject, Timestamp};

    fn field(sample: &Sample, name: &str) -> String {
        let (head, row) = (head(), row(sample).unwrap());
        assert_eq!(head.len(), row.len());
        assert_eq!(head.iter().filter(|h| *h == name).count(), 1, "{name}");
        row[head.iter().position(|h| h == name).unwrap()].clone()
    }

    #[test]
    fn columns_are_plain_and_rows_fit_the_head() {
        let mut sample = Sample::new(Subject::Process, Timestamp::from_nanos(0));
        sample.labels.insert("team".into(), "a".into());
        sample.measures.cpu_percent = Some(12.5);
        sample.exit = Some(End::new(Cause::Exited, "exited, \"with\" code 3"));
        assert_eq!(field(&sample, "cpu_percent"), "12.5");
        assert_eq!(field(&sample, "memory_bytes"), "");
        assert_eq!(field(&sample, "labels"), "team=a");
        assert_eq!(field(&sample, "exit_cause"), "exited");
        assert_eq!(field(&sample, "more"), "");
        assert!(head().iter().all(|h| h.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')));
    }

    #[test]
    fn what_has_no_column_is_not_lost() {
        let mut sample = Sample::new(Subject::Custom, Timestamp::from_nanos(0));
        sample.more.insert("loss, \"val\"".into(), "NaN".into());
        assert_eq!(field(&sample, "more"), r#"{"loss, \"val\"":"NaN"}"#);
    }
}
