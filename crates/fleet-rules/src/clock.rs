//! What the clock does to an instance when no record comes.

use std::time::Duration;

use fleet_core::Timestamp;

use crate::compare::Verdict;
use crate::count;
use crate::instance::Instance;
use crate::levels::{self, worst};
use crate::machine::{self, Phase, Seen, Step, What};
use crate::memory::Memory;
use crate::rule::{Condition, Hold, Rule};
use crate::window::Window;

/// A rule that watches as many instances as it may has room again when it turned none away for so
/// long.
const CALM: Duration = Duration::from_secs(600);

/// What time it is.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// By the clock of this machine.
    pub(crate) now: Timestamp,
    /// Since when this tool waits for its first record, if none came yet.
    pub(crate) waits: Option<Timestamp>,
}

impl Clock {
    /// When a thing is missed that should have come within a time: as long as this tool has read
    /// nothing itself, not before it has waited for all of that time. A tool that begins does not
    /// miss what it is about to read.
    fn missed(self, from: Timestamp, time: Duration) -> Timestamp {
        let due = from.plus(time);
        self.waits.map_or(due, |began| due.max(began.plus(time)))
    }
}

/// What the clock did.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ticked {
    /// What happened.
    pub(crate) what: What,
    /// Whether it was told and not over before.
    pub(crate) fired: bool,
    /// Since when the condition holds, or held.
    pub(crate) since: Timestamp,
}

/// When the clock will have something to do, by the clock of this machine.
pub(crate) fn due(rule: &Rule, instance: &Instance, clock: Clock) -> Option<Timestamp> {
    if instance.is_itself() {
        return instance.is_firing().then(|| instance.seen.plus(CALM));
    }
    if instance.phase.is_none() && !instance.watched {
        return None;
    }
    let all = [
        forget_due(rule, instance, clock),
        no_data_due(rule, instance, clock),
        absent_due(rule, instance, clock),
        stale_due(rule, instance, clock),
        rate_due(rule, instance),
        phase_due(rule, instance, clock),
    ];
    all.into_iter().flatten().min()
}

/// Moves an instance on; nothing if the clock has nothing to do for it.
pub(crate) fn tick(rule: &Rule, instance: &mut Instance, clock: Clock) -> Option<Ticked> {
    let (before, fired) = (instance.phase, instance.is_firing());
    let what = happens(rule, instance, clock)?;
    let phase = if fired { before } else { instance.phase };
    let since = phase.map_or(instance.last, Phase::since);
    Some(Ticked { what, fired, since })
}

fn happens(rule: &Rule, instance: &mut Instance, clock: Clock) -> Option<What> {
    let reached = |due: Option<Timestamp>| due.is_some_and(|due| due <= clock.now);
    if instance.is_itself() {
        let over = reached(due(rule, instance, clock));
        instance.phase = instance.phase.filter(|_| !over);
        return over.then_some(What::Resolved);
    }
    if reached(forget_due(rule, instance, clock)) {
        instance.phase = None;
        instance.higher.clear();
        instance.watched = false;
        return Some(What::Vanished);
    }
    let at = instance.worked(clock.now);
    if reached(no_data_due(rule, instance, clock)) {
        let (phase, what) = machine::no_data(instance.phase, instance.last, at);
        instance.phase = phase;
        instance.higher.clear();
        return Some(what);
    }
    let timing = &rule.timing;
    if reached(absent_due(rule, instance, clock)) || reached(stale_due(rule, instance, clock)) {
        let (phase, what) = machine::step(timing, instance.phase, Seen::Met, at);
        instance.phase = phase.map(|phase| since_last(rule, instance, phase));
        return Some(what);
    }
    let before = (instance.is_firing(), worst(&instance.higher));
    let step = by_phase(rule, instance, clock)?;
    levels::tick(timing, &mut instance.higher, holds(rule), at);
    let (phase, what) = levels::climbed(step, before, &mut instance.higher, at);
    instance.phase = phase;
    Some(what)
}

/// What is absent is so since it was last seen.
fn since_last(rule: &Rule, instance: &Instance, phase: Phase) -> Phase {
    match (phase, &rule.condition) {
        (Phase::Firing { told, .. }, Condition::Absent { .. }) => {
            Phase::Firing { since: instance.last, told }
        }
        _ => phase,
    }
}

fn by_phase(rule: &Rule, instance: &mut Instance, clock: Clock) -> Option<Step> {
    let phase = instance.phase?;
    let (timing, at) = (&rule.timing, instance.worked(clock.now));
    if let Some(counts) = timing.counts() {
        let at = instance.clock(clock.now);
        return Some(count::tick(counts, phase, &mut instance.hits, at));
    }
    if rate_due(rule, instance).is_some_and(|due| due <= clock.now)
        && rate_is_over(rule, instance, clock)
    {
        return Some(machine::step(timing, Some(phase), Seen::Cleared, at));
    }
    Some(machine::tick(timing, phase, holds(rule), at))
}

/// Whether a condition holds until a record says otherwise: those of kinds that report changes do.
/// A sample says nothing of the time after it. A value that stays the same does so while none
/// comes.
fn holds(rule: &Rule) -> bool {
    match &rule.condition {
        Condition::Levels(_) => rule.on != "sample",
        Condition::Windowed { window, .. } => matches!(window, Window::Stale(_)),
        Condition::Absent { .. } => false,
    }
}

/// The moment at which an instance's own clock shows this.
fn wall(instance: &Instance, at: Timestamp) -> Timestamp {
    let ahead = at.nanos().saturating_sub(instance.last.nanos());
    Timestamp::from_nanos(instance.seen.nanos().saturating_add(ahead))
}

/// The same for a clock that stood still while no tool was at work.
fn worked_wall(instance: &Instance, at: Timestamp) -> Timestamp {
    Timestamp::from_nanos(wall(instance, at).nanos().saturating_add(instance.down))
}

fn forget_due(rule: &Rule, instance: &Instance, clock: Clock) -> Option<Timestamp> {
    // Of what has no name there is one, which may be missed for ever.
    let lasts = matches!(rule.condition, Condition::Absent { .. }) && rule.by.is_empty();
    (!lasts).then(|| clock.missed(instance.awaited(), rule.forget_after()))
}

fn no_data_due(rule: &Rule, instance: &Instance, clock: Clock) -> Option<Timestamp> {
    let told = matches!(instance.phase, Some(Phase::NoData { .. }));
    let time = rule.no_data.filter(|_| !told)?;
    Some(clock.missed(instance.awaited(), time))
}

fn absent_due(rule: &Rule, instance: &Instance, clock: Clock) -> Option<Timestamp> {
    let Condition::Absent { time, .. } = rule.condition else { return None };
    let told = matches!(instance.phase, Some(Phase::Firing { .. }));
    (!told).then(|| clock.missed(instance.awaited(), time))
}

fn stale_due(rule: &Rule, instance: &Instance, clock: Clock) -> Option<Timestamp> {
    let (Condition::Windowed { window: Window::Stale(stale), .. }, Memory::Stale(same)) =
        (&rule.condition, &instance.memory)
    else {
        return None;
    };
    let unarmed = rule.crossed && !instance.armed;
    // A clock that ticks is no record to be counted.
    let counts = matches!(rule.timing.hold, Hold::Times(_));
    let idle = matches!(instance.phase, None | Some(Phase::Recovering { .. }));
    if !idle || unarmed || counts {
        return None;
    }
    let due = worked_wall(instance, same.due(stale)?);
    Some(clock.missed(due, Duration::ZERO))
}

fn rate_due(rule: &Rule, instance: &Instance) -> Option<Timestamp> {
    let (Condition::Windowed { window: Window::Rate(rate), .. }, Memory::Rate(rises)) =
        (&rule.condition, &instance.memory)
    else {
        return None;
    };
    let fires = matches!(instance.phase, Some(Phase::Firing { .. }));
    Some(wall(instance, rises.due(rate).filter(|_| fires)?))
}

fn rate_is_over(rule: &Rule, instance: &mut Instance, clock: Clock) -> bool {
    let at = instance.clock(clock.now);
    match (&rule.condition, &mut instance.memory) {
        (Condition::Windowed { window: Window::Rate(rate), .. }, Memory::Rate(rises)) => {
            rises.judge(rate, at) == Verdict::No
        }
        _ => false,
    }
}

fn phase_due(rule: &Rule, instance: &Instance, clock: Clock) -> Option<Timestamp> {
    let (timing, phase) = (&rule.timing, instance.phase?);
    if let Some(counts) = timing.counts() {
        return count::due(counts, phase, &instance.hits).map(|at| wall(instance, at));
    }
    let due = machine::due(timing, phase, holds(rule));
    let higher = levels::due(timing, &instance.higher, holds(rule));
    let due = worked_wall(instance, due.into_iter().chain(higher).min()?);
    match (phase, timing.hold) {
        (Phase::Pending { .. }, Hold::For(time)) => {
            Some(clock.waits.map_or(due, |began| due.max(began.plus(time))))
        }
        _ => Some(due),
    }
}
