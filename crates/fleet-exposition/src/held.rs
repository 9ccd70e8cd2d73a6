//! What programs measured by themselves, from round to round.

use std::collections::{BTreeMap, HashMap};

use fleet_core::{Id, Sample, Subject, Timestamp};
use serde_json::Value;

use crate::family::{Families, Kind};
use crate::samples::{base_labels, newest_runs, unix_seconds};

/// So many values are held at most; a program that makes up names must not fill the memory.
const MOST: usize = 10_000;

/// How many seconds a value stands that is of no process.
const OF_NOBODY: f64 = 3600.0;

/// The newest value of each curve of each process.
///
/// A curve gives a point now and then, and several at once when it is read late, while a scraper
/// comes at times of its own: so each value stands until a newer one comes or its run is over, and
/// that of no process for an hour. What a collector measures comes in every round and is not held.
#[derive(Debug, Default)]
pub(crate) struct Held(BTreeMap<String, Values>);

#[derive(Debug)]
struct Values {
    id: Option<Id>,
    run: Option<u32>,
    /// It is of a curve, not of a collector.
    curve: bool,
    ts: Timestamp,
    of: BTreeMap<String, f64>,
}

impl Held {
    /// Takes in a round, adds all values to the families, and says what is wrong.
    pub(crate) fn round(
        &mut self,
        samples: &[Sample],
        families: &mut Families,
        problems: &mut Vec<String>,
    ) {
        let runs = newest_runs(samples.iter());
        let now = samples.iter().map(|sample| sample.ts).max();
        self.0.retain(|_, held| held.curve && held.stands(&runs, now));
        let mut room = MOST.saturating_sub(self.0.values().map(|held| held.of.len()).sum());
        let is_newest = |s: &Sample| s.id.as_ref().is_none_or(|id| runs.get(id) == Some(&s.run));
        for sample in samples.iter().filter(|s| s.subject == Subject::Custom && is_newest(s)) {
            self.take(sample, &mut room, problems);
        }
        for (labels, held) in &self.0 {
            held.add(labels, families);
        }
    }

    fn take(&mut self, sample: &Sample, room: &mut usize, problems: &mut Vec<String>) {
        let labels = base_labels(sample).text().to_owned();
        let curve = sample.id.is_some() || sample.more.contains_key("source");
        let (id, run, ts) = (sample.id.clone(), sample.run, sample.ts);
        let new = Values { id, run, curve, ts, of: BTreeMap::new() };
        let held = self.0.entry(labels).or_insert(new);
        let newer = held.ts <= sample.ts;
        held.ts = held.ts.max(sample.ts);
        for (metric, value) in numbers(sample) {
            match held.of.get_mut(&metric) {
                Some(_) if !held.curve => problems.push(format!(
                    "there are two values of '{metric}' with the same labels; the first is exported"
                )),
                Some(old) if newer => *old = value,
                Some(_) => {}
                None if *room == 0 => problems.push(format!(
                    "more than {MOST} values that programs measure by themselves; the rest is not \
                     exported"
                )),
                None => {
                    *room -= 1;
                    held.of.insert(metric, value);
                }
            }
        }
    }
}

impl Values {
    /// Whether whom it is of is still there.
    fn stands(&self, runs: &HashMap<&Id, Option<u32>>, now: Option<Timestamp>) -> bool {
        match &self.id {
            Some(id) => runs.get(id) == Some(&self.run),
            None => now.is_none_or(|now| now.seconds_since(self.ts) < OF_NOBODY),
        }
    }

    fn add(&self, labels: &str, families: &mut Families) {
        let separator = if labels.is_empty() { "" } else { "," };
        for (metric, value) in &self.of {
            let mut text = format!("{labels}{separator}metric=\"");
            crate::labels::escape(&mut text, metric, true);
            text.push('"');
            families.add("fleet_custom", Kind::Unknown, CUSTOM, &text, *value);
        }
        let seconds = unix_seconds(self.ts);
        families.add("fleet_custom_timestamp_seconds", Kind::Gauge, CUSTOM_TIME, labels, seconds);
    }
}

const CUSTOM: &str = "What a program or a collector measures by itself, by its own name.";
const CUSTOM_TIME: &str = "When the newest of these values was measured.";

/// The numbers of a sample by name. A program may well use a name that fleet has a field for.
fn numbers(sample: &Sample) -> impl Iterator<Item = (String, f64)> {
    let known = sample.measures.values().map(|(measure, value)| (measure.name.to_owned(), value));
    let own = sample.more.iter().filter_map(|(name, value)| Some((name.clone(), number(value)?)));
    known.chain(own)
}

/// A number as records write it.
pub(crate) fn number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::Bool(yes) => Some(f64::from(u8::from(*yes))),
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "+Inf" => Some(f64::INFINITY),
            "-Inf" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    }
}
