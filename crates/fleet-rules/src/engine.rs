//! Records and the clock in, outcomes out.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use fleet_core::{Labels, Timestamp, duration_text};
use serde_json::Value;

use crate::alert::{AlertRecord, AlertState, fingerprint};
use crate::compare::Verdict;
use crate::compiled::{Node, Selector};
use crate::fields::{Field, Fields, Record, Slot, leading_kind};
use crate::instance::Instance;
use crate::interpreter::Interpreter;
use crate::machine::{self, Phase, Seen, What, plus};
use crate::rule::{Condition, Hold, Rule, RuleSet};
use crate::template::plain;

/// An instance of which no record came for so long is resolved and forgotten.
pub const FORGET_AFTER: Duration = Duration::from_secs(24 * 3600);

/// Which instance of which rule.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Handle {
    watch: usize,
    key: String,
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
struct Watch {
    rule: Rule,
    when: Node,
    clear: Option<Node>,
    selectors: Vec<Selector>,
    by: Vec<Slot>,
    measured: Option<String>,
    instances: HashMap<String, Instance>,
}

/// Slots of the fields that are wanted of every record.
#[derive(Debug)]
struct Common {
    kind: Slot,
    ts: Slot,
    run: Slot,
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
                let explanation = self.explain.then(|| explain(rule, instance, what, clock));
                self.changed.insert(handle.clone());
                outcomes.push(Outcome { handle, what, told: alert.is_some(), alert, explanation });
            }
        }
    }

    /// How long until [`Engine::tick`] will have something to do.
    pub fn next_tick(&self, now: Timestamp) -> Option<Duration> {
        let due = |watch: &Watch, instance: &Instance| {
            let holds = watch.holds_until_told() && instance.live;
            let at = machine::due(&watch.rule.timing, instance.phase?, holds);
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

    /// Notes which channels must yet be told the newest alert of an instance.
    pub fn owe(&mut self, handle: &Handle, channels: Vec<String>) {
        if let Some(instance) = self.instance_mut(handle) {
            instance.owed = channels;
        }
    }

    /// Notes that a channel was told.
    pub fn settled(&mut self, handle: &Handle, channel: &str) {
        if let Some(instance) = self.instance_mut(handle) {
            instance.owed.retain(|owed| owed != channel);
            self.changed.insert(handle.clone());
        }
    }

    /// The instances of which channels must yet be told: what a crash left over.
    pub fn debts(&self) -> Vec<Handle> {
        let all = self.watches.iter().enumerate();
        all.flat_map(|(watch, w)| w.instances.iter().map(move |(key, i)| (watch, key, i)))
            .filter(|(_, _, instance)| !instance.owed.is_empty())
            .map(|(watch, key, _)| Handle { watch, key: key.clone() })
            .collect()
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

    fn instance_mut(&mut self, handle: &Handle) -> Option<&mut Instance> {
        self.watches.get_mut(handle.watch)?.instances.get_mut(&handle.key)
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
        let Condition::Expression { when, clear } = &rule.condition;
        let subject = fields.want("subject");
        let when = Node::compile(when, fields);
        let clear = clear.as_ref().map(|clear| Node::compile(clear, fields));
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

/// One record on its way through the rules.
struct Visit<'v> {
    line: &'v [u8],
    now: Timestamp,
    record: &'v Record<'v>,
    fields: &'v Fields,
    common: &'v Common,
    cel: &'v Interpreter,
    explain: bool,
    outcomes: &'v mut Vec<Outcome>,
}

impl Visit<'_> {
    /// Holds the record against a rule; the handle of what must be written down comes back.
    fn watch(&mut self, at: usize, watch: &mut Watch) -> Option<Handle> {
        // The selectors are part of the condition: nearly always one look is enough.
        let verdict = watch.when.judge(self.record, self.fields, self.cel);
        let idle = watch.instances.is_empty() && !self.explain;
        if verdict != Verdict::Yes
            && (idle || !watch.selectors.iter().all(|selector| selector.admits(self.record)))
        {
            return None;
        }
        let seen = self.seen(watch, verdict);
        let key = self.key(watch);
        if seen != Seen::Met && !watch.instances.contains_key(&key) && !self.explain {
            return None;
        }
        let (what, moment) = self.step(watch, &key, seen);
        let handle = Handle { watch: at, key };
        self.tell(watch, &handle, what, moment);
        what.is_change().then_some(handle)
    }

    /// What the record shows. Where neither the condition nor the bound for recovery can be told,
    /// what they are about is gone, and so is the reason to alert.
    fn seen(&self, watch: &Watch, verdict: Verdict) -> Seen {
        if verdict == Verdict::Yes {
            return Seen::Met;
        }
        let Some(clear) = &watch.clear else { return Seen::Cleared };
        match clear.judge(self.record, self.fields, self.cel) {
            Verdict::Yes => Seen::Cleared,
            Verdict::Unknown if verdict == Verdict::Unknown => Seen::Cleared,
            _ => Seen::Between,
        }
    }

    fn key(&self, watch: &Watch) -> String {
        let mut key = String::new();
        for (at, slot) in watch.by.iter().enumerate() {
            if at > 0 {
                key.push('\u{1f}');
            }
            key.push_str(&self.record.get(*slot).key());
        }
        key
    }

    fn key_fields(&self, watch: &Watch) -> BTreeMap<String, String> {
        let pairs = watch.rule.by.iter().zip(&watch.by);
        pairs
            .filter(|(_, slot)| !matches!(self.record.get(**slot), Field::Missing | Field::Null))
            .map(|(name, slot)| (name.clone(), self.record.get(*slot).key().into_owned()))
            .collect()
    }

    fn step(&self, watch: &mut Watch, key: &str, seen: Seen) -> (What, Timestamp) {
        let ts = self.record.get(self.common.ts).text();
        let ts = ts.and_then(|t| Timestamp::parse(t, self.now).ok()).unwrap_or(self.now);
        if !watch.instances.contains_key(key) {
            let fresh = Instance::new(&watch.rule.name, self.key_fields(watch), ts);
            watch.instances.insert(key.to_owned(), fresh);
        }
        let Some(instance) = watch.instances.get_mut(key) else { return (What::Unmet, ts) };
        let moment = instance.note(ts, self.now);
        if let Field::Int(run) = self.record.get(self.common.run) {
            instance.run = u64::try_from(*run).ok();
        }
        let (phase, what) = machine::step(&watch.rule.timing, instance.phase, seen, moment);
        if what != What::Resolved {
            // A resolved alert still tells since when it was one.
            instance.phase = phase;
        }
        (what, moment)
    }

    fn tell(&mut self, watch: &mut Watch, handle: &Handle, what: What, moment: Timestamp) {
        let pending = self.explain && what == What::PendingBegan;
        let alert = (what.is_told() || pending).then(|| self.alert(watch, handle, what, moment));
        let Some(instance) = watch.instances.get_mut(&handle.key) else { return };
        let explanation = self.explain.then(|| explain(&watch.rule, instance, what, moment));
        if what == What::Resolved {
            instance.phase = None;
        }
        if what.is_told() {
            instance.alert.clone_from(&alert);
        }
        instance.changed |= what.is_change();
        if what == What::Unmet && !instance.changed && instance.owed.is_empty() {
            watch.instances.remove(&handle.key);
        }
        if alert.is_some() || explanation.is_some() {
            let told = what.is_told();
            self.outcomes.push(Outcome { handle: handle.clone(), what, alert, explanation, told });
        }
    }

    fn alert(&self, watch: &Watch, handle: &Handle, what: What, ts: Timestamp) -> AlertRecord {
        let whole: Value = serde_json::from_slice(self.line).unwrap_or_default();
        let instance = watch.instances.get(&handle.key);
        let since = instance.and_then(|i| i.phase).map_or(ts, Phase::since);
        let value = watch.measured.as_ref().and_then(|name| whole.get(name)).cloned();
        let key = self.key_fields(watch);
        let rule = &watch.rule;
        AlertRecord {
            kind: "alert".to_owned(),
            ts,
            alert: rule.name.clone(),
            state: state_of(what),
            severity: rule.severity.clone(),
            id: whole.get("id").and_then(Value::as_str).map(str::to_owned),
            run: whole.get("run").and_then(Value::as_u64),
            labels: labels(rule, &whole, &key),
            since,
            reason: reason(rule, watch.measured.as_deref(), value.as_ref(), what, since, ts),
            value,
            summary: rule.summary.render(&whole),
            fingerprint: fingerprint(&rule.name, key.iter().map(|(n, v)| (&**n, &**v))),
        }
    }
}

/// What is wrong with a line, without the place within it, which would be taken for one in the
/// input.
fn without_place(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.split(" at line ").next().unwrap_or(&text).to_owned()
}

fn state_of(what: What) -> AlertState {
    match what {
        What::PendingBegan => AlertState::Pending,
        What::Resolved | What::Vanished => AlertState::Resolved,
        _ => AlertState::Firing,
    }
}

/// The labels of the record, the fields of `by` that are not fields of the alert, and the rule's
/// own labels, each before the ones before it.
fn labels(rule: &Rule, whole: &Value, key: &BTreeMap<String, String>) -> Labels {
    let own = whole.get("labels").and_then(Value::as_object);
    let own = own.into_iter().flatten().map(|(name, value)| (name.clone(), plain(value)));
    let by = key.iter().filter(|(name, _)| !matches!(name.as_str(), "id" | "run" | "labels"));
    let by = by.map(|(name, value)| (name.clone(), value.clone()));
    let rules = rule.labels.iter().map(|(name, value)| (name.clone(), value.clone()));
    own.chain(by).chain(rules).collect()
}

fn reason(
    rule: &Rule,
    measured: Option<&str>,
    value: Option<&Value>,
    what: What,
    since: Timestamp,
    at: Timestamp,
) -> String {
    let found = match (measured, value) {
        (Some(name), Some(value)) => format!("{name} is {}", shortened(&plain(value))),
        _ if what == What::Resolved => "the condition is over".to_owned(),
        _ => "the condition is met".to_owned(),
    };
    let held = duration_text(between(since, at));
    match (what, rule.timing.hold) {
        (What::Fired, Hold::For(_)) => format!("{found}, met for {held}"),
        (What::Fired, Hold::Times(times)) => format!("{found}, met {times} times in a row"),
        (What::Repeated, _) => format!("{found}, still firing after {held}"),
        (What::Resolved, _) => format!("{found}, resolved after {held}"),
        _ => found,
    }
}

/// A log line as a value can be long.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(120) {
        Some((at, _)) => format!("{}…", &text[..at]),
        None => text.to_owned(),
    }
}

fn between(since: Timestamp, at: Timestamp) -> Duration {
    Duration::try_from_secs_f64(at.seconds_since(since)).unwrap_or_default()
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
    let (next, what) = machine::tick(&rule.timing, phase, holds && instance.live, clock);
    instance.phase = next;
    Some((what, clock))
}

/// The alert that the clock brings about: the last one in a new state, or one made of nothing
/// but the rule where the instance was never told.
fn by_clock(
    instance: &mut Instance,
    rule: &Rule,
    what: What,
    clock: Timestamp,
) -> Option<AlertRecord> {
    let mut alert = match instance.alert.clone() {
        Some(alert) => alert,
        None if what == What::Vanished => return None,
        None => bare(instance, rule, clock),
    };
    let held = duration_text(between(alert.since, clock));
    alert.ts = clock;
    alert.state = state_of(what);
    alert.reason = match what {
        What::Vanished => format!("no record of it came for {}", duration_text(FORGET_AFTER)),
        What::Resolved => format!("the condition is over, resolved after {held}"),
        What::Repeated => format!("still firing after {held}"),
        _ => format!("the condition is met for {held} and no record said otherwise"),
    };
    instance.alert = Some(alert.clone());
    Some(alert)
}

fn bare(instance: &Instance, rule: &Rule, clock: Timestamp) -> AlertRecord {
    let key: Value =
        instance.key.iter().map(|(n, v)| (n.clone(), Value::from(v.clone()))).collect();
    AlertRecord {
        kind: "alert".to_owned(),
        ts: clock,
        alert: rule.name.clone(),
        state: AlertState::Firing,
        severity: rule.severity.clone(),
        id: instance.key.get("id").cloned(),
        run: instance.run,
        labels: labels(rule, &key, &instance.key),
        since: instance.phase.map_or(clock, Phase::since),
        value: None,
        summary: rule.summary.render(&key),
        reason: String::new(),
        fingerprint: fingerprint(&rule.name, instance.key.iter().map(|(n, v)| (&**n, &**v))),
    }
}

/// Why this came of it, in words.
fn explain(rule: &Rule, instance: &Instance, what: What, at: Timestamp) -> String {
    let held = instance.phase.map_or(Duration::ZERO, |phase| between(phase.since(), at));
    let held = duration_text(held);
    let needs = match rule.timing.hold {
        Hold::Now => "nothing more".to_owned(),
        Hold::For(time) => duration_text(time),
        Hold::Times(times) => format!("{times} records in a row"),
    };
    let has = match instance.phase {
        Some(Phase::Pending { streak, .. }) if matches!(rule.timing.hold, Hold::Times(_)) => {
            streak.to_string()
        }
        _ => held.clone(),
    };
    let keep = duration_text(rule.timing.keep_firing_for);
    let told = rule.timing.repeat.map_or("is not repeated".to_owned(), |time| {
        format!("is repeated every {}", duration_text(time))
    });
    let since = instance.phase.map_or(at, Phase::since);
    let text = match what {
        What::Unmet => "the condition is not met".to_owned(),
        What::PendingBegan | What::PendingWaits => {
            format!("pending since {since}, needs {needs}, has {has}")
        }
        What::PendingDropped => format!("the condition ended before it held for {needs}"),
        What::Fired => format!("fires, met since {since}"),
        What::StillFiring => format!("fires since {since}, was told and {told}"),
        What::Repeated => format!("fires since {since}, {told}"),
        What::RecoveryBegan => format!("the condition is over, needs to be for {keep}"),
        What::KeepsFiring => format!("the condition is over, not yet for {keep}"),
        What::FiringAgain => "the condition is met again within keep_firing_for".to_owned(),
        What::Resolved => format!("resolved after {held}"),
        What::Vanished => {
            format!("no record came for {}, forgotten", duration_text(FORGET_AFTER))
        }
    };
    format!("rule '{}' for {}: {text} ({})", rule.name, instance.name(), what.word())
}
