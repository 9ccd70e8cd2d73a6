//! The sample of one process.

use fleet_census::Seen;
use fleet_core::{Measures, MemoryBasis, ProcessRecord, Sample, Subject, Timestamp};
use fleet_os::{Cgroup, Stat};

use crate::Moment;
use crate::last::{Last, Reaper, Series};
use crate::member::{Member, TreeUsage};
use crate::numbers::{hundredths, millis, share};
use crate::sum::Sum;

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
    sample.exit = record.exit.as_deref().cloned();
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

/// The key under which the CPU of a member is remembered.
fn member_key(record: &ProcessRecord, who: &Stat) -> String {
    format!("{} {}/{}", series_key(record), who.pid, who.start)
}

/// The context in which usage becomes measures.
pub(crate) struct Context<'a> {
    pub(crate) moment: &'a Moment,
    pub(crate) ticks_per_second: f64,
    pub(crate) memory_total_bytes: Option<u64>,
    /// Age in seconds that the point should have that a share of CPU is counted from.
    pub(crate) interval: f64,
}

impl Context<'_> {
    fn now(&self) -> f64 {
        self.moment.since_boot.as_secs_f64()
    }

    /// Seconds since a tick after boot.
    fn since(&self, start: u64) -> f64 {
        millis((self.now() - start as f64 / self.ticks_per_second).max(0.0))
    }

    /// Total seconds, and percent of one core, of what used so many ticks.
    fn cpu(&self, series: &mut Series, ticks: u64) -> (f64, Option<f64>) {
        let per_second = self.ticks_per_second;
        let (total, rate) = series.cpu_at(self.now(), ticks, self.interval);
        let percent = rate.map(|rate| hundredths(rate / per_second * 100.0));
        (millis(total as f64 / per_second), percent)
    }
}

/// The counters of an attempt besides CPU, in the order of the slots of its series.
#[derive(Clone, Copy)]
enum Slot {
    /// And the three after it: storage read and written, all read and written.
    Io = 0,
    /// And the one after it: without and with storage.
    Faults = 4,
    /// And the one after it: voluntary and involuntary.
    Switches = 6,
    LogBytes = 8,
    LogLines = 9,
    LogDropped = 10,
}

/// Measures a living tree and brings its counters forward.
pub(crate) fn measure(
    sample: &mut Sample,
    record: &ProcessRecord,
    usage: &TreeUsage,
    series: &mut Series,
    context: &Context<'_>,
) {
    sample.pid = usage.main.map(|main| main.pid);
    output(&mut sample.measures, usage, series, context);
    if usage.members == 0 {
        return;
    }
    let measures = &mut sample.measures;
    let orphans = orphans_of_the_past(usage.shim.as_ref(), series, record.attempt);
    cpu(measures, usage.cpu_ticks.saturating_add(orphans.ticks), record, series, context);
    sample.memory_basis = memory(measures, usage, record, series, context);
    measures.threads = Some(usage.threads);
    measures.processes = Some(usage.members);
    measures.fds = usage.descriptors.get();
    measures.fds_limit = usage.descriptor_limit;
    measures.fds_percent = usage.descriptors_share.map(hundredths);
    usage.connections.measure(measures);
    traffic(measures, usage, series);
    let fault = |at: usize| usage.faults[at].saturating_add(orphans.faults[at]);
    measures.faults_minor = Some(series.advance(Slot::Faults as usize, fault(0)));
    measures.faults_major = Some(series.advance(Slot::Faults as usize + 1, fault(1)));
    measures.nice = usage.main.map(|main| main.nice);
    measures.uptime_seconds = usage.main.map(|main| context.since(main.start));
    if let Some(ports) = usage.connections.ports() {
        sample.more.insert("ports_listening".to_owned(), ports);
    }
}

/// Each socket of the tree, in the sample of the process.
pub(crate) fn describe_connections(sample: &mut Sample, usage: &mut TreeUsage) {
    let Some((details, left_out)) = usage.connections.details() else { return };
    sample.more.insert("connection_details".to_owned(), details);
    if left_out > 0 {
        sample.more.insert("connection_details_left_out".to_owned(), left_out.into());
    }
}

/// The sample of one member.
pub(crate) fn member(
    record: &ProcessRecord,
    member: &Member,
    last: &mut Last,
    context: &Context<'_>,
) -> Sample {
    let mut sample = Sample::new(Subject::Member, context.moment.ts);
    sample.id = Some(record.id.clone());
    sample.run = Some(record.run);
    sample.attempt = Some(record.attempt);
    sample.labels = record.labels.clone();
    sample.name = member.name.clone();
    sample.pid = Some(member.stat.pid);
    sample.state = Some(member.stat.state.to_string());
    sample.more.insert("parent_pid".to_owned(), member.stat.ppid.into());
    let measures = &mut sample.measures;
    let series = last.series(&member_key(record, &member.stat));
    let (seconds, percent) = context.cpu(series, member.cpu_ticks());
    (measures.cpu_seconds_total, measures.cpu_percent) = (Some(seconds), percent);
    let (memory, basis) = member.memory().unzip();
    (measures.memory_bytes, sample.memory_basis) = (memory, basis);
    measures.memory_percent = share(memory, context.memory_total_bytes);
    measures.memory_resident_bytes = member.resident_bytes().ok();
    measures.memory_unique_bytes = member.read.size.ok().map(|(rollup, _)| rollup.private_bytes);
    measures.swap_bytes = member.swap_bytes().ok();
    measures.threads = (!member.hollow).then_some(member.stat.threads);
    measures.fds = member.read.descriptors.ok();
    measures.fds_limit = member.read.descriptor_limit.ok().flatten();
    measures.fds_percent = member.descriptors_share().map(hundredths);
    let [read, write, read_total, write_total] = member.traffic().map(Result::ok);
    (measures.io_read_bytes, measures.io_write_bytes) = (read, write);
    (measures.io_read_total_bytes, measures.io_write_total_bytes) = (read_total, write_total);
    measures.nice = Some(member.stat.nice);
    measures.uptime_seconds = Some(context.since(member.stat.start));
    sample
}

/// What the run has printed, and for how long it has been silent.
fn output(measures: &mut Measures, usage: &TreeUsage, series: &mut Series, context: &Context<'_>) {
    let Some(output) = usage.output else { return };
    measures.log_bytes = Some(series.resume(Slot::LogBytes as usize, output.bytes));
    measures.log_lines = Some(series.resume(Slot::LogLines as usize, output.lines));
    measures.log_dropped_bytes =
        Some(series.resume(Slot::LogDropped as usize, output.dropped_bytes));
    let started = usage.main.map(|main| main.start as f64 / context.ticks_per_second);
    let last = started.map(|started| started.max(output.last_at as f64 / 1e9));
    measures.silent_seconds = last.map(|last| millis((context.now() - last).max(0.0)));
}

fn cpu(
    measures: &mut Measures,
    ticks: u64,
    record: &ProcessRecord,
    series: &mut Series,
    context: &Context<'_>,
) {
    let (seconds, percent) = context.cpu(series, ticks);
    measures.cpu_seconds_total = Some(seconds);
    measures.cpu_percent = percent;
    let limit = record.limits.cpus.filter(|cpus| *cpus > 0.0);
    measures.cpu_limit_percent =
        percent.zip(limit).map(|(percent, cpus)| hundredths(percent / cpus));
}

fn traffic(measures: &mut Measures, usage: &TreeUsage, series: &mut Series) {
    let mut total = |slot: usize, sum: Sum, departed: u64| {
        series.depart(slot, departed);
        sum.get().map(|raw| series.advance(slot, raw))
    };
    let mut io = |at: usize| total(Slot::Io as usize + at, usage.io[at], usage.departed.io[at]);
    (measures.io_read_bytes, measures.io_write_bytes) = (io(0), io(1));
    (measures.io_read_total_bytes, measures.io_write_total_bytes) = (io(2), io(3));
    let mut switches = |at: usize| {
        total(Slot::Switches as usize + at, usage.switches[at], usage.departed.switches[at])
    };
    (measures.switches_voluntary, measures.switches_involuntary) = (switches(0), switches(1));
}

/// What members that their parents left behind had used.
struct Orphans {
    ticks: u64,
    faults: [u64; 2],
}

/// What the shim has waited for in this attempt of the tree's members that their parents left
/// behind. What it had waited for when it was first met belongs to earlier attempts, if there were
/// any.
fn orphans_of_the_past(shim: Option<&Stat>, series: &mut Series, attempt: u32) -> Orphans {
    let Some(shim) = shim else { return Orphans { ticks: 0, faults: [0; 2] } };
    let waited = shim.children_user_ticks.saturating_add(shim.children_system_ticks);
    let faults = (shim.children_minor_faults, shim.children_major_faults);
    let same = |r: &Reaper| r.pid == shim.pid && r.start == shim.start;
    let reaper = series.reaper.filter(same).unwrap_or(Reaper {
        pid: shim.pid,
        start: shim.start,
        before: if attempt > 1 { waited } else { 0 },
        faults_before: if attempt > 1 { faults } else { (0, 0) },
    });
    series.reaper = Some(reaper);
    let (minor, major) = reaper.faults_before;
    Orphans {
        ticks: waited.saturating_sub(reaper.before),
        faults: [faults.0.saturating_sub(minor), faults.1.saturating_sub(major)],
    }
}

fn memory(
    measures: &mut Measures,
    usage: &TreeUsage,
    record: &ProcessRecord,
    series: &mut Series,
    context: &Context<'_>,
) -> Option<MemoryBasis> {
    measures.memory_resident_bytes = usage.resident_bytes.get();
    measures.memory_unique_bytes = usage.unique_bytes.get();
    let proportional = usage.proportional_bytes.get().map(|n| (n, MemoryBasis::Pss));
    let resident = measures.memory_resident_bytes.map(|n| (n, MemoryBasis::Rss));
    let (bytes, basis) = proportional.or(resident).unzip();
    measures.memory_bytes = bytes;
    measures.memory_percent = share(bytes, context.memory_total_bytes);
    measures.memory_limit_bytes = record.limits.memory_bytes;
    measures.memory_limit_percent = share(bytes, record.limits.memory_bytes);
    measures.swap_bytes = usage.swap_bytes.get();
    let cgroup = Cgroup::of(&record.limits).and_then(|cgroup| cgroup.memory_peak());
    let peak = cgroup.or_else(|| Some(series.peak(usage.peak_bytes.get()?)));
    measures.memory_peak_bytes = peak;
    basis
}
