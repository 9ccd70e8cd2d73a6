//! Waiting until runs are as wanted.

use std::collections::HashSet;
use std::io::ErrorKind;
use std::thread;
use std::time::{Duration, Instant};

use fleet_core::{Happening, ProcessRecord};
use fleet_os::{Changes, PidFd, Watch, Woken};
use fleet_registry::{Home, RunDir, read_record, replay};

use crate::heal::mend;
use crate::supervisor::holds_lock;
use crate::truth::{lives, look};

/// Events are hints that can be lost: so often everything is looked at without one.
const SURE: Duration = Duration::from_secs(10);
/// First and longest pause between two looks at what cannot wake us.
const NAPS: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(100));
/// From one try to mend a run to the next.
const MENDING: Duration = Duration::from_secs(1);

/// Runs that are waited for.
///
/// The kernel wakes: one inotify instance watches the runs' folders, in which each record takes
/// the place of the one before, and the end of a shim is seen through its pidfd. Where inotify has
/// no instance to spare (128 for each user) it looks at growing pauses. A run that loses both its
/// supervisors is mended as any tool would, so that nobody waits for what can no longer be told;
/// one whose folder was removed is known by the registry.
pub struct Vigil<'a> {
    home: &'a Home,
    watch: Watch,
    runs: Vec<Run>,
    nap: Duration,
    sure_at: Instant,
    said: Vec<String>,
}

/// One run that is waited for.
struct Run {
    record: ProcessRecord,
    dir: RunDir,
    /// Its shim, while it is known to live.
    shim: Option<PidFd>,
    watched: bool,
    /// Its folder was removed.
    gone: bool,
    released: bool,
    mend_at: Instant,
    mending_said: bool,
}

impl Run {
    /// Whether nothing would wake us when its record changes.
    fn is_blind(&self) -> bool {
        self.shim.is_none() || !self.watched && !self.gone
    }

    fn take(&mut self, record: ProcessRecord) {
        if self.shim.is_none() || record.shim != self.record.shim {
            let shim = record.shim.and_then(|shim| PidFd::of(shim.who).ok().flatten());
            self.shim = shim.filter(|shim| !shim.has_exited());
        }
        self.record = record;
    }
}

impl<'a> Vigil<'a> {
    /// Begins to watch the runs that these records are of; what changed since they were read is
    /// seen at once.
    pub fn over(home: &'a Home, records: Vec<ProcessRecord>) -> Vigil<'a> {
        let now = Instant::now();
        let run = |record: ProcessRecord| Run {
            dir: home.run_of(&record.key()),
            record,
            shim: None,
            watched: false,
            gone: false,
            released: false,
            mend_at: now,
            mending_said: false,
        };
        let runs: Vec<Run> = records.into_iter().map(run).collect();
        let (watch, said) = (Watch::new(), Vec::new());
        let mut vigil = Vigil { home, watch, runs, nap: NAPS.0, sure_at: now + SURE, said };
        for at in 0..vigil.runs.len() {
            if vigil.runs[at].record.state.has_ended() {
                continue;
            }
            let dir = vigil.runs[at].dir.path().to_owned();
            vigil.runs[at].watched = vigil.watch.add(&dir, Changes::Completed, at as u64).is_ok();
            vigil.look(at);
        }
        vigil
    }

    /// The newest record of each run that is still waited for, with its place among all.
    pub fn open(&self) -> impl Iterator<Item = (usize, &ProcessRecord)> {
        let open = self.runs.iter().enumerate().filter(|(_, run)| !run.released);
        open.map(|(at, run)| (at, &run.record))
    }

    /// The newest record that was seen of a run.
    pub fn record(&self, at: usize) -> &ProcessRecord {
        &self.runs[at].record
    }

    /// Nobody waits for this run any more.
    pub fn release(&mut self, at: usize) {
        self.watch.remove(at as u64);
        (self.runs[at].released, self.runs[at].shim) = (true, None);
    }

    /// What was mended since this was last asked, and what could not be, each a sentence.
    pub fn said(&mut self) -> Vec<String> {
        std::mem::take(&mut self.said)
    }

    /// Waits until each run is released because `settled` says so of its record; whether that came
    /// true before the deadline.
    pub fn until(
        &mut self,
        deadline: Option<Instant>,
        mut settled: impl FnMut(usize, &ProcessRecord) -> bool,
    ) -> bool {
        loop {
            let done: Vec<usize> =
                self.open().filter(|&(at, r)| settled(at, r)).map(|o| o.0).collect();
            done.into_iter().for_each(|at| self.release(at));
            if self.open().next().is_none() {
                return true;
            }
            if !self.turn(deadline) {
                return false;
            }
        }
    }

    /// Sleeps until something may have changed, and looks; false when the deadline has passed.
    pub fn turn(&mut self, deadline: Option<Instant>) -> bool {
        let now = Instant::now();
        let left = deadline.map_or(SURE, |deadline| deadline.saturating_duration_since(now));
        if left.is_zero() {
            return false;
        }
        let (holders, woken) = self.sleep(left);
        let ended: HashSet<usize> = woken.ended.iter().map(|&at| holders[at]).collect();
        let changed: HashSet<u64> = woken.changed.iter().map(|(at, _)| *at).collect();
        let all = woken.overflow || Instant::now() >= self.sure_at;
        if all {
            self.sure_at = Instant::now() + SURE;
        }
        for at in 0..self.runs.len() {
            let run = &mut self.runs[at];
            if ended.contains(&at) {
                run.shim = None;
                self.nap = NAPS.0;
            }
            let due =
                all || run.is_blind() || ended.contains(&at) || changed.contains(&(at as u64));
            if due && !run.released {
                self.look(at);
            }
        }
        true
    }

    /// Sleeps; returns which runs' shims were watched, and what woke.
    fn sleep(&mut self, most: Duration) -> (Vec<usize>, Woken) {
        let waits = |run: &&Run| !run.released;
        let blind = self.runs.iter().filter(waits).any(Run::is_blind);
        let pause = if blind { self.nap } else { SURE };
        self.nap = if blind { (self.nap * 2).min(NAPS.1) } else { NAPS.0 };
        let held = || self.runs.iter().enumerate().filter(|(_, run)| !run.released);
        let held = held().filter_map(|(at, run)| Some((at, run.shim.as_ref()?)));
        let (holders, shims): (Vec<usize>, Vec<&PidFd>) = held.unzip();
        let pause = pause.min(most);
        let woken = self.watch.wait(pause, None, &shims).unwrap_or_else(|_| {
            // No memory for it, say: time goes by all the same.
            thread::sleep(pause.min(NAPS.1));
            Woken::default()
        });
        (holders, woken)
    }

    fn look(&mut self, at: usize) {
        let run = &mut self.runs[at];
        match read_record(&run.dir) {
            Ok(record) => run.take(record),
            Err(e) if e.kind() == ErrorKind::NotFound && !run.dir.path().exists() => {
                run.gone = true;
                return self.look_in_registry(at);
            }
            // Not written yet, or torn by a full disk: the next one will be whole.
            Err(_) => {}
        }
        if !run.record.state.has_ended() && run.shim.is_none() && !holds_lock(&run.dir) {
            // Its lock is free, so that what its folder says now is the last word.
            if let Ok(record) = read_record(&run.dir) {
                run.take(record);
            }
            self.mend(at);
        }
    }

    /// Its shim, as long as it lives, tells the registry alone.
    fn look_in_registry(&mut self, at: usize) {
        let home = self.home;
        let run = &mut self.runs[at];
        if run.shim.is_some() {
            return;
        }
        let key = run.record.key();
        let entries = replay(home).map(|replay| replay.entries).unwrap_or_default();
        match entries.into_iter().map(|entry| entry.record).find(|record| record.key() == key) {
            Some(newest) if newest.state.has_ended() || newest.shim != run.record.shim => {
                run.take(*newest);
            }
            Some(_) => self.mend(at),
            // It was forgotten altogether; how it ended can no longer be known.
            None if !lives(&run.record) => {
                run.record.state =
                    run.record.state.after(Happening::FoundDead).unwrap_or(run.record.state);
            }
            None => {}
        }
    }

    /// Nobody supervises it: gives it a shim, or finds its end.
    fn mend(&mut self, at: usize) {
        let now = Instant::now();
        let run = &mut self.runs[at];
        if run.record.state.has_ended() || run.shim.is_some() || now < run.mend_at {
            return;
        }
        run.mend_at = now + MENDING;
        let Ok(mut seen) = look(self.home, &run.record) else { return };
        let said = mend(self.home, &mut seen);
        run.record = *seen.record;
        if !std::mem::replace(&mut run.mending_said, said.is_some()) {
            self.said.extend(said);
        }
    }
}
