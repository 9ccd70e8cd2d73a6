//! All collectors of a file at work.

use std::io::{self, PipeReader, PipeWriter};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use fleet_core::{Sample, Timestamp, duration_text};
use fleet_os::boot_clock;

use crate::collector::{Collector, Source};
use crate::memory::{Good, Memory, MemoryError, Standing};
use crate::tell::{Now, tell};

/// Past its time limit a collector has so long to be killed and counted.
const LEEWAY: Duration = Duration::from_millis(500);

/// What is killed is gone by then, unless the kernel holds it.
const BURIAL: Duration = Duration::from_secs(1);

/// Cron is late by a little now and then: what is this near to being due is due.
const NEARLY: f64 = 0.9;

/// What is known is kept in the file at most this often.
const KEEP_EVERY: Duration = Duration::from_secs(10);

/// So long a reason of a failure is told, in characters.
const LONGEST_REASON: usize = 300;

/// Collectors that are asked beside each other.
pub struct Team {
    members: Vec<Arc<Member>>,
    boot: String,
    file: PathBuf,
    kept: Option<Instant>,
    stands: Stands,
}

/// Closed when the team is dissolved, which ends the commands that are under way.
type Stands = Arc<Mutex<Option<PipeWriter>>>;

struct Member {
    collector: Collector,
    state: Mutex<State>,
    /// The other end of what the team closes.
    dissolved: Arc<PipeReader>,
    /// Told when an answer came, and when the team is dissolved.
    changed: Condvar,
}

#[derive(Default)]
struct State {
    /// Nothing before the first answer.
    standing: Option<Standing>,
    /// Since when an answer is waited for.
    asked: Option<Instant>,
    /// Sentences for the person.
    problems: Vec<String>,
    /// Whether the file lacks what is known.
    unsaved: bool,
    dissolved: bool,
}

impl Team {
    /// A team of these collectors, which takes over what others of this boot remember in the file,
    /// or says why it cannot.
    ///
    /// # Errors
    /// There is no pipe to be had.
    pub fn new(
        collectors: Vec<Collector>,
        boot: String,
        file: &Path,
    ) -> io::Result<(Team, Option<MemoryError>)> {
        let (dissolved, stands) = io::pipe()?;
        let dissolved = Arc::new(dissolved);
        let (mut memory, problem) = match Memory::load(file, &boot) {
            Ok(memory) => (memory, None),
            Err(error) => (Memory::default(), Some(error)),
        };
        let members = collectors.into_iter().map(|collector| {
            let state = State { standing: memory.take(&collector), ..State::default() };
            let (state, changed) = (Mutex::new(state), Condvar::new());
            Arc::new(Member { collector, state, dissolved: Arc::clone(&dissolved), changed })
        });
        let members = members.collect();
        let stands = Arc::new(Mutex::new(Some(stands)));
        let team = Team { members, boot, file: file.to_owned(), kept: None, stands };
        Ok((team, problem))
    }

    /// Begins to ask each collector every interval, until the team is dropped.
    pub fn follow(&self) {
        for member in &self.members {
            let member = Arc::clone(member);
            thread::spawn(move || member.work());
        }
    }

    /// What dissolves the team from another thread, when the whole process is to end.
    pub fn dissolver(&self) -> impl FnOnce() + Send + use<> {
        let (members, stands) = (self.members.clone(), Arc::clone(&self.stands));
        move || dissolve(&members, &stands)
    }

    /// Asks all that are due, all at once, and waits until they have answered or their time is
    /// over.
    pub fn ask_once(&self) {
        let now = boot_clock().as_secs_f64();
        let due: Vec<&Arc<Member>> =
            self.members.iter().filter(|member| member.due_in(now, NEARLY).is_zero()).collect();
        for member in &due {
            let member = Arc::clone(member);
            member.state().asked = Some(Instant::now());
            thread::spawn(move || member.ask());
        }
        due.iter().for_each(|member| member.wait(member.collector.timeout + LEEWAY));
    }

    /// What is known now.
    pub fn samples(&self, ts: Timestamp) -> Vec<Sample> {
        let now = Now { ts, since_boot: boot_clock().as_secs_f64() };
        let mut samples = Vec::new();
        for member in &self.members {
            if let Some(standing) = member.standing() {
                tell(&member.collector, &standing, now, &mut samples);
            }
        }
        samples
    }

    /// Sentences for the person: what failed, and what was there twice.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        for member in &self.members {
            problems.append(&mut member.state().problems);
            let hangs = member.state().asked.is_some_and(|since| member.hangs(since));
            if let Some(standing) = member.standing().filter(|_| hangs) {
                problems.extend(standing.error.map(|why| member.sentence(&why)));
            }
        }
        problems
    }

    /// Keeps what is known for the next one-shot, where that is new.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn keep(&mut self) -> Result<(), MemoryError> {
        let unsaved = self.members.iter().any(|member| member.state().unsaved);
        if !unsaved || self.kept.is_some_and(|at| at.elapsed() < KEEP_EVERY) {
            return Ok(());
        }
        self.kept = Some(Instant::now());
        let known = self.members.iter().filter_map(|member| {
            let mut state = member.state();
            state.unsaved = false;
            Some((&member.collector, state.standing.clone()?))
        });
        Memory::save(&self.file, &self.boot, known)
    }
}

impl Drop for Team {
    fn drop(&mut self) {
        dissolve(&self.members, &self.stands);
    }
}

/// Who waits for its next turn ends at once. Commands are ended and waited for, so that none
/// outlives us; whoever asks files or servers ends when it has its answer.
fn dissolve(members: &[Arc<Member>], stands: &Stands) {
    for member in members {
        member.state().dissolved = true;
        member.changed.notify_all();
    }
    *stands.lock().unwrap_or_else(PoisonError::into_inner) = None;
    let commands =
        |member: &&Arc<Member>| matches!(member.collector.source, Source::Command { .. });
    members.iter().filter(commands).for_each(|member| member.wait(BURIAL));
}

impl Member {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks every interval.
    fn work(&self) {
        loop {
            let pause = self.due_in(boot_clock().as_secs_f64(), 1.0);
            let state = self.state();
            let waited = self.changed.wait_timeout_while(state, pause, |state| !state.dissolved);
            let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
            if state.dissolved {
                return;
            }
            state.asked = Some(Instant::now());
            drop(state);
            self.ask();
        }
    }

    /// How long until it is to be asked again, where `share` of the interval is enough.
    fn due_in(&self, now: f64, share: f64) -> Duration {
        let interval = self.collector.interval.as_secs_f64() * share;
        let asked = self.state().standing.as_ref().map(|standing| standing.asked);
        asked.map_or(Duration::ZERO, |asked| {
            let left = (asked + interval - now).clamp(0.0, interval);
            Duration::try_from_secs_f64(left).unwrap_or(self.collector.interval)
        })
    }

    /// Asks, and notes the answer.
    fn ask(&self) {
        let asked = boot_clock().as_secs_f64();
        let answer = self.collector.ask(&self.dissolved);
        let now = boot_clock().as_secs_f64();
        let mut state = self.state();
        let before = state.standing.take();
        let mut standing = Standing { asked, seconds: now - asked, error: None, good: None };
        match answer {
            Ok(output) => {
                let repeated = output.repeated.iter().map(|what| self.sentence(what));
                state.problems = repeated.take(1).collect();
                standing.good = Some(Good { at: now, readings: output.into_readings() });
            }
            Err(why) => {
                let why = one_line(&why);
                state.problems = vec![self.sentence(&why)];
                standing.good = before.and_then(|before| before.good);
                standing.error = Some(why);
            }
        }
        state.standing = Some(standing);
        (state.asked, state.unsaved) = (None, true);
        self.changed.notify_all();
    }

    /// Waits for the answer if it is asked, but not longer than this.
    fn wait(&self, most: Duration) {
        let is_asked = |state: &mut State| state.asked.is_some();
        // Whoever is late is told as such by its standing.
        let _ = self.changed.wait_timeout_while(self.state(), most, is_asked);
    }

    /// What is known of it: of one that hangs, that it does.
    fn standing(&self) -> Option<Standing> {
        let state = self.state();
        let Some(since) = state.asked.filter(|since| self.hangs(*since)) else {
            return state.standing.clone();
        };
        let seconds = since.elapsed().as_secs_f64();
        let limit = duration_text(self.collector.timeout);
        let error = Some(format!("no answer within {limit}, and it cannot be ended"));
        let before = state.standing.clone().unwrap_or_default();
        Some(Standing { seconds, error, ..before })
    }

    fn hangs(&self, since: Instant) -> bool {
        since.elapsed() >= self.collector.timeout + LEEWAY
    }

    fn sentence(&self, what: &str) -> String {
        format!("collector '{}': {what}", self.collector.name)
    }
}

/// On one line, and not longer than anybody reads.
fn one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(LONGEST_REASON) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
