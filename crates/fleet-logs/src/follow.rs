//! Going on with what is printed from now on.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs::Metadata;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use fleet_census::Seen;
use fleet_cli::{Exit, talk};
use fleet_core::RunKey;
use fleet_logfile::CURRENT;
use fleet_os::{Changes, Watch, Woken};
use fleet_registry::Home;

use crate::choose::Choice;
use crate::run::Run;
use crate::sink::Sink;
use crate::{Plan, Shown};

/// All is looked at so often although no change was announced and none can have been lost.
const SWEEP: Duration = Duration::from_secs(60);

/// The same while the end of all is waited for: one that was killed together with its shim changes
/// nothing in the registry.
const SWEEP_UNTIL_ENDED: Duration = Duration::from_secs(2);

/// The same while something cannot be watched.
const SWEEP_BLIND: Duration = Duration::from_millis(250);

/// The registry of a busy fleet changes all the time; it is read no more often than this.
const RECOUNT: Duration = Duration::from_millis(200);

/// The beginning of a line, a prompt perhaps, is held back no longer than this from a person, and
/// the beginning of a traceback, while others print, from anybody.
const HOLD: Duration = Duration::from_secs(1);

/// Lines that may become a traceback are held back until nothing came for so long.
const QUIET: Duration = Duration::from_millis(200);

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

/// What of a run wakes us: folders, known by their inodes.
#[derive(Clone, Copy, PartialEq)]
enum Watched {
    Nothing,
    /// The folder of the run, in which that of the log will be made, and that if there is one: it
    /// has printed nothing, or somebody removes its files.
    Run(Option<u64>),
    Log(u64),
}

struct Followed {
    run: Run,
    watched: Watched,
    ended: Option<Instant>,
    holds: Option<Instant>,
    /// It holds lines that may become a traceback: since when, and when it was looked at last.
    lines_hold: Option<(Instant, Instant)>,
    /// The folder of the run was there.
    met: bool,
}

impl Followed {
    fn new(run: Run, ended: bool) -> Followed {
        let ended = ended.then(Instant::now);
        Followed {
            run,
            watched: Watched::Nothing,
            ended,
            holds: None,
            lines_hold: None,
            met: false,
        }
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
        let living = crate::living(seen);
        for run in runs {
            let ended = !living.contains(&run.face.key);
            self.add(run, ended);
        }
        if let Some(cursor) = self.plan.cursor.clone() {
            fleet_os::before_end(move || cursor.write_at_last())?;
        }
        self.print_first()?;
        loop {
            if self.recount && self.counted_at.elapsed() >= RECOUNT {
                self.count()?;
            }
            if self.until_ended && !self.recount && self.all_ended() {
                return self.finish();
            }
            let woken = self.wait()?;
            if woken.reader_left {
                self.write_cursor()?;
                return Ok(self.exit);
            }
            self.look(&woken)?;
        }
    }

    /// Shows what is there already, in order of time; with a cursor by and by, so that little is
    /// shown twice if we are killed meanwhile.
    fn print_first(&mut self) -> anyhow::Result<()> {
        let most = if self.plan.cursor.is_some() { BATCH } else { usize::MAX };
        self.print_up_to(most, None)
    }

    fn write_cursor(&self) -> anyhow::Result<()> {
        self.plan.cursor.as_ref().map_or(Ok(()), |cursor| cursor.write())
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
        let cursor = self.plan.cursor.clone();
        let verdict = crate::end(self.sink, &self.plan, self.any)?;
        if let Some(cursor) = cursor {
            cursor.write()?;
        }
        Ok(self.exit.max(verdict))
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
        let left = |since: Instant, hold: Duration| hold.saturating_sub(since.elapsed());
        let held = self.hold().into_iter().flat_map(|hold| {
            self.runs.values().filter_map(move |f| f.holds.map(|since| left(since, hold)))
        });
        let lines = self
            .runs
            .values()
            .filter_map(|f| f.lines_hold)
            .map(|(first, last)| left(last, QUIET).min(left(first, HOLD)));
        let over = self.runs.values().filter_map(|f| f.ended.map(|since| left(since, LINGER)));
        let cursor = self.plan.cursor.as_ref().and_then(|cursor| cursor.due_in());
        held.chain(lines).chain(over).chain(cursor).fold(most, Duration::min)
    }

    fn sweep_every(&self) -> Duration {
        let unwatched = |f: &Followed| f.watched == Watched::Nothing && f.ended.is_none();
        let blind = !self.watch.works() || self.runs.values().any(unwatched);
        match () {
            () if blind => SWEEP_BLIND,
            () if self.until_ended => SWEEP_UNTIL_ENDED,
            () => SWEEP,
        }
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
        // A folder that was removed is watched no more.
        let gone: Vec<u64> =
            woken.changed.iter().filter(|(_, name)| name.is_empty()).map(|(of, _)| *of).collect();
        for number in &gone {
            // A shim that lives makes its log anew, perhaps with the same inode.
            self.runs.get_mut(number).into_iter().for_each(|f| f.watched = Watched::Nothing);
        }
        if woken.overflow || !gone.is_empty() || self.swept_at.elapsed() >= self.sweep_every() {
            self.sweep()?;
        } else {
            let changed: HashSet<u64> = woken.changed.iter().map(|(of, _)| *of).collect();
            for number in &changed {
                let followed = self.runs.get_mut(number);
                followed.into_iter().for_each(|f| f.attend(&mut self.watch, *number));
            }
            self.print(Some(&changed))?;
            self.drop_those(|f| f.run.failed || f.is_over())?;
        }
        match self.plan.cursor.as_ref().and_then(|cursor| cursor.due_in()) {
            Some(Duration::ZERO) => self.write_cursor(),
            _ => Ok(()),
        }
    }

    /// Looks at everything.
    fn sweep(&mut self) -> anyhow::Result<()> {
        self.swept_at = Instant::now();
        // One that was killed together with its shim changes nothing in the registry.
        self.recount |= self.until_ended || self.registry() != self.counted;
        for (number, followed) in &mut self.runs {
            followed.attend(&mut self.watch, *number);
        }
        self.print(None)?;
        self.drop_those(|f| f.run.failed || f.is_gone() || f.is_over())
    }

    fn registry(&self) -> Option<(u64, u64, i64, i64)> {
        let meta = self.home.registry().metadata().ok()?;
        Some((meta.ino(), meta.len(), meta.mtime(), meta.mtime_nsec()))
    }

    /// Lets go what was held for long enough, and says of which runs.
    fn release(&mut self) -> HashSet<u64> {
        let hold = self.hold();
        let mut released = HashSet::new();
        for (number, followed) in &mut self.runs {
            if followed.release(hold) {
                released.insert(*number);
            }
        }
        released
    }

    /// Prints what the runs of these numbers have, or all, and then what was held too long.
    fn print(&mut self, only: Option<&HashSet<u64>>) -> anyhow::Result<()> {
        self.print_up_to(BATCH, only)?;
        let released = self.release();
        if released.is_empty() { Ok(()) } else { self.show(&released, BATCH) }
    }

    fn print_up_to(&mut self, most: usize, only: Option<&HashSet<u64>>) -> anyhow::Result<()> {
        let wanted = |(number, f): &(&u64, &Followed)| {
            only.is_none_or(|only| only.contains(number)) || f.run.has_more()
        };
        let wanted = self.runs.iter().filter(wanted).map(|(number, _)| *number).collect();
        self.show(&wanted, most)
    }

    /// Prints what these runs have, and notes how far each was shown.
    fn show(&mut self, numbers: &HashSet<u64>, most: usize) -> anyhow::Result<()> {
        let cursor = self.plan.cursor.clone();
        let _showing = cursor.as_ref().map(|cursor| cursor.begin());
        let runs = self.runs.iter_mut().filter(|(number, _)| numbers.contains(number));
        let shown = crate::print(runs.map(|(_, f)| &mut f.run), most, self.sink.as_mut())?;
        self.note(&shown);
        self.sink.flush()?;
        for number in numbers {
            let Some(followed) = self.runs.get_mut(number) else { continue };
            followed.note_held();
            if let Some(cursor) = &cursor {
                let place = followed.run.place();
                cursor.note(&followed.run.face.key, place);
            }
        }
        Ok(())
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
    fn drop_those(&mut self, over: impl Fn(&Followed) -> bool) -> anyhow::Result<()> {
        let over: HashSet<u64> =
            self.runs.iter().filter(|(_, f)| over(f)).map(|(number, _)| *number).collect();
        if over.is_empty() {
            return Ok(());
        }
        for number in &over {
            self.watch.remove(*number);
            self.runs.get_mut(number).into_iter().for_each(|f| f.run.close());
        }
        self.show(&over, usize::MAX)?;
        for followed in over.iter().filter_map(|number| self.runs.remove(number)) {
            self.sink.ended(&followed.run.face)?;
        }
        Ok(())
    }
}

impl Followed {
    /// Notes what it holds after it was looked at.
    fn note_held(&mut self) {
        let now = Instant::now();
        self.holds = self.run.holds().then(|| self.holds.unwrap_or(now));
        let first = self.lines_hold.map_or(now, |(first, _)| first);
        self.lines_hold = self.run.holds_lines().then_some((first, now));
    }

    /// Lets go what was held for long enough, and says whether anything was: the beginning of a
    /// line after `hold`, lines that may become a traceback when it has been quiet.
    fn release(&mut self, hold: Option<Duration>) -> bool {
        let begun = hold.is_some_and(|hold| self.holds.is_some_and(|s| s.elapsed() >= hold));
        let quiet = self
            .lines_hold
            .is_some_and(|(first, last)| last.elapsed() >= QUIET || first.elapsed() >= HOLD);
        if begun {
            self.holds = None;
            self.run.release();
        }
        if quiet {
            self.lines_hold = None;
            self.run.release_lines();
        }
        begun || quiet
    }

    /// Notes whether it has ended; what was lost can be found again.
    fn set_ended(&mut self, ended: bool) {
        self.ended = ended.then(|| self.ended.unwrap_or_else(Instant::now));
    }

    /// Watches its log, and, while there is none, the folder that it will be in. A folder that is
    /// removed does not tell as long as a file of it is open: its files do, and where one was made
    /// anew, its inode.
    fn attend(&mut self, watch: &mut Watch, number: u64) {
        let (log, run) = (self.run.log.as_path(), self.run.log.parent());
        self.met |= run.is_some_and(Path::is_dir);
        let wanted = self.to_watch();
        if self.watched == wanted {
            return;
        }
        watch.remove(number);
        let (run, log) = match wanted {
            Watched::Run(inode) => (run, inode.map(|_| log)),
            _ => (None, Some(log)),
        };
        let mut folders = run.into_iter().chain(log);
        let added = folders.all(|dir| watch.add(dir, Changes::Contents, number).is_ok());
        self.watched = if added { wanted } else { Watched::Nothing };
        // It may have changed before it was watched.
        if added && self.to_watch() != wanted {
            self.attend(watch, number);
        }
    }

    fn to_watch(&self) -> Watched {
        match inode(&self.run.log) {
            Some(inode) if self.run.log.join(CURRENT).exists() => Watched::Log(inode),
            none_or_empty => Watched::Run(none_or_empty),
        }
    }

    /// The folder of the run was removed, where its log would be.
    fn is_gone(&self) -> bool {
        self.met && !self.run.log.parent().is_some_and(Path::is_dir)
    }

    fn is_over(&self) -> bool {
        self.ended.is_some_and(|since| since.elapsed() >= LINGER)
    }
}

/// The inode of a folder, if there is one.
fn inode(dir: &Path) -> Option<u64> {
    dir.metadata().ok().filter(Metadata::is_dir).map(|meta| meta.ino())
}
