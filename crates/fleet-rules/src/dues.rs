//! What the clock has to do, in order: looked at without going through all instances.

use std::collections::BTreeSet;
use std::time::Duration;

use fleet_core::Timestamp;

use crate::engine::Handle;
use crate::instance::Instance;

/// Instances by when the clock has something to do for them. What is due later than it stands here
/// is put right when its time comes: a record that only moves it on costs nothing.
#[derive(Debug, Default)]
pub(crate) struct Dues(BTreeSet<(Timestamp, Handle)>);

impl Dues {
    /// Sees to it that the instance is looked at when it is due.
    pub(crate) fn put(
        &mut self,
        instance: &mut Instance,
        due: Option<Timestamp>,
        handle: impl FnOnce() -> Handle,
    ) {
        let Some(due) = due else { return };
        if instance.queued.is_some_and(|queued| queued <= due) {
            return;
        }
        let handle = handle();
        if let Some(queued) = instance.queued.replace(due) {
            self.0.remove(&(queued, handle.clone()));
        }
        self.0.insert((due, handle));
    }

    /// Forgets an instance.
    pub(crate) fn remove(&mut self, instance: &mut Instance, handle: &Handle) {
        if let Some(queued) = instance.queued.take() {
            self.0.remove(&(queued, handle.clone()));
        }
    }

    /// Takes out all that is due.
    pub(crate) fn take(&mut self, now: Timestamp) -> Vec<Handle> {
        let mut due = Vec::new();
        while self.0.first().is_some_and(|(at, _)| *at <= now) {
            due.extend(self.0.pop_first().map(|(_, handle)| handle));
        }
        due
    }

    /// How long until the next.
    pub(crate) fn next(&self, now: Timestamp) -> Option<Duration> {
        let (at, _) = self.0.first()?;
        let nanos = at.nanos().saturating_sub(now.nanos()).max(0);
        Some(Duration::from_nanos(nanos.unsigned_abs()))
    }

    /// Forgets all.
    pub(crate) fn clear(&mut self) {
        self.0.clear();
    }
}
