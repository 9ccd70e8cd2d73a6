//! The thread of one channel.

use std::collections::BTreeSet;
use std::sync::{MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use fleet_core::Timestamp;

use crate::carrier::{Carrier, Verdict};
use crate::courier::round::{After, Moment, Round, Step};
use crate::courier::{News, Remains, Shared, State};
use crate::history::Tried;
use crate::schedule::jitter;
use crate::spool::entry::{Entry, Unreadable};
use crate::spool::{SpoolError, Turn};

/// What a channel's thread knows; it is kept from one thread to the next.
pub(super) struct Worker {
    channel: String,
    round: Round,
    carrier: Option<Box<dyn Carrier>>,
    /// Delivered or buried, but the disk did not let go of them.
    finished: BTreeSet<String>,
    /// Those that the disk did not take.
    unwritten: BTreeSet<String>,
    passed_over: BTreeSet<String>,
    /// What was last said of a trouble.
    trouble: Option<String>,
    dead: bool,
    spool_trouble: Option<String>,
}

impl Worker {
    pub(super) fn new(channel: &str) -> Worker {
        Worker {
            channel: channel.to_owned(),
            round: Round::default(),
            carrier: None,
            finished: BTreeSet::new(),
            unwritten: BTreeSet::new(),
            passed_over: BTreeSet::new(),
            trouble: None,
            dead: false,
            spool_trouble: None,
        }
    }

    /// Delivers until nothing is left or all is to end.
    pub(super) fn run(mut self, shared: &Shared) {
        while self.begins(shared) {
            let step = self.deliver(shared);
            let remains = self.remains();
            if let Step::Wait(time) = step {
                self.sleep(shared, time, remains);
                continue;
            }
            let mut state = shared.lock();
            let lane = state.lanes.entry(self.channel.clone()).or_default();
            lane.remains = remains;
            if !lane.woken {
                return self.end(shared, state);
            }
        }
        self.end(shared, shared.lock());
    }

    /// Leaves what it knows to the next thread.
    fn end(self, shared: &Shared, mut state: MutexGuard<'_, State>) {
        let lane = state.lanes.entry(self.channel.clone()).or_default();
        lane.running = false;
        lane.worker = Some(self);
        shared.changed.notify_all();
    }

    /// Notes that what is in the spool by now will be seen; not when all is to end.
    fn begins(&self, shared: &Shared) -> bool {
        let mut state = shared.lock();
        let closing = state.closing;
        let lane = state.lanes.entry(self.channel.clone()).or_default();
        (lane.woken, lane.sleeps_until) = (false, None);
        !closing
    }

    fn remains(&self) -> Remains {
        let waiting = self.round.len();
        let last_error = self.trouble.clone().unwrap_or_default();
        Remains { waiting, in_memory: self.unwritten.len(), last_error }
    }

    /// Sleeps until the time is over, something came, or all is to end.
    fn sleep(&self, shared: &Shared, time: Duration, remains: Remains) {
        let until = Instant::now() + time;
        let mut state = shared.lock();
        let lane = state.lanes.entry(self.channel.clone()).or_default();
        lane.remains = remains;
        lane.sleeps_until = Some(until);
        shared.changed.notify_all();
        loop {
            let woken = state.lanes.get(&self.channel).is_some_and(|lane| lane.woken);
            let left = until.saturating_duration_since(Instant::now());
            if woken || state.closing || left.is_zero() {
                return;
            }
            let waited = shared.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Delivers, under the lock of the channel, what can be delivered now.
    fn deliver(&mut self, shared: &Shared) -> Step {
        let _turn = self.turn(shared);
        self.refresh(shared);
        while self.goes_on(shared) {
            match self.round.next(Moment::now(), shared.deliver_for) {
                Step::Try(name) => self.attempt(shared, &name),
                Step::GiveUp(name) => self.give_up(shared, &name),
                step => return step,
            }
        }
        Step::Wait(Duration::ZERO)
    }

    /// Says what remains, and whether a further try may begin.
    fn goes_on(&self, shared: &Shared) -> bool {
        let remains = self.remains();
        let mut state = shared.lock();
        state.lanes.entry(self.channel.clone()).or_default().remains = remains;
        !state.closing
    }

    fn turn(&mut self, shared: &Shared) -> Option<Turn> {
        match shared.spool.turn(&self.channel) {
            Ok(turn) => Some(turn),
            Err(error) => {
                self.spool_fails(shared, &error);
                None
            }
        }
    }

    /// Looks at what is in the spool now.
    fn refresh(&mut self, shared: &Shared) {
        let now = Moment::now();
        for entry in shared.spool.take_unwritten(&self.channel) {
            self.unwritten.insert(entry.name.clone());
            self.round.add(entry, now);
        }
        let (names, strange) = match shared.spool.names(&self.channel) {
            Ok(names) => names,
            Err(error) => return self.spool_fails(shared, &error),
        };
        let there: BTreeSet<&str> = names.iter().map(String::as_str).collect();
        let unwritten = &self.unwritten;
        self.round.retain(|name| there.contains(name) || unwritten.contains(name));
        self.finished.retain(|name| there.contains(name.as_str()));
        for name in &names {
            if !self.round.holds(name) && !self.finished.contains(name) {
                self.read(shared, name, now);
            }
        }
        for name in strange {
            self.pass_over(shared, name, "it is not named as an entry".to_owned());
        }
    }

    fn read(&mut self, shared: &Shared, name: &str, now: Moment) {
        match shared.spool.read(&self.channel, name) {
            Ok(Ok(entry)) => self.round.add(entry, now),
            Ok(Err(Unreadable::Gone)) => {}
            Ok(Err(why @ Unreadable::Newer(_))) => {
                self.pass_over(shared, name.to_owned(), why.to_string());
            }
            Ok(Err(Unreadable::Broken(why))) => {
                shared.spool.bury_file(&self.channel, name, &why);
                let why = format!("it cannot be read ({why}) and lies with the dead letters now");
                self.pass_over(shared, name.to_owned(), why);
            }
            Err(error) => self.spool_fails(shared, &error),
        }
    }

    fn pass_over(&mut self, shared: &Shared, file: String, why: String) {
        if self.passed_over.insert(file.clone()) {
            shared.tell(News::PassedOver { channel: self.channel.clone(), file, why });
        }
    }

    /// Tries one entry.
    fn attempt(&mut self, shared: &Shared, name: &str) {
        let verdict = self.carry(shared, name);
        let now = Moment::now();
        if let Some(entry) = self.round.get(name) {
            shared.tell(tried(entry, &verdict, now.wall));
        }
        match self.round.after(name, &verdict, now, jitter()) {
            After::Done => {
                self.works_again(shared);
                let done = shared.spool.done(&self.channel, name);
                self.leave(shared, name, done);
            }
            After::Again(entry, wait) => {
                self.troubled(shared, &entry.last_error, wait);
                match shared.spool.again(&entry) {
                    Ok(()) => drop(self.unwritten.remove(name)),
                    Err(error) => self.spool_fails(shared, &error),
                }
            }
            After::Bury(entry, why) => self.bury(shared, &[*entry], &why),
            After::BuryAll(why) => self.die(shared, &why),
        }
    }

    fn carry(&mut self, shared: &Shared, name: &str) -> Verdict {
        if self.carrier.is_none() {
            let opened = shared.openers.get(&self.channel).map(|open| open());
            match opened {
                Some(Ok(carrier)) => self.carrier = Some(carrier),
                Some(Err(why)) => {
                    // What waits may still go out once a person has seen to it.
                    self.needs_a_person(shared, &why);
                    return Verdict::Again { after: None, channel: true, why };
                }
                None => {}
            }
        }
        let Some(entry) = self.round.get(name) else { return Verdict::Delivered };
        match &mut self.carrier {
            Some(carrier) => carrier.deliver(&entry.notification),
            None => Verdict::Refused { why: "is not configured".to_owned() },
        }
    }

    fn give_up(&mut self, shared: &Shared, name: &str) {
        let Some(entry) = self.round.get(name).cloned() else { return };
        let why = match entry.last_error.as_str() {
            "" => shared.too_old(),
            error => format!("{}; the last try: {error}", shared.too_old()),
        };
        self.needs_a_person(shared, &why);
        self.bury(shared, &[entry], &why);
    }

    /// The channel is dead, and with it all that waits for it.
    fn die(&mut self, shared: &Shared, why: &str) {
        self.needs_a_person(shared, why);
        // A person may have put a new secret in place.
        self.carrier = None;
        let names = self.round.names();
        let all: Vec<Entry> = names.iter().filter_map(|n| self.round.get(n).cloned()).collect();
        self.bury(shared, &all, &format!("the channel is dead: it {why}"));
    }

    /// Says once, until it works again, that the channel does not without a person's help.
    fn needs_a_person(&mut self, shared: &Shared, why: &str) {
        self.trouble = Some(why.to_owned());
        if !self.dead {
            self.dead = true;
            let (channel, why) = (self.channel.clone(), why.to_owned());
            shared.tell(News::Died { channel, why });
        }
    }

    fn bury(&mut self, shared: &Shared, entries: &[Entry], why: &str) {
        for entry in entries {
            let buried = shared.spool.bury(entry, why);
            self.leave(shared, &entry.name, buried);
        }
        let (channel, many, why) = (self.channel.clone(), entries.len(), why.to_owned());
        shared.tell(News::Buried { channel, many, why });
    }

    /// An entry is no longer ours to deliver, whether or not the disk lets go of it.
    fn leave(&mut self, shared: &Shared, name: &str, result: Result<(), SpoolError>) {
        self.round.remove(name);
        self.unwritten.remove(name);
        if let Err(error) = result {
            self.finished.insert(name.to_owned());
            self.spool_fails(shared, &error);
        }
    }

    fn works_again(&mut self, shared: &Shared) {
        let troubled = self.trouble.take().is_some();
        self.dead = false;
        if troubled {
            shared.tell(News::Recovered { channel: self.channel.clone() });
        }
    }

    fn troubled(&mut self, shared: &Shared, why: &str, again_in: Duration) {
        if self.trouble.as_deref() != Some(why) {
            self.trouble = Some(why.to_owned());
            let (channel, why) = (self.channel.clone(), why.to_owned());
            shared.tell(News::Trouble { channel, why, again_in });
        }
    }

    fn spool_fails(&mut self, shared: &Shared, error: &SpoolError) {
        let why = error.sentence();
        if self.spool_trouble.as_ref() != Some(&why) {
            self.spool_trouble = Some(why.clone());
            shared.tell(News::Spool { why });
        }
    }
}

fn tried(entry: &Entry, verdict: &Verdict, at: Timestamp) -> News {
    let (word, why) = match verdict {
        Verdict::Delivered => ("delivered", ""),
        Verdict::Again { why, .. } => ("again", why.as_str()),
        Verdict::Refused { why } => ("refused", why.as_str()),
        Verdict::Dead { why } => ("dead", why.as_str()),
    };
    News::Tried(Tried {
        ts: at,
        channel: entry.notification.channel.clone(),
        notification: entry.notification.id.clone(),
        fingerprints: entry.fingerprints().into_iter().map(str::to_owned).collect(),
        word: word.to_owned(),
        text: why.to_owned(),
    })
}
