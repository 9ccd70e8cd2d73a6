//! The states of an alert: one pure function for what a record does to it and one for what the
//! clock does. Tested as a table.

use fleet_core::Timestamp;
use serde::{Deserialize, Serialize};

use crate::rule::{Hold, Timing};
pub use crate::what::What;

/// Where an instance is, beyond *ok*, which is having no phase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Phase {
    /// The condition holds, but not for long enough.
    Pending {
        /// Since when it holds.
        since: Timestamp,
        /// For how many records in a row.
        streak: u32,
    },
    /// It was told.
    Firing {
        /// Since when the condition holds.
        since: Timestamp,
        /// When it was last told.
        told: Timestamp,
    },
    /// The condition is over, but not for long enough.
    Recovering {
        /// Since when the condition held.
        since: Timestamp,
        /// When it was last told.
        told: Timestamp,
        /// Since when it is over.
        from: Timestamp,
    },
    /// No record came for too long, and that was told.
    NoData {
        /// When the last one was.
        since: Timestamp,
        /// When it was last told.
        told: Timestamp,
        /// Since when the condition held, if it fired until then.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        was: Option<Timestamp>,
    },
}

impl Phase {
    /// Since when the condition holds, or held.
    pub fn since(self) -> Timestamp {
        match self {
            Phase::Pending { since, .. }
            | Phase::Firing { since, .. }
            | Phase::Recovering { since, .. }
            | Phase::NoData { since, .. } => since,
        }
    }

    /// Whether it was told and is not over.
    pub fn is_firing(self) -> bool {
        !matches!(self, Phase::Pending { .. })
    }

    /// The same after a time that does not count toward what must last.
    #[must_use]
    pub(crate) fn paused(self, by: i64) -> Phase {
        let moved = |at: Timestamp| Timestamp::from_nanos(at.nanos().saturating_add(by));
        match self {
            Phase::Pending { since, streak } => Phase::Pending { since: moved(since), streak },
            Phase::Recovering { since, told, from } => {
                Phase::Recovering { since, told, from: moved(from) }
            }
            Phase::Firing { .. } | Phase::NoData { .. } => self,
        }
    }

    /// The same, told at this moment.
    #[must_use]
    pub(crate) fn told_at(self, at: Timestamp) -> Phase {
        match self {
            Phase::Pending { .. } => self,
            Phase::Firing { since, .. } => Phase::Firing { since, told: at },
            Phase::Recovering { since, from, .. } => Phase::Recovering { since, told: at, from },
            Phase::NoData { since, was, .. } => Phase::NoData { since, told: at, was },
        }
    }

    /// The same phase on a clock that was set by so many nanoseconds, so that what was held
    /// stays held.
    #[must_use]
    pub fn shifted(self, by: i64) -> Phase {
        let moved = |at: Timestamp| Timestamp::from_nanos(at.nanos().saturating_add(by));
        match self {
            Phase::Pending { since, streak } => Phase::Pending { since: moved(since), streak },
            Phase::Firing { since, told } => {
                Phase::Firing { since: moved(since), told: moved(told) }
            }
            Phase::Recovering { since, told, from } => {
                Phase::Recovering { since: moved(since), told: moved(told), from: moved(from) }
            }
            Phase::NoData { since, told, was } => {
                Phase::NoData { since: moved(since), told: moved(told), was: was.map(moved) }
            }
        }
    }
}

/// What a record shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// The condition is met.
    Met,
    /// It is not, and the bound for recovery, where there is one, is not reached either.
    Between,
    /// It is over.
    Cleared,
}

/// The next phase and what happened.
pub type Step = (Option<Phase>, What);

/// What a record does.
pub fn step(timing: &Timing, phase: Option<Phase>, seen: Seen, at: Timestamp) -> Step {
    match (phase, seen) {
        (None, Seen::Met) => held(timing, at, 1, at, What::PendingBegan),
        (None, _) => (None, What::Unmet),
        (Some(Phase::Pending { since, streak }), Seen::Met) => {
            held(timing, since, streak.saturating_add(1), at, What::PendingWaits)
        }
        (Some(Phase::Pending { .. }), _) => (None, What::PendingDropped),
        (Some(Phase::Firing { since, told }), Seen::Met | Seen::Between) => {
            still(timing, since, told, at)
        }
        (Some(Phase::Firing { since, told }), Seen::Cleared) => {
            over(timing, Phase::Recovering { since, told, from: at }, at, at, What::RecoveryBegan)
        }
        (Some(Phase::Recovering { since, told, .. }), Seen::Met | Seen::Between) => {
            (Some(Phase::Firing { since, told }), What::FiringAgain)
        }
        (Some(phase @ Phase::Recovering { from, .. }), Seen::Cleared) => {
            over(timing, phase, from, at, What::KeepsFiring)
        }
        (Some(Phase::NoData { told, was, .. }), seen) => back(timing, told, was, seen, at),
    }
}

/// What the first record does after there were none: it goes on where it was, if it fired then.
fn back(
    timing: &Timing,
    told: Timestamp,
    was: Option<Timestamp>,
    seen: Seen,
    at: Timestamp,
) -> Step {
    let before = was.map(|since| Phase::Firing { since, told });
    match step(timing, before, seen, at) {
        (Some(phase), _) if phase.is_firing() => (Some(phase.told_at(at)), What::BackFiring),
        (phase, _) => (phase, What::DataBack),
    }
}

/// What it does that no record came for so long: the last was at `since`.
pub(crate) fn no_data(phase: Option<Phase>, since: Timestamp, at: Timestamp) -> Step {
    let was = phase.filter(|phase| phase.is_firing()).map(Phase::since);
    (Some(Phase::NoData { since, told: at, was }), What::NoData)
}

/// What the clock alone does; `holds` says that the condition holds until a record says
/// otherwise.
pub fn tick(timing: &Timing, phase: Phase, holds: bool, at: Timestamp) -> Step {
    match phase {
        Phase::Pending { since, streak } if holds => {
            held(timing, since, streak, at, What::PendingWaits)
        }
        Phase::Pending { .. } => (Some(phase), What::PendingWaits),
        Phase::Firing { since, told } => still(timing, since, told, at),
        Phase::Recovering { from, .. } => over(timing, phase, from, at, What::KeepsFiring),
        Phase::NoData { since, told, .. } => match still(timing, since, told, at).1 {
            What::Repeated => (Some(phase.told_at(at)), What::Repeated),
            what => (Some(phase), what),
        },
    }
}

/// When [`tick`] will next have something to do.
pub fn due(timing: &Timing, phase: Phase, holds: bool) -> Option<Timestamp> {
    match phase {
        Phase::Pending { since, .. } => match timing.hold {
            Hold::For(time) if holds => Some(since.plus(time)),
            _ => None,
        },
        Phase::Firing { told, .. } | Phase::NoData { told, .. } => {
            timing.repeat.map(|time| told.plus(time))
        }
        Phase::Recovering { from, .. } => Some(from.plus(timing.keep_firing_for)),
    }
}

fn held(timing: &Timing, since: Timestamp, streak: u32, at: Timestamp, waits: What) -> Step {
    let enough = match timing.hold {
        Hold::Now => true,
        Hold::For(time) => at >= since.plus(time),
        Hold::Times(times) => streak >= times,
        // Counted elsewhere (`count`): whoever comes here has enough.
        Hold::Count(_) => true,
    };
    if enough {
        (Some(Phase::Firing { since, told: at }), What::Fired)
    } else {
        (Some(Phase::Pending { since, streak }), waits)
    }
}

fn still(timing: &Timing, since: Timestamp, told: Timestamp, at: Timestamp) -> Step {
    match timing.repeat {
        Some(time) if at >= told.plus(time) => {
            (Some(Phase::Firing { since, told: at }), What::Repeated)
        }
        _ => (Some(Phase::Firing { since, told }), What::StillFiring),
    }
}

fn over(timing: &Timing, phase: Phase, from: Timestamp, at: Timestamp, waits: What) -> Step {
    if at >= from.plus(timing.keep_firing_for) {
        (None, What::Resolved)
    } else {
        (Some(phase), waits)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    fn timing(hold: Hold, keep: u64, repeat: Option<u64>) -> Timing {
        Timing {
            hold,
            keep_firing_for: Duration::from_secs(keep),
            repeat: repeat.map(Duration::from_secs),
        }
    }

    /// Runs a story of seconds and what is seen then (`+` met, `=` between, `-` cleared, `.` only
    /// the clock) and returns what happened.
    fn story(timing: &Timing, events: &[(i64, char)]) -> Vec<What> {
        let mut phase = None;
        let mut happened = Vec::new();
        for &(second, event) in events {
            let seen = match event {
                '+' => Seen::Met,
                '=' => Seen::Between,
                '-' => Seen::Cleared,
                _ => {
                    let Some(now) = phase else { continue };
                    let (next, what) = tick(timing, now, true, at(second));
                    phase = next;
                    happened.push(what);
                    continue;
                }
            };
            let (next, what) = step(timing, phase, seen, at(second));
            phase = next;
            happened.push(what);
        }
        happened
    }

    #[test]
    fn the_table() {
        use What::*;
        let minute = Duration::from_secs(60);
        type Case<'a> = (&'a str, Timing, &'a [(i64, char)], &'a [What]);
        let cases: [Case<'_>; 10] = [
            (
                "without `for` the first record fires, the next ones do not",
                timing(Hold::Now, 0, None),
                &[(0, '-'), (1, '+'), (2, '+'), (3, '-'), (4, '-')],
                &[Unmet, Fired, StillFiring, Resolved, Unmet],
            ),
            (
                "`for` must be held",
                timing(Hold::For(minute), 0, None),
                &[(0, '+'), (30, '+'), (59, '+'), (60, '+'), (70, '-')],
                &[PendingBegan, PendingWaits, PendingWaits, Fired, Resolved],
            ),
            (
                "a gap starts `for` anew",
                timing(Hold::For(minute), 0, None),
                &[(0, '+'), (59, '-'), (60, '+'), (61, '+'), (120, '+')],
                &[PendingBegan, PendingDropped, PendingBegan, PendingWaits, Fired],
            ),
            (
                "`for` of nothing is now",
                timing(Hold::For(Duration::ZERO), 0, None),
                &[(0, '+')],
                &[Fired],
            ),
            (
                "`times` counts records in a row",
                timing(Hold::Times(3), 0, None),
                &[(0, '+'), (0, '+'), (0, '-'), (1, '+'), (1, '+'), (1, '+')],
                &[PendingBegan, PendingWaits, PendingDropped, PendingBegan, PendingWaits, Fired],
            ),
            (
                "between the bounds it stays as it is",
                timing(Hold::Now, 0, None),
                &[(0, '='), (1, '+'), (2, '='), (3, '='), (4, '-')],
                &[Unmet, Fired, StillFiring, StillFiring, Resolved],
            ),
            (
                "`keep_firing_for` swallows flapping",
                timing(Hold::Now, 60, None),
                &[(0, '+'), (1, '-'), (30, '-'), (31, '+'), (32, '-'), (91, '-'), (92, '-')],
                &[
                    Fired,
                    RecoveryBegan,
                    KeepsFiring,
                    FiringAgain,
                    RecoveryBegan,
                    KeepsFiring,
                    Resolved,
                ],
            ),
            (
                "the clock alone ends recovery",
                timing(Hold::Now, 60, None),
                &[(0, '+'), (1, '-'), (30, '.'), (61, '.')],
                &[Fired, RecoveryBegan, KeepsFiring, Resolved],
            ),
            (
                "the clock alone ends `for`",
                timing(Hold::For(minute), 0, None),
                &[(0, '+'), (59, '.'), (60, '.')],
                &[PendingBegan, PendingWaits, Fired],
            ),
            (
                "`repeat` tells again, on a record or by the clock",
                timing(Hold::Now, 0, Some(60)),
                &[(0, '+'), (59, '+'), (60, '+'), (119, '.'), (120, '.'), (121, '-')],
                &[Fired, StillFiring, Repeated, StillFiring, Repeated, Resolved],
            ),
        ];
        for (name, timing, events, happened) in cases {
            assert_eq!(story(&timing, events), happened, "{name}");
        }
    }

    #[test]
    fn what_comes_after_no_data() {
        let (now, held) = (timing(Hold::Now, 0, None), timing(Hold::Times(2), 0, None));
        let keeps = timing(Hold::Now, 60, None);
        let fires = Phase::Firing { since: at(0), told: at(0) };
        let pending = Phase::Pending { since: at(0), streak: 1 };
        for (name, timing, before, seen, what, fires_after) in [
            ("good again", now, None, Seen::Cleared, What::DataBack, false),
            ("bad at once", now, None, Seen::Met, What::BackFiring, true),
            ("bad, but not for long enough", held, None, Seen::Met, What::DataBack, false),
            (
                "what was pending was not told",
                held,
                Some(pending),
                Seen::Met,
                What::DataBack,
                false,
            ),
            ("bad still", held, Some(fires), Seen::Met, What::BackFiring, true),
            ("over", now, Some(fires), Seen::Cleared, What::DataBack, false),
            (
                "over, but not for long enough",
                keeps,
                Some(fires),
                Seen::Cleared,
                What::BackFiring,
                true,
            ),
            ("between the bounds", now, Some(fires), Seen::Between, What::BackFiring, true),
        ] {
            let (silent, told) = no_data(before, at(1), at(10));
            assert_eq!((told, silent.map(Phase::is_firing)), (What::NoData, Some(true)), "{name}");
            let (after, happened) = step(&timing, silent, seen, at(20));
            let fires = after.is_some_and(Phase::is_firing);
            assert_eq!((happened, fires), (what, fires_after), "{name}");
        }
    }

    #[test]
    fn what_the_clock_has_to_do_is_known_beforehand() {
        let both = timing(Hold::For(Duration::from_secs(60)), 30, Some(90));
        let pending = Phase::Pending { since: at(0), streak: 1 };
        assert_eq!(due(&both, pending, true), Some(at(60)));
        assert_eq!(due(&both, pending, false), None);
        let firing = Phase::Firing { since: at(0), told: at(60) };
        assert_eq!(due(&both, firing, false), Some(at(150)));
        let recovering = Phase::Recovering { since: at(0), told: at(60), from: at(70) };
        assert_eq!(due(&both, recovering, false), Some(at(100)));
    }

    #[test]
    fn a_clock_that_is_set_keeps_what_was_held() {
        let pending = Phase::Pending { since: at(1000), streak: 2 };
        let shifted = pending.shifted(-900 * 1_000_000_000);
        assert_eq!(shifted, Phase::Pending { since: at(100), streak: 2 });
    }
}
