//! Rules with levels. Each level is held on its own: what is critical must be so for as long as
//! the rule says, not only bad at all. The mildest level is the alert itself; a worse one that
//! fires makes it worse.

use fleet_core::Timestamp;

use crate::machine::{self, Phase, Seen, Step, What};
use crate::rule::Timing;

/// What a record shows of each level, the mildest first, so that what is seen of a worse one is
/// seen of the milder ones: beyond 0.9 is beyond 0.7 too, even where a rule does not say so.
pub(crate) fn together(mut seen: Vec<Seen>, higher: &[Option<Phase>]) -> Vec<Seen> {
    let mut worse = Seen::Cleared;
    for at in (0..seen.len()).rev() {
        seen[at] = better_of(seen[at], worse);
        let fires = at > 0 && fires(higher.get(at - 1).copied().flatten());
        worse = match seen[at] {
            Seen::Between if !fires => better_of(worse, Seen::Cleared),
            held => held,
        };
    }
    seen
}

fn better_of(a: Seen, b: Seen) -> Seen {
    match (a, b) {
        (Seen::Met, _) | (_, Seen::Met) => Seen::Met,
        (Seen::Between, _) | (_, Seen::Between) => Seen::Between,
        _ => Seen::Cleared,
    }
}

fn fires(phase: Option<Phase>) -> bool {
    phase.is_some_and(Phase::is_firing)
}

/// The worst level that fires: 0 is the mildest, whose phase is that of the alert.
pub(crate) fn worst(higher: &[Option<Phase>]) -> usize {
    higher.iter().rposition(|phase| fires(*phase)).map_or(0, |at| at + 1)
}

/// What a record does to the levels above the mildest, of which `seen` tells.
pub(crate) fn step(timing: &Timing, higher: &mut Vec<Option<Phase>>, seen: &[Seen], at: Timestamp) {
    let timing = Timing { repeat: None, ..*timing };
    higher.resize(seen.len(), None);
    for (phase, seen) in higher.iter_mut().zip(seen) {
        *phase = machine::step(&timing, *phase, *seen, at).0;
    }
    tidy(higher);
}

/// What the clock does to them.
pub(crate) fn tick(timing: &Timing, higher: &mut Vec<Option<Phase>>, holds: bool, at: Timestamp) {
    let timing = Timing { repeat: None, ..*timing };
    for phase in higher.iter_mut() {
        *phase = phase.and_then(|phase| machine::tick(&timing, phase, holds, at).0);
    }
    tidy(higher);
}

/// When [`tick`] will next have something to do.
pub(crate) fn due(timing: &Timing, higher: &[Option<Phase>], holds: bool) -> Option<Timestamp> {
    let timing = Timing { repeat: None, ..*timing };
    higher.iter().flatten().filter_map(|phase| machine::due(&timing, *phase, holds)).min()
}

fn tidy(higher: &mut Vec<Option<Phase>>) {
    if higher.iter().all(Option::is_none) {
        higher.clear();
    }
}

/// What happened to the alert, the worst level that fires being another than before.
pub(crate) fn climbed(
    (phase, what): Step,
    before: (bool, usize),
    higher: &mut Vec<Option<Phase>>,
    at: Timestamp,
) -> Step {
    let now = worst(higher);
    match phase {
        Some(phase) if phase.is_firing() && before.0 && now != before.1 => {
            let what = if now > before.1 { What::Escalated } else { What::Lowered };
            (Some(phase.told_at(at)), what)
        }
        Some(_) => (phase, what),
        None => {
            higher.clear();
            (None, what)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rule::Hold;
    use std::time::Duration;

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_nanos(seconds * 1_000_000_000)
    }

    /// Runs a story of seconds and values of a rule that warns above 7 (over below 6) and is
    /// critical above 9 (over below 8); returns what happened and the worst level that fires.
    fn story(timing: &Timing, events: &[(i64, u8)]) -> Vec<(What, usize)> {
        let (mut phase, mut higher) = (None, Vec::new());
        let seen = |value: u8, bound: u8| match value {
            value if value > bound => Seen::Met,
            value if value < bound - 1 => Seen::Cleared,
            _ => Seen::Between,
        };
        let mut happened = Vec::new();
        for &(second, value) in events {
            let seen = together(vec![seen(value, 7), seen(value, 9)], &higher);
            let before = (fires(phase), worst(&higher));
            let main = machine::step(timing, phase, seen[0], at(second));
            step(timing, &mut higher, &seen[1..], at(second));
            let (next, what) = climbed(main, before, &mut higher, at(second));
            phase = next;
            happened.push((what, worst(&higher)));
        }
        happened
    }

    #[test]
    fn the_table() {
        use What::*;
        type Case<'c> = (&'c str, Hold, u64, &'c [(i64, u8)], &'c [(What, usize)]);
        let minute = Hold::For(Duration::from_secs(60));
        let cases: [Case<'_>; 6] = [
            (
                "up and down again",
                Hold::Now,
                0,
                &[(0, 8), (1, 10), (2, 10), (3, 7), (4, 5)],
                &[(Fired, 0), (Escalated, 1), (StillFiring, 1), (Lowered, 0), (Resolved, 0)],
            ),
            ("the worst at once", Hold::Now, 0, &[(0, 10), (1, 5)], &[(Fired, 1), (Resolved, 0)]),
            (
                "between its bounds a level stays as it is",
                Hold::Now,
                0,
                &[(0, 10), (1, 9), (2, 8), (3, 7), (4, 9), (5, 6)],
                &[
                    (Fired, 1),
                    (StillFiring, 1),
                    (StillFiring, 1),
                    (Lowered, 0),
                    (StillFiring, 0),
                    (StillFiring, 0),
                ],
            ),
            (
                "each level must be held",
                minute,
                0,
                &[(0, 8), (30, 10), (60, 10), (89, 10), (90, 10), (91, 5)],
                &[
                    (PendingBegan, 0),
                    (PendingWaits, 0),
                    (Fired, 0),
                    (StillFiring, 0),
                    (Escalated, 1),
                    (Resolved, 0),
                ],
            ),
            (
                "a peak is not held",
                minute,
                0,
                &[(0, 8), (30, 10), (40, 8), (70, 10), (100, 8)],
                &[
                    (PendingBegan, 0),
                    (PendingWaits, 0),
                    (PendingWaits, 0),
                    (Fired, 0),
                    (StillFiring, 0),
                ],
            ),
            (
                "keep_firing_for keeps the level too",
                Hold::Now,
                60,
                &[(0, 10), (10, 7), (30, 10), (40, 7), (100, 7), (101, 5), (161, 5)],
                &[
                    (Fired, 1),
                    (StillFiring, 1),
                    (StillFiring, 1),
                    (StillFiring, 1),
                    (Lowered, 0),
                    (RecoveryBegan, 0),
                    (Resolved, 0),
                ],
            ),
        ];
        for (name, hold, keep, events, happened) in cases {
            let keep_firing_for = Duration::from_secs(keep);
            let timing = Timing { hold, keep_firing_for, repeat: None };
            assert_eq!(story(&timing, events), happened, "{name}");
        }
    }
}
