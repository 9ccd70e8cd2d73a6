//! Inhibition: alerts that need not be told while another one fires that explains them.

use std::collections::{BTreeMap, BTreeSet};

use fleet_rules::AlertRecord;

use crate::entry::Entry;
use crate::group::field;
use crate::policy::{Policy, RulePolicy};

/// Which rules inhibit which, and by what fields.
#[derive(Debug, Default)]
pub(crate) struct Inhibition {
    /// By the rule that inhibits: those that it holds back, and the fields that must be equal.
    edges: BTreeMap<String, Vec<(String, Vec<String>)>>,
}

/// The alerts that fire and inhibit now: by the rule that they hold back and the values of the
/// fields, the rule and the fields that were compared.
#[derive(Debug, Default)]
pub(crate) struct Inhibitors {
    names: BTreeMap<Key, String>,
    /// By the rule that is held back: the rules and the fields to ask for.
    questions: BTreeMap<String, BTreeSet<(String, Vec<String>)>>,
}

/// The rule that is held back, the one that inhibits, and the values that must be equal.
type Key = (String, String, Vec<String>);

impl Inhibition {
    /// Of these rules. Where two hold each other back, be it by way of others, neither does: both
    /// would be silent for ever.
    pub(crate) fn of(policy: &Policy) -> Inhibition {
        let mut edges: BTreeMap<String, Vec<_>> = BTreeMap::new();
        for (held, rule) in &policy.rules {
            for by in rule.inhibited_by.iter().filter(|by| !reaches(policy, by, held)) {
                let fields = equal(rule, policy.rules.get(by));
                edges.entry(by.clone()).or_default().push((held.clone(), fields));
            }
        }
        Inhibition { edges }
    }

    /// Those among these alerts that inhibit.
    pub(crate) fn now<'e>(&self, entries: impl Iterator<Item = &'e Entry>) -> Inhibitors {
        let mut now = Inhibitors::default();
        if self.edges.is_empty() {
            return now;
        }
        for alert in entries.filter(|entry| entry.fires()).map(|entry| &entry.alert) {
            for (held, fields) in self.edges.get(&alert.alert).into_iter().flatten() {
                let key = (held.clone(), alert.alert.clone(), values(alert, fields));
                now.names.entry(key).or_insert_with(|| name(alert));
                let question = (alert.alert.clone(), fields.clone());
                now.questions.entry(held.clone()).or_default().insert(question);
            }
        }
        now
    }
}

impl Inhibitors {
    /// The name of one that holds this alert back.
    pub(crate) fn over(&self, alert: &AlertRecord) -> Option<&str> {
        let questions = self.questions.get(&alert.alert).into_iter().flatten();
        let mut keys = questions.map(|(by, fields)| {
            let key: Key = (alert.alert.clone(), by.clone(), values(alert, fields));
            key
        });
        keys.find_map(|key| self.names.get(&key)).map(String::as_str)
    }
}

/// Whether this rule is held back by that one, be it by way of others.
fn reaches(policy: &Policy, from: &str, to: &str) -> bool {
    let (mut seen, mut open) = (BTreeSet::new(), vec![from]);
    while let Some(rule) = open.pop() {
        if rule == to {
            return true;
        }
        if seen.insert(rule) {
            let by = policy.rules.get(rule).into_iter().flat_map(|rule| &rule.inhibited_by);
            open.extend(by.map(String::as_str));
        }
    }
    false
}

fn equal(held: &RulePolicy, by: Option<&RulePolicy>) -> Vec<String> {
    let both = |name: &&String| by.is_some_and(|by| by.by.contains(name));
    let default = || held.by.iter().filter(both).cloned().collect();
    held.equal.clone().unwrap_or_else(default)
}

fn values(alert: &AlertRecord, fields: &[String]) -> Vec<String> {
    fields.iter().map(|name| field(alert, name).to_owned()).collect()
}

fn name(alert: &AlertRecord) -> String {
    let of = alert.id.as_ref().map_or(String::new(), |id| format!(" of {id}"));
    format!("'{}'{of}", alert.alert)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::alert;

    fn rule(inhibited_by: &[&str], by: &[&str]) -> RulePolicy {
        let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        RulePolicy { inhibited_by: owned(inhibited_by), by: owned(by), ..RulePolicy::default() }
    }

    fn policy(rules: &[(&str, RulePolicy)]) -> Policy {
        let rules = rules.iter().map(|(name, rule)| ((*name).to_owned(), rule.clone()));
        Policy { rules: rules.collect(), ..Policy::default() }
    }

    fn over(policy: &Policy, fires: &AlertRecord, held: &AlertRecord) -> Option<String> {
        let entry = Entry::new(fires.clone());
        let now = Inhibition::of(policy).now([&entry].into_iter());
        now.over(held).map(str::to_owned)
    }

    #[test]
    fn an_alert_is_held_back_by_one_that_is_equal_to_it() {
        let policy = policy(&[("down", rule(&[], &["id"])), ("slow", rule(&["down"], &["id"]))]);
        let down = alert("down", "x", "firing", 0);
        assert_eq!(over(&policy, &down, &alert("slow", "x", "firing", 1)).unwrap(), "'down' of x");
        assert!(over(&policy, &down, &alert("slow", "y", "firing", 1)).is_none());
        assert!(over(&policy, &down, &alert("other", "x", "firing", 1)).is_none());
        let ended = alert("down", "x", "resolved", 0);
        assert!(over(&policy, &ended, &alert("slow", "x", "firing", 1)).is_none());
    }

    #[test]
    fn fields_may_be_named_and_rules_without_any_in_common_hold_back_all() {
        let slow = RulePolicy { equal: Some(vec!["team".to_owned()]), ..rule(&["down"], &["id"]) };
        let named = policy(&[("down", rule(&[], &["id"])), ("slow", slow)]);
        let (mut down, mut slow) =
            (alert("down", "x", "firing", 0), alert("slow", "y", "firing", 0));
        down.labels.insert("team".to_owned(), "vision".to_owned());
        assert!(over(&named, &down, &slow).is_none());
        slow.labels.insert("team".to_owned(), "vision".to_owned());
        assert!(over(&named, &down, &slow).is_some());
        let all = policy(&[("down", rule(&[], &[])), ("slow", rule(&["down"], &["id"]))]);
        assert!(over(&all, &down, &slow).is_some());
    }

    #[test]
    fn rules_that_hold_each_other_back_do_not() {
        let policy = policy(&[
            ("a", rule(&["b"], &[])),
            ("b", rule(&["c"], &[])),
            ("c", rule(&["a", "c"], &[])),
            ("d", rule(&["a"], &[])),
        ]);
        let fires = |name| alert(name, "x", "firing", 0);
        for (by, held, holds) in
            [("b", "a", false), ("c", "c", false), ("a", "c", false), ("a", "d", true)]
        {
            assert_eq!(over(&policy, &fires(by), &fires(held)).is_some(), holds, "{by} {held}");
        }
    }
}
