//! What the GPUs of the host do, and which runs use them.

use std::collections::BTreeMap;
use std::time::Duration;

use fleet_census::{Owners, Seen};
use fleet_core::{Measures, RunKey, Sample, Subject, Timestamp};
use fleet_gpu::{Answer, Gpu, GpuError, Gpus, Missing, Reading, Usage, missing, usage_by};

/// A round waits no longer than this for the drivers, counted from its beginning.
const PATIENCE: Duration = Duration::from_secs(2);

/// So long the last good answer stands for the GPUs of a driver that does not answer.
const STALE: Duration = Duration::from_secs(300);

/// The GPUs as a source of samples.
///
/// They are asked while the processes are sampled. On a machine without GPUs nothing is asked and
/// nothing is told.
pub(crate) struct GpuSource {
    gpus: Option<Gpus>,
    boot: String,
    wish: Wish,
}

/// What is wanted of the GPUs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// Nothing.
    Nothing,
    /// What processes use of them.
    Use,
    /// That, and the GPUs themselves.
    All,
}

impl GpuSource {
    pub(crate) fn new(boot: String, wish: Wish) -> GpuSource {
        GpuSource { gpus: None, boot, wish }
    }

    /// Asks, if there is something to ask; a driver may be loaded while we follow.
    pub(crate) fn begin(&mut self, all: &[Seen]) {
        if self.wish == Wish::Nothing {
            return;
        }
        if self.gpus.is_none() {
            self.gpus = Gpus::find();
        }
        if let Some(gpus) = &mut self.gpus {
            gpus.begin(PATIENCE, &roots(all, &self.boot));
        }
    }

    /// Takes the answer: adds the samples of the GPUs behind those of the host, and to each process
    /// what it uses. What could not be read is returned, each a sentence.
    pub(crate) fn add_to(
        &mut self,
        samples: &mut Vec<Sample>,
        all: &[Seen],
        ts: Timestamp,
    ) -> Vec<String> {
        let Some(gpus) = self.gpus.as_mut() else { return Vec::new() };
        let reading = gpus.collect();
        // A pid of an old answer may be another process by now.
        if let Some(answer) = reading.answer.as_ref().filter(|_| reading.error.is_none()) {
            let owners = Owners::of(all, &self.boot);
            let owner = |pid| owners.owner(pid).map(|seen| seen.record.key());
            add_usage(samples, &usage_by(answer, owner), &answer.gpus);
        }
        let missing = missing_of(&reading, all);
        if self.wish == Wish::All {
            let first = samples.iter().position(|s| s.subject == Subject::Process);
            let at = first.unwrap_or(samples.len());
            let gone = missing.iter().map(|one| one.sample(ts));
            samples.splice(at..at, gone.chain(devices(&reading, ts)));
        }
        let mut problems = problems(&reading);
        problems.extend(missing.iter().map(Missing::words));
        problems
    }
}

/// GPUs that somebody has reserved and that the drivers, which answered just now, do not know.
fn missing_of(reading: &Reading, all: &[Seen]) -> Vec<Missing> {
    let fresh = reading.answer.as_ref().filter(|_| reading.error.is_none());
    let living = || all.iter().filter(|seen| seen.observed.is_living()).map(|seen| &*seen.record);
    fresh.map_or_else(Vec::new, |answer| missing(&answer.gpus, living()))
}

/// The processes from which those of the fleet that are on AMD's cards can be found.
fn roots(all: &[Seen], boot: &str) -> Vec<i32> {
    let living = all.iter().filter(|seen| seen.observed.is_living() && seen.record.boot == boot);
    let supervised = |seen: &Seen| seen.record.shim.map(|shim| shim.who.pid);
    living.filter_map(|seen| supervised(seen).or(seen.record.pid)).collect()
}

fn add_usage(samples: &mut [Sample], usage: &BTreeMap<RunKey, Usage>, gpus: &[Gpu]) {
    for sample in samples.iter_mut().filter(|sample| sample.subject == Subject::Process) {
        let (Some(id), Some(run)) = (sample.id.clone(), sample.run) else { continue };
        let Some(usage) = usage.get(&RunKey { id, run }) else { continue };
        sample.measures.gpu_memory_bytes = usage.memory_bytes;
        sample.measures.gpu_percent = usage.percent;
        let power = |of| added_up(gpus, &usage.gpus, of);
        sample.measures.gpu_power_watts = power(|gpu| gpu.gpu_power_watts);
        sample.measures.gpu_power_limit_watts = power(|gpu| gpu.gpu_power_limit_watts);
        sample.more.insert("gpus".to_owned(), usage.gpus.clone().into());
    }
}

/// A measure of these GPUs added up; unknown when it is of one of them.
fn added_up(gpus: &[Gpu], names: &[String], of: fn(&Measures) -> Option<f64>) -> Option<f64> {
    let gpu = |name: &String| gpus.iter().find(|gpu| gpu.uuid == *name);
    names.iter().map(|name| of(&gpu(name)?.measures)).sum()
}

/// The samples of the GPUs, and one of how the asking went.
fn devices(reading: &Reading, ts: Timestamp) -> Vec<Sample> {
    let age = reading.age.as_secs_f64();
    let gpus = reading.answer.iter().flat_map(|answer| &answer.gpus);
    let mut samples: Vec<Sample> = match &reading.error {
        None => gpus.map(|gpu| gpu.sample(ts)).collect(),
        Some(_) => gpus.map(|gpu| old_sample(gpu, reading.age, ts)).collect(),
    };
    let mut source = Sample::new(Subject::Collector, ts);
    source.name = Some("gpu".to_owned());
    source.measures.success = Some(u64::from(reading.error.is_none()));
    source.measures.duration_seconds = Some(reading.duration.as_secs_f64());
    source.measures.age_seconds = reading.answer.as_ref().map(|_| age);
    samples.push(source);
    samples
}

/// What was last known of a GPU, with its age; nothing for longer than that can be believed.
fn old_sample(gpu: &Gpu, age: Duration, ts: Timestamp) -> Sample {
    let seconds = age.as_secs_f64();
    let mut sample = match age > STALE {
        true => gpu.as_lost(&format!("its driver has not answered for {seconds:.0} s")).sample(ts),
        false => gpu.sample(ts),
    };
    sample.measures.age_seconds = Some(seconds);
    sample
}

fn problems(reading: &Reading) -> Vec<String> {
    let error = match &reading.error {
        None => None,
        // What it rests from has been told.
        Some(GpuError::Resting { .. }) => return Vec::new(),
        Some(error) => Some(words(error)),
    };
    let fresh = reading.answer.as_ref().filter(|_| error.is_none());
    let foreign = fresh.filter(|answer| answer.foreign_pids).map(|_: &Answer| {
        "who is on the GPUs cannot be told: this is a PID namespace of its own, and NVIDIA's driver \
         knows processes by the host's numbers"
            .to_owned()
    });
    let told = fresh.map(|answer| answer.problems.clone()).unwrap_or_default();
    error.into_iter().chain(foreign).chain(told).collect()
}

fn words(error: &GpuError) -> String {
    let mut words = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        words = format!("{words}: {error}");
        cause = error.source();
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleet_gpu::Vendor;

    fn reading(age: u64, error: Option<GpuError>) -> Reading {
        let mut gpu = Gpu::new("GPU-1".to_owned(), 0, Vendor::Nvidia);
        gpu.measures.gpu_percent = Some(50.0);
        let answer = Some(Answer { gpus: vec![gpu], ..Answer::default() });
        Reading { answer, age: Duration::from_secs(age), duration: Duration::ZERO, error }
    }

    #[test]
    fn an_old_answer_has_its_age_and_is_not_believed_for_ever() {
        let silent = || Some(GpuError::Silent { after: PATIENCE });
        let ts = Timestamp::from_nanos(0);
        let fresh = devices(&reading(0, None), ts);
        assert_eq!(
            (fresh[0].measures.gpu_percent, fresh[0].measures.age_seconds),
            (Some(50.0), None)
        );
        assert_eq!(
            (fresh[1].measures.success, fresh[1].measures.age_seconds),
            (Some(1), Some(0.0))
        );
        let old = devices(&reading(60, silent()), ts);
        assert_eq!(
            (old[0].measures.gpu_percent, old[0].measures.age_seconds),
            (Some(50.0), Some(60.0))
        );
        assert_eq!(old[1].measures.success, Some(0));
        let stale = devices(&reading(301, silent()), ts);
        assert_eq!((stale[0].measures.gpu_percent, stale[0].measures.gpu_lost), (None, Some(1)));
        assert_eq!(stale[0].more["lost"], "its driver has not answered for 301 s");
    }

    #[test]
    fn a_pause_after_a_failure_is_not_told_at_every_round() {
        let resting = GpuError::Resting { left: Duration::from_secs(3) };
        assert!(problems(&reading(1, Some(resting))).is_empty());
        let silent = problems(&reading(1, Some(GpuError::Silent { after: PATIENCE })));
        assert_eq!(silent, ["the GPU driver did not answer within 2000 ms"]);
    }
}
