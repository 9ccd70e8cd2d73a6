//! One record on its way through the rules.

use std::cell::OnceCell;
use std::collections::BTreeMap;

use fleet_core::Timestamp;
use serde_json::Value;

use crate::alert::{AlertRecord, fingerprint};
use crate::clock::{self, Clock};
use crate::compare::Verdict;
use crate::compiled::Node;
use crate::dues::Dues;
use crate::engine::{Common, Handle, Outcome};
use crate::fields::{Field, Fields, Record, short};
use crate::instance::Instance;
use crate::interpreter::Interpreter;
use crate::keys::Keys;
use crate::machine::{Phase, Seen, What};
use crate::memory::{Sight, number};
use crate::rule::Rule;
use crate::step::{self, Sighted};
use crate::watch::{Check, Watch};
use crate::words::{self, annotations, explain, labels, state_of};

/// One record on its way through the rules.
pub(crate) struct Visit<'v> {
    pub(crate) line: &'v [u8],
    pub(crate) now: Timestamp,
    pub(crate) record: &'v Record<'v>,
    pub(crate) fields: &'v Fields,
    pub(crate) common: &'v Common,
    pub(crate) cel: &'v Interpreter,
    pub(crate) source: &'v str,
    pub(crate) explain: bool,
    /// The record's own time, once it was asked for.
    pub(crate) ts: OnceCell<Timestamp>,
    pub(crate) keys: &'v mut Keys,
    pub(crate) dues: &'v mut Dues,
    pub(crate) outcomes: &'v mut Vec<Outcome>,
}

impl Visit<'_> {
    /// Holds the record against a rule; the handle of what must be written down comes back, once
    /// until it is.
    pub(crate) fn watch(&mut self, at: usize, watch: &mut Watch) -> Option<Handle> {
        let sighted = self.sighted(watch)?;
        let key = self.keys.lend(watch.key, self.record);
        let changed = self.sight(at, watch, &key, &sighted);
        self.keys.back(watch.key, key);
        changed
    }

    fn sight(
        &mut self,
        at: usize,
        watch: &mut Watch,
        key: &str,
        sighted: &Sighted,
    ) -> Option<Handle> {
        let told = if let Some(instance) = watch.instances.get_mut(key) {
            if sighted.is_nothing() && instance.is_over() && !self.explain {
                // It only waits for that to be written down.
                return None;
            }
            self.step(&watch.rule, &watch.check, instance, sighted, (at, key))?
        } else if sighted.is_nothing() && !watch.rule.remembers() && !self.explain {
            return None;
        } else if watch.is_full() {
            return self.turn_away(at, watch);
        } else {
            let mut fresh = watch.fresh(self.key_fields(watch), self.ts(), self.source);
            let told = self.step(&watch.rule, &watch.check, &mut fresh, sighted, (at, key));
            watch.instances.insert(key.into(), Box::new(fresh));
            told?
        };
        let handle = || Handle { watch: at, key: key.into() };
        if self.explain || told.what.is_told() || told.idle {
            self.tell(watch, &handle(), told);
        }
        told.first.then(handle)
    }

    /// What the record shows of the condition; nothing if the rule is not about such a record.
    fn sighted(&self, watch: &Watch) -> Option<Sighted> {
        match &watch.check {
            Check::Levels(levels) => self.levels(watch, levels),
            Check::Absent { admits } => {
                self.admits(admits.as_ref()).then_some(Sighted::of(Verdict::No, Seen::Cleared))
            }
            Check::Windowed { admits, value, .. } => {
                let there = !matches!(self.record.get(*value), Field::Missing | Field::Null);
                (there && self.admits(admits.as_ref()))
                    .then_some(Sighted::of(Verdict::Unknown, Seen::Between))
            }
        }
    }

    fn admits(&self, node: Option<&Node>) -> bool {
        node.is_none_or(|node| self.judge(node) == Verdict::Yes)
    }

    fn judge(&self, node: &Node) -> Verdict {
        node.judge(self.record, self.fields, self.cel)
    }

    fn levels(&self, watch: &Watch, levels: &[(Node, Option<Node>)]) -> Option<Sighted> {
        let ((when, clear), higher) = levels.split_first()?;
        let verdict = self.judge(when);
        let others: Vec<Verdict> = higher.iter().map(|(when, _)| self.judge(when)).collect();
        if verdict != Verdict::Yes && !others.contains(&Verdict::Yes) {
            // The selectors are part of the condition: nearly always one look is enough.
            let idle = watch.instances.is_empty() && !self.explain && !watch.rule.remembers();
            if idle || !watch.selectors.iter().all(|selector| selector.admits(self.record)) {
                return None;
            }
            // Where it is told that nothing comes, a record without the value is nothing. So is
            // one that a program emits: it may speak of its other values in records of their own.
            let emitted = || self.record.get(self.common.subject).text() == Some("custom");
            if verdict == Verdict::Unknown && (watch.rule.no_data.is_some() || emitted()) {
                return None;
            }
        }
        let seen = self.seen(verdict, clear.as_ref());
        let others = others.iter().zip(higher);
        let higher = others.map(|(verdict, (_, clear))| self.seen(*verdict, clear.as_ref()));
        Some(Sighted { verdict, seen, higher: higher.collect() })
    }

    /// What the record shows. Where neither the condition nor the bound for recovery can be told,
    /// what they are about is gone, and so is the reason to alert.
    fn seen(&self, verdict: Verdict, clear: Option<&Node>) -> Seen {
        if verdict == Verdict::Yes {
            return Seen::Met;
        }
        let Some(clear) = clear else { return Seen::Cleared };
        match self.judge(clear) {
            Verdict::Yes => Seen::Cleared,
            Verdict::Unknown if verdict == Verdict::Unknown => Seen::Cleared,
            _ => Seen::Between,
        }
    }

    /// What it comes to that many records show this. As long as nothing can be told all stays as
    /// it is.
    fn shown(&self, verdict: Verdict, clear: Option<&Node>) -> Seen {
        if verdict == Verdict::Unknown { Seen::Between } else { self.seen(verdict, clear) }
    }

    fn key_fields(&self, watch: &Watch) -> BTreeMap<String, String> {
        let pairs = watch.rule.by.iter().zip(&watch.by);
        pairs
            .filter(|(_, slot)| !matches!(self.record.get(**slot), Field::Missing | Field::Null))
            .map(|(name, slot)| (name.clone(), self.record.get(*slot).key().into_owned()))
            .collect()
    }

    fn ts(&self) -> Timestamp {
        *self.ts.get_or_init(|| {
            let ts = self.record.get(self.common.ts).text();
            ts.and_then(|text| Timestamp::parse(text, self.now).ok()).unwrap_or(self.now)
        })
    }

    fn run(&self) -> Option<u64> {
        match self.record.get(self.common.run) {
            Field::Int(run) => u64::try_from(*run).ok(),
            _ => None,
        }
    }

    /// Takes note of the record and moves the instance on; nothing if the record says nothing to
    /// it after all.
    fn step(
        &mut self,
        rule: &Rule,
        check: &Check,
        instance: &mut Instance,
        sighted: &Sighted,
        (at, key): (usize, &str),
    ) -> Option<Told> {
        let (ts, run) = (self.ts(), self.run());
        let moment = instance.note(ts, self.now, rule.window());
        let anew = run > instance.run && instance.run.is_some();
        instance.run = run.or(instance.run);
        let before = instance.phase;
        let what = match check {
            Check::Windowed { clear, value, step, .. } => {
                let value = self.record.get(*value);
                let step = step.and_then(|slot| number(self.record.get(slot)));
                let sight = Sight { value, step, ts, moment };
                step::look(rule, instance, anew, &sight).map(|verdict| {
                    let sighted = Sighted::of(verdict, self.shown(verdict, clear.as_ref()));
                    step::step(rule, instance, &sighted, ts, moment)
                })
            }
            _ => {
                let what = step::step(rule, instance, sighted, ts, moment);
                Some(if anew { step::anew(rule, instance, what, moment) } else { what })
            }
        };
        let due = clock::due(rule, instance, Clock { now: self.now, waits: None });
        self.dues.put(instance, due, || Handle { watch: at, key: key.into() });
        let what = what?;
        let first = what.is_change() && !instance.changed;
        instance.changed |= first;
        let over = instance.phase.filter(|phase| phase.is_firing()).or(before).or(instance.phase);
        let since = over.map_or(moment, Phase::since);
        let idle = what == What::Unmet && !instance.changed && instance.is_over();
        Some(Told { what, moment, since, first, idle })
    }

    fn tell(&mut self, watch: &mut Watch, handle: &Handle, told: Told) {
        let what = told.what;
        let pending = self.explain && what == What::PendingBegan;
        let alert = (what.is_told() || pending).then(|| self.alert(watch, handle, told));
        let Watch { rule, instances, .. } = watch;
        let Some(instance) = instances.get_mut(&handle.key) else { return };
        let explanation =
            self.explain.then(|| explain(rule, instance, what, told.since, told.moment));
        if what.is_told() {
            instance.alert.clone_from(&alert);
            instance.untold = true;
        }
        if told.idle {
            self.dues.remove(instance, handle);
            instances.remove(&handle.key);
        }
        if alert.is_some() || explanation.is_some() {
            let told = what.is_told();
            self.outcomes.push(Outcome { handle: handle.clone(), what, alert, explanation, told });
        }
    }

    /// Notes that there is no room for one more instance, and tells that once.
    fn turn_away(&mut self, at: usize, watch: &mut Watch) -> Option<Handle> {
        let (key, fresh) = watch.itself(self.now, self.source);
        let handle = Handle { watch: at, key };
        let instance = watch.instances.entry(handle.key.clone()).or_insert_with(|| Box::new(fresh));
        instance.seen = self.now;
        instance.last = self.now;
        instance.touched = true;
        if instance.is_firing() {
            return None;
        }
        instance.phase = Some(Phase::Firing { since: self.now, told: self.now });
        let due = clock::due(&watch.rule, instance, Clock { now: self.now, waits: None });
        self.dues.put(instance, due, || handle.clone());
        let alert = words::by_clock(instance, &watch.rule, What::Full, self.now, self.now);
        instance.untold = true;
        let first = !std::mem::replace(&mut instance.changed, true);
        let explanation =
            self.explain.then(|| explain(&watch.rule, instance, What::Full, self.now, self.now));
        let (what, alert) = (What::Full, Some(alert));
        self.outcomes.push(Outcome {
            handle: handle.clone(),
            what,
            alert,
            explanation,
            told: true,
        });
        first.then_some(handle)
    }

    /// The whole record; of one that cannot be read whole, what tells its instance apart.
    fn whole(&self, key: &BTreeMap<String, String>) -> Value {
        let key = || key.iter().map(|(n, v)| (n.clone(), Value::from(v.clone()))).collect();
        let mut whole = serde_json::from_slice(self.line).unwrap_or_else(|_| key());
        words::cut(&mut whole);
        whole
    }

    fn alert(&self, watch: &Watch, handle: &Handle, told: Told) -> AlertRecord {
        let key = self.key_fields(watch);
        let whole = self.whole(&key);
        let instance = watch.instances.get(&handle.key).map(|instance| &**instance);
        let value = watch.measured.as_ref().and_then(|name| whole.get(name)).cloned();
        let (rule, Told { what, since, moment: ts, .. }) = (&watch.rule, told);
        let found = words::found(watch, instance, value.as_ref(), told.what, ts);
        let severity = instance.map_or(rule.severity.as_str(), |instance| instance.severity(rule));
        AlertRecord {
            kind: "alert".to_owned(),
            ts,
            alert: rule.name.clone(),
            state: state_of(what, instance.and_then(|instance| instance.phase)),
            severity: severity.to_owned(),
            id: whole.get("id").and_then(Value::as_str).map(|id| short(id).into_owned()),
            run: whole.get("run").and_then(Value::as_u64),
            labels: labels(rule, &whole, &key),
            since,
            reason: words::reason(rule, &found, severity, what, since, ts),
            value,
            summary: rule.summary.render(&whole),
            annotations: annotations(rule, &whole),
            fingerprint: fingerprint(&rule.name, key.iter().map(|(n, v)| (&**n, &**v))),
        }
    }
}

/// What came of a record.
#[derive(Clone, Copy)]
struct Told {
    what: What,
    moment: Timestamp,
    /// Since when the condition holds, or held.
    since: Timestamp,
    /// Whether it is the first change that is to be written down.
    first: bool,
    /// Whether there is nothing to remember of it, nor was.
    idle: bool,
}
