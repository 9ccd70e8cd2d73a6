//! Records and the clock in, outcomes out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use fleet_core::Timestamp;

use crate::alert::AlertRecord;
use crate::compiled::{Node, Selector};
use crate::count;
use crate::fields::{Fields, Record, Slot, leading_kind};
use crate::instance::Instance;
use crate::interpreter::Interpreter;
use crate::machine::{self, What, plus};
use crate::rule::{Rule, RuleSet};
use crate::visit::Visit;
use crate::words::{by_clock, explain};

/// An instance of which no record came for so long is resolved and forgotten.
pub const FORGET_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Which instance of which rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Handle {
    pub(crate) watch: usize,
    pub(crate) key: String,
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

/// A rule that is being looked at.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) rule: Rule,
    pub(crate) when: Node,
    pub(crate) clear: Option<Node>,
    pub(crate) selectors: Vec<Selector>,
    pub(crate) by: Vec<Slot>,
    pub(crate) measured: Option<String>,
    pub(crate) instances: HashMap<String, Instance>,
}

/// Slots of the fields that are wanted of every record.
#[derive(Debug)]
pub(crate) struct Common {
    pub(crate) kind: Slot,
    pub(crate) ts: Slot,
    pub(crate) run: Slot,
}

/// Rules at work.
#[derive(Debug)]
pub struct Engine {
    watches: Vec<Watch>,
    kinds: Vec<(String, Vec<usize>)>,
    fields: Fields,
    common: Common,
    cel: Interpreter,
    changed: BTreeSet<Handle>,
    explain: bool,
}

impl Engine {
    /// The enabled rules at work; with `explain` every outcome is told and explained.
    pub fn new(rules: RuleSet, explain: bool) -> Engine {
        let mut fields = Fields::default();
        let common =
            Common { kind: fields.want("kind"), ts: fields.want("ts"), run: fields.want("run") };
        let enabled = rules.rules.into_iter().filter(|rule| rule.enabled);
        let watches: Vec<Watch> = enabled.map(|rule| Watch::new(rule, &mut fields)).collect();
        let mut kinds: BTreeMap<String, Vec<usize>> = BTreeMap::new();
        for (at, watch) in watches.iter().enumerate() {
            kinds.entry(watch.rule.on.clone()).or_default().push(at);
        }
        let kinds = kinds.into_iter().collect();
        let cel = Interpreter::new();
        Engine { watches, kinds, fields, common, cel, changed: BTreeSet::new(), explain }
    }

    /// Holds a line against the rules; what happened is added to `outcomes`.
    pub fn feed(&mut self, line: &[u8], now: Timestamp, outcomes: &mut Vec<Outcome>) -> Fed {
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
        let mut visit = Visit {
            line,
            now,
            record: &record,
            fields: &self.fields,
            common: &self.common,
            cel: &self.cel,
            explain: self.explain,
            outcomes,
        };
        for &at in at {
            if let Some(handle) = visit.watch(at, &mut self.watches[at]) {
                self.changed.insert(handle);
            }
        }
        Fed::Held
    }

    /// Does what the clock alone does.
    pub fn tick(&mut self, now: Timestamp, outcomes: &mut Vec<Outcome>) {
        for (at, watch) in self.watches.iter_mut().enumerate() {
            let (rule, holds) = (&watch.rule, watch.holds_until_told());
            for (key, instance) in &mut watch.instances {
                let Some((what, clock)) = ticked(rule, holds, instance, now) else { continue };
                if !what.is_change() || what == What::PendingWaits {
                    continue;
                }
                let handle = Handle { watch: at, key: key.clone() };
                let told = what.is_told() || instance.alert.is_some() && what == What::Vanished;
                let alert = told.then(|| by_clock(instance, rule, what, clock)).flatten();
                instance.untold |= alert.is_some();
                let explanation = self.explain.then(|| explain(rule, instance, what, clock));
                self.changed.insert(handle.clone());
                outcomes.push(Outcome { handle, what, told: alert.is_some(), alert, explanation });
            }
        }
    }

    /// How long until [`Engine::tick`] will have something to do.
    pub fn next_tick(&self, now: Timestamp) -> Option<Duration> {
        let due = |watch: &Watch, instance: &Instance| {
            let (timing, phase) = (&watch.rule.timing, instance.phase?);
            let holds = watch.holds_until_told() && instance.live;
            let at = match timing.counts() {
                Some(counts) => count::due(counts, phase, &instance.hits),
                None => machine::due(timing, phase, holds),
            };
            let at = at.map(|at| at.nanos().saturating_sub(instance.clock(now).nanos()));
            let forget = plus(instance.seen, FORGET_AFTER).nanos().saturating_sub(now.nanos());
            Some(at.map_or(forget, |at| at.min(forget)))
        };
        let all = self.watches.iter().flat_map(|w| w.instances.values().map(move |i| (w, i)));
        let nanos = all.filter_map(|(watch, instance)| due(watch, instance)).min()?;
        Some(Duration::from_nanos(nanos.max(0).unsigned_abs()))
    }

    /// Whether the state file's lines of this rule are this engine's.
    pub fn knows(&self, rule: &str) -> bool {
        self.watches.iter().any(|watch| watch.rule.name == rule)
    }

    /// Takes over what was remembered, in place of what this engine remembers.
    pub fn restore(&mut self, instances: Vec<Instance>) {
        self.changed.clear();
        let mut old: Vec<HashMap<String, Instance>> =
            self.watches.iter_mut().map(|w| std::mem::take(&mut w.instances)).collect();
        for mut instance in instances {
            let mut watches = self.watches.iter_mut().enumerate();
            let found = watches.find(|(_, watch)| watch.rule.name == instance.rule);
            let Some((at, watch)) = found else { continue };
            let key = watch.key_of(&instance.key);
            instance.live = old[at].remove(&key).is_some_and(|before| before.live);
            watch.instances.insert(key, instance);
        }
    }

    /// One instance.
    pub fn instance(&self, handle: &Handle) -> Option<&Instance> {
        self.watches.get(handle.watch)?.instances.get(&handle.key)
    }

    /// The newest alerts that nobody took over yet: of this turn, or what a crash left.
    pub fn untold(&self) -> Vec<AlertRecord> {
        let all = self.watches.iter().flat_map(|watch| watch.instances.values());
        all.filter(|instance| instance.untold).filter_map(|i| i.alert.clone()).collect()
    }

    /// Notes that all of them were taken over.
    pub fn told(&mut self) {
        for (at, watch) in self.watches.iter_mut().enumerate() {
            for (key, instance) in watch.instances.iter_mut().filter(|(_, i)| i.untold) {
                instance.untold = false;
                self.changed.insert(Handle { watch: at, key: key.clone() });
            }
        }
    }

    /// The instances that must be written down; those that are over are forgotten with it.
    pub fn take_changed(&mut self) -> Vec<Instance> {
        let changed = std::mem::take(&mut self.changed);
        changed.iter().filter_map(|handle| self.written(handle)).collect()
    }

    /// The instances that differ from the file only in when they were last seen.
    pub fn take_touched(&mut self) -> Vec<Instance> {
        let all = self.watches.iter_mut().flat_map(|watch| watch.instances.values_mut());
        let touched = all.filter(|i| i.touched && i.phase.is_some());
        touched
            .map(|instance| {
                instance.touched = false;
                instance.clone()
            })
            .collect()
    }

    /// All instances that are not ok.
    pub fn instances(&self) -> impl Iterator<Item = &Instance> {
        self.watches.iter().flat_map(|watch| watch.instances.values()).filter(|i| !i.is_over())
    }

    /// The instances that fire, by rule and key.
    pub fn firing(&self) -> Vec<&Instance> {
        let mut firing: Vec<&Instance> = self.instances().filter(|i| i.is_firing()).collect();
        firing.sort_by(|a, b| (&a.rule, &a.key).cmp(&(&b.rule, &b.key)));
        firing
    }

    fn written(&mut self, handle: &Handle) -> Option<Instance> {
        let instances = &mut self.watches.get_mut(handle.watch)?.instances;
        let instance = instances.get_mut(&handle.key)?;
        instance.touched = false;
        instance.changed = false;
        let copy = instance.clone();
        if copy.is_over() {
            instances.remove(&handle.key);
        }
        Some(copy)
    }
}

impl Watch {
    fn new(rule: Rule, fields: &mut Fields) -> Watch {
        let subject = fields.want("subject");
        let (when, clear) = match rule.levels().first() {
            Some(level) => (Node::compile(&level.when, fields), level.clear.as_ref()),
            None => (Node::Constant(false), None),
        };
        let clear = clear.map(|clear| Node::compile(clear, fields));
        Watch {
            selectors: when.selectors(subject),
            by: rule.by.iter().map(|name| fields.want(name)).collect(),
            measured: rule.condition.measured(),
            instances: HashMap::new(),
            when,
            clear,
            rule,
        }
    }

    /// Whether the records of this kind report changes: what one says holds until the next one.
    /// A sample says nothing of the time after it.
    fn holds_until_told(&self) -> bool {
        self.rule.on != "sample"
    }

    fn key_of(&self, key: &BTreeMap<String, String>) -> String {
        let value = |name: &String| key.get(name).map_or("", String::as_str);
        self.rule.by.iter().map(value).collect::<Vec<_>>().join("\u{1f}")
    }
}

/// What is wrong with a line, without the place within it, which would be taken for one in the
/// input.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

/// Moves an instance on by the clock.
fn ticked(
    rule: &Rule,
    holds: bool,
    instance: &mut Instance,
    now: Timestamp,
) -> Option<(What, Timestamp)> {
    let phase = instance.phase?;
    let clock = instance.clock(now);
    if plus(instance.seen, FORGET_AFTER) <= now {
        instance.phase = None;
        return Some((What::Vanished, clock));
    }
    let (next, what) = match rule.timing.counts() {
        Some(counts) => count::tick(counts, phase, &mut instance.hits, clock),
        None => machine::tick(&rule.timing, phase, holds && instance.live, clock),
    };
    instance.phase = next;
    if what == What::Resolved {
        instance.resolve();
    }
    Some((what, clock))
}
