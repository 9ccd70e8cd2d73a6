//! The sample of one process.

use fleet_census::Seen;
use fleet_core::{Measures, MemoryBasis, ProcessRecord, Sample, Subject, Timestamp};
use fleet_os::Stat;

use crate::last::{Reaper, Series};
use crate::numbers::{hundredths, millis, share};
use crate::tree::TreeUsage;
use crate::{Moment, Units};

/// What a process's sample says before anything is measured: all there is to say of an ended one.
pub(crate) fn identity(seen: &Seen, ts: Timestamp) -> Sample {
    let record = &seen.record;
    let mut sample = Sample::new(Subject::Process, ts);
    sample.id = Some(record.id.clone());
    sample.run = Some(record.run);
    sample.attempt = Some(record.attempt);
    sample.labels = record.labels.clone();
    sample.state = Some(seen.observed.word().to_owned());
    sample.restarts = Some(record.restarts);
    sample.health = record.health.filter(|_| seen.observed.is_living());
    sample.exit = record.exit.clone();
    if !record.ports.is_empty() {
        sample.more.insert("ports".to_owned(), record.ports.clone().into());
    }
    if let Some(started) = record.started_at {
        sample.more.insert("started_at".to_owned(), started.to_string().into());
    }
    sample
}

/// Under which key the counters of the current attempt are remembered.
pub(crate) fn series_key(record: &ProcessRecord) -> String {
    format!("{}#{}/{}", record.id, record.run, record.attempt)
}

/// The context in which usage becomes measures.
pub(crate) struct Context<'a> {
    pub(crate) moment: &'a Moment,
    pub(crate) units: Units,
    pub(crate) memory_total_bytes: Option<u64>,
    /// Age in seconds that the point should have that a share of CPU is counted from.
    pub(crate) interval: f64,
}

/// Measures a living tree and brings its counters forward.
pub(crate) fn measure(
    sample: &mut Sample,
    usage: &TreeUsage,
    series: &mut Series,
    context: &Context<'_>,
) {
    let attempt = sample.attempt.unwrap_or(1);
    sample.pid = usage.main.map(|main| main.pid);
    if usage.members == 0 {
        return;
    }
    let measures = &mut sample.measures;
    cpu(measures, usage, series, attempt, context);
    sample.memory_basis = memory(measures, usage, context);
    measures.threads = Some(usage.threads);
    measures.processes = Some(usage.members);
    measures.fds = usage.descriptors.get();
    measures.io_read_bytes = usage.read_bytes.get().map(|raw| series.read.advance(raw));
    measures.io_write_bytes = usage.write_bytes.get().map(|raw| series.write.advance(raw));
    measures.uptime_seconds = usage.main.map(|main| age(&main, context));
}

fn age(main: &Stat, context: &Context<'_>) -> f64 {
    let started = main.start as f64 / context.units.ticks_per_second;
    millis((context.moment.since_boot.as_secs_f64() - started).max(0.0))
}

fn cpu(
    measures: &mut Measures,
    usage: &TreeUsage,
    series: &mut Series,
    attempt: u32,
    context: &Context<'_>,
) {
    let orphans = orphans_of_the_past(usage.shim.as_ref(), series, attempt);
    let raw = usage.cpu_ticks.saturating_add(orphans);
    let at = context.moment.since_boot.as_secs_f64();
    let (total, rate) = series.cpu_at(at, raw, context.interval);
    let per_second = context.units.ticks_per_second;
    measures.cpu_seconds_total = Some(millis(total as f64 / per_second));
    measures.cpu_percent = rate.map(|rate| hundredths(rate / per_second * 100.0));
}

/// CPU ticks of the tree's members that their parents left behind and that the shim has waited
/// for in this attempt. What it had waited for when it was first met belongs to earlier attempts,
/// if there were any.
fn orphans_of_the_past(shim: Option<&Stat>, series: &mut Series, attempt: u32) -> u64 {
    let Some(shim) = shim else { return 0 };
    let waited = shim.children_user_ticks.saturating_add(shim.children_system_ticks);
    let same = |r: &Reaper| r.pid == shim.pid && r.start == shim.start;
    let reaper = series.reaper.filter(same).unwrap_or(Reaper {
        pid: shim.pid,
        start: shim.start,
        before: if attempt > 1 { waited } else { 0 },
    });
    series.reaper = Some(reaper);
    waited.saturating_sub(reaper.before)
}

fn memory(
    measures: &mut Measures,
    usage: &TreeUsage,
    context: &Context<'_>,
) -> Option<MemoryBasis> {
    let page = context.units.page_bytes;
    measures.memory_resident_bytes = usage.resident_pages.get().map(|n| n.saturating_mul(page));
    let proportional = usage.proportional_bytes.get().map(|n| (n, MemoryBasis::Pss));
    let resident = measures.memory_resident_bytes.map(|n| (n, MemoryBasis::Rss));
    let (bytes, basis) = proportional.or(resident).unzip();
    measures.memory_bytes = bytes;
    measures.memory_percent = share(bytes, context.memory_total_bytes);
    measures.swap_bytes = usage.swap_bytes.get();
    basis
}
