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
//! Context switches have no such memory in the kernel, and traffic none for orphans. While rounds
//! follow each other, each member's count is remembered, and kept when the member has gone.
//!
//! **Memory.** Proportional sizes are costly, because the kernel walks all page tables, and say
//! more than the resident size only where pages are shared. So [`Basis::Auto`] reads them for trees
//! of several members, where resident sizes would count shared pages twice, and takes the resident
//! size of a single process. Each sample says which it was. While rounds follow each other, a
//! member's size is read again when its resident size changed, but for no more than a hundredth of
//! the time, and each minute; in between it is scaled with the resident size.
//!
//! **Rest.** Most processes of a fleet do nothing most of the time. While rounds follow each other,
//! a member of one thread that did not run since it was read, to the nanosecond, is not read
//! again but for a minute's sake: what it holds can have changed by the kernel's doing only, as when
//! memory is swapped out. The states of its sockets are looked up each time.
//!
//! **Sockets.** The links of a process's descriptors name the inodes of its sockets, and the tables
//! of its network namespace say what these are. A table is read once a round, and only when somebody
//! of the fleet has a socket.
//!
//! **The host.** What is on the machine itself is asked directly. A file system behind a server is
//! asked by a process of its own: when there is no answer in time, its values are missing, that is
//! said once, and it is not asked again until that process has ended.
//!
//! **Conclusions.** A round is concluded when all values are there, also those that programs and
//! collectors measured: [`Sampler::conclude`] holds them against the KPIs of each process,
//! remembers the newest values of each in [`Last`] to tell where they are going, and adds up the
//! fleet.
//!
//! What could not be read is absent. If it was withheld for one member, the sum is absent too.

mod connections;
mod disks;
mod fleet;
mod host;
mod kpis;
mod last;
mod member;
mod memo;
mod networks;
mod numbers;
mod pace;
mod process;
mod sum;
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]
mod testing;
mod tree;
mod trend;

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;
use std::time::Duration;

use fleet_census::Seen;
use fleet_core::{Id, Sample, Subject, Timestamp};
use fleet_os::{Cpu, HostMemory, Proc, Reader, boot_clock, ticks_per_second};

pub use last::{Last, LastError};

use connections::SocketTables;
use disks::Disks;
use fleet::{Fleet, Host};
use host::{Readings, collect};
use kpis::judge;
use member::Wish;
use memo::TreeMemo;
use process::{Context, describe_connections, identity, measure, member, series_key};
use tree::{Claims, Walker};

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
    /// Whether each processor has a sample, where the host has one.
    pub cores: bool,
    /// Whether each member of a tree has a sample.
    pub members: bool,
    /// Whether the sockets of a process are described one by one.
    pub connections: bool,
}

/// The samples of one round.
#[derive(Debug, Default)]
pub struct Round {
    /// The host and its parts first, then the processes in the order in which they were given, each
    /// with its members behind it.
    pub samples: Vec<Sample>,
    /// What could not be read, each a sentence for the person.
    pub problems: Vec<String>,
}

/// Takes samples.
pub struct Sampler {
    reader: Reader,
    boot: String,
    /// What the kernel counts CPU and starts in.
    ticks_per_second: f64,
    plan: Plan,
    last: Last,
    /// What the host had in the last round.
    host: Host,
    /// What is remembered of the members of each attempt, by the key of its series.
    memos: HashMap<String, TreeMemo>,
    disks: Disks,
    sys: PathBuf,
}

impl Sampler {
    /// A sampler of this /proc in this boot, which remembers nothing yet.
    pub fn new(proc: &Proc, boot: String, plan: Plan) -> Sampler {
        Sampler {
            reader: Reader::new(proc),
            last: Last::new(&boot),
            boot,
            ticks_per_second: ticks_per_second() as f64,
            plan,
            memos: HashMap::new(),
            disks: Disks::default(),
            sys: PathBuf::from("/sys"),
            host: Host::default(),
        }
    }

    /// With a /sys at another place.
    #[must_use]
    pub fn with_sys(mut self, sys: impl Into<PathBuf>) -> Sampler {
        self.sys = sys.into();
        self
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
            cpus = self.host(memory, at, &mut round);
        } else if plan.fleet {
            let cpu = collect(&mut self.reader, "stat", &mut round.problems, Cpu::parse);
            cpus = cpu.map(|cpu| cpu.cpus());
        }
        self.host = Host { memory, cpus };
        if plan.processes {
            let claims = claims(all, &self.boot);
            let mut sockets = SocketTables::default();
            let wanted = all.iter().zip(chosen).enumerate().filter(|(_, (_, chosen))| **chosen);
            for (run, (seen, _)) in wanted.filter(|(_, (seen, _))| current(seen)) {
                let walk = Walk { run, claims: &claims, sockets: &mut sockets, memory };
                self.process(seen, walk, at, &mut round.samples);
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

    /// Samples the host and its parts, and says how many processors it has.
    fn host(&mut self, memory: Option<HostMemory>, at: &Moment, round: &mut Round) -> Option<u64> {
        let problems = &mut round.problems;
        let readings = Readings::take(&mut self.reader, memory, problems);
        let name = readings.name.clone();
        let mut part = Part {
            last: &mut self.last,
            at,
            ticks_per_second: self.ticks_per_second,
            interval: self.plan.interval.as_secs_f64(),
        };
        let mut sample = readings.sample(&mut part);
        let cpus = sample.measures.cpus;
        let mut parts = Vec::new();
        if self.plan.cores {
            parts.extend(readings.cores(&mut part));
        }
        parts.extend(self.disks.sample(&mut self.reader, &mut part, problems));
        let networks = networks::sample(&mut self.reader, &self.sys, &mut part, problems);
        networks::add_up(&mut sample, &networks, &mut part);
        parts.extend(networks);
        parts.extend(host::temperatures(&self.sys, at));
        parts.iter_mut().for_each(|part| part.host.clone_from(&name));
        round.samples.push(sample);
        round.samples.append(&mut parts);
        cpus
    }

    /// Samples one run, and its members if they are wanted.
    fn process(&mut self, seen: &Seen, walk: Walk<'_>, at: &Moment, samples: &mut Vec<Sample>) {
        let (record, mut sample) = (&seen.record, identity(seen, at.ts));
        // Pids of another boot, or of another host that shares the home, mean nothing here.
        if !seen.observed.is_living() || record.boot != self.boot {
            samples.push(sample);
            return;
        }
        let key = series_key(record);
        let Plan { basis, members, .. } = self.plan;
        let wish = Wish { basis, members, at: at.since_boot.as_secs_f64() };
        let memo = self.memos.entry(key.clone()).or_default();
        let walker = Walker::new(&mut self.reader, walk.claims, walk.sockets, memo, wish);
        let mut usage = walker.walk(walk.run, record);
        let context = Context {
            moment: at,
            ticks_per_second: self.ticks_per_second,
            memory_total_bytes: walk.memory.map(|m| m.total_bytes),
            interval: self.plan.interval.as_secs_f64(),
        };
        measure(&mut sample, record, &usage, self.last.series(&key), &context);
        if self.plan.connections {
            describe_connections(&mut sample, &mut usage);
        }
        samples.push(sample);
        samples.extend(usage.each.iter().map(|m| member(record, m, &mut self.last, &context)));
    }

    /// Drops the counters of runs and attempts that are over, and what runs achieved that are no
    /// longer reported.
    fn forget(&mut self, all: &[Seen], at: &Moment) {
        let living = all.iter().filter(|seen| seen.observed.is_living());
        let keys: HashSet<String> = living.map(|seen| series_key(&seen.record)).collect();
        let runs: HashSet<String> = match self.last.achieved.is_empty() {
            true => HashSet::new(),
            false => all
                .iter()
                .filter(|seen| is_current(seen, self.plan.ended_for, at.ts))
                .map(|seen| seen.record.key().to_string())
                .collect(),
        };
        self.memos.retain(|key, _| keys.contains(key));
        self.last.end_round(&keys, &runs, at.since_boot.as_secs_f64());
    }
}

/// What the walk over a run's tree needs of the round.
struct Walk<'a> {
    /// The number of the run among all.
    run: usize,
    claims: &'a Claims,
    sockets: &'a mut SocketTables,
    memory: Option<HostMemory>,
}

/// What the sample of the host, or of a part of it, is made with.
pub(crate) struct Part<'a> {
    pub(crate) last: &'a mut Last,
    pub(crate) at: &'a Moment,
    pub(crate) ticks_per_second: f64,
    /// Age in seconds that the point should have that a share of time is counted from.
    pub(crate) interval: f64,
}

impl Part<'_> {
    /// Brings a count of time forward: its total, and its rate in units a second.
    pub(crate) fn time(&mut self, key: &str, raw: u64) -> (u64, Option<f64>) {
        self.last.series(key).time_at(self.at.since_boot.as_secs_f64(), raw, self.interval)
    }

    /// Brings other counts of the same series forward.
    pub(crate) fn totals<const N: usize>(&mut self, key: &str, raw: [u64; N]) -> [Option<u64>; N] {
        let series = self.last.series(key);
        let mut slot = 0;
        raw.map(|raw| {
            slot += 1;
            Some(series.resume(slot - 1, raw))
        })
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
