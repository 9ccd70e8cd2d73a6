//! One JSON document for a round: what a dashboard wants to know in one reading.

use std::collections::BTreeMap;

use fleet_core::{MeasureKind, Sample, Subject, Timestamp};
use serde::Serialize;
use serde_json::{Map, Number, Value};

/// A round by subjects. The lists are there also when they are empty.
#[derive(Serialize)]
struct Document<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    ts: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    host: Option<&'a Sample>,
    #[serde(skip_serializing_if = "Option::is_none")]
    fleet: Option<&'a Sample>,
    aggregated: Map<String, Value>,
    processes: Vec<&'a Sample>,
    members: Vec<&'a Sample>,
    cores: Vec<&'a Sample>,
    disks: Vec<&'a Sample>,
    networks: Vec<&'a Sample>,
    sensors: Vec<&'a Sample>,
    gpus: Vec<&'a Sample>,
    containers: Vec<&'a Sample>,
    custom: Vec<&'a Sample>,
    collectors: Vec<&'a Sample>,
}

/// The document of a round, on a line of its own.
pub(super) fn document(samples: &[Sample]) -> serde_json::Result<Vec<u8>> {
    let of = |subject| samples.iter().filter(move |sample| sample.subject == subject);
    let all = |subject| of(subject).collect();
    let document = Document {
        ts: samples.iter().map(|sample| sample.ts).max(),
        host: of(Subject::Host).next(),
        fleet: of(Subject::Fleet).next(),
        aggregated: aggregated(of(Subject::Process)),
        processes: all(Subject::Process),
        members: all(Subject::Member),
        cores: all(Subject::Core),
        disks: all(Subject::Disk),
        networks: all(Subject::Network),
        sensors: all(Subject::Sensor),
        gpus: all(Subject::Gpu),
        containers: all(Subject::Container),
        custom: all(Subject::Custom),
        collectors: all(Subject::Collector),
    };
    let mut line = serde_json::to_vec(&document)?;
    line.push(b'\n');
    Ok(line)
}

/// Totals over the processes of the document: how many in which state, and every measure of which
/// a sum means something.
fn aggregated<'a>(processes: impl Iterator<Item = &'a Sample>) -> Map<String, Value> {
    let (mut count, mut restarts) = (0_u64, 0_u64);
    let mut states: BTreeMap<&str, u64> = BTreeMap::new();
    let mut sums: BTreeMap<&str, f64> = BTreeMap::new();
    for sample in processes {
        count += 1;
        restarts += u64::from(sample.restarts.unwrap_or(0));
        if let Some(state) = &sample.state {
            *states.entry(state).or_default() += 1;
        }
        for (measure, value) in sample.measures.values().filter(|(m, _)| adds_up(m.name, m.kind)) {
            *sums.entry(measure.name).or_default() += value;
        }
    }
    let mut all = Map::new();
    all.insert("count".to_owned(), count.into());
    all.insert("restarts".to_owned(), restarts.into());
    all.insert("states".to_owned(), states.into_iter().collect());
    let sums = sums.into_iter().filter_map(|(name, sum)| Some((name, sum_number(sum)?)));
    all.extend(sums.map(|(name, sum)| (name.to_owned(), sum.into())));
    all
}

/// Whether the sum of a measure over processes means something: it does for counts and sizes in
/// use, and for shares of one whole; not for ages, limits and peaks of different moments.
fn adds_up(name: &str, kind: MeasureKind) -> bool {
    let counts = ["threads", "processes", "fds", "connections"];
    let apart = ["limit", "peak", "age", "memory_total"];
    let size = name.ends_with("_bytes") || name.ends_with("_percent");
    let sum = kind == MeasureKind::Counter || size || counts.iter().any(|c| name.starts_with(c));
    sum && !apart.iter().any(|word| name.contains(word))
}

/// Whole numbers as such; the rest without the noise of adding up.
fn sum_number(sum: f64) -> Option<Number> {
    let whole = sum.fract() == 0.0 && (0.0..9e15).contains(&sum);
    if whole {
        Some((sum as u64).into())
    } else {
        Number::from_f64((sum * 1000.0).round() / 1000.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleet_core::Subject;

    #[test]
    fn a_document_has_every_list_and_totals_of_its_processes() {
        let process = |state: &str, cpu, memory| {
            let mut sample = Sample::new(Subject::Process, Timestamp::from_nanos(0));
            sample.state = Some(state.to_owned());
            sample.measures.cpu_percent = Some(cpu);
            sample.measures.memory_bytes = Some(memory);
            sample.measures.uptime_seconds = Some(1.0);
            sample.restarts = Some(2);
            sample
        };
        let samples = [
            Sample::new(Subject::Host, Timestamp::from_nanos(0)),
            process("running", 0.1, 1 << 40),
            process("running", 0.2, 5),
        ];
        let document: Value = serde_json::from_slice(&document(&samples).unwrap()).unwrap();
        assert_eq!(document["processes"].as_array().map(Vec::len), Some(2));
        assert_eq!(document["disks"].as_array().map(Vec::len), Some(0));
        assert_eq!(document["host"]["subject"], "host");
        assert_eq!(
            document["aggregated"].to_string(),
            format!(
                r#"{{"count":2,"cpu_percent":0.3,"memory_bytes":{},"restarts":4,"states":{{"running":2}}}}"#,
                (1_u64 << 40) + 5
            )
        );
    }

    #[test]
    fn an_empty_round_is_a_document_too() {
        let document: Value = serde_json::from_slice(&document(&[]).unwrap()).unwrap();
        assert_eq!(document["aggregated"]["count"], 0);
        assert!(document.get("ts").is_none());
    }

    #[test]
    fn what_adds_up() {
        use MeasureKind::{Counter, Gauge};
        assert!(adds_up("memory_bytes", Gauge) && adds_up("cpu_seconds_total", Counter));
        assert!(!adds_up("memory_limit_bytes", Gauge) && !adds_up("uptime_seconds", Gauge));
        assert!(!adds_up("temperature_celsius", Gauge) && !adds_up("load1", Gauge));
    }
}
