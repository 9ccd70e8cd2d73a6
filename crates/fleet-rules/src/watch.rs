//! A rule that is being looked at: its expressions compiled, its fields in slots, its instances.

use std::collections::{BTreeMap, HashMap};

use fleet_core::Timestamp;
use smol_str::SmolStr;

use crate::compiled::{Node, Selector};
use crate::expression::Settled;
use crate::fields::{Fields, Slot};
use crate::instance::Instance;
use crate::keys::{BETWEEN, KeyOf, Keys};
use crate::rule::{Condition, Rule};

/// A rule that is being looked at.
#[derive(Debug)]
pub(crate) struct Watch {
    pub(crate) rule: Rule,
    /// [`Rule::form`].
    pub(crate) form: String,
    pub(crate) check: Check,
    /// About whom it is.
    pub(crate) selectors: Vec<Selector>,
    pub(crate) by: Vec<Slot>,
    /// The key that `by` makes.
    pub(crate) key: KeyOf,
    pub(crate) measured: Option<String>,
    pub(crate) instances: Instances,
}

/// Instances by key. There may be many, and each record asks for one of each rule, most of them out
/// of the processor's cache: short keys lie in the table itself, and what is large does not.
pub(crate) type Instances = HashMap<SmolStr, Box<Instance>>;

/// The condition, compiled.
#[derive(Debug)]
pub(crate) enum Check {
    /// Of each level, `when` and `clear`.
    Levels(Vec<(Node, Option<Node>)>),
    /// Of a window.
    Windowed { admits: Option<Node>, clear: Option<Node>, value: Slot, step: Option<Slot> },
    /// Of what is absent.
    Absent { admits: Option<Node> },
}

/// The instance of a rule that stands for the rule itself; no value of a field holds only this.
const ITSELF: &str = "\u{0}limit";

impl Watch {
    pub(crate) fn new(rule: Rule, fields: &mut Fields, keys: &mut Keys) -> Watch {
        let subject = fields.want("subject");
        let check = Check::new(&rule.condition, fields);
        let by: Vec<Slot> = rule.by.iter().map(|name| fields.want(name)).collect();
        Watch {
            selectors: check.first().map_or(Vec::new(), |node| node.selectors(subject)),
            check,
            key: keys.want(by.clone()),
            by,
            measured: rule.condition.measured(),
            instances: Instances::new(),
            form: rule.form(),
            rule,
        }
    }

    /// The key of an instance, as its fields say.
    pub(crate) fn key_of(&self, instance: &Instance) -> SmolStr {
        if instance.is_itself() {
            return ITSELF.into();
        }
        let value = |name: &String| instance.key.get(name).map_or("", String::as_str);
        self.rule.by.iter().map(value).collect::<Vec<_>>().join(&BETWEEN.to_string()).into()
    }

    /// Whether the instance is told from others by nothing but what the rule now says.
    pub(crate) fn is_named(&self, instance: &Instance) -> bool {
        instance.is_itself() || instance.key.keys().all(|name| self.rule.by.contains(name))
    }

    /// An instance of it of which nothing is known.
    pub(crate) fn fresh(
        &self,
        key: BTreeMap<String, String>,
        at: Timestamp,
        source: &str,
    ) -> Instance {
        let mut instance = Instance::new(&self.rule.name, key, at);
        instance.watched = self.rule.remembers();
        self.claim(&mut instance, source);
        instance
    }

    /// The key and the instance that stands for the rule itself.
    pub(crate) fn itself(&self, at: Timestamp, source: &str) -> (SmolStr, Instance) {
        let mut instance = Instance::itself(&self.rule.name, at);
        self.claim(&mut instance, source);
        (ITSELF.into(), instance)
    }

    fn claim(&self, instance: &mut Instance, source: &str) {
        instance.form = Some(self.form.clone());
        source.clone_into(&mut instance.source);
    }

    /// Whether no more instances may be watched. The one that stands for the rule does not count.
    pub(crate) fn is_full(&self) -> bool {
        self.instances.len() - usize::from(self.instances.contains_key(ITSELF)) >= self.rule.limit
    }
}

impl Check {
    fn new(condition: &Condition, fields: &mut Fields) -> Check {
        let mut node = |settled: &Settled| Node::compile(settled, fields);
        match condition {
            Condition::Levels(levels) => Check::Levels(
                levels
                    .iter()
                    .map(|level| (node(&level.when), level.clear.as_deref().map(&mut node)))
                    .collect(),
            ),
            Condition::Windowed { admits, window, clear } => Check::Windowed {
                admits: admits.as_deref().map(&mut node),
                clear: clear.as_deref().map(&mut node),
                value: fields.want(window.field()),
                step: window.step_field().map(|name| fields.want(name)),
            },
            Condition::Absent { admits, .. } => {
                Check::Absent { admits: admits.as_deref().map(node) }
            }
        }
    }

    /// The expression that says about whom the rule is.
    fn first(&self) -> Option<&Node> {
        match self {
            Check::Levels(levels) => levels.first().map(|level| &level.0),
            Check::Windowed { admits, .. } | Check::Absent { admits } => admits.as_ref(),
        }
    }
}
