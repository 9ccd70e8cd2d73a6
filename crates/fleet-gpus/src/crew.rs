//! A thread for each device, so that one which hangs in its driver costs the others nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread;
use std::time::{Duration, Instant};

/// What came of looking at a device.
#[derive(Debug)]
pub(crate) enum Look<T> {
    /// This was seen.
    Seen(T),
    /// It has not answered for so long.
    Silent(Duration),
}

/// Looks at devices `K`, of each of which it keeps what `S` holds from look to look.
///
/// A device that did not answer in time is not asked again until it has; so a driver that hangs
/// for ever holds one thread for each of its devices, and no more.
#[derive(Debug)]
pub(crate) struct Crew<K, S, T> {
    idle: BTreeMap<K, S>,
    busy: BTreeMap<K, Instant>,
    sender: Sender<(K, S, T)>,
    back: Receiver<(K, S, T)>,
}

impl<K, S, T> Crew<K, S, T>
where
    K: Ord + Clone + Send + 'static,
    S: Default + Send + 'static,
    T: Send + 'static,
{
    pub(crate) fn new() -> Crew<K, S, T> {
        let (sender, back) = channel();
        Crew { idle: BTreeMap::new(), busy: BTreeMap::new(), sender, back }
    }

    /// Looks at all of `devices` at once, until the deadline.
    pub(crate) fn look(
        &mut self,
        devices: &[K],
        deadline: Instant,
        look: impl Fn(&K, &mut S) -> T + Clone + Send + 'static,
    ) -> Vec<(K, Look<T>)> {
        // Those that were late last time: what they saw then is old by now.
        while let Ok((device, kept, _)) = self.back.try_recv() {
            self.rest(device, kept);
        }
        let ready = devices.iter().filter(|device| !self.busy.contains_key(device));
        let ready: Vec<K> = ready.cloned().collect();
        let mut waiting: BTreeSet<K> =
            ready.into_iter().filter(|device| self.send(device.clone(), look.clone())).collect();
        let mut seen = BTreeMap::new();
        while !waiting.is_empty() {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok((device, kept, what)) = self.back.recv_timeout(left) else { break };
            waiting.remove(&device);
            self.rest(device.clone(), kept);
            seen.insert(device, what);
        }
        let silent = |device: &K| self.busy.get(device).map_or(Duration::ZERO, Instant::elapsed);
        let what = |device: &K| {
            seen.remove(device).map_or_else(|| Look::Silent(silent(device)), Look::Seen)
        };
        let what: Vec<Look<T>> = devices.iter().map(what).collect();
        devices.iter().cloned().zip(what).collect()
    }

    fn rest(&mut self, device: K, kept: S) {
        self.busy.remove(&device);
        self.idle.insert(device, kept);
    }

    /// Sends a thread to a device, if the system has one to give.
    fn send(&mut self, device: K, look: impl Fn(&K, &mut S) -> T + Send + 'static) -> bool {
        let mut kept = self.idle.remove(&device).unwrap_or_default();
        let (sender, of) = (self.sender.clone(), device.clone());
        let started = thread::Builder::new().stack_size(256 << 10).spawn(move || {
            let what = look(&of, &mut kept);
            // Nobody waits any more when the program ends.
            let _ = sender.send((of, kept, what));
        });
        if started.is_ok() {
            self.busy.insert(device, Instant::now());
        }
        started.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(50)
    }

    #[test]
    fn a_device_that_hangs_costs_the_others_nothing_and_is_not_asked_again() {
        let mut crew: Crew<u32, u32, u32> = Crew::new();
        let gate = Arc::new(Mutex::new(()));
        let held = gate.lock().unwrap();
        let look = {
            let gate = gate.clone();
            move |device: &u32, kept: &mut u32| {
                *kept += 1;
                drop((*device == 1).then(|| gate.lock()));
                *kept
            }
        };
        for round in 1..=3 {
            let seen = crew.look(&[0, 1, 2], soon(), look.clone());
            assert!(matches!(seen[0], (0, Look::Seen(kept)) if kept == round), "{seen:?}");
            assert!(matches!(seen[1], (1, Look::Silent(_))), "{seen:?}");
            assert!(matches!(seen[2], (2, Look::Seen(kept)) if kept == round), "{seen:?}");
        }
        drop(held);
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let seen = crew.look(&[1], soon(), look.clone());
            match seen[0].1 {
                // Once while it hung, and now.
                Look::Seen(kept) => return assert_eq!(kept, 2),
                Look::Silent(_) => assert!(Instant::now() < deadline, "it does not come back"),
            }
        }
    }
}
