//! One record on its way through the rules.

use std::collections::BTreeMap;

use fleet_core::Timestamp;
use serde_json::Value;

use crate::alert::{AlertRecord, fingerprint};
use crate::compare::Verdict;
use crate::count;
use crate::engine::{Common, Handle, Outcome, Watch};
use crate::fields::{Field, Fields, Record};
use crate::instance::Instance;
use crate::interpreter::Interpreter;
use crate::machine::{self, Phase, Seen, What};
use crate::words::{annotations, explain, labels, reason, state_of};

/// One record on its way through the rules.
pub(crate) struct Visit<'v> {
    pub(crate) line: &'v [u8],
    pub(crate) now: Timestamp,
    pub(crate) record: &'v Record<'v>,
    pub(crate) fields: &'v Fields,
    pub(crate) common: &'v Common,
    pub(crate) cel: &'v Interpreter,
    pub(crate) explain: bool,
    pub(crate) outcomes: &'v mut Vec<Outcome>,
}

impl Visit<'_> {
    /// Holds the record against a rule; the handle of what must be written down comes back.
    pub(crate) fn watch(&mut self, at: usize, watch: &mut Watch) -> Option<Handle> {
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
        let timing = &watch.rule.timing;
        let (phase, what) = match timing.counts() {
            Some(counts) => {
                let matched = seen == Seen::Met;
                if matched {
                    instance.hits.note(ts.min(moment), counts.0);
                }
                count::step(counts, instance.phase, &mut instance.hits, matched, moment)
            }
            None => machine::step(timing, instance.phase, seen, moment),
        };
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
            instance.resolve();
        }
        if what.is_told() {
            instance.alert.clone_from(&alert);
            instance.untold = true;
        }
        instance.changed |= what.is_change();
        if what == What::Unmet && !instance.changed && instance.is_over() {
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
            annotations: annotations(rule, &whole),
            fingerprint: fingerprint(&rule.name, key.iter().map(|(n, v)| (&**n, &**v))),
        }
    }
}
