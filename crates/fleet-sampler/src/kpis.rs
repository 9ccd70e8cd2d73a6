//! What processes achieve: the figures that they are judged by, and their progress.

use std::collections::{BTreeMap, HashMap};

use fleet_census::Seen;
use fleet_core::{Id, KpiReading, ProcessRecord, Sample, Subject};
use serde::{Deserialize, Serialize};

use crate::pace::{self, Pace, seconds};
use crate::trend::Trail;

/// What is remembered of a run between samples.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Achieved {
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    kpis: BTreeMap<String, Trail>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pace: Option<Pace>,
}

/// Takes in what the samples of a round say of each run, and puts into the samples of processes
/// what that amounts to. Values that processes measure themselves are in samples of theirs,
/// [`Subject::Custom`], beside them.
pub(crate) fn judge(samples: &mut [Sample], all: &[Seen], memory: &mut BTreeMap<String, Achieved>) {
    let own = own_values(samples);
    if own.is_empty() && memory.is_empty() && all.iter().all(|seen| seen.record.kpis.is_empty()) {
        return;
    }
    let records = by_run(all);
    let mut judged = Vec::new();
    for (at, sample) in samples.iter().enumerate() {
        let record = run_of(sample).and_then(|run| records.get(&run)).map(|seen| &*seen.record);
        let Some(record) = record.filter(|_| sample.subject == Subject::Process) else { continue };
        let own = own.get(&record.id).map_or(&[][..], Vec::as_slice);
        let key = record.key().to_string();
        if !record.kpis.is_empty() || !own.is_empty() || memory.contains_key(&key) {
            memory.entry(key.clone()).or_default().take(sample, own, record);
            judged.push((at, record, key));
        }
    }
    for (at, record, key) in judged {
        if let Some(achieved) = memory.get(&key) {
            achieved.tell(&mut samples[at], record);
        }
    }
    memory.retain(|_, achieved| *achieved != Achieved::default());
}

/// The runs by what their samples are known by.
pub(crate) fn by_run(all: &[Seen]) -> HashMap<(&Id, u32), &Seen> {
    all.iter().map(|seen| ((&seen.record.id, seen.record.run), seen)).collect()
}

/// The run that a sample is about.
pub(crate) fn run_of(sample: &Sample) -> Option<(&Id, u32)> {
    Some((sample.id.as_ref()?, sample.run?))
}

/// The samples with values of processes' own, in the order of their time.
fn own_values(samples: &[Sample]) -> HashMap<Id, Vec<&Sample>> {
    let mut own: HashMap<Id, Vec<&Sample>> = HashMap::new();
    for sample in samples.iter().filter(|sample| sample.subject == Subject::Custom) {
        if let Some(id) = &sample.id {
            own.entry(id.clone()).or_default().push(sample);
        }
    }
    own.values_mut().for_each(|list| list.sort_by(|a, b| taken_at(a).total_cmp(&taken_at(b))));
    own
}

/// When the values of a sample were true: those of a source that fails now are older than it.
fn taken_at(sample: &Sample) -> f64 {
    seconds(sample.ts) - sample.measures.age_seconds.unwrap_or(0.0)
}

impl Achieved {
    fn take(&mut self, sample: &Sample, own: &[&Sample], record: &ProcessRecord) {
        let now = seconds(sample.ts);
        let of_run = |said: &&&Sample| said.run.is_none_or(|run| run == record.run);
        let own = || own.iter().filter(of_run);
        for (name, kpi) in &record.kpis {
            let trail = self.kpis.entry(name.clone()).or_default();
            if let Some(value) = sample.value(&kpi.metric) {
                trail.take(now, now, value);
                continue;
            }
            for said in own() {
                if let Some(value) = said.value(&kpi.metric) {
                    trail.take(now, taken_at(said), value);
                }
            }
        }
        self.kpis.retain(|name, trail| record.kpis.contains_key(name) && trail.last().is_some());
        for said in own() {
            if let Some(percent) = said.value("progress_percent").filter(|p| p.is_finite()) {
                pace::take(&mut self.pace, record.attempt, taken_at(said), percent);
            }
        }
    }

    fn tell(&self, sample: &mut Sample, record: &ProcessRecord) {
        if let Some(pace) = &self.pace {
            pace.tell(sample, record);
        }
        let mut readings: BTreeMap<&str, KpiReading> = BTreeMap::new();
        for (name, trail) in &self.kpis {
            if let (Some(kpi), Some(value)) = (record.kpis.get(name), trail.last()) {
                let trend = trail.trend(kpi.direction);
                readings.insert(name, KpiReading { trend, ..kpi.reading(value) });
            }
        }
        if let (false, Ok(readings)) = (readings.is_empty(), serde_json::to_value(readings)) {
            sample.more.insert("kpis".to_owned(), readings);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{sample, seen};
    use serde_json::{Value, json};

    /// A process with these KPIs, judged by samples of its own.
    struct Judged {
        all: Vec<Seen>,
        memory: BTreeMap<String, Achieved>,
    }

    impl Judged {
        fn new(changes: Value) -> Judged {
            Judged { all: vec![seen("train", changes)], memory: BTreeMap::new() }
        }

        /// A round at a time with these values of its own, and the sample of the process in it.
        fn round(&mut self, time: &str, own: Vec<Sample>) -> Sample {
            let process = json!({"run": 1, "threads": 4, "state": "running"});
            let mut samples = vec![sample(Subject::Process, "train", time, process)];
            samples.extend(own);
            judge(&mut samples, &self.all, &mut self.memory);
            samples.swap_remove(0)
        }
    }

    fn own(time: &str, values: Value) -> Sample {
        sample(Subject::Custom, "train", time, values)
    }

    const LOSS: &str = r#"{"kpis": {
        "loss": {"metric": "train/loss", "target": 0.1, "baseline": 0.5, "direction": "down"},
        "threads": {"metric": "threads", "target": 4, "direction": "up"}
    }}"#;

    #[test]
    fn a_kpi_is_judged_by_the_newest_value() {
        let mut judged = Judged::new(serde_json::from_str(LOSS).unwrap());
        let said = vec![
            own("06:00:03", json!({"train/loss": 0.4, "run": 1})),
            own("06:00:01", json!({"train/loss": 0.45})),
            own("06:00:04", json!({"train/loss": 0.01, "run": 2})),
        ];
        let sample = judged.round("06:00:05", said);
        assert_eq!(
            sample.more["kpis"],
            json!({
                "loss": {
                    "value": 0.4, "target": 0.1, "baseline": 0.5, "change_percent": -20.0,
                    "met": false,
                },
                "threads": {"value": 4, "target": 4.0, "met": true},
            })
        );
    }

    #[test]
    fn the_trend_is_remembered_from_round_to_round() {
        let mut judged = Judged::new(serde_json::from_str(LOSS).unwrap());
        for step in 0..10 {
            let loss = 0.5 - 0.04 * f64::from(step);
            let time = format!("06:{step:02}:00");
            // One-shots: each forgets all that is not in the file.
            let json = serde_json::to_vec(&judged.memory).unwrap();
            judged.memory = serde_json::from_slice(&json).unwrap();
            let sample = judged.round(&time, vec![own(&time, json!({"train/loss": loss}))]);
            let trend = &sample.more["kpis"]["loss"]["trend"];
            let expected = if step < 4 { Value::Null } else { "improving".into() };
            assert_eq!(*trend, expected, "{step}");
        }
        // Nothing new was said: what is known stands.
        let sample = judged.round("07:00:00", Vec::new());
        assert_eq!(sample.more["kpis"]["loss"]["trend"], "improving");
        assert_eq!(sample.more["kpis"]["threads"]["trend"], "stable");
    }

    #[test]
    fn a_source_that_fails_now_tells_nothing_new() {
        let mut judged = Judged::new(serde_json::from_str(LOSS).unwrap());
        for minute in 0..10 {
            let value = json!({"train/loss": 0.3, "age_seconds": f64::from(minute) * 60.0});
            judged.round("06:00:00", vec![own(&format!("06:{minute:02}:00"), value)]);
        }
        let sample = judged.round("07:00:00", Vec::new());
        assert_eq!(sample.more["kpis"]["loss"].get("trend"), None, "it is one value");
    }

    #[test]
    fn a_process_without_kpis_is_left_alone() {
        let mut judged = Judged::new(json!({}));
        assert_eq!(judged.round("06:00:00", vec![own("06:00:00", json!({"a": 1}))]).more.len(), 0);
        assert!(judged.memory.is_empty());
    }

    #[test]
    fn progress_lets_expect_the_end() {
        let mut judged = Judged::new(json!({}));
        let mut at = |time: &str, percent: f64| {
            let said = vec![own(time, json!({"progress_percent": percent}))];
            let m = judged.round(time, said).measures;
            (m.progress_percent, m.eta_seconds)
        };
        // Since 05:00 a quarter was done in an hour.
        assert_eq!(at("06:00:00", 25.0), (Some(25.0), Some(3.0 * 3600.0)));
        assert_eq!(at("06:40:00", 50.0), (Some(50.0), Some(6000.0)));
        // Minutes later nothing else was said.
        let m = judged.round("06:50:00", Vec::new()).measures;
        assert_eq!((m.progress_percent, m.eta_seconds), (Some(50.0), Some(5400.0)));
    }

    #[test]
    fn an_attempt_that_goes_on_from_a_checkpoint_is_counted_from_there() {
        let mut judged = Judged::new(json!({"attempt": 2, "started_at": "2026-11-22T06:00:00Z"}));
        let mut at = |time: &str, percent: f64| {
            let said = vec![own(time, json!({"progress_percent": percent}))];
            judged.round(time, said).measures.eta_seconds
        };
        assert_eq!(at("06:01:00", 80.0), None);
        assert_eq!(at("06:11:00", 90.0), Some(600.0));
        let mut done = Judged::new(json!({"paused_seconds": 1800.0}));
        let said = vec![own("06:00:00", json!({"progress_percent": 50.0}))];
        assert_eq!(done.round("06:00:00", said).measures.eta_seconds, Some(1800.0));
    }
}
