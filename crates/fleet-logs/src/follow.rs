//! Going on with what is printed from now on.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, Instant};

use fleet_census::Seen;
use fleet_cli::{Exit, talk};
use fleet_core::RunKey;
use fleet_os::{Changes, Watch, Woken};
use fleet_registry::Home;

use crate::choose::Choice;
use crate::run::Run;
use crate::sink::Sink;
use crate::{Plan, Shown};

/// All is looked at so often even where no change was announced: announcements can be lost.
const SWEEP: Duration = Duration::from_secs(2);

/// The same while something cannot be watched.
const SWEEP_BLIND: Duration = Duration::from_millis(250);

/// The registry of a busy fleet changes all the time; it is read no more often than this.
const RECOUNT: Duration = Duration::from_millis(200);

/// The beginning of a line, a prompt perhaps, is held back no longer than this from a person.
const HOLD: Duration = Duration::from_secs(1);

/// A run that ended is looked at for so long.
const LINGER: Duration = Duration::from_secs(5);

/// So many lines of each run are shown before others are looked at again.
const BATCH: usize = 10_000;

/// Number of the home among what is watched; the runs follow.
const HOME: u64 = 0;

const REGISTRY: &str = "registry.jsonl";

/// Watches the registry of a home.
pub(crate) fn watch(home: &Home) -> Watch {
    let mut watch = Watch::new();
    // A home that is not there yet is found by the sweeps.
    let _ = watch.add(home.path(), Changes::Contents, HOME);
    watch
}

/// The follower of all runs that are chosen.
pub(crate) struct Follower {
    home: Home,
    choice: Choice,
    plan: Plan,
    sink: Box<dyn Sink>,
    watch: Watch,
    until_ended: bool,
    exit: Exit,
    /// Anything was shown.
    any: bool,
    runs: BTreeMap<u64, Followed>,
    next_number: u64,
    /// The numbers of runs that were met, also of those that are no longer followed.
    known: HashMap<RunKey, u64>,
    /// Identity of the registry file that was read last.
    counted: Option<(u64, u64, i64, i64)>,
    /// The registry may have changed.
    recount: bool,
    counted_at: Instant,
    swept_at: Instant,
}

struct Followed {
    run: Run,
    watched: bool,
    ended: Option<Instant>,
    holds: Option<Instant>,
    /// Its folder was there.
    met: bool,
}

impl Followed {
    fn new(run: Run, ended: bool) -> Followed {
        let ended = ended.then(Instant::now);
        Followed { run, watched: false, ended, holds: None, met: false }
    }
}

impl Follower {
    pub(crate) fn new(
        home: Home,
        choice: Choice,
        plan: Plan,
        sink: Box<dyn Sink>,
        watch: Watch,
        until_ended: bool,
        exit: Exit,
    ) -> Follower {
        let now = Instant::now();
        Follower {
            home,
            choice,
            // What comes later is shown from its beginning.
            plan: Plan { lines: None, ..plan },
            sink,
            watch,
            until_ended,
            exit,
            any: false,
            runs: BTreeMap::new(),
            next_number: HOME + 1,
            known: HashMap::new(),
            counted: None,
            recount: false,
            counted_at: now,
            swept_at: now,
        }
    }

    /// Follows until the reader leaves or, if so asked, all have ended.
    pub(crate) fn run(mut self, runs: Vec<Run>, seen: &[Seen]) -> anyhow::Result<Exit> {
        let living = seen.iter().filter(|s| s.observed.is_living());
        let living: HashSet<RunKey> = living.map(|s| s.record.key()).collect();
        for run in runs {
            let ended = !living.contains(&run.face.key);
            self.add(run, ended);
        }
        self.print_up_to(usize::MAX, None)?;
        loop {
            if self.recount && self.counted_at.elapsed() >= RECOUNT {
                self.count()?;
            }
            if self.until_ended && !self.recount && self.all_ended() {
                return self.finish();
            }
            let woken = self.wait()?;
            if woken.reader_left {
                return Ok(self.exit);
            }
            self.look(&woken)?;
        }
    }

    fn all_ended(&self) -> bool {
        self.runs.values().all(|f| f.ended.is_some())
    }

    /// Shows the rest of all, to the byte.
    fn finish(mut self) -> anyhow::Result<Exit> {
        for followed in self.runs.values_mut() {
            followed.run.close();
        }
        self.print_up_to(usize::MAX, None)?;
        self.sink.finish()?;
        Ok(self.exit.max(self.plan.verdict(self.any)))
    }

    fn note(&mut self, shown: &Shown) {
        self.exit = self.exit.max(shown.exit);
        self.any |= shown.any;
    }

    fn add(&mut self, run: Run, ended: bool) {
        self.sink.line_up(&run.face);
        let number = self.next_number;
        self.next_number += 1;
        let mut followed = Followed::new(run, ended);
        followed.attend(&mut self.watch, number);
        self.known.insert(followed.run.face.key.clone(), number);
        self.runs.insert(number, followed);
    }

    fn wait(&mut self) -> io::Result<Woken> {
        // A millisecond more than nothing, because poll(2) counts in milliseconds and rounds down.
        let most = match self.runs.values().any(|f| f.run.has_more()) {
            true => Duration::ZERO,
            false => self.patience() + Duration::from_millis(1),
        };
        let stdout = io::stdout();
        let output = self.sink.is_stdout().then(|| stdout.as_fd());
        self.watch.wait(most, output, &[])
    }

    /// How long there is nothing to do unless something happens.
    fn patience(&self) -> Duration {
        let mut most = self.sweep_every().saturating_sub(self.swept_at.elapsed());
        most = self.sink.due().map_or(most, |due| most.min(due));
        if self.recount {
            most = most.min(RECOUNT.saturating_sub(self.counted_at.elapsed()));
        }
        if let Some(hold) = self.hold() {
            let held = self.runs.values().filter_map(|f| f.holds);
            most = held.fold(most, |most, since| most.min(hold.saturating_sub(since.elapsed())));
        }
        most
    }

    fn sweep_every(&self) -> Duration {
        let unwatched = |f: &Followed| !f.watched && f.ended.is_none();
        let blind = !self.watch.works() || self.runs.values().any(unwatched);
        if blind { SWEEP_BLIND } else { SWEEP }
    }

    /// How long the beginning of a line is held: programs get whole lines.
    fn hold(&self) -> Option<Duration> {
        // A search looks at whole lines.
        (self.sink.shows_beginnings() && !self.plan.filter.asks()).then_some(HOLD)
    }

    /// Shows what is new.
    fn look(&mut self, woken: &Woken) -> anyhow::Result<()> {
        if woken.changed.iter().any(|(of, name)| *of == HOME && name == REGISTRY) {
            self.recount = true;
        }
        if woken.overflow || self.swept_at.elapsed() >= self.sweep_every() {
            return self.sweep();
        }
        self.release();
        let changed: HashSet<u64> = woken.changed.iter().map(|(of, _)| *of).collect();
        self.print(Some(&changed))
    }

    /// Looks at everything.
    fn sweep(&mut self) -> anyhow::Result<()> {
        self.swept_at = Instant::now();
        // One that was killed together with its shim changes nothing in the registry.
        self.recount |= self.until_ended || self.registry() != self.counted;
        for (number, followed) in &mut self.runs {
            followed.attend(&mut self.watch, *number);
        }
        self.release();
        self.print(None)?;
        self.drop_ended()
    }

    fn registry(&self) -> Option<(u64, u64, i64, i64)> {
        let meta = self.home.registry().metadata().ok()?;
        Some((meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec()))
    }

    /// Lets go the beginnings of lines that were held for long enough.
    fn release(&mut self) {
        let Some(hold) = self.hold() else { return };
        for followed in self.runs.values_mut() {
            if followed.holds.is_some_and(|since| since.elapsed() >= hold) {
                followed.run.release();
                followed.holds = None;
            }
        }
    }

    /// Prints what the runs of these numbers have, or all.
    fn print(&mut self, only: Option<&HashSet<u64>>) -> anyhow::Result<()> {
        self.print_up_to(BATCH, only)
    }

    fn print_up_to(&mut self, most: usize, only: Option<&HashSet<u64>>) -> anyhow::Result<()> {
        let wanted = |(number, f): &(&u64, &mut Followed)| {
            only.is_none_or(|only| only.contains(number)) || f.run.has_more()
        };
        let runs = self.runs.iter_mut().filter(wanted).map(|(_, f)| &mut f.run);
        let shown = crate::print(runs, most, self.sink.as_mut())?;
        self.note(&shown);
        for followed in self.runs.values_mut() {
            followed.holds = match (followed.run.holds(), followed.holds) {
                (true, since) => since.or_else(|| Some(Instant::now())),
                (false, _) => None,
            };
        }
        Ok(self.sink.flush()?)
    }

    /// Reads the registry: what ended, and what is new.
    fn count(&mut self) -> anyhow::Result<()> {
        (self.recount, self.counted_at) = (false, Instant::now());
        self.counted = self.registry();
        let mut added = false;
        for seen in self.choice.of(fleet_census::take(&self.home)?) {
            let ended = !seen.observed.is_living();
            match self.known.get(&seen.record.key()) {
                Some(number) => {
                    let followed = self.runs.get_mut(number);
                    followed.into_iter().for_each(|f| f.set_ended(ended));
                }
                None => added |= self.join(&seen, ended),
            }
        }
        if added { self.print(None) } else { Ok(()) }
    }

    fn join(&mut self, seen: &Seen, ended: bool) -> bool {
        let record = &seen.record;
        let numbered = self.runs.values().any(|f| f.run.face.key.id == record.id);
        match Run::open(&self.home, record, &self.plan, numbered) {
            Ok(run) => self.add(run, ended),
            Err(error) => {
                talk(format_args!("cannot read the log of '{}': {error}", record.key()));
                self.exit = Exit::CouldNot;
                // Said once.
                self.known.insert(record.key(), HOME);
                return false;
            }
        }
        true
    }

    /// Forgets runs that will print nothing more.
    fn drop_ended(&mut self) -> anyhow::Result<()> {
        let over = |f: &Followed| f.run.failed || f.is_gone() || f.is_over();
        let over: Vec<u64> = self.runs.iter().filter(|(_, f)| over(f)).map(|(n, _)| *n).collect();
        for number in over {
            let Some(mut followed) = self.runs.remove(&number) else { continue };
            self.watch.remove(number);
            followed.run.close();
            let run = std::iter::once(&mut followed.run);
            let shown = crate::print(run, usize::MAX, self.sink.as_mut())?;
            self.note(&shown);
        }
        Ok(self.sink.flush()?)
    }
}

impl Followed {
    /// Notes whether it has ended; what was lost can be found again.
    fn set_ended(&mut self, ended: bool) {
        self.ended = ended.then(|| self.ended.unwrap_or_else(Instant::now));
    }

    /// Watches its folder if that was not possible before.
    fn attend(&mut self, watch: &mut Watch, number: u64) {
        self.met |= self.run.log.is_dir();
        if self.met && !self.watched {
            self.watched = watch.add(&self.run.log, Changes::Contents, number).is_ok();
        }
    }

    /// Its folder was removed.
    fn is_gone(&self) -> bool {
        self.met && !self.run.log.is_dir()
    }

    fn is_over(&self) -> bool {
        self.ended.is_some_and(|since| since.elapsed() >= LINGER)
    }
}
