//! What samples are about: which of them belong together.

use std::collections::HashMap;
use std::hash::Hash;

use fleet_core::{Id, Labels, Sample, Subject, Timestamp};
use serde::Serialize;

/// What a sample is about. Where samples are grouped, what they were not grouped by is absent.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize)]
pub struct Series {
    /// Its subject.
    pub subject: Subject,
    /// The host, where it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// What tells it from others of its subject.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// The process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<Id>,
    /// Which spawn of it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run: Option<u32>,
    /// Which member of its tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// Its labels.
    #[serde(skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
}

impl Series {
    /// What a sample is about.
    pub fn of(sample: &Sample) -> Series {
        Series {
            subject: sample.subject,
            host: sample.host.clone(),
            name: sample.name.clone(),
            id: sample.id.clone(),
            run: sample.run,
            pid: sample.pid.filter(|_| sample.subject == Subject::Member),
            labels: sample.labels.clone(),
        }
    }

    /// The job that it belongs to: runs follow each other, and labels may change.
    pub(crate) fn job(&self) -> Series {
        Series { run: None, labels: Labels::new(), ..self.clone() }
    }

    /// What series are shown in the order of: the host before processes.
    pub(crate) fn order(&self) -> impl Ord {
        let of = (self.subject.word(), &self.host, &self.name, &self.id);
        (of, self.run, self.pid, &self.labels)
    }

    /// A sample of it without measures.
    pub fn sample(&self, ts: Timestamp) -> Sample {
        let mut sample = Sample::new(self.subject, ts);
        sample.host.clone_from(&self.host);
        sample.name.clone_from(&self.name);
        sample.id.clone_from(&self.id);
        sample.run = self.run;
        sample.pid = self.pid;
        sample.labels.clone_from(&self.labels);
        sample
    }
}

/// A field that samples can be grouped by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum By {
    /// The subject. All are grouped by it, because a measure of one is another one's by name only.
    Subject,
    /// The process.
    Id,
    /// The spawn of a process.
    Run,
    /// What tells a device or a collector from others.
    Name,
    /// The host.
    Host,
    /// The value of one label.
    Label(String),
}

/// What samples are grouped by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Grouping(Vec<By>);

impl Grouping {
    /// Groups by these; by none of them means each job and each device by itself.
    pub fn new(by: Vec<By>) -> Grouping {
        Grouping(by)
    }

    /// The group that a series belongs to.
    pub(crate) fn group(&self, series: &Series) -> Series {
        if self.0.is_empty() {
            return series.job();
        }
        let by = |field: &By| self.0.contains(field);
        let mut labels = Labels::new();
        for field in &self.0 {
            if let By::Label(key) = field
                && let Some((key, value)) = series.labels.get_key_value(key)
            {
                labels.insert(key.clone(), value.clone());
            }
        }
        Series {
            subject: series.subject,
            host: series.host.clone().filter(|_| by(&By::Host)),
            name: series.name.clone().filter(|_| by(&By::Name)),
            id: series.id.clone().filter(|_| by(&By::Id)),
            run: series.run.filter(|_| by(&By::Run)),
            pid: None,
            labels,
        }
    }
}

/// Numbers things as they are met.
#[derive(Debug)]
pub(crate) struct Interner<T> {
    numbers: HashMap<T, u32>,
    list: Vec<T>,
}

impl<T> Default for Interner<T> {
    fn default() -> Interner<T> {
        Interner { numbers: HashMap::new(), list: Vec::new() }
    }
}

impl<T: Clone + Eq + Hash> Interner<T> {
    pub(crate) fn number(&mut self, of: &T) -> u32 {
        if let Some(number) = self.numbers.get(of) {
            return *number;
        }
        let number = self.list.len() as u32;
        self.numbers.insert(of.clone(), number);
        self.list.push(of.clone());
        number
    }

    pub(crate) fn get(&self, number: u32) -> &T {
        &self.list[number as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series() -> Series {
        let mut sample = Sample::new(Subject::Process, Timestamp::from_nanos(0));
        sample.id = "a".parse().ok();
        sample.run = Some(2);
        sample.pid = Some(7);
        sample.labels.insert("team".to_owned(), "vision".to_owned());
        sample.labels.insert("owner".to_owned(), "ada".to_owned());
        Series::of(&sample)
    }

    #[test]
    fn a_job_goes_on_from_run_to_run() {
        let next = Series { run: Some(3), ..series() };
        let jobs = Grouping::default();
        assert_eq!(jobs.group(&series()), jobs.group(&next));
        let runs = Grouping::new(vec![By::Id, By::Run]);
        assert_ne!(runs.group(&series()), runs.group(&next));
    }

    #[test]
    fn a_group_knows_what_it_was_made_by_alone() {
        let group = Grouping::new(vec![By::Label("team".to_owned())]).group(&series());
        let json = serde_json::to_string(&group).unwrap();
        assert_eq!(json, r#"{"subject":"process","labels":{"team":"vision"}}"#);
        let sample = group.sample(Timestamp::from_nanos(0));
        assert_eq!(Series::of(&sample), group);
    }
}
