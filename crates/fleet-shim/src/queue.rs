//! Waiting for a turn: first for other runs, then in a line for a slot.
//!
//! A queued shim looks, and if its turn has not come, it sleeps until something that it looked at
//! changes. Whoever changes it looks for the tickets of those who wait for that and sends their
//! shims SIGUSR2 ([`fleet_registry::Ticket`]). For the case that it is killed before it does, each
//! who waits holds pidfds of those that it waits for: the shims of its dependencies, the shim
//! right before it in the line, or, at the head of the line, those that hold the slots. So nothing
//! is asked twice and nobody polls, however long a line is; only where a supervisor is being
//! replaced, or was lost and is to be healed, is there no descriptor to wait on, and then the shim
//! looks again after a while.
//!
//! Who waits for GPUs asks their driver at the head of its line, too, when a holder ends and now and
//! then besides: memory that becomes free and GPUs that vanish tell nobody (see `gpus`).
//!
//! A turn is taken under the registry's lock, where all can see who holds the slots.

use std::io;
use std::time::Duration;

use fleet_core::{
    After, Cause, End, Happening, Health, Id, Incarnation, ProcessRecord, Progress, Queue, Signal,
    State, Timestamp, Until, duration_text,
};
use fleet_gpu::Devices;
use fleet_os::{PidFd, incarnation, monotonic_nanos};
use fleet_registry::{
    RegistryLock, RunDir, Ticket, ahead_of, next_in_line, read_record, slot_holders, waiters,
};
use serde_json::json;

use crate::post::Post;
use crate::supervise::{MILLI, SECOND, Shim};

/// So many others are held by pidfds at the most; the rest tell by a signal alone.
const WATCHED: usize = 64;
/// First and longest pause before a look that nothing calls for.
const PAUSE: (u64, u64) = (20 * MILLI, 5 * SECOND);
/// The same where it is the driver of the GPUs that is asked.
const DRIVER_PAUSE: (u64, u64) = (SECOND, 30 * SECOND);
/// How long the registry's lock is waited for.
const LOCK: Duration = Duration::from_millis(100);

/// What a shim remembers between two looks.
#[derive(Default)]
pub(crate) struct Waiting {
    /// Whose end is news.
    pub(crate) watched: Vec<PidFd>,
    /// When to look without news (monotonic nanoseconds).
    pub(crate) look_at: Option<u64>,
    pause: u64,
    /// Whether something that was looked at can change without news.
    pub(crate) unsure: bool,
    /// Whether the driver of the GPUs is to be asked again, without news.
    pub(crate) asks_driver: bool,
    /// Since when this machine has not the GPUs that are wanted (monotonic nanoseconds).
    pub(crate) gpus_gone: Option<u64>,
    /// Whether this shim's name is on its tickets.
    signed: bool,
    /// What those who wait for this run were last woken for.
    told: Option<(State, Option<Health>)>,
}

/// What a look found.
pub(crate) enum Verdict {
    /// Its turn has come; with the lock under which it is taken, where there is a line.
    Turn(Option<RegistryLock>),
    /// It has not; why, in words.
    Wait(String),
    /// It will never come; why, in words.
    Never(String),
}

/// Who looks after another run.
enum Care {
    /// Its shim.
    Shim(PidFd),
    /// Another shim in a moment: its keeper lives.
    Keeper,
    /// Nobody, but its main process lives.
    None(PidFd),
    /// Nobody, and nothing of it is known to live.
    Gone,
}

impl Shim<'_> {
    /// Takes up a run whose turn has not come.
    pub(crate) fn queue_up(&mut self, replaces: bool) {
        self.look_at_line();
        if self.record.state != State::Queued {
            return;
        }
        let words = self.record.waiting.clone().unwrap_or_default();
        match (self.adopts, replaces) {
            (true, _) => self.event("adopted", "keeper and shim had died", json!({})),
            (_, true) => self.event("shim_replaced", "the shim had died", json!({})),
            _ => self.event("queued", words, json!({})),
        }
        self.tell_spawner("queued".to_owned());
    }

    /// Looks whether the turn has come, and if not, why.
    pub(crate) fn look_at_line(&mut self) {
        if self.record.state != State::Queued || self.leaving {
            return;
        }
        self.waiting.watched.clear();
        self.waiting.unsure = false;
        self.waiting.asks_driver = false;
        match self.look() {
            Verdict::Turn(lock) => self.take_turn(lock),
            Verdict::Wait(words) => self.wait_on(words),
            Verdict::Never(words) => {
                self.happened(Happening::DependencyFailed);
                let answer = format!("err 1 {words}");
                self.over(End::new(Cause::DependencyFailed, words));
                self.tell_spawner(answer);
            }
        }
    }

    fn look(&mut self) -> Verdict {
        if !self.record.in_line {
            let found = self.dependencies();
            if !matches!(found, Verdict::Turn(_)) {
                return found;
            }
            self.take_tickets_of_dependencies();
        }
        match self.post.spec.queue.clone() {
            None => Verdict::Turn(None),
            Some(queue) => {
                self.record.in_line = true;
                self.stand_in_line(&queue)
            }
        }
    }

    /// Says why it waits, when that has changed, and sees to it that the next look comes.
    fn wait_on(&mut self, words: String) {
        let waiting = &mut self.waiting;
        let driver = waiting.asks_driver.then_some(DRIVER_PAUSE);
        let pauses = if waiting.unsure { Some(PAUSE) } else { driver };
        let doubled = |(first, longest)| (waiting.pause * 2).clamp(first, longest);
        waiting.pause = pauses.map_or(0, doubled);
        waiting.look_at = pauses.map(|_| monotonic_nanos() + waiting.pause);
        let first = !std::mem::replace(&mut waiting.signed, true);
        if first || self.record.waiting.as_ref() != Some(&words) {
            self.record.waiting = Some(words);
            self.publish();
        }
    }

    /// The next attempt is the first. That others see it hold its slot comes before all else, so
    /// that a kill at any moment leaves it in the line or beyond it.
    fn take_turn(&mut self, lock: Option<RegistryLock>) {
        let waited = Timestamp::now().seconds_since(self.record.spawned_at).max(0.0);
        let words = self.record.waiting.take();
        let in_line = std::mem::take(&mut self.record.in_line);
        self.happened(Happening::Turn);
        match &lock {
            None => self.publish(),
            Some(lock) => {
                if let Err(e) = self.publish_under(lock) {
                    self.record.state = State::Queued;
                    self.record.gpus.clear();
                    (self.record.waiting, self.record.in_line) = (words, in_line);
                    self.waiting.unsure = true;
                    return self.wait_on(format!("cannot take its turn: {e}"));
                }
            }
        }
        if words.is_some() {
            let text = duration_text(Duration::from_secs_f64(waited));
            let data = json!({"waited_seconds": waited});
            self.event("turn", format!("its turn has come after {text}"), data);
        } else {
            self.event("spawned", "its supervisor starts it", json!({}));
        }
        drop(lock);
        self.waiting.look_at = None;
        self.leave_queue();
        self.start_attempt();
    }

    /// Takes its tickets away, and wakes the head of its line: there may be a slot.
    pub(crate) fn leave_queue(&mut self) {
        self.waiting.watched.clear();
        self.take_tickets_of_dependencies();
        let (spec, home) = (&self.post.spec, &self.post.home);
        if let Some(queue) = &spec.queue {
            Ticket::in_line(home, queue, spec.spawned_at, &spec.key()).take_away();
            wake_head(self.post, &queue.group);
        }
    }

    /// Wakes those who wait for this run, if it has come further since it last did so.
    pub(crate) fn wake_waiters(&mut self) {
        let now = (self.record.state, self.record.health);
        if self.waiting.told.replace(now) == Some(now) {
            return;
        }
        for ticket in waiters(&self.post.home, &self.record.id) {
            match stands(self.post, &ticket) {
                Stands::Waits => wake(self.post, &ticket),
                Stands::Void => ticket.take_away(),
                Stands::Alone => {}
            }
        }
    }

    /// Puts down its ticket, or this shim's name on it.
    fn sign(&mut self, ticket: &Ticket) {
        if self.waiting.signed && ticket.lies() {
            return;
        }
        let me = incarnation(std::process::id() as i32);
        // Without its ticket nobody would wake it: then it looks from time to time.
        self.waiting.unsure |= me.and_then(|me| ticket.put(&self.post.boot, me)).is_err();
    }

    fn watch(&mut self, other: PidFd) {
        if self.waiting.watched.len() < WATCHED {
            self.waiting.watched.push(other);
        }
    }
}

// Dependencies.

impl Shim<'_> {
    /// Looks at all that it waits for; all must be as it should be at the same time.
    fn dependencies(&mut self) -> Verdict {
        let mut pending = Vec::new();
        for after in self.post.spec.after.clone() {
            // The ticket first: what changes after this look, wakes.
            self.sign(&Ticket::after(&self.post.home, &after.id, &self.post.spec.key()));
            match self.dependency(&after) {
                Ok(Progress::Reached) => {}
                Ok(_) => pending.push(format!("'{}' {}", after.id, after.until.goal())),
                Err(Verdict::Wait(words)) => pending.push(words),
                Err(never) => return never,
            }
        }
        match pending.is_empty() {
            true => Verdict::Turn(None),
            false => Verdict::Wait(format!("waits for {}", pending.join(", "))),
        }
    }

    fn dependency(&mut self, after: &After) -> Result<Progress, Verdict> {
        let dir = self.post.home.run_of(&after.key());
        let goal = format!("'{}' {}", after.id, after.until.goal());
        let never = |why: String| Err(Verdict::Never(format!("waited for {goal}, but {why}")));
        let (record, care) = match read_record(&dir) {
            Ok(record) => newest(self.post, &dir, record),
            // Its shim has not written yet, or was killed before it did.
            Err(_) if dir.path().exists() => {
                self.waiting.unsure = true;
                return Ok(Progress::Pending);
            }
            // Only what has ended is forgotten.
            Err(_) if after.until == Until::Ended => return Ok(Progress::Reached),
            Err(_) => return never("its run was forgotten, with how it ended".to_owned()),
        };
        let progress = after.until.progress(record.state, record.health);
        if record.state.has_ended() {
            return match progress {
                Progress::Reached => Ok(progress),
                _ => never(how_it_ended(&record)),
            };
        }
        match care {
            Care::Shim(shim) => self.watch(shim),
            Care::Keeper => self.waiting.unsure = true,
            Care::None(main) => self.watch(main),
            Care::Gone if record.boot != self.post.boot => {
                return never("the machine was started anew while it ran".to_owned());
            }
            Care::Gone if can_be_healed(&record) => {
                self.waiting.unsure = true;
                let words = "has lost its supervisors until a tool, fleet-ps say, meets it";
                return Err(Verdict::Wait(format!("{goal}, which {words}")));
            }
            Care::Gone if after.until.progress(State::Lost, None) == Progress::Reached => {
                return Ok(Progress::Reached);
            }
            Care::Gone => return never("it died with its supervisors".to_owned()),
        }
        let runs = matches!(record.state, State::Running | State::Paused);
        if after.until == Until::Healthy && runs && record.health.is_none() {
            let words = "it has no check and has not said READY=1";
            return Err(Verdict::Wait(format!("{goal} ({words})")));
        }
        Ok(progress)
    }

    fn take_tickets_of_dependencies(&self) {
        let (home, waiter) = (&self.post.home, self.post.spec.key());
        for after in &self.post.spec.after {
            Ticket::after(home, &after.id, &waiter).take_away();
        }
    }
}

/// Whether a tool that meets it starts it again, or may find its main process.
fn can_be_healed(record: &ProcessRecord) -> bool {
    record.is_to_start_again() || matches!(record.state, State::Queued | State::Starting)
}

fn how_it_ended(record: &ProcessRecord) -> String {
    let reason = record.exit.as_ref().map_or("nobody knows how", |exit| exit.reason.as_str());
    match record.state {
        // The reason of a stop begins with `stopped`.
        State::Stopped => format!("it was {reason}"),
        State::Lost => format!("it was lost: {reason}"),
        state => format!("it {state}: {reason}"),
    }
}

// The line.

impl Shim<'_> {
    fn stand_in_line(&mut self, queue: &Queue) -> Verdict {
        let spec = &self.post.spec;
        let ticket = Ticket::in_line(&self.post.home, queue, spec.spawned_at, &spec.key());
        self.sign(&ticket);
        let words = line_words(queue);
        if self.is_behind(&ticket) {
            return Verdict::Wait(words);
        }
        // Drivers take their time: others are not to wait for the lock meanwhile.
        let devices = match self.ask_for_gpus() {
            Ok(devices) => devices,
            Err(why) => return Verdict::Wait(format!("{words}, but {why}")),
        };
        let Ok(lock) = RegistryLock::take_within(&self.post.home, LOCK) else {
            self.waiting.unsure = true;
            return Verdict::Wait(words);
        };
        // Somebody of a higher priority may have come meanwhile.
        if self.is_behind(&ticket) {
            return Verdict::Wait(words);
        }
        match self.what_is_missing(queue, devices.as_ref()) {
            Ok(None) => Verdict::Turn(Some(lock)),
            Ok(Some(verdict)) => verdict,
            Err(e) => {
                self.waiting.unsure = true;
                Verdict::Wait(format!("{words}, but the registry cannot be read: {e}"))
            }
        }
    }

    /// What the head of the line waits for: a slot, then GPUs, which it holds from here on. Called
    /// under the registry's lock.
    fn what_is_missing(
        &mut self,
        queue: &Queue,
        devices: Option<&Devices>,
    ) -> io::Result<Option<Verdict>> {
        if let Some(slots) = queue.slots {
            let holders = slot_holders(&self.post.home, &queue.group)?;
            if self.in_truth(holders, false).len() as u64 >= u64::from(slots) {
                return Ok(Some(Verdict::Wait(line_words(queue))));
            }
        }
        devices.map_or(Ok(None), |devices| self.take_gpus(devices))
    }

    /// Whether somebody stands before it, whose end is then watched. Tickets that are left over are
    /// taken away; who has lost its supervisors keeps its place, but holds nobody up.
    fn is_behind(&mut self, ticket: &Ticket) -> bool {
        let mut at = ticket.clone();
        while let Some(ahead) = ahead_of(&at) {
            match stands(self.post, &ahead) {
                Stands::Void => ahead.take_away(),
                Stands::Alone => {}
                Stands::Waits => {
                    match ahead.shim(&self.post.boot).and_then(alive) {
                        Some(shim) => self.watch(shim),
                        None => self.waiting.unsure = true,
                    }
                    return true;
                }
            }
            at = ahead;
        }
        false
    }

    /// Those of them that live in truth; the ends of the first ones are watched. With `healed`, also
    /// those that are started again with what they hold by whoever meets them.
    pub(crate) fn in_truth(
        &mut self,
        holders: Vec<ProcessRecord>,
        healed: bool,
    ) -> Vec<ProcessRecord> {
        let me = self.post.spec.key();
        let mut held = Vec::new();
        for known in holders.into_iter().filter(|record| record.key() != me) {
            let dir = self.post.home.run_of(&known.key());
            let (record, care) = newest(self.post, &dir, read_record(&dir).unwrap_or(known));
            if record.state.has_ended() || record.state == State::Queued {
                continue;
            }
            match care {
                Care::Shim(other) | Care::None(other) => self.watch(other),
                Care::Keeper => self.waiting.unsure = true,
                Care::Gone if healed && self.starts_again(&record) => self.waiting.unsure = true,
                Care::Gone => continue,
            }
            held.push(record);
        }
        held
    }
}

/// What somebody in a line stands there for.
fn line_words(queue: &Queue) -> String {
    match queue.slots {
        None => format!("stands in line '{}' for GPUs", queue.group),
        Some(1) => format!("stands in line for the slot of '{}'", queue.group),
        Some(slots) => format!("stands in line for one of {slots} slots of '{}'", queue.group),
    }
}

/// Wakes the first one of a line that can be woken.
fn wake_head(post: &Post, group: &Id) {
    let mut at = None;
    while let Some(ticket) = next_in_line(&post.home, group, at.as_ref()) {
        match stands(post, &ticket) {
            Stands::Waits => return wake(post, &ticket),
            Stands::Void => ticket.take_away(),
            Stands::Alone => {}
        }
        at = Some(ticket);
    }
}

// Others.

/// What a ticket is worth.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Stands {
    /// Its run waits.
    Waits,
    /// Its run waits and has lost its supervisors: once it is healed, it goes on.
    Alone,
    /// Its run does not wait, and never will again.
    Void,
}

fn stands(post: &Post, ticket: &Ticket) -> Stands {
    let dir = post.home.run_of(ticket.run());
    let supervised = dir.is_supervised();
    match read_record(&dir) {
        Ok(record) if record.state != State::Queued => Stands::Void,
        _ if supervised => Stands::Waits,
        // Without the folder of its run a shim goes on all the same.
        Err(_) if ticket.shim(&post.boot).and_then(alive).is_some() => Stands::Waits,
        Err(_) if !dir.path().exists() => Stands::Void,
        _ => Stands::Alone,
    }
}

/// Wakes the shim that a ticket names. One that is being replaced looks when it is there.
fn wake(post: &Post, ticket: &Ticket) {
    if let Some(shim) = ticket.shim(&post.boot).and_then(alive) {
        let _ = shim.signal(Signal::USR2);
    }
}

/// A process, held, while it lives.
fn alive(who: Incarnation) -> Option<PidFd> {
    PidFd::of(who).ok().flatten().filter(|held| !held.has_exited())
}

/// The newest record of a run and who looks after it. An end that was written in between is seen.
fn newest(post: &Post, dir: &RunDir, record: ProcessRecord) -> (ProcessRecord, Care) {
    let care = care(post, dir, &record);
    match care {
        Care::Gone => (read_record(dir).unwrap_or(record), care),
        _ => (record, care),
    }
}

fn care(post: &Post, dir: &RunDir, record: &ProcessRecord) -> Care {
    if record.boot != post.boot {
        return Care::Gone;
    }
    if let Some(shim) = record.shim.and_then(|shim| alive(shim.who)) {
        return Care::Shim(shim);
    }
    if dir.is_supervised() {
        return Care::Keeper;
    }
    record.main().and_then(alive).map_or(Care::Gone, Care::None)
}
