//! Tables with a row for each of many things that a sample tells: values by their own names, sockets.

use std::collections::HashSet;
use std::time::Duration;

use fleet_cli::{Align, Cell, Column, Table};
use fleet_core::{Sample, Timestamp, duration_text};
use serde_json::Value;

use crate::columns::labels;

/// The newest value of each name that programs and collectors made up, however many points of it the
/// round has.
pub(super) fn values(samples: &[&Sample], now: Timestamp) -> Table {
    let mut rows: Vec<(&Sample, &str, String)> =
        samples.iter().flat_map(|sample| named(sample)).collect();
    let mut met = HashSet::new();
    rows.reverse();
    rows.retain(|(sample, metric, _)| {
        met.insert((&sample.id, sample.run, &sample.name, source(sample), &sample.labels, *metric))
    });
    rows.reverse();
    let mut table = Table::new(heads(&[
        ("ID", Align::Left),
        ("METRIC", Align::Left),
        ("VALUE", Align::Right),
        ("STEP", Align::Right),
        ("AGE", Align::Right),
        ("SOURCE", Align::Left),
        ("LABELS", Align::Left),
    ]));
    for (sample, metric, value) in rows {
        table.row(vec![
            Cell::maybe(sample.id.as_ref().map(ToString::to_string)),
            Cell::new(metric),
            Cell::new(value),
            Cell::maybe(sample.more.get("step").map(words)),
            Cell::maybe(age(sample, now)),
            Cell::maybe(source(sample)),
            Cell::maybe(labels(sample)),
        ]);
    }
    table
}

/// The sockets of processes, where they are told one by one.
pub(super) fn sockets(samples: &[&Sample]) -> Option<Table> {
    let of = |sample: &&Sample| sample.more.get("connection_details").cloned();
    let told: Vec<(&Sample, Value)> =
        samples.iter().filter_map(|sample| Some((*sample, of(sample)?))).collect();
    let mut table = Table::new(heads(&[
        ("ID", Align::Left),
        ("PID", Align::Right),
        ("PROTOCOL", Align::Left),
        ("STATE", Align::Left),
        ("LOCAL", Align::Left),
        ("REMOTE", Align::Left),
    ]));
    for (sample, sockets) in &told {
        for socket in sockets.as_array().into_iter().flatten() {
            let told = |field| Cell::maybe(socket.get(field).map(words));
            let id = Cell::maybe(sample.id.as_ref().map(ToString::to_string));
            let fields = ["pid", "protocol", "state", "local", "remote"];
            table.row([id].into_iter().chain(fields.map(told)).collect());
        }
    }
    (!told.is_empty()).then_some(table)
}

fn heads(heads: &[(&'static str, Align)]) -> Vec<Column> {
    heads.iter().map(|(title, align)| Column { title, align: *align }).collect()
}

/// The values of a sample, each with its name.
fn named(sample: &Sample) -> Vec<(&Sample, &str, String)> {
    let measured = sample.measures.values().filter(|(measure, _)| measure.name != "age_seconds");
    let measured = measured.map(|(measure, value)| (measure.name, value.to_string()));
    let more = sample.more.iter().filter(|(name, _)| !matches!(name.as_str(), "step" | "source"));
    let more = more.map(|(name, value)| (name.as_str(), words(value)));
    measured.chain(more).map(|(name, value)| (sample, name, value)).collect()
}

/// What said it: a kind of file and, of several, which; or a collector.
fn source(sample: &Sample) -> Option<String> {
    let kind = sample.more.get("source").map(words);
    let parts: Vec<String> = kind.into_iter().chain(sample.name.clone()).collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

fn age(sample: &Sample, now: Timestamp) -> Option<String> {
    let seconds =
        sample.measures.age_seconds.unwrap_or_else(|| now.seconds_since(sample.ts).max(0.0));
    Some(duration_text(Duration::try_from_secs_f64(seconds).ok()?))
}

fn words(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    use fleet_cli::Out;
    use fleet_core::Subject;
    use serde_json::json;

    fn text(table: &Table) -> String {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table");
        let mut out = Out::file(path.clone()).unwrap();
        table.write(&mut out).unwrap();
        out.finish().unwrap();
        fs::read_to_string(path).unwrap()
    }

    #[test]
    fn of_each_curve_the_newest_point_is_a_row() {
        let point = |second: i64, more: Value| {
            let mut sample =
                Sample::new(Subject::Custom, Timestamp::from_nanos(second * 1_000_000_000));
            sample.id = "train".parse().ok();
            sample.more = more.as_object().unwrap().clone();
            sample
        };
        let points = [
            point(1, json!({"loss": 0.5, "lr": 0.1, "step": 1, "source": "log"})),
            point(2, json!({"loss": "NaN", "step": 2, "source": "log"})),
            point(3, json!({"loss": 0.7, "step": 1, "source": "emit"})),
        ];
        let now = Timestamp::from_nanos(4_000_000_000);
        let shown = text(&values(&points.iter().collect::<Vec<_>>(), now));
        let rows: Vec<Vec<&str>> =
            shown.lines().skip(1).map(|row| row.split_whitespace().collect()).collect();
        assert_eq!(
            rows,
            [
                ["train", "lr", "0.1", "1", "3.0s", "log", "-"],
                ["train", "loss", "NaN", "2", "2.0s", "log", "-"],
                ["train", "loss", "0.7", "1", "1.0s", "emit", "-"],
            ]
        );
    }
}
