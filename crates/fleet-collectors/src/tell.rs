//! What is known of a collector, as samples.

use fleet_core::{Labels, Sample, Subject, Timestamp};

use crate::collector::Collector;
use crate::memory::Standing;
use crate::output::Reading;

/// When a round takes place.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Now {
    pub(crate) ts: Timestamp,
    /// Seconds since boot.
    pub(crate) since_boot: f64,
}

/// The collector's own sample, and those of its values while they are young enough.
pub(crate) fn tell(collector: &Collector, standing: &Standing, now: Now, into: &mut Vec<Sample>) {
    let mut own = sample(collector, Subject::Collector, now);
    own.labels.clone_from(&collector.labels);
    let measures = &mut own.measures;
    measures.success = Some(u64::from(standing.error.is_none()));
    measures.duration_seconds = Some(millis(standing.seconds));
    let age = |at: f64| millis((now.since_boot - at).max(0.0));
    let good = standing.good.as_ref().map(|good| (age(good.at), &good.readings));
    let good = good.filter(|(age, _)| *age <= collector.keep.as_secs_f64());
    measures.age_seconds = good.map(|(age, _)| age);
    if let Some(error) = &standing.error {
        own.more.insert("error".to_owned(), error.as_str().into());
    }
    into.push(own);
    for (age, reading) in
        good.into_iter().flat_map(|(age, readings)| readings.iter().map(move |one| (age, one)))
    {
        let mut values = sample(collector, Subject::Custom, now);
        values.labels = labels(collector, reading);
        values.measures.age_seconds = Some(age);
        for (name, value) in &reading.values {
            values.put(name, value.0);
        }
        into.push(values);
    }
}

fn sample(collector: &Collector, subject: Subject, now: Now) -> Sample {
    let mut sample = Sample::new(subject, now.ts);
    sample.name = Some(collector.name.clone());
    sample.id.clone_from(&collector.id);
    sample
}

/// The labels of a reading with those of the file, which win: another one of the same name is
/// `exported_NAME`, as Prometheus calls it.
fn labels(collector: &Collector, reading: &Reading) -> Labels {
    let mut labels = collector.labels.clone();
    for (name, value) in &reading.labels {
        let taken = collector.labels.contains_key(name);
        let name = if taken { format!("exported_{name}") } else { name.clone() };
        labels.insert(name, value.clone());
    }
    labels
}

fn millis(seconds: f64) -> f64 {
    (seconds * 1000.0).round() / 1000.0
}
