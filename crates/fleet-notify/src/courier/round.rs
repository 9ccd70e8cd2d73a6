//! What one channel has to deliver, and which is next: decisions only.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use fleet_core::Timestamp;

use crate::carrier::Verdict;
use crate::schedule::{LONGEST_ASKED, later, pause};
use crate::spool::entry::Entry;

/// The moment, on the clock that nobody sets and on the one that others can read.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    pub(super) steady: Instant,
    pub(super) wall: Timestamp,
}

impl Moment {
    pub(super) fn now() -> Moment {
        Moment { steady: Instant::now(), wall: Timestamp::now() }
    }
}

/// The entries of a channel that are not delivered yet.
#[derive(Debug, Default)]
pub(super) struct Round {
    waiting: BTreeMap<String, Waiting>,
    /// Until when none of them is tried.
    held_until: Option<Instant>,
    /// Tries in a row that failed because of the channel.
    failures: u32,
}

#[derive(Debug)]
struct Waiting {
    entry: Entry,
    due: Instant,
}

/// What to do next.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// Nothing waits.
    Rest,
    /// Wait so long.
    Wait(Duration),
    /// Try this one.
    Try(String),
    /// This one has waited for too long.
    GiveUp(String),
}

/// What is to be done with an entry after a try.
#[derive(Debug, PartialEq)]
pub(super) enum After {
    Done,
    Again(Box<Entry>, Duration),
    Bury(Box<Entry>, String),
    /// This one and all others of the channel.
    BuryAll(String),
}

impl Round {
    pub(super) fn holds(&self, name: &str) -> bool {
        self.waiting.contains_key(name)
    }

    pub(super) fn len(&self) -> usize {
        self.waiting.len()
    }

    pub(super) fn get(&self, name: &str) -> Option<&Entry> {
        self.waiting.get(name).map(|waiting| &waiting.entry)
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.waiting.keys().cloned().collect()
    }

    /// Takes an entry in. How long it is to wait still is reckoned from its own two times, so that
    /// a clock that was set back makes no wait longer.
    pub(super) fn add(&mut self, entry: Entry, now: Moment) {
        let left = match (entry.last_try, entry.next) {
            (Some(tried), Some(next)) => {
                let whole = next.seconds_since(tried).min(LONGEST_ASKED.as_secs_f64());
                next.seconds_since(now.wall).min(whole)
            }
            _ => 0.0,
        };
        let left = Duration::try_from_secs_f64(left).unwrap_or_default();
        let due = now.steady + left;
        if entry.holds_channel && !left.is_zero() {
            self.held_until = self.held_until.max(Some(due));
            self.failures = self.failures.max(entry.tries);
        }
        self.waiting.insert(entry.name.clone(), Waiting { entry, due });
    }

    pub(super) fn remove(&mut self, name: &str) {
        self.waiting.remove(name);
    }

    /// Keeps those that are still there.
    pub(super) fn retain(&mut self, is_there: impl Fn(&str) -> bool) {
        self.waiting.retain(|name, _| is_there(name));
    }

    /// What to do next. An entry waits behind an older one that shares an alert with it: a notice
    /// that something is over must not come before the one that it is wrong.
    pub(super) fn next(&self, now: Moment, deliver_for: Duration) -> Step {
        let mut ahead: BTreeSet<&str> = BTreeSet::new();
        let mut soonest: Option<Instant> = None;
        let held = self.held_until.unwrap_or(now.steady);
        for (name, Waiting { entry, due }) in &self.waiting {
            if now.wall.seconds_since(entry.since) > deliver_for.as_secs_f64() {
                return Step::GiveUp(name.clone());
            }
            let fingerprints = entry.fingerprints();
            if fingerprints.is_disjoint(&ahead) {
                let due = held.max(*due);
                if due <= now.steady {
                    return Step::Try(name.clone());
                }
                soonest = Some(soonest.map_or(due, |soonest| soonest.min(due)));
            }
            ahead.extend(fingerprints);
        }
        soonest.map_or(Step::Rest, |due| Step::Wait(due - now.steady))
    }

    /// What a try has led to. The entry stays until it is [`Round::remove`]d, with its new times.
    pub(super) fn after(
        &mut self,
        name: &str,
        verdict: &Verdict,
        now: Moment,
        jitter: f64,
    ) -> After {
        let Some(Waiting { entry, due }) = self.waiting.get_mut(name) else { return After::Done };
        entry.tries = entry.tries.saturating_add(1);
        entry.first_try.get_or_insert(now.wall);
        entry.last_try = Some(now.wall);
        let (after, channel, why) = match verdict {
            Verdict::Delivered => {
                (self.failures, self.held_until) = (0, None);
                return After::Done;
            }
            Verdict::Refused { why } => {
                entry.last_error.clone_from(why);
                return After::Bury(Box::new(entry.clone()), why.clone());
            }
            Verdict::Dead { why } => return After::BuryAll(why.clone()),
            Verdict::Again { after, channel, why } => (*after, *channel, why),
        };
        self.failures = if channel { self.failures.saturating_add(1) } else { 0 };
        let wait = pause(if channel { self.failures } else { entry.tries }, after, jitter);
        *due = now.steady + wait;
        self.held_until = channel.then_some(*due);
        entry.holds_channel = channel;
        entry.next = Some(later(now.wall, wait));
        entry.last_error.clone_from(why);
        After::Again(Box::new(entry.clone()), wait)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::spool::entry::tests::notification;

    const DAY: Duration = Duration::from_secs(86_400);

    fn entry(name: &str, fingerprint: &str) -> Entry {
        let notification = notification("c", name, fingerprint);
        Entry::new(notification, name.to_owned(), Timestamp::now())
    }

    fn round(entries: &[(&str, &str)], now: Moment) -> Round {
        let mut round = Round::default();
        entries.iter().for_each(|(name, fingerprint)| round.add(entry(name, fingerprint), now));
        round
    }

    fn after(now: Moment, seconds: f64) -> Moment {
        let time = Duration::from_secs_f64(seconds);
        Moment { steady: now.steady + time, wall: later(now.wall, time) }
    }

    fn again(channel: bool, after: Option<u64>) -> Verdict {
        let after = after.map(Duration::from_secs);
        Verdict::Again { after, channel, why: "said 429".to_owned() }
    }

    fn attempt(name: &str) -> Step {
        Step::Try(name.to_owned())
    }

    #[test]
    fn the_oldest_goes_first_and_nothing_is_rest() {
        let now = Moment::now();
        let mut both = round(&[("2", "b"), ("1", "a")], now);
        assert_eq!(both.next(now, DAY), attempt("1"));
        assert_eq!(both.after("1", &Verdict::Delivered, now, 0.0), After::Done);
        both.remove("1");
        assert_eq!(both.next(now, DAY), attempt("2"));
        both.remove("2");
        assert_eq!(both.next(now, DAY), Step::Rest);
    }

    #[test]
    fn trouble_of_the_channel_holds_all_of_it() {
        let now = Moment::now();
        let mut both = round(&[("1", "a"), ("2", "b")], now);
        both.after("1", &again(true, Some(7)), now, 0.5);
        assert_eq!(both.next(now, DAY), Step::Wait(Duration::from_secs(7)));
        assert_eq!(both.next(after(now, 7.0), DAY), attempt("1"));
        both.after("1", &again(true, None), after(now, 7.0), 0.0);
        assert_eq!(both.next(after(now, 7.0), DAY), Step::Wait(Duration::from_secs(2)));
    }

    #[test]
    fn trouble_of_one_lets_others_pass_but_not_those_of_the_same_alert() {
        let now = Moment::now();
        let mut three = round(&[("1", "a"), ("2", "a"), ("3", "b")], now);
        three.after("1", &again(false, None), now, 0.0);
        assert_eq!(three.next(now, DAY), attempt("3"));
        three.remove("3");
        assert_eq!(three.next(now, DAY), Step::Wait(Duration::from_secs(1)));
        let then = after(now, 1.0);
        assert_eq!(three.next(then, DAY), attempt("1"));
        let refused = Verdict::Refused { why: "no".to_owned() };
        assert!(matches!(three.after("1", &refused, then, 0.0), After::Bury(..)));
        three.remove("1");
        assert_eq!(three.next(then, DAY), attempt("2"));
    }

    #[test]
    fn what_waited_for_too_long_is_given_up() {
        let now = Moment::now();
        let one = round(&[("1", "a")], now);
        assert_eq!(one.next(after(now, 86_399.0), DAY), attempt("1"));
        assert_eq!(one.next(after(now, 86_401.0), DAY), Step::GiveUp("1".to_owned()));
    }

    #[test]
    fn waits_outlive_the_tool_and_clocks_that_are_set() {
        let now = Moment::now();
        let mut first = round(&[("1", "a")], now);
        let After::Again(kept, wait) = first.after("1", &again(true, Some(60)), now, 0.0) else {
            panic!("it is tried again");
        };
        assert_eq!((kept.tries, wait), (1, Duration::from_secs(60)));
        for (passed, left) in [(20.0, 40.0), (-3600.0, 60.0)] {
            let wall = Timestamp::from_nanos(now.wall.nanos() + (passed * 1e9) as i64);
            let then = Moment { steady: now.steady, wall };
            let mut second = Round::default();
            second.add((*kept).clone(), then);
            second.add(entry("2", "b"), then);
            let Step::Wait(waits) = second.next(then, DAY) else { panic!("the channel is held") };
            assert!((waits.as_secs_f64() - left).abs() < 0.001, "{waits:?}");
        }
        let mut third = Round::default();
        third.add(*kept, after(now, 61.0));
        assert_eq!(third.next(after(now, 61.0), DAY), attempt("1"));
    }
}
