//! What an engine takes over: of the state file, and of the time in which no tool was at work.

use std::collections::BTreeMap;

use fleet_core::Timestamp;
use smol_str::SmolStr;

use crate::awake::{self, Awake};
use crate::engine::{Engine, Handle};
use crate::instance::Instance;
use crate::machine::What;
use crate::rule::Condition;
use crate::words::{by_clock, by_end};

impl Engine {
    /// Takes over what was remembered, in place of what this engine remembers. What is left of a
    /// rule that reads otherwise now, or is gone from this engine's file, is over: where it
    /// fired, that is told ([`Engine::untold`]).
    pub fn restore(&mut self, instances: Vec<Instance>) {
        self.changed.clear();
        self.owed.clear();
        self.gone.clear();
        self.line = None;
        self.watches.iter_mut().for_each(|watch| watch.instances.clear());
        for instance in instances {
            match Awake::read(&instance) {
                Some(awake) => {
                    self.before = Some(awake);
                    self.line = Some(instance);
                }
                None => self.take(instance),
            }
        }
        if self.began.is_some() {
            self.watch_what_is_absent();
            self.queue_all();
        }
    }

    fn take(&mut self, mut instance: Instance) {
        let mut watches = self.watches.iter_mut().enumerate();
        let Some((at, watch)) = watches.find(|(_, watch)| watch.rule.name == instance.rule) else {
            return self.take_leave(instance);
        };
        if !watch.is_named(&instance) {
            let fired = instance.is_firing();
            if fired {
                let at = instance.last;
                by_clock(&mut instance, &watch.rule, What::RuleChanged, at, at);
            }
            return self.leave(instance, fired);
        }
        let handle = Handle { watch: at, key: watch.key_of(&instance) };
        if instance.form.as_ref().is_some_and(|form| *form != watch.form) {
            let fired = instance.is_firing();
            if fired {
                let at = instance.last;
                by_clock(&mut instance, &watch.rule, What::RuleChanged, at, at);
            }
            instance = over(instance, fired);
            instance.changed = true;
            self.changed.push(handle.clone());
        }
        instance.form = Some(watch.form.clone());
        self.source.clone_into(&mut instance.source);
        if instance.untold {
            self.owed.insert(handle.clone());
        }
        watch.instances.insert(handle.key, Box::new(instance));
    }

    /// What is left of a rule of this engine's file that is not there any more.
    fn take_leave(&mut self, mut instance: Instance) {
        if self.source.is_empty() || instance.source != self.source {
            return;
        }
        let fired = instance.is_firing();
        if fired {
            by_end(&mut instance);
        }
        self.leave(instance, fired);
    }

    /// An instance that no record will be of any more is over.
    fn leave(&mut self, instance: Instance, untold: bool) {
        let mut left = over(instance, untold);
        left.changed = true;
        self.gone.push(left);
    }

    /// Knows what time it is.
    pub(crate) fn at_work(&mut self, now: Timestamp) {
        if self.began.is_none() {
            self.begin(now);
        } else if let Some(by) = awake::back(self.awake.until, now) {
            let all = self.watches.iter_mut().flat_map(|watch| watch.instances.values_mut());
            all.for_each(|instance| awake::set_back(instance, by));
            self.began = self.began.map(|began| began.min(now));
            self.awake.until = now;
            self.queue_all();
        }
        self.awake.until = self.awake.until.max(now);
    }

    /// Takes out of what is remembered the time in which no tool was at work.
    fn begin(&mut self, now: Timestamp) {
        let (down, pause) = self.before.map_or_else(Default::default, |before| before.down(now));
        let down = i64::try_from(down.as_nanos()).unwrap_or(i64::MAX);
        for instance in self.watches.iter_mut().flat_map(|watch| watch.instances.values_mut()) {
            if let Some(by) = awake::back(instance.seen, now) {
                awake::set_back(instance, by);
            }
            if down > 0 {
                instance.down = instance.down.saturating_add(down);
                instance.touched = true;
            }
        }
        self.began = Some(now);
        self.awake = Awake { until: now, pause };
        self.watch_what_is_absent();
        self.queue_all();
    }

    /// What has no name is awaited before it was ever seen.
    fn watch_what_is_absent(&mut self) {
        let now = self.awake.until;
        for watch in &mut self.watches {
            let nameless = watch.rule.by.is_empty() && watch.instances.is_empty();
            if nameless && matches!(watch.rule.condition, Condition::Absent { .. }) {
                let mut fresh = watch.fresh(BTreeMap::new(), now, &self.source);
                fresh.touched = true;
                watch.instances.insert(SmolStr::default(), Box::new(fresh));
            }
        }
    }
}

/// The same, being over: nothing is left but what must be told.
fn over(instance: Instance, untold: bool) -> Instance {
    let owed = untold || instance.untold;
    let mut fresh = Instance::new(&instance.rule, instance.key, instance.last);
    fresh.seen = instance.seen;
    fresh.source = instance.source;
    fresh.alert = instance.alert.filter(|_| owed);
    fresh.untold = owed;
    fresh
}
