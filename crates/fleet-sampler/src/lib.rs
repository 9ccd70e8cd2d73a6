//! What a process tree and the host use: one sample is one record.
//!
//! # Theory of operation
//!
//! A [`Sampler`] takes *rounds*. In each it is given the runs to look at and reads, of the fleet's
//! own pids only, the few files of /proc that hold what they use; /proc is never scanned.
//!
//! **Whose usage it is.** A run's tree is its main process, all below it, and the orphans that the
//! kernel gave to its shim or keeper, which themselves are not counted. A recorded pid is believed
//! only within its boot and with its start time, and each folder of /proc is held open while it is
//! read, so that a pid which changes hands halfway yields nothing of the stranger. Where one fleet
//! process started another, the tree of the outer one ends where the inner one begins.
//!
//! **Counters.** The CPU of a tree is what its members and the children that they waited for have
//! used, and what the orphans had used that the shim waited for. A member can still take its
//! count along (its parent ignored SIGCHLD, the shim was replaced): whenever a sum drops, the drop
//! is remembered and added from then on, so that a total never goes down within one attempt. It
//! may fall short of the truth by what such a member used since it was last seen, and by a drop
//! that the rest of the tree outgrew between two samples. A new attempt begins at 0.
//!
//! **Shares.** A share of CPU needs two counts. The earlier one comes from [`Last`], which a
//! one-shot keeps in a file, so that it need not sleep. Several cron jobs share the file; so two
//! points are kept, and who samples within a second of somebody else counts from the older one. A
//! share over less than 50 ms is not given at all.
//!
//! **Memory.** Proportional sizes are costly, because the kernel walks all page tables, and say
//! more than the resident size only where pages are shared. So [`Basis::Auto`] reads them for trees
//! of several members, where resident sizes would count shared pages twice, and takes the resident
//! size of a single process. Each sample says which it was.
//!
//! **Conclusions.** A round is concluded when all values are there, also those that programs and
//! collectors measured: [`Sampler::conclude`] holds them against the KPIs of each process,
//! remembers the newest values of each in [`Last`] to tell where they are going, and adds up the
//! fleet.
//!
//! What could not be read is absent. If it was withheld for one member, the sum is absent too.

mod fleet;
mod host;
mod kpis;
mod last;
mod numbers;
mod pace;
mod process;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]
mod testing;
mod tree;
mod trend;

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use fleet_census::Seen;
use fleet_core::{Id, Sample, Subject, Timestamp};
use fleet_os::{Cpu, HostMemory, Proc, Reader, boot_clock, page_bytes, ticks_per_second};

pub use last::{Last, LastError};

use fleet::{Fleet, Host};
use host::{Readings, collect};
use kpis::judge;
use process::{Context, identity, measure, series_key};
use tree::{Claims, MemoryWish, Walker};

/// Which size of memory to read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Basis {
    /// Proportional for trees of several members, resident for single processes.
    #[default]
    Auto,
    /// Proportional for all.
    Proportional,
    /// Resident for all.
    Resident,
}

impl Basis {
    /// Whether to read the proportional size of a member of a tree with many members or one.
    pub(crate) fn is_proportional(self, many: bool) -> bool {
        match self {
            Basis::Auto => many,
            Basis::Proportional => true,
            Basis::Resident => false,
        }
    }
}

/// When a round takes place.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// On the wall clock, for the records.
    pub ts: Timestamp,
    /// On the clock that starts of processes are counted on, for ages and intervals.
    pub since_boot: Duration,
}

impl Moment {
    /// Now.
    pub fn now() -> Moment {
        Moment { ts: Timestamp::now(), since_boot: boot_clock() }
    }
}

/// What the kernel counts in.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Units {
    pub(crate) ticks_per_second: f64,
    pub(crate) page_bytes: u64,
}

/// What to sample, and how.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// Which size of memory to read.
    pub basis: Basis,
    /// Age that the point should at least have that shares of CPU are counted from.
    pub interval: Duration,
    /// How long the record of an ended run goes on.
    pub ended_for: Duration,
    /// Whether there is a sample of the host.
    pub host: bool,
    /// Whether there are samples of processes.
    pub processes: bool,
    /// Whether there is a sample of the fleet as a whole.
    pub fleet: bool,
}

/// The samples of one round.
#[derive(Debug, Default)]
pub struct Round {
    /// The host first, then the processes in the order in which they were given.
    pub samples: Vec<Sample>,
    /// What could not be read, each a sentence for the person.
    pub problems: Vec<String>,
}

/// Takes samples.
pub struct Sampler {
    reader: Reader,
    boot: String,
    units: Units,
    plan: Plan,
    last: Last,
    /// What the host had in the last round.
    host: Host,
}

impl Sampler {
    /// A sampler of this /proc in this boot, which remembers nothing yet.
    pub fn new(proc: &Proc, boot: String, plan: Plan) -> Sampler {
        let units = Units { ticks_per_second: ticks_per_second() as f64, page_bytes: page_bytes() };
        Sampler {
            reader: Reader::new(proc),
            last: Last::new(&boot),
            boot,
            units,
            plan,
            host: Host::default(),
        }
    }

    /// What was counted last, to be read from and kept in a file.
    pub fn last(&mut self) -> &mut Last {
        &mut self.last
    }

    /// Takes one round: samples those runs of `all` that are `chosen`, which has an entry for each.
    ///
    /// Ended runs are sampled for as long as the plan says, counted from their end; older ones are
    /// passed over.
    pub fn round(&mut self, all: &[Seen], chosen: &[bool], at: &Moment) -> Round {
        let wanted = chosen.iter().filter(|chosen| **chosen).count();
        let mut round = Round { samples: Vec::with_capacity(wanted + 1), problems: Vec::new() };
        let memory = collect(&mut self.reader, "meminfo", &mut round.problems, HostMemory::parse);
        let plan = self.plan;
        let current = |seen: &Seen| is_current(seen, plan.ended_for, at.ts);
        let mut cpus = None;
        if plan.host {
            let host = self.host(memory, at, &mut round.problems);
            cpus = host.measures.cpus;
            round.samples.push(host);
        } else if plan.fleet {
            let cpu = collect(&mut self.reader, "stat", &mut round.problems, Cpu::parse);
            cpus = cpu.map(|cpu| cpu.cpus);
        }
        self.host = Host { memory, cpus };
        if plan.processes {
            let claims = claims(all, &self.boot);
            let wanted = all.iter().zip(chosen).enumerate().filter(|(_, (_, chosen))| **chosen);
            for (run, (seen, _)) in wanted.filter(|(_, (seen, _))| current(seen)) {
                round.samples.push(self.process(run, seen, &claims, memory, at));
            }
        }
        self.forget(all, at);
        round
    }

    /// Concludes a round, once the values that programs and collectors measured are among its
    /// samples: says how processes stand by their KPIs and their progress, and puts the sample of
    /// the fleet behind that of the host.
    pub fn conclude(&mut self, all: &[Seen], samples: &mut Vec<Sample>, at: &Moment) {
        judge(samples, all, &mut self.last.achieved);
        if !self.plan.fleet {
            return;
        }
        let is_current = |seen: &&Seen| is_current(seen, self.plan.ended_for, at.ts);
        let current: Vec<&Seen> = all.iter().filter(is_current).collect();
        let standing = all.iter().zip(standing(all)).filter(|(_, stands)| *stands);
        let standing: Vec<&Seen> = standing.map(|(seen, _)| seen).filter(is_current).collect();
        let fleet = Fleet {
            all,
            standing: &standing,
            current: &current,
            samples: samples.as_slice(),
            host: self.host,
        };
        let fleet = fleet.sample(at.ts);
        let behind = samples.first().is_some_and(|first| first.subject == Subject::Host);
        samples.insert(usize::from(behind), fleet);
    }

    fn host(
        &mut self,
        memory: Option<HostMemory>,
        at: &Moment,
        problems: &mut Vec<String>,
    ) -> Sample {
        let readings = Readings::take(&mut self.reader, memory, problems);
        let interval = self.plan.interval.as_secs_f64();
        readings.sample(self.last.series(HOST), at, self.units, interval)
    }

    fn process(
        &mut self,
        run: usize,
        seen: &Seen,
        claims: &Claims,
        memory: Option<HostMemory>,
        at: &Moment,
    ) -> Sample {
        let mut sample = identity(seen, at.ts);
        // Pids of another boot, or of another host that shares the home, mean nothing here.
        if !seen.observed.is_living() || seen.record.boot != self.boot {
            return sample;
        }
        // Unknown host memory counts as swap in use: then each process is asked itself.
        let swap_in_use = memory.is_none_or(|m| m.swap_bytes() > 0);
        let wish = MemoryWish { basis: self.plan.basis, swap_in_use };
        let usage = Walker::new(&mut self.reader, claims, wish).walk(run, &seen.record);
        let context = Context {
            moment: at,
            units: self.units,
            memory_total_bytes: memory.map(|m| m.total_bytes),
            interval: self.plan.interval.as_secs_f64(),
        };
        let series = self.last.series(&series_key(&seen.record));
        measure(&mut sample, &usage, series, &context);
        sample
    }

    /// Drops the counters of runs and attempts that are over, and what runs achieved that are no
    /// longer reported.
    fn forget(&mut self, all: &[Seen], at: &Moment) {
        let living = all.iter().filter(|seen| seen.observed.is_living());
        let mut keys: HashSet<String> = living.map(|seen| series_key(&seen.record)).collect();
        keys.insert(HOST.to_owned());
        let runs: HashSet<String> = match self.last.achieved.is_empty() {
            true => HashSet::new(),
            false => all
                .iter()
                .filter(|seen| is_current(seen, self.plan.ended_for, at.ts))
                .map(|seen| seen.record.key().to_string())
                .collect(),
        };
        self.last.retain(&keys, &runs);
    }
}

/// Which runs stand for their process: all that live, and of the ended ones the newest of each id.
/// Others are history: a job that failed and was spawned again is not a failed job.
pub fn standing(all: &[Seen]) -> Vec<bool> {
    let mut newest: HashMap<&Id, u32> = HashMap::new();
    for seen in all {
        let run = newest.entry(&seen.record.id).or_default();
        *run = seen.record.run.max(*run);
    }
    let stands = |seen: &Seen| {
        seen.observed.is_living() || newest.get(&seen.record.id) == Some(&seen.record.run)
    };
    all.iter().map(stands).collect()
}

/// The key of the host's series; those of processes hold a `#`.
const HOST: &str = "host";

fn claims(all: &[Seen], boot: &str) -> Claims {
    let mut claims = Claims::default();
    for (run, seen) in all.iter().enumerate() {
        if seen.observed.is_living() && seen.record.boot == boot {
            claims.add(run, &seen.record);
        }
    }
    claims
}

/// Whether a run lives or ended less than `ended_for` ago. Of a lost run the end is not known; its
/// last record stands for it.
fn is_current(seen: &Seen, ended_for: Duration, now: Timestamp) -> bool {
    let end = seen.record.ended_at.unwrap_or(seen.record.ts);
    seen.observed.is_living() || end >= now.minus(ended_for)
}
