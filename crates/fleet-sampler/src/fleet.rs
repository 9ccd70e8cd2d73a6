//! The sample of the fleet as a whole: totals, how well it does, how it is.
//!
//! **Counts** are of what stands for each process: all runs that live, and of the others the newest
//! of each id while it is still reported.
//!
//! **Success** is of all runs that came to an end of their own while ended runs are reported: how
//! many of them completed. One that was stopped says nothing of how it would have ended, and
//! restarts within a run are not its end; they are counted beside it.
//!
//! **Efficiency** is what processes use of what they may use. That is the sum of their limits where
//! each has one; where one has none, it is the whole host, which bounds that sum as well.
//!
//! **Health**: *degraded* where anything is not as it should be, and *failed* where something
//! failed and nothing is left that lives. The reasons are beside it.

use fleet_census::Seen;
use fleet_core::{Cause, Health, Limits, Measures, Observed, Sample, State, Subject, Timestamp};
use fleet_os::HostMemory;

use crate::kpis::{by_run, run_of};
use crate::numbers::{hundredths, share};

/// Measures of processes that add up, and what their average is called, where there is one.
const SUMMED: [(&str, Option<&str>); 10] = [
    ("cpu_percent", Some("cpu_average_percent")),
    ("memory_bytes", Some("memory_average_bytes")),
    ("memory_resident_bytes", None),
    ("swap_bytes", None),
    ("threads", Some("threads_average")),
    ("processes", None),
    ("fds", None),
    ("connections", Some("connections_average")),
    ("gpu_percent", None),
    ("gpu_memory_bytes", None),
];

/// From this share of the host's memory in use, in percent, all that runs on it is in danger.
const MEMORY_DANGER: f64 = 95.0;

/// So many names of one kind are told.
const NAMED: usize = 5;

/// What the host has.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Host {
    pub(crate) memory: Option<HostMemory>,
    pub(crate) cpus: Option<u64>,
}

/// What the sample of the fleet is made of.
pub(crate) struct Fleet<'a> {
    pub(crate) all: &'a [Seen],
    /// What stands for each process and is still reported.
    pub(crate) standing: &'a [&'a Seen],
    /// All runs that live or are still reported, earlier ones of a process too.
    pub(crate) current: &'a [&'a Seen],
    /// The samples of the round.
    pub(crate) samples: &'a [Sample],
    pub(crate) host: Host,
}

impl Fleet<'_> {
    /// The sample.
    pub(crate) fn sample(&self, ts: Timestamp) -> Sample {
        let mut sample = Sample::new(Subject::Fleet, ts);
        let measures = &mut sample.measures;
        self.count_states(measures);
        self.add_up(measures);
        self.success(measures);
        self.efficiency(measures);
        measures.eta_seconds =
            self.processes().filter_map(|s| s.measures.eta_seconds).reduce(f64::max);
        let restarts = self.standing.iter().map(|seen| seen.record.restarts);
        sample.restarts = Some(restarts.fold(0, u32::saturating_add));
        let (health, reasons) = self.health();
        sample.health = Some(health);
        if !reasons.is_empty() {
            sample.more.insert("reasons".to_owned(), reasons.into());
        }
        sample
    }

    fn processes(&self) -> impl Iterator<Item = &Sample> {
        self.samples.iter().filter(|sample| sample.subject == Subject::Process)
    }

    /// All states, the empty ones too, so that a rule may count on them.
    fn count_states(&self, measures: &mut Measures) {
        let count = |word| self.standing.iter().filter(|s| s.observed.word() == word).count();
        for word in State::ALL.map(State::word).into_iter().chain(["orphaned"]) {
            measures.set(word, count(word) as f64);
        }
    }

    /// Sums and averages over the processes of which a measure is known.
    fn add_up(&self, measures: &mut Measures) {
        let mut sums = [(0.0, 0u32); SUMMED.len()];
        for sample in self.processes() {
            for (of, value) in sample.measures.values() {
                if let Some(at) = SUMMED.iter().position(|(name, _)| *name == of.name) {
                    sums[at] = (sums[at].0 + value, sums[at].1 + 1);
                }
            }
        }
        for ((name, average), (sum, count)) in SUMMED.into_iter().zip(sums) {
            if count == 0 {
                continue;
            }
            measures.set(name, hundredths(sum));
            if let Some(average) = average {
                measures.set(average, hundredths(sum / f64::from(count)));
            }
        }
        let total = self.host.memory.map(|memory| memory.total_bytes);
        measures.memory_percent = share(measures.memory_bytes, total);
    }

    fn success(&self, measures: &mut Measures) {
        let count = |state| self.current.iter().filter(|s| ended_as(s) == Some(state)).count();
        let completed = count(State::Completed) as u64;
        let ended = completed + (count(State::Failed) + count(State::Lost)) as u64;
        measures.runs_ended = Some(ended);
        measures.success_percent = share(Some(completed), Some(ended));
    }

    fn efficiency(&self, measures: &mut Measures) {
        let runs = by_run(self.all);
        let limits: Vec<&Limits> = self
            .processes()
            .filter(|sample| sample.measures.processes > Some(0))
            .filter_map(|sample| Some(&runs.get(&run_of(sample)?)?.record.limits))
            .collect();
        if limits.is_empty() {
            return;
        }
        let cpus = allotted(&limits, self.host.cpus.map(|n| n as f64), |limits| limits.cpus);
        let used = measures.cpu_percent;
        measures.cpu_efficiency_percent = used.zip(cpus).map(|(used, of)| hundredths(used / of));
        let of_memory = |limits: &Limits| limits.memory_bytes.map(|bytes| bytes as f64);
        let total = self.host.memory.map(|memory| memory.total_bytes as f64);
        let used = measures.memory_bytes.map(|bytes| bytes as f64 * 100.0);
        let memory = allotted(&limits, total, of_memory);
        measures.memory_efficiency_percent =
            used.zip(memory).map(|(used, of)| hundredths(used / of));
    }

    fn health(&self) -> (Health, Vec<String>) {
        let mut reasons = Vec::new();
        for ailment in AILMENTS {
            let those = self.standing.iter().filter(|seen| (ailment.holds)(seen));
            let names: Vec<&str> = those.map(|seen| seen.record.id.as_str()).collect();
            if !names.is_empty() {
                reasons.push(format!("{} {}: {}", names.len(), ailment.words, named(&names)));
            }
        }
        let bad = |seen: &&Seen| matches!(ended_as(seen), Some(State::Failed | State::Lost));
        let dead = self.standing.iter().any(bad);
        let in_use =
            self.host.memory.and_then(|m| share(Some(m.used_bytes()), Some(m.total_bytes)));
        if let Some(percent) = in_use.filter(|percent| *percent >= MEMORY_DANGER) {
            reasons.push(format!("memory of the host at {percent:.0} %"));
        }
        let lives = self.standing.iter().any(|seen| seen.observed.is_living());
        let health = match (reasons.is_empty(), dead && !lives) {
            (true, _) => Health::Healthy,
            (false, true) => Health::Failed,
            (false, false) => Health::Degraded,
        };
        (health, reasons)
    }
}

/// What all of them may use together, at most what there is. Unknown where nothing bounds it.
fn allotted(
    limits: &[&Limits],
    there_is: Option<f64>,
    of: impl Fn(&Limits) -> Option<f64>,
) -> Option<f64> {
    let sum: Option<f64> = limits.iter().map(|limits| of(limits)).sum();
    let allotted = match (sum, there_is) {
        (Some(sum), Some(there_is)) => sum.min(there_is),
        (sum, there_is) => sum.or(there_is)?,
    };
    (allotted > 0.0).then_some(allotted)
}

/// Something that is not as it should be.
struct Ailment {
    words: &'static str,
    holds: fn(&Seen) -> bool,
}

const AILMENTS: [Ailment; 7] = [
    Ailment { words: "failed", holds: |seen| has_failed(seen) && !is_crash_loop(seen) },
    Ailment { words: "in a crash loop", holds: is_crash_loop },
    Ailment { words: "lost", holds: |seen| ended_as(seen) == Some(State::Lost) },
    Ailment {
        words: "unhealthy",
        holds: |seen| seen.observed.is_living() && seen.record.health == Some(Health::Unhealthy),
    },
    Ailment {
        words: "waiting to be started again",
        holds: |seen| seen.observed == Observed::AsRecorded(State::Backoff),
    },
    Ailment {
        words: "without a supervisor",
        holds: |seen| matches!(seen.observed, Observed::Orphaned(_)),
    },
    Ailment {
        words: "unkillable",
        holds: |seen| {
            let stop = seen.record.stop.as_ref().filter(|_| seen.observed.is_living());
            stop.is_some_and(|stop| !stop.unkillable.is_empty())
        },
    },
];

/// How a run ended, if it did.
fn ended_as(seen: &Seen) -> Option<State> {
    match seen.observed {
        Observed::AsRecorded(state) => state.has_ended().then_some(state),
        Observed::Lost { .. } => Some(State::Lost),
        Observed::Orphaned(_) => None,
    }
}

fn has_failed(seen: &Seen) -> bool {
    ended_as(seen) == Some(State::Failed)
}

fn is_crash_loop(seen: &Seen) -> bool {
    has_failed(seen) && seen.record.exit.as_ref().is_some_and(|end| end.cause == Cause::CrashLoop)
}

/// The names, or the first of them and how many there are besides.
fn named(names: &[&str]) -> String {
    let told = names[..names.len().min(NAMED)].join(", ");
    match names.len().saturating_sub(NAMED) {
        0 => told,
        more => format!("{told} and {more} more"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{clock, sample, seen};
    use serde_json::{Value, json};

    const GIB: u64 = 1 << 30;

    /// A host with 4 CPUs and 16 GiB, of which so many are available.
    fn host(available: u64) -> Host {
        let text = format!("MemTotal: {} kB\nMemAvailable: {} kB\n", 16 << 20, available >> 10);
        Host { memory: HostMemory::parse(text.as_bytes()), cpus: Some(4) }
    }

    /// The fleet of these runs, each of which stands for its process.
    fn fleet(all: &[Seen], samples: &[Sample], host: Host) -> Sample {
        let current: Vec<&Seen> = all.iter().collect();
        let fleet = Fleet { all, standing: &current, current: &current, samples, host };
        fleet.sample(clock("06:00:00"))
    }

    fn busy(id: &str, cpu: f64, memory: u64) -> Sample {
        let fields = json!({
            "run": 1, "processes": 2, "threads": 3, "cpu_percent": cpu, "memory_bytes": memory,
        });
        sample(Subject::Process, id, "06:00:00", fields)
    }

    fn reasons(all: &[Seen], host: Host) -> (Health, Value) {
        let sample = fleet(all, &[], host);
        (sample.health.unwrap(), sample.more.get("reasons").cloned().unwrap_or(Value::Null))
    }

    #[test]
    fn totals_and_averages_are_of_what_is_known() {
        let all = [seen("a", json!({"restarts": 2})), seen("b", json!({})), seen("c", json!({}))];
        // Of the third nothing is known: it has just died.
        let gone = sample(Subject::Process, "c", "06:00:00", json!({"run": 1}));
        let member = sample(Subject::Member, "a", "06:00:00", json!({"threads": 99}));
        let samples = [busy("a", 50.0, GIB), busy("b", 150.0, 3 * GIB), gone, member];
        let sample = fleet(&all, &samples, host(8 * GIB));
        let m = &sample.measures;
        assert_eq!(
            (m.running, m.failed, m.queued, sample.restarts),
            (Some(3), Some(0), Some(0), Some(2))
        );
        assert_eq!((m.cpu_percent, m.cpu_average_percent), (Some(200.0), Some(100.0)));
        assert_eq!((m.memory_bytes, m.memory_average_bytes), (Some(4 * GIB), Some(2 * GIB)));
        assert_eq!((m.threads, m.processes, m.threads_average), (Some(6), Some(4), Some(3.0)));
        assert_eq!((m.memory_percent, m.fds), (Some(25.0), None));
        assert_eq!(
            (m.cpu_efficiency_percent, m.memory_efficiency_percent),
            (Some(50.0), Some(25.0))
        );
    }

    #[test]
    fn what_may_be_used_is_the_sum_of_limits_where_all_have_one() {
        let limits = json!({"limits": {"cpus": 1.5, "memory_bytes": 4 * GIB}});
        let samples = [busy("a", 50.0, GIB), busy("b", 100.0, GIB)];
        let efficiency = |all: &[Seen]| {
            let m = fleet(all, &samples, host(8 * GIB)).measures;
            (m.cpu_efficiency_percent, m.memory_efficiency_percent)
        };
        let both = [seen("a", limits.clone()), seen("b", limits.clone())];
        assert_eq!(efficiency(&both), (Some(50.0), Some(25.0)));
        let one = [seen("a", limits), seen("b", json!({}))];
        assert_eq!(efficiency(&one), (Some(37.5), Some(12.5)));
        let more = json!({"limits": {"cpus": 64.0, "memory_bytes": 64 * GIB}});
        assert_eq!(
            efficiency(&[seen("a", more.clone()), seen("b", more)]),
            (Some(37.5), Some(12.5))
        );
        let nothing_runs = fleet(&[], &[], host(8 * GIB)).measures;
        assert_eq!(nothing_runs.cpu_efficiency_percent, None);
    }

    #[test]
    fn success_counts_what_ended_of_its_own() {
        let ended = |run: u32, state: &str| seen("a", json!({"run": run, "state": state}));
        let all = [
            ended(1, "completed"),
            ended(2, "failed"),
            ended(3, "completed"),
            ended(4, "lost"),
            ended(5, "stopped"),
            ended(6, "running"),
        ];
        let m = fleet(&all, &[], host(8 * GIB)).measures;
        assert_eq!((m.runs_ended, m.success_percent), (Some(4), Some(50.0)));
        let m = fleet(&all[4..], &[], host(8 * GIB)).measures;
        assert_eq!((m.runs_ended, m.success_percent), (Some(0), None));
    }

    #[test]
    fn health_has_reasons() {
        let plenty = host(8 * GIB);
        let failed = |id: &str| seen(id, json!({"state": "failed"}));
        let crashed = json!({
            "state": "failed", "exit": {"cause": "crash_loop", "reason": "crash loop: 10 deaths"},
        });
        assert_eq!(reasons(&[], plenty), (Health::Healthy, Value::Null));
        assert_eq!(reasons(&[seen("a", json!({}))], plenty), (Health::Healthy, Value::Null));
        let stopped = [seen("a", json!({"state": "stopped", "health": "unhealthy"}))];
        assert_eq!(reasons(&stopped, plenty), (Health::Healthy, Value::Null));
        let mixed = [
            failed("a"),
            failed("b"),
            seen("c", json!({"health": "unhealthy"})),
            seen("d", crashed),
            seen("e", json!({"state": "backoff"})),
            seen("f", json!({"state": "lost"})),
        ];
        let expected = json!([
            "2 failed: a, b",
            "1 in a crash loop: d",
            "1 lost: f",
            "1 unhealthy: c",
            "1 waiting to be started again: e",
        ]);
        assert_eq!(reasons(&mixed, plenty), (Health::Degraded, expected));
        let many: Vec<Seen> = (0..7).map(|n| failed(&format!("m{n}"))).collect();
        let expected = json!(["7 failed: m0, m1, m2, m3, m4 and 2 more"]);
        assert_eq!(reasons(&many, plenty), (Health::Failed, expected));
        let expected = (Health::Degraded, json!(["memory of the host at 97 %"]));
        assert_eq!(reasons(&[], host(16 * GIB * 3 / 100)), expected);
    }

    #[test]
    fn the_last_to_be_done_is_what_is_waited_for() {
        let eta = |id: &str, seconds: u64| {
            sample(Subject::Process, id, "06:00:00", json!({"run": 1, "eta_seconds": seconds}))
        };
        let all = [seen("a", json!({})), seen("b", json!({}))];
        let sample = fleet(&all, &[eta("a", 60), eta("b", 90)], host(8 * GIB));
        assert_eq!(sample.measures.eta_seconds, Some(90.0));
    }
}
