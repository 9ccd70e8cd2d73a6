//! What was counted last: the memory between two samples, in `metrics/last.json`.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use fleet_registry::make_dir;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use crate::counter::Counter;
use crate::kpis::Achieved;

/// Version of the file's form; another one is not read.
const VERSION: u32 = 2;

/// Below this a share of CPU means nothing: the kernel counts in ticks of 10 ms.
const SHORTEST: f64 = 0.05;

/// A baseline of this age, in seconds, makes way for a newer one even when all samples in between
/// were taken in quick succession.
const STALE_BASE: f64 = 10.0;

/// The series of a member, a core or a disk is forgotten when it was not sampled for so long, in
/// seconds: who samples without them now and then does not take them from who samples with them.
const FORGOTTEN: f64 = 3600.0;

/// Why the memory between samples is not there.
#[derive(Debug, thiserror::Error)]
pub enum LastError {
    /// The file cannot be read.
    #[error("cannot read the last counters '{}'", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is torn or no memory at all.
    #[error(
        "'{}' does not hold the last counters; it is ignored and will be replaced", path.display()
    )]
    Torn {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The file cannot be written.
    #[error(
        "cannot keep the counters in '{}': the next one-shot sample will have no cpu_percent",
        path.display()
    )]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// The error without the random name of the temporary file, which `tempfile` puts in: who follows
/// says each sentence once, and must know it again.
fn plain(error: io::Error) -> io::Error {
    if error.raw_os_error().is_some() { error } else { error.kind().into() }
}

/// How many counters a series has besides CPU. What each counts is up to whom the series is of.
const SLOTS: usize = 11;

/// Counters are stored as two numbers each, one after the other, up to the last that counts.
mod slots {
    use serde::{Deserialize, Deserializer, Serializer};

    use super::{Counter, SLOTS};

    pub(super) fn is_empty(slots: &[Counter; SLOTS]) -> bool {
        slots.iter().all(|counter| *counter == Counter::default())
    }

    pub(super) fn serialize<S: Serializer>(
        slots: &[Counter; SLOTS],
        to: S,
    ) -> Result<S::Ok, S::Error> {
        let used = slots.iter().rposition(|c| *c != Counter::default()).map_or(0, |at| at + 1);
        to.collect_seq(slots[..used].iter().flat_map(|counter| [counter.raw, counter.lost]))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<[Counter; SLOTS], D::Error> {
        let numbers = Vec::<u64>::deserialize(from)?;
        let mut slots = [Counter::default(); SLOTS];
        for (slot, &[raw, lost]) in slots.iter_mut().zip(numbers.as_chunks::<2>().0) {
            *slot = Counter { raw, lost };
        }
        Ok(slots)
    }
}

/// A moment on the boot clock and the CPU that had been used by then.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Point {
    /// Seconds since boot.
    at: f64,
    /// Clock ticks.
    cpu: u64,
}

/// The process that waits for the orphans of a tree, and what it had waited for at first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reaper {
    pub(crate) pid: i32,
    pub(crate) start: u64,
    /// Clock ticks of earlier attempts.
    pub(crate) before: u64,
    /// Page faults of earlier attempts that needed no storage, and that did.
    #[serde(default)]
    pub(crate) faults_before: (u64, u64),
}

/// The counters of one attempt, of one member of a tree, of the host or of a part of it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Series {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    last: Option<Point>,
    /// An earlier point, for who samples right after somebody else did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base: Option<Point>,
    #[serde(default, with = "cpu")]
    cpu: Counter,
    #[serde(default, with = "slots", skip_serializing_if = "slots::is_empty")]
    slots: [Counter; SLOTS],
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) reaper: Option<Reaper>,
    /// The most memory of the attempt, in bytes.
    #[serde(default, skip_serializing_if = "is_zero")]
    peak: u64,
}

fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// The counter of CPU is stored as its two numbers.
mod cpu {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Counter;

    pub(super) fn serialize<S: Serializer>(counter: &Counter, to: S) -> Result<S::Ok, S::Error> {
        (counter.raw, counter.lost).serialize(to)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Counter, D::Error> {
        let (raw, lost) = Deserialize::deserialize(from)?;
        Ok(Counter { raw, lost })
    }
}

impl Series {
    /// Takes in the CPU ticks at a moment, in seconds since boot. Returns the total in ticks, and
    /// the ticks a second since an earlier sample, which should be at least `interval` seconds ago.
    pub(crate) fn cpu_at(&mut self, at: f64, raw: u64, interval: f64) -> (u64, Option<f64>) {
        let total = self.cpu.advance(raw);
        (total, self.rate(at, total, interval))
    }

    /// The same of a time that is counted of one thing and may begin anew.
    pub(crate) fn time_at(&mut self, at: f64, raw: u64, interval: f64) -> (u64, Option<f64>) {
        let total = self.cpu.resume(raw);
        (total, self.rate(at, total, interval))
    }

    fn rate(&mut self, at: f64, total: u64, interval: f64) -> Option<f64> {
        let rate = self.baseline(at, interval).map(|from| {
            let ticks = total.saturating_sub(from.cpu);
            ticks as f64 / (at - from.at)
        });
        self.remember(Point { at, cpu: total });
        rate
    }

    /// The newest point that is old enough; failing that the oldest one that makes any sense.
    fn baseline(&self, at: f64, interval: f64) -> Option<Point> {
        let older_than = |age: f64| move |p: &Point| at - p.at >= age;
        let points = [self.last, self.base];
        let good = points.into_iter().flatten().find(older_than(interval.max(SHORTEST)));
        good.or_else(|| points.into_iter().rev().flatten().find(older_than(SHORTEST)))
    }

    fn remember(&mut self, now: Point) {
        let Some(last) = self.last.filter(|last| last.at < now.at) else {
            self.last = Some(now);
            return;
        };
        let stale = self.base.is_none_or(|base| now.at - base.at >= STALE_BASE);
        if stale || now.at - last.at >= 1.0 {
            self.base = Some(last);
        }
        self.last = Some(now);
    }

    /// Takes in what the kernel counts now in a slot, and returns the total.
    pub(crate) fn advance(&mut self, slot: usize, raw: u64) -> u64 {
        self.slots[slot].advance(raw)
    }

    /// The same of a count of one thing that may begin anew.
    pub(crate) fn resume(&mut self, slot: usize, raw: u64) -> u64 {
        self.slots[slot].resume(raw)
    }

    /// Keeps what a member had counted in a slot that is known to have gone.
    pub(crate) fn depart(&mut self, slot: usize, count: u64) {
        self.slots[slot].depart(count);
    }

    /// The highest value so far.
    pub(crate) fn peak(&mut self, now: u64) -> u64 {
        self.peak = self.peak.max(now);
        self.peak
    }

    /// Whether its last sample is not so old that nobody counts from it any more.
    fn is_recent(&self, now: f64) -> bool {
        self.last.is_some_and(|last| now - last.at < FORGOTTEN)
    }

    fn raise_to(&mut self, other: &Series) {
        self.cpu.raise_to(other.cpu);
        for (ours, theirs) in self.slots.iter_mut().zip(other.slots) {
            ours.raise_to(theirs);
        }
        self.peak = self.peak.max(other.peak);
    }
}

/// The counters of all series within one boot.
///
/// The key of a series is `id#run/attempt`, with ` pid/start` behind it for one member; of the host
/// it is `host`, of a part of it one without a `#`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Last {
    v: u32,
    boot: String,
    series: BTreeMap<String, Series>,
    /// What runs achieve, by `id#run`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) achieved: BTreeMap<String, Achieved>,
    /// Series of this round.
    #[serde(skip)]
    touched: HashSet<String>,
}

impl Last {
    /// An empty memory for this boot.
    pub fn new(boot: &str) -> Last {
        Last { v: VERSION, boot: boot.to_owned(), ..Last::default() }
    }

    /// Takes over what the file holds, if it is of this boot: series that are not known yet, and
    /// higher totals of those that are, so that no sampler of this fleet goes behind another.
    ///
    /// # Errors
    /// The file is there and cannot be read, or holds something else.
    pub fn absorb(&mut self, path: &Path) -> Result<(), LastError> {
        let text = match fs::read(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(()),
            other => other.map_err(|source| LastError::Read { path: path.to_owned(), source })?,
        };
        let stored: Last = serde_json::from_slice(&text)
            .map_err(|source| LastError::Torn { path: path.to_owned(), source })?;
        if stored.v != VERSION || stored.boot != self.boot {
            return Ok(());
        }
        for (key, series) in stored.series {
            match self.series.get_mut(&key) {
                Some(known) => known.raise_to(&series),
                None => drop(self.series.insert(key, series)),
            }
        }
        for (run, achieved) in stored.achieved {
            self.achieved.entry(run).or_insert(achieved);
        }
        Ok(())
    }

    /// Writes the file by renaming, with mode 0600. It is not synced: after a power loss there is
    /// another boot, and nothing in it counts.
    ///
    /// Two who write at the same moment each leave a whole file; the second one stays.
    ///
    /// # Errors
    /// The folder cannot be made or written.
    pub fn save(&self, path: &Path) -> Result<(), LastError> {
        self.replace(path).map_err(|e| LastError::Write { path: path.to_owned(), source: plain(e) })
    }

    fn replace(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        make_dir(folder)?;
        let mut file = NamedTempFile::with_prefix_in("last.", folder)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.persist(path).map_err(|e| e.error)?;
        Ok(())
    }

    /// Forgets the series of attempts that are over, of members and parts of the host that have
    /// long gone, and what all runs but these achieved. `living` are the keys of the attempts that
    /// go on.
    pub(crate) fn end_round(&mut self, living: &HashSet<String>, runs: &HashSet<String>, now: f64) {
        self.achieved.retain(|run, _| runs.contains(run));
        let touched = std::mem::take(&mut self.touched);
        self.series.retain(|key, series| {
            let attempt = key.split(' ').next().unwrap_or_default();
            let stays = match key.contains('#') {
                true => living.contains(attempt) && (attempt == key || series.is_recent(now)),
                false => series.is_recent(now),
            };
            stays || touched.contains(key)
        });
    }

    pub(crate) fn series(&mut self, key: &str) -> &mut Series {
        if !self.touched.contains(key) {
            self.touched.insert(key.to_owned());
        }
        if !self.series.contains_key(key) {
            self.series.insert(key.to_owned(), Series::default());
        }
        self.series.entry(key.to_owned()).or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn what_is_known_to_have_gone_is_kept_to_the_last() {
        let mut series = Series::default();
        series.advance(3, 100);
        // 60 of them went with a member, and the others went on to 90.
        series.depart(3, 60);
        assert_eq!(series.advance(3, 90), 150);
        // More than there ever was cannot have gone.
        series.depart(3, u64::MAX);
        assert_eq!(series.advance(3, 0), 150);
    }

    #[test]
    fn members_and_parts_of_the_host_are_kept_for_an_hour() {
        let mut last = Last::new("b");
        for key in ["a#1/1", "a#1/1 7/5", "old#1/1 8/5", "core 0", "host"] {
            last.series(key).cpu_at(10.0, 0, 1.0);
        }
        let living = HashSet::from(["a#1/1".to_owned()]);
        let keys = |last: &Last| last.series.keys().cloned().collect::<Vec<_>>();
        last.end_round(&HashSet::new(), &HashSet::new(), 10.0);
        assert_eq!(keys(&last).len(), 5, "all were sampled in this round");
        last.end_round(&living, &HashSet::new(), 60.0);
        assert_eq!(keys(&last), ["a#1/1", "a#1/1 7/5", "core 0", "host"]);
        last.end_round(&living, &HashSet::new(), 4000.0);
        assert_eq!(keys(&last), ["a#1/1"]);
    }

    #[test]
    fn a_rate_needs_a_point_of_some_age() {
        let mut series = Series::default();
        assert_eq!(series.cpu_at(10.0, 500, 1.0), (500, None));
        assert_eq!(series.cpu_at(10.01, 501, 1.0), (501, None));
        // Old enough to make sense, if younger than was asked for.
        let (_, rate) = series.cpu_at(10.5, 550, 1.0);
        assert!((rate.unwrap() - 100.0).abs() < 1e-6, "{rate:?}");
    }

    #[test]
    fn who_samples_right_after_another_gets_the_older_point() {
        let mut series = Series::default();
        series.cpu_at(0.0, 0, 1.0);
        assert_eq!(series.cpu_at(60.0, 6000, 1.0).1, Some(100.0));
        let (_, rate) = series.cpu_at(60.2, 6000, 1.0);
        assert!((rate.unwrap() - 6000.0 / 60.2).abs() < 1e-6, "{rate:?}");
        // Who asked for short intervals gets them.
        let (_, rate) = series.cpu_at(60.4, 6020, 0.05);
        assert!((rate.unwrap() - 100.0).abs() < 1e-6, "{rate:?}");
    }

    #[test]
    fn a_fast_sampler_does_not_leave_others_an_ancient_point() {
        let mut series = Series::default();
        for step in 0..1000 {
            series.cpu_at(f64::from(step) * 0.1, 0, 0.05);
        }
        assert!(series.base.unwrap().at > 80.0, "{:?}", series.base);
    }

    #[test]
    fn the_file_is_private_and_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics/last.json");
        let mut last = Last::new("b");
        last.series("a#1/1").cpu_at(1.5, 7, 1.0);
        last.series("a#1/1").advance(4, 9);
        last.touched.clear();
        last.save(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let mut again = Last::new("b");
        again.absorb(&path).unwrap();
        assert_eq!(again, last);
        let mut other_boot = Last::new("c");
        other_boot.absorb(&path).unwrap();
        assert!(other_boot.series.is_empty());
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
    }

    #[test]
    fn a_folder_that_takes_no_file_is_told_in_the_same_words_each_time() {
        let told = || {
            let error = Last::new("b").save(Path::new("/proc/self/last.json")).unwrap_err();
            format!("{error}: {}", std::error::Error::source(&error).unwrap())
        };
        assert_eq!(told(), told());
    }

    #[test]
    fn totals_that_another_sampler_said_are_a_floor() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("last.json");
        let mut theirs = Last::new("b");
        theirs.series("a#1/1").advance(1, 100);
        theirs.save(&path).unwrap();
        let mut ours = Last::new("b");
        ours.series("a#1/1").advance(1, 40);
        ours.absorb(&path).unwrap();
        assert_eq!(ours.series("a#1/1").advance(1, 41), 100);
        assert_eq!(ours.series("a#1/1").advance(1, 42), 101, "and it goes on from there");
    }

    #[test]
    fn a_torn_file_is_said_and_ignored() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("last.json");
        fs::write(&path, "{\"v\":1,\"boot\":\"b\",\"ser").unwrap();
        let mut last = Last::new("b");
        assert!(matches!(last.absorb(&path), Err(LastError::Torn { .. })));
        assert_eq!(last, Last::new("b"));
    }

    proptest! {
        #[test]
        fn no_order_of_counts_goes_down(counts in proptest::collection::vec(any::<u32>(), 1..50)) {
            let mut series = Series::default();
            let mut highest = 0;
            for (at, count) in counts.into_iter().enumerate() {
                let (total, rate) = series.cpu_at(at as f64, u64::from(count), 1.0);
                prop_assert!(total >= highest);
                prop_assert!(rate.is_none_or(|r| r.is_finite() && r >= 0.0));
                highest = total;
            }
        }

        #[test]
        fn no_file_panics(bytes: Vec<u8>) {
            let dir = tempfile::tempdir().unwrap();
            let path = dir.path().join("last.json");
            fs::write(&path, bytes).unwrap();
            let _ = Last::new("b").absorb(&path);
        }
    }
}
