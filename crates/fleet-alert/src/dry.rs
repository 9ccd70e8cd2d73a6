//! Rules, routes and silences at work in memory alone: what would be told, when and why, by a
//! clock that is only said.
//!
//! Nothing is delivered and nothing is written. The clock is moved by whoever has one: by the
//! records' own times (`--replay`), or by the steps of a case (`--test`). On its way it stops
//! wherever the rules or the desk have something to do by the clock alone, as a stream would.

use std::time::Duration;

use fleet_core::Timestamp;
use fleet_notify::{Decided, Desk, Happened, Notification, Policy, Silence};
use fleet_rules::{AlertRecord, Engine, Fed, Outcome, RuleSet};

use crate::config::Config;

/// The most stops on the way to one moment: a rule that is told again each second must not make a
/// day last for ever.
const STOPS: usize = 200_000;

/// What came of a record or of the clock.
#[derive(Debug)]
pub(crate) enum Event {
    /// An alert changed.
    Alert(AlertRecord),
    /// A channel would have been told.
    Told(Notification),
    /// It was decided to tell a channel, or not to.
    Decided(Decided),
    /// What the engine says of a record, in words.
    Explained(String),
}

impl Event {
    /// As a record of the history, where it is one.
    pub(crate) fn happened(self) -> Option<Happened> {
        match self {
            Event::Alert(alert) => Some(Happened::Alert(Box::new(alert))),
            Event::Decided(decided) => Some(Happened::Decided(decided)),
            Event::Told(_) | Event::Explained(_) => None,
        }
    }
}

/// Rules, routes and silences at work.
pub(crate) struct Dry {
    rules: RuleSet,
    engine: Engine,
    desk: Desk,
    explain: bool,
    now: Timestamp,
    /// Whether the desk has something to look at.
    taken: bool,
    outcomes: Vec<Outcome>,
    events: Vec<Event>,
}

impl Dry {
    /// The work of a configuration from this moment on.
    pub(crate) fn new(config: &Config, host: &str, start: Timestamp, explain: bool) -> Dry {
        let rules = config.rules.clone();
        Dry {
            engine: Engine::new(rules.clone(), explain),
            desk: Desk::new(Policy { host: host.to_owned(), ..config.policy.clone() }),
            rules,
            explain,
            now: start,
            taken: false,
            outcomes: Vec::new(),
            events: Vec::new(),
        }
    }

    /// What time it is.
    pub(crate) fn now(&self) -> Timestamp {
        self.now
    }

    /// What came of all since this was last asked.
    pub(crate) fn events(&mut self) -> Vec<Event> {
        std::mem::take(&mut self.events)
    }

    /// Holds a line against the rules; what came of it is settled with the next move of the
    /// clock, as all lines of one turn are.
    pub(crate) fn feed(&mut self, line: &[u8]) -> Fed {
        let fed = self.engine.feed(line, self.now, &mut self.outcomes);
        self.take();
        fed
    }

    /// Moves the clock to this moment, by way of all that happens before it. It is never moved back.
    pub(crate) fn advance(&mut self, to: Timestamp) {
        for _ in 0..STOPS {
            self.settle();
            let Some(at) = self.next().filter(|at| *at <= to) else { break };
            self.now = at;
            self.tick();
        }
        self.now = self.now.max(to);
    }

    /// Lets the desk decide about what came since it last did.
    pub(crate) fn settle(&mut self) {
        if !std::mem::take(&mut self.taken) {
            return;
        }
        let settled = self.desk.settle(self.now);
        let now = self.now;
        self.events.extend(settled.notifications.into_iter().map(Event::Told));
        self.events
            .extend(settled.decisions.into_iter().map(|d| Event::Decided(Decided::of(d, now))));
        self.engine.told();
    }

    /// Lets these silences hold alerts back from now on.
    pub(crate) fn silence(&mut self, silences: Vec<Silence>) {
        self.desk.silences(silences);
        self.taken = true;
    }

    /// Ends the engine and begins another one with what the first would have written down.
    pub(crate) fn restart(&mut self) {
        self.settle();
        let remembered = self.engine.instances().cloned().collect();
        self.engine = Engine::new(self.rules.clone(), self.explain);
        self.engine.restore(remembered);
    }

    /// The next moment at which the clock alone has something to do, which is later than now.
    fn next(&self) -> Option<Timestamp> {
        let due = [self.engine.next_tick(self.now), self.desk.next_due(self.now)];
        let wait = due.into_iter().flatten().min()?.max(Duration::from_millis(1));
        let nanos = i64::try_from(wait.as_nanos()).ok()?;
        Some(Timestamp::from_nanos(self.now.nanos().checked_add(nanos)?))
    }

    fn tick(&mut self) {
        self.engine.tick(self.now, &mut self.outcomes);
        self.taken = true;
        self.take();
    }

    /// Gives the desk what the engine told.
    fn take(&mut self) {
        for outcome in self.outcomes.drain(..) {
            self.events.extend(outcome.explanation.map(Event::Explained));
            let Some(alert) = outcome.alert.filter(|_| outcome.told) else { continue };
            self.desk.take(alert.clone());
            self.taken = true;
            self.events.push(Event::Alert(alert));
        }
    }
}
