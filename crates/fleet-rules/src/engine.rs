//! Records and the clock in, outcomes out.

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fleet_core::Timestamp;
use smol_str::SmolStr;

use crate::alert::AlertRecord;
use crate::awake::{self, Awake};
use crate::clock::{self, Clock};
use crate::dues::Dues;
use crate::fields::{Fields, Record, Slot, leading_kind};
use crate::instance::Instance;
use crate::interpreter::Interpreter;
use crate::keys::Keys;
use crate::machine::What;
use crate::rule::RuleSet;
use crate::visit::Visit;
use crate::watch::Watch;
use crate::words::{by_clock, explain};

/// An instance of which no record came for so long is resolved and forgotten.
pub const FORGET_AFTER: Duration = Duration::from_secs(24 * 3600);

/// What the clock did nothing about though it seemed due is looked at again after this.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// The most changes of one instance at one moment.
const MOST_CHANGES: u32 = 4;

/// Which instance of which rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Handle {
    pub(crate) watch: usize,
    pub(crate) key: SmolStr,
}

/// What came of a line.
#[derive(Debug)]
pub enum Fed {
    /// It was held against the rules of its kind.
    Held,
    /// No rule is about its kind.
    Passed,
    /// It is no record, and why.
    Bad(String),
}

/// What happened to an instance.
#[derive(Debug)]
pub struct Outcome {
    /// Which.
    pub handle: Handle,
    /// What happened.
    pub what: What,
    /// The record of it, where there is one.
    pub alert: Option<AlertRecord>,
    /// Why, in words, if the engine was told to explain.
    pub explanation: Option<String>,
    /// Whether channels are told, or only those who ask for everything.
    pub told: bool,
}

/// Slots of the fields that are wanted of every record.
#[derive(Debug)]
pub(crate) struct Common {
    pub(crate) kind: Slot,
    pub(crate) ts: Slot,
    pub(crate) run: Slot,
    pub(crate) subject: Slot,
}

/// Rules at work.
#[derive(Debug)]
pub struct Engine {
    pub(crate) watches: Vec<Watch>,
    pub(crate) source: String,
    kinds: Vec<(String, Vec<usize>)>,
    fields: Fields,
    common: Common,
    keys: Keys,
    cel: Interpreter,
    /// Those that must be written down, each once: what `changed` of an instance says.
    pub(crate) changed: Vec<Handle>,
    /// Those whose newest alert nobody took over yet.
    pub(crate) owed: BTreeSet<Handle>,
    /// What is left of rules that are gone.
    pub(crate) gone: Vec<Instance>,
    pub(crate) dues: Dues,
    /// When tools were at work before this one.
    pub(crate) before: Option<Awake>,
    /// Since when this one is, once it knows what time it is.
    pub(crate) began: Option<Timestamp>,
    /// The newest time of day that it knows, and the pause before it began.
    pub(crate) awake: Awake,
    /// The line that says so in the state file.
    pub(crate) line: Option<Instance>,
    /// Whether a record came, or the input ended.
    arrived: bool,
    explain: bool,
}

impl Engine {
    /// The enabled rules at work; with `explain` every outcome is told and explained.
    pub fn new(rules: RuleSet, explain: bool) -> Engine {
        let mut fields = Fields::default();
        let common = Common {
            kind: fields.want("kind"),
            ts: fields.want("ts"),
            run: fields.want("run"),
            subject: fields.want("subject"),
        };
        let enabled = rules.rules.into_iter().filter(|rule| rule.enabled);
        let mut keys = Keys::default();
        let watches: Vec<Watch> =
            enabled.map(|rule| Watch::new(rule, &mut fields, &mut keys)).collect();
        let mut kinds: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, watch) in watches.iter().enumerate() {
            kinds.entry(watch.rule.on.clone()).or_default().push(at);
        }
        Engine {
            watches,
            source: rules.source,
            kinds: kinds.into_iter().collect(),
            fields,
            common,
            keys,
            cel: Interpreter::new(),
            changed: Vec::new(),
            owed: BTreeSet::new(),
            gone: Vec::new(),
            dues: Dues::default(),
            before: None,
            began: None,
            awake: Awake { until: Timestamp::from_nanos(0), pause: Duration::ZERO },
            line: None,
            arrived: false,
            explain,
        }
    }

    /// Holds a line against the rules; what happened is added to `outcomes`.
    pub fn feed(&mut self, line: &[u8], now: Timestamp, outcomes: &mut Vec<Outcome>) -> Fed {
        self.at_work(now);
        if let Some(kind) = leading_kind(line)
            && line.ends_with(b"}")
            && !self.kinds.iter().any(|(known, _)| known.as_bytes() == kind)
        {
            return Fed::Passed;
        }
        let record = match Record::read(&self.fields, line) {
            Ok(record) => record,
            Err(error) => return Fed::Bad(without_place(&error)),
        };
        let Some(kind) = record.get(self.common.kind).text() else {
            return Fed::Bad("it has no kind".to_owned());
        };
        let Some((_, at)) = self.kinds.iter().find(|(known, _)| known == kind) else {
            return Fed::Passed;
        };
        let first = outcomes.len();
        self.keys.next();
        let mut visit = Visit {
            line,
            now,
            record: &record,
            fields: &self.fields,
            common: &self.common,
            cel: &self.cel,
            source: &self.source,
            explain: self.explain,
            ts: OnceCell::new(),
            keys: &mut self.keys,
            dues: &mut self.dues,
            outcomes,
        };
        for &at in at {
            self.changed.extend(visit.watch(at, &mut self.watches[at]));
        }
        let told = outcomes.iter().skip(first).filter(|outcome| outcome.told);
        self.owed.extend(told.map(|outcome| outcome.handle.clone()));
        self.arrives();
        Fed::Held
    }

    /// Does what the clock alone does.
    pub fn tick(&mut self, now: Timestamp, outcomes: &mut Vec<Outcome>) {
        self.at_work(now);
        let clock = self.clock(now);
        for handle in self.dues.take(now) {
            self.due(handle, clock, outcomes);
        }
    }

    /// Does what the clock does when the input has ended: all that was to be read was read, so
    /// that what did not come is missed, also what should have come since the run before.
    pub fn end(&mut self, now: Timestamp, outcomes: &mut Vec<Outcome>) {
        self.at_work(now);
        self.arrives();
        self.tick(now, outcomes);
    }

    /// How long until [`Engine::tick`] will have something to do. It may turn out to have nothing
    /// to do then after all.
    pub fn next_tick(&self, now: Timestamp) -> Option<Duration> {
        match self.began {
            // Until it knows what time it is, it does not know what it will have to do.
            None if !self.watches.is_empty() => Some(Duration::ZERO),
            _ => self.dues.next(now),
        }
    }

    /// Whether the state file's lines of this rule are this engine's.
    pub fn knows(&self, rule: &str) -> bool {
        rule == awake::NOBODY || self.watches.iter().any(|watch| watch.rule.name == rule)
    }

    /// One instance.
    pub fn instance(&self, handle: &Handle) -> Option<&Instance> {
        Some(self.watches.get(handle.watch)?.instances.get(&handle.key)?)
    }

    /// The newest alerts that nobody took over yet: of this turn, or what a crash left.
    pub fn untold(&self) -> Vec<AlertRecord> {
        let owed = self.owed.iter().filter_map(|handle| self.instance(handle));
        let all = owed.chain(&self.gone).filter(|instance| instance.untold);
        all.filter_map(|instance| instance.alert.clone()).collect()
    }

    /// Notes that all of them were taken over.
    pub fn told(&mut self) {
        for handle in std::mem::take(&mut self.owed) {
            let watch = self.watches.get_mut(handle.watch);
            let instance = watch.and_then(|watch| watch.instances.get_mut(&handle.key));
            if let Some(instance) = instance.filter(|instance| instance.untold) {
                instance.untold = false;
                if !std::mem::replace(&mut instance.changed, true) {
                    self.changed.push(handle);
                }
            }
        }
        for instance in self.gone.iter_mut().filter(|instance| instance.untold) {
            instance.untold = false;
            instance.changed = true;
        }
    }

    /// The instances that must be written down.
    pub fn changed(&self) -> impl Iterator<Item = &Instance> + Clone {
        let changed = self.changed.iter().filter_map(|handle| self.instance(handle));
        changed.chain(self.gone.iter().filter(|instance| instance.changed))
    }

    /// Notes that all of them were written down; those that are over are forgotten with it.
    pub fn changed_written(&mut self) {
        for handle in std::mem::take(&mut self.changed) {
            self.written(&handle);
        }
        self.gone.iter_mut().for_each(|instance| instance.changed = false);
        self.gone.retain(|instance| !instance.is_over());
    }

    /// The instances that differ from the file only in what times of day and which values they
    /// know, and the line that says until when this tool was at work.
    pub fn take_touched(&mut self) -> Vec<Instance> {
        let all = self.watches.iter_mut().flat_map(|watch| watch.instances.values_mut());
        let touched = all.filter(|instance| instance.touched && !instance.is_over());
        let touched = touched.map(|instance| {
            instance.touched = false;
            Instance::clone(instance)
        });
        let mut touched: Vec<Instance> = touched.collect();
        if self.began.is_some() {
            self.line = Some(self.awake.line());
        }
        touched.extend(self.line.clone());
        touched
    }

    /// All instances that must be remembered, and the line of when tools were at work.
    pub fn instances(&self) -> impl Iterator<Item = &Instance> {
        let all = self.watches.iter().flat_map(|watch| watch.instances.values().map(|i| &**i));
        all.chain(&self.gone).chain(&self.line).filter(|instance| !instance.is_over())
    }

    /// About how many they are: known without looking at each.
    pub fn living(&self) -> usize {
        self.watches.iter().map(|watch| watch.instances.len()).sum::<usize>() + self.gone.len() + 1
    }

    /// Whether a rule has little room left for more instances: those that are over make room as soon
    /// as that is written down.
    pub fn is_crowded(&self) -> bool {
        let crowded = |watch: &Watch| watch.instances.len() > watch.rule.limit / 4 * 3;
        self.watches.iter().any(crowded)
    }

    /// The instances that fire, by rule and key.
    pub fn firing(&self) -> Vec<&Instance> {
        let mut firing: Vec<&Instance> = self.instances().filter(|i| i.is_firing()).collect();
        firing.sort_by(|a, b| (&a.rule, &a.key).cmp(&(&b.rule, &b.key)));
        firing
    }

    pub(crate) fn clock(&self, now: Timestamp) -> Clock {
        Clock { now, waits: self.began.filter(|_| !self.arrived) }
    }

    /// From now on what does not come is missed.
    fn arrives(&mut self) {
        if !self.arrived {
            self.arrived = true;
            self.queue_all();
        }
    }

    /// Puts all that the clock will have to do in order.
    pub(crate) fn queue_all(&mut self) {
        self.dues.clear();
        let clock = self.clock(self.awake.until);
        for (at, watch) in self.watches.iter_mut().enumerate() {
            for (key, instance) in &mut watch.instances {
                instance.queued = None;
                let due = clock::due(&watch.rule, instance, clock);
                self.dues.put(instance, due, || Handle { watch: at, key: key.clone() });
            }
        }
    }

    /// Moves one instance on whose time has come: what one change brings about may be due too.
    fn due(&mut self, handle: Handle, clock: Clock, outcomes: &mut Vec<Outcome>) {
        let mut changes = 0;
        while changes < MOST_CHANGES && self.change(&handle, clock, outcomes) {
            changes += 1;
        }
        let Some(watch) = self.watches.get_mut(handle.watch) else { return };
        let Some(instance) = watch.instances.get_mut(&handle.key) else { return };
        instance.queued = None;
        let next = clock::due(&watch.rule, instance, clock);
        let again = clock.now.plus(LOOK_AGAIN);
        self.dues.put(instance, next.map(|next| next.max(again)), || handle);
    }

    /// Makes one change of an instance that is due, if there is one.
    fn change(&mut self, handle: &Handle, clock: Clock, outcomes: &mut Vec<Outcome>) -> bool {
        let Some(watch) = self.watches.get_mut(handle.watch) else { return false };
        let Some(instance) = watch.instances.get_mut(&handle.key) else { return false };
        let rule = &watch.rule;
        if clock::due(rule, instance, clock).is_none_or(|due| due > clock.now) {
            return false;
        }
        let ticked = clock::tick(rule, instance, clock);
        let Some(ticked) = ticked.filter(|t| t.what.is_change() && t.what != What::PendingWaits)
        else {
            return false;
        };
        let (what, at) = (ticked.what, instance.clock(clock.now));
        let told = what.is_told() || ticked.fired && what == What::Vanished;
        let alert = told.then(|| by_clock(instance, rule, what, ticked.since, at));
        instance.untold |= told;
        let first = !std::mem::replace(&mut instance.changed, true);
        let explanation = self.explain.then(|| explain(rule, instance, what, ticked.since, at));
        if first {
            self.changed.push(handle.clone());
        }
        if told {
            self.owed.insert(handle.clone());
        }
        let handle = handle.clone();
        outcomes.push(Outcome { handle, what, told, alert, explanation });
        true
    }

    fn written(&mut self, handle: &Handle) {
        let Some(watch) = self.watches.get_mut(handle.watch) else { return };
        let Some(instance) = watch.instances.get_mut(&handle.key) else { return };
        instance.touched = false;
        instance.changed = false;
        if instance.is_over() {
            self.dues.remove(instance, handle);
            watch.instances.remove(&handle.key);
        }
    }
}

/// What is wrong with a line, without the place within it, which would be taken for one in the
/// input.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}
