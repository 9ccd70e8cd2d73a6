//! What a record does to an instance.

use fleet_core::Timestamp;

use crate::compare::Verdict;
use crate::count;
use crate::instance::Instance;
use crate::levels::{self, worst};
use crate::machine::{self, Phase, Seen, What};
use crate::memory::{Memory, Sight};
use crate::rule::{Hold, Rule};

/// What a record shows of a condition.
#[derive(Debug)]
pub(crate) struct Sighted {
    /// Whether the condition, or its mildest level, is met.
    pub(crate) verdict: Verdict,
    /// What that comes to.
    pub(crate) seen: Seen,
    /// What it comes to for each of the other levels.
    pub(crate) higher: Vec<Seen>,
}

impl Sighted {
    /// What is shown of a condition without levels.
    pub(crate) fn of(verdict: Verdict, seen: Seen) -> Sighted {
        Sighted { verdict, seen, higher: Vec::new() }
    }

    /// Whether no level is met.
    pub(crate) fn is_nothing(&self) -> bool {
        self.seen != Seen::Met && !self.higher.contains(&Seen::Met)
    }
}

/// Holds a record against what is remembered; nothing if it says nothing to the rule. What was
/// remembered of a run before is not about this one, but for a counter, which only begins at 0.
pub(crate) fn look(
    rule: &Rule,
    instance: &mut Instance,
    anew: bool,
    sight: &Sight<'_>,
) -> Option<Verdict> {
    let anew = anew && !matches!(instance.memory, Memory::Rate(_));
    if anew {
        instance.memory = Memory::None;
    }
    let verdict = instance.memory.note(rule.window()?, sight)?;
    // Of the run before it may have been known; of this one nothing is wrong yet.
    Some(if anew && verdict == Verdict::Unknown { Verdict::No } else { verdict })
}

/// What it is that an alert fires still, now that a later run of its process is seen: where nothing
/// needs to be held, the run has failed on its own, and that is told.
pub(crate) fn anew(rule: &Rule, instance: &mut Instance, what: What, at: Timestamp) -> What {
    if what != What::StillFiring || rule.timing.hold != Hold::Now || !instance.higher.is_empty() {
        return what;
    }
    instance.phase = Some(Phase::Firing { since: at, told: at });
    What::FiredAnew
}

/// Moves the instance on.
pub(crate) fn step(
    rule: &Rule,
    instance: &mut Instance,
    sighted: &Sighted,
    ts: Timestamp,
    at: Timestamp,
) -> What {
    let nothing = sighted.is_nothing();
    instance.armed |= rule.crossed && nothing && sighted.verdict == Verdict::No;
    if rule.crossed && !instance.armed && instance.phase.is_none() {
        return if nothing { What::Unmet } else { What::Unarmed };
    }
    let timing = &rule.timing;
    if let Some(counts) = timing.counts() {
        if !nothing {
            instance.hits.note(ts.min(at), counts.0);
        }
        let step = count::step(counts, instance.phase, &mut instance.hits, !nothing, at);
        instance.phase = step.0;
        return step.1;
    }
    let before = (instance.is_firing(), worst(&instance.higher));
    if sighted.higher.is_empty() {
        let (phase, what) = machine::step(timing, instance.phase, sighted.seen, at);
        instance.phase = phase;
        return what;
    }
    let all = [sighted.seen].into_iter().chain(sighted.higher.iter().copied()).collect();
    let all = levels::together(all, &instance.higher);
    let Some((first, higher)) = all.split_first() else { return What::Unmet };
    let main = machine::step(timing, instance.phase, *first, at);
    levels::step(timing, &mut instance.higher, higher, at);
    let (phase, what) = levels::climbed(main, before, &mut instance.higher, at);
    instance.phase = phase;
    what
}
