//! Rules that count: how many records matched within a time.

use std::collections::VecDeque;
use std::time::Duration;

use fleet_core::Timestamp;
use serde::{Deserialize, Serialize};

use crate::machine::{self, Phase, Seen, Step, What};
use crate::rule::Timing;

/// The most that a rule may count: as many times are remembered, and written down.
pub(crate) const MOST: u32 = 1000;

/// How many within which time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Count {
    /// So many records.
    pub count: u32,
    /// In so long.
    pub within: Duration,
}

/// When the newest records were that matched, the oldest first. No more are remembered than are
/// counted.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Hits(VecDeque<Timestamp>);

impl Hits {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are, no more than are counted.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Takes note of one, which may come late.
    pub(crate) fn note(&mut self, at: Timestamp, rule: Count) {
        let place = self.0.partition_point(|hit| *hit <= at);
        self.0.insert(place, at);
        while self.0.len() > rule.count as usize {
            self.0.pop_front();
        }
    }

    /// Forgets those that lie too far back.
    fn forget(&mut self, now: Timestamp, rule: Count) {
        while self.0.front().is_some_and(|hit| hit.plus(rule.within) <= now) {
            self.0.pop_front();
        }
    }

    /// The same on a clock that was set by so many nanoseconds.
    pub(crate) fn shift(&mut self, by: i64) {
        for hit in &mut self.0 {
            *hit = Timestamp::from_nanos(hit.nanos().saturating_add(by));
        }
    }

    fn are_enough(&self, rule: Count) -> bool {
        self.0.len() >= rule.count as usize
    }

    fn pending(&self) -> Option<Phase> {
        let since = *self.0.front()?;
        Some(Phase::Pending { since, streak: u32::try_from(self.0.len()).unwrap_or(u32::MAX) })
    }
}

/// What a record does, which was noted before if it matched.
pub(crate) fn step(
    (rule, timing): (Count, &Timing),
    phase: Option<Phase>,
    hits: &mut Hits,
    matched: bool,
    at: Timestamp,
) -> Step {
    hits.forget(at, rule);
    let enough = hits.are_enough(rule);
    match phase {
        Some(phase) if phase.is_firing() => {
            let seen = if enough { Seen::Met } else { Seen::Cleared };
            match machine::step(timing, Some(phase), seen, at) {
                // Those that are still within the time count on.
                (None, what) => (hits.pending(), what),
                fires => fires,
            }
        }
        _ if enough => {
            let since = hits.0.front().copied().unwrap_or(at);
            (Some(Phase::Firing { since, told: at }), What::Fired)
        }
        None if matched => (hits.pending(), What::PendingBegan),
        None => (None, What::Unmet),
        Some(_) if hits.is_empty() => (None, What::PendingDropped),
        Some(_) if matched => (hits.pending(), What::PendingWaits),
        Some(_) => (hits.pending(), What::Unmet),
    }
}

/// What the clock alone does.
pub(crate) fn tick(
    (rule, timing): (Count, &Timing),
    phase: Phase,
    hits: &mut Hits,
    at: Timestamp,
) -> Step {
    if matches!(phase, Phase::NoData { .. }) {
        return machine::tick(timing, phase, false, at);
    }
    match step((rule, timing), Some(phase), hits, false, at) {
        // It was waiting and goes on to.
        (next, What::Unmet) => (next, What::PendingWaits),
        done => done,
    }
}

/// When [`tick`] will next have something to do.
pub(crate) fn due(
    (rule, timing): (Count, &Timing),
    phase: Phase,
    hits: &Hits,
) -> Option<Timestamp> {
    let leaves = |hit: Option<&Timestamp>| hit.map(|hit| hit.plus(rule.within));
    match phase {
        Phase::Pending { .. } => leaves(hits.0.back()),
        Phase::Firing { .. } => {
            let told_again = machine::due(timing, phase, false);
            // What is empty was written before it was cut short: look at once.
            let over = leaves(hits.0.front()).unwrap_or(phase.since());
            Some(told_again.map_or(over, |again| again.min(over)))
        }
        Phase::Recovering { .. } | Phase::NoData { .. } => machine::due(timing, phase, false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::Hold;
    use proptest::prelude::*;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    fn timing(count: u32, within: u64, keep: u64) -> Timing {
        let within = Duration::from_secs(within);
        let keep_firing_for = Duration::from_secs(keep);
        Timing { hold: Hold::Count(Count { count, within }), keep_firing_for, repeat: None }
    }

    /// Runs a story of seconds and what is seen then (`+` a record that matches, `-` one that does
    /// not, `.` only the clock) and returns what happened.
    fn story(timing: &Timing, events: &[(i64, char)]) -> Vec<What> {
        let counts = timing.counts().unwrap();
        let (mut phase, mut hits) = (None, Hits::default());
        let mut happened = Vec::new();
        for &(second, event) in events {
            let now = at(second);
            let (next, what) = match (event, phase) {
                ('.', Some(phase)) => tick(counts, phase, &mut hits, now),
                ('.', None) => continue,
                (sign, _) => {
                    if sign == '+' {
                        hits.note(now, counts.0);
                    }
                    step(counts, phase, &mut hits, sign == '+', now)
                }
            };
            phase = next;
            happened.push(what);
        }
        happened
    }

    #[test]
    fn the_table() {
        use What::*;
        type Case<'a> = (&'a str, Timing, &'a [(i64, char)], &'a [What]);
        let cases: [Case<'_>; 6] = [
            (
                "so many within the time, whatever comes between",
                timing(3, 60, 0),
                &[(0, '-'), (1, '+'), (2, '-'), (30, '+'), (59, '+'), (60, '-')],
                &[Unmet, PendingBegan, Unmet, PendingWaits, Fired, StillFiring],
            ),
            (
                "too slow is never enough",
                timing(3, 60, 0),
                &[(0, '+'), (40, '+'), (61, '+'), (102, '+'), (170, '-')],
                &[PendingBegan, PendingWaits, PendingWaits, PendingWaits, PendingDropped],
            ),
            (
                "fewer again is over, by a record or by the clock",
                timing(2, 60, 0),
                &[(0, '+'), (10, '+'), (59, '.'), (60, '.'), (61, '+'), (70, '-'), (121, '.')],
                &[PendingBegan, Fired, StillFiring, Resolved, Fired, Resolved, PendingDropped],
            ),
            (
                "one is told at once and is over after the time",
                timing(1, 60, 0),
                &[(0, '+'), (5, '-'), (59, '.'), (60, '.'), (61, '-')],
                &[Fired, StillFiring, StillFiring, Resolved, Unmet],
            ),
            (
                "`keep_firing_for` holds it longer",
                timing(2, 60, 30),
                &[(0, '+'), (1, '+'), (61, '.'), (70, '+'), (71, '+'), (140, '.'), (170, '.')],
                &[
                    PendingBegan,
                    Fired,
                    RecoveryBegan,
                    KeepsFiring,
                    FiringAgain,
                    RecoveryBegan,
                    Resolved,
                ],
            ),
            (
                "at one moment",
                timing(3, 60, 0),
                &[(0, '+'), (0, '+'), (0, '+')],
                &[PendingBegan, PendingWaits, Fired],
            ),
        ];
        for (name, timing, events, happened) in cases {
            assert_eq!(story(&timing, events), happened, "{name}");
        }
    }

    #[test]
    fn what_the_clock_has_to_do_is_known_beforehand() {
        let timing = timing(2, 60, 30);
        let counts = timing.counts().unwrap();
        let mut hits = Hits::default();
        hits.note(at(10), counts.0);
        hits.note(at(5), counts.0);
        let pending = Phase::Pending { since: at(5), streak: 1 };
        assert_eq!(due(counts, pending, &hits), Some(at(70)), "when the last is forgotten");
        let firing = Phase::Firing { since: at(5), told: at(10) };
        assert_eq!(due(counts, firing, &hits), Some(at(65)), "when they are too few");
        let recovering = Phase::Recovering { since: at(5), told: at(10), from: at(65) };
        assert_eq!(due(counts, recovering, &hits), Some(at(95)));
    }

    proptest! {
        /// Firing is to have so many of all hits within the time, however few are remembered.
        #[test]
        fn it_fires_while_there_are_so_many(
            steps in prop::collection::vec((0i64..30, any::<bool>()), 0..60),
            count in 1u32..6,
            within in 1u64..60,
        ) {
            let timing = timing(count, within, 0);
            let counts = timing.counts().unwrap();
            let (mut phase, mut hits, mut now) = (None, Hits::default(), 0);
            let mut all = Vec::new();
            for (pause, matches) in steps {
                now += pause;
                if matches {
                    all.push(now);
                    hits.note(at(now), counts.0);
                }
                let (next, what) = step(counts, phase, &mut hits, matches, at(now));
                phase = next;
                prop_assert!(what != What::PendingBegan || matches);
                let near = all.iter().filter(|hit| **hit + within as i64 > now).count();
                prop_assert_eq!(phase.is_some_and(Phase::is_firing), near >= count as usize);
                prop_assert_eq!(phase.is_none(), near == 0);
                prop_assert!(hits.len() <= count as usize);
            }
        }
    }
}
