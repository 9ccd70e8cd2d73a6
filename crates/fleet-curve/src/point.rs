//! Points of curves, and their form as records.

use fleet_core::{Labels, Sample, Subject, Timestamp};
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::number::{Number, word};
use crate::owner::Owner;

/// Where a point comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Source {
    /// A line of text.
    Log,
    /// A tfevents file.
    Events,
    /// A CSV file.
    Csv,
    /// `fleet-emit metric`.
    Emit,
}

impl Source {
    /// The word for it in records.
    pub fn word(self) -> &'static str {
        match self {
            Source::Log => "log",
            Source::Events => "tfevents",
            Source::Csv => "csv",
            Source::Emit => "emit",
        }
    }
}

/// What one line says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// The step, where the line tells it.
    pub step: Option<i64>,
    /// The values, each under its own name.
    pub values: Vec<(String, Number)>,
}

/// Some values at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Point {
    /// When they were said. Of a file without times, when it was last changed: no later.
    pub ts: Timestamp,
    /// Which attempt said them, where that is known.
    pub attempt: Option<u32>,
    /// Labels of this point alone.
    pub labels: Labels,
    /// Where it comes from.
    pub source: Source,
    /// Step and values.
    pub found: Found,
}

impl Point {
    /// A point without labels of its own.
    pub fn new(ts: Timestamp, source: Source, found: Found) -> Point {
        Point { ts, attempt: None, labels: Labels::new(), source, found }
    }

    /// The point as a sample, for who passes samples on.
    pub fn sample(&self, owner: &Owner) -> Sample {
        let mut sample = Sample::new(Subject::Custom, self.ts);
        sample.name = owner.name.clone();
        sample.id = owner.id.clone();
        sample.run = owner.run;
        sample.attempt = self.attempt;
        sample.labels = self.all_labels(owner);
        sample.more.insert("source".into(), self.source.word().into());
        sample.more.extend(self.found.step.map(|step| ("step".into(), step.into())));
        for (name, number) in &self.found.values {
            sample.more.insert(Sample::own_name(name).into_owned(), json(*number));
        }
        sample
    }

    /// The point as a record that is written at once: the same line as its sample's.
    pub fn record<'a>(&'a self, owner: &'a Owner) -> impl Serialize + 'a {
        PointRecord { point: self, owner }
    }

    fn all_labels(&self, owner: &Owner) -> Labels {
        let mut labels = owner.labels.clone();
        labels.extend(self.labels.clone());
        labels
    }
}

fn json(number: Number) -> Value {
    match number {
        Number::Whole(whole) => whole.into(),
        other if other.value().is_finite() => other.value().into(),
        other => word(other.value()).into(),
    }
}

struct PointRecord<'a> {
    point: &'a Point,
    owner: &'a Owner,
}

impl Serialize for PointRecord<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let (point, owner) = (self.point, self.owner);
        let mut map = to.serialize_map(None)?;
        map.serialize_entry("kind", Sample::KIND)?;
        map.serialize_entry("ts", &point.ts)?;
        map.serialize_entry("subject", Subject::Custom.word())?;
        if let Some(name) = &owner.name {
            map.serialize_entry("name", name)?;
        }
        if let Some(id) = &owner.id {
            map.serialize_entry("id", id)?;
        }
        if let Some(run) = owner.run {
            map.serialize_entry("run", &run)?;
        }
        if let Some(attempt) = point.attempt {
            map.serialize_entry("attempt", &attempt)?;
        }
        if point.labels.is_empty() {
            if !owner.labels.is_empty() {
                map.serialize_entry("labels", &owner.labels)?;
            }
        } else {
            map.serialize_entry("labels", &point.all_labels(owner))?;
        }
        map.serialize_entry("source", point.source.word())?;
        if let Some(step) = point.found.step {
            map.serialize_entry("step", &step)?;
        }
        for (name, number) in &point.found.values {
            map.serialize_entry(Sample::own_name(name).as_ref(), number)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_record_is_that_of_the_sample() {
        let owner = Owner {
            id: "a".parse().ok(),
            run: Some(2),
            labels: [("team".into(), "vision".into())].into(),
            name: None,
        };
        let values = vec![
            ("loss".into(), Number::Single(0.99)),
            ("lr".into(), Number::Double(f64::NAN)),
            ("train/epoch".into(), Number::Whole(3)),
            ("memory_bytes".into(), Number::Double(0.5)),
            ("state".into(), Number::Whole(1)),
        ];
        let found = Found { step: Some(-7), values };
        let mut point = Point::new(Timestamp::from_nanos(0), Source::Events, found);
        for attempt in [None, Some(3)] {
            point.attempt = attempt;
            let line = serde_json::to_string(&point.record(&owner)).unwrap();
            let sample: Sample = serde_json::from_str(&line).unwrap();
            assert_eq!(sample, point.sample(&owner));
            assert!(line.contains(r#""step":-7,"loss":0.99,"lr":"NaN","train/epoch":3"#), "{line}");
            assert!(line.contains(r#""custom_memory_bytes":0.5,"custom_state":1"#), "{line}");
            point.labels.insert("x".into(), "y".into());
        }
    }
}
