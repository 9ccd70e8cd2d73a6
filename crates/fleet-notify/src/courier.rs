//! Those who carry what is in the spool to its channels, each on a thread of its own.
//!
//! # Theory of operation
//!
//! A channel that has something to deliver gets a thread, which ends when nothing is left. It takes
//! the lock of the channel's folder, so that of two tools on one home only one delivers, and lets
//! it go while it waits to try again. Which entry is next and when is decided by [`round`]: the
//! oldest first, but none before an older one about the same alert, and none while the channel is
//! held.
//!
//! Nobody waits for a thread: who puts something into the spool [`Couriers::wake`]s the channel and
//! goes on. At the end, [`Couriers::wait`] waits for what can be delivered within a limit, and
//! [`Couriers::close`] lets no more begin; whatever a thread still does then ends with the process,
//! and its entry is in the spool.
//!
//! What a person should know comes as [`News`].

mod lane;
mod news;
mod round;

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use fleet_core::{Timestamp, duration_text};

use crate::carrier::Carrier;
use crate::spool::Spool;
use lane::Worker;
pub use news::News;

/// Makes what reaches a channel, or says why that cannot be, as the second half of a sentence.
pub type Opener = Box<dyn Fn() -> Result<Box<dyn Carrier>, String> + Send + Sync>;

/// News that nobody fetches are kept up to this number.
const MOST_NEWS: usize = 1000;

/// The couriers of all channels.
pub struct Couriers {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    spool: Arc<Spool>,
    openers: BTreeMap<String, Opener>,
    deliver_for: Duration,
    /// Called when there are news.
    ring: Box<dyn Fn() + Send + Sync>,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    lanes: BTreeMap<String, Lane>,
    news: Vec<News>,
    closing: bool,
}

/// What is known of a channel's thread.
#[derive(Default)]
struct Lane {
    running: bool,
    /// There may be something new in the spool.
    woken: bool,
    /// Until when it sleeps, if it does.
    sleeps_until: Option<Instant>,
    remains: Remains,
    /// What the next thread goes on with.
    worker: Option<Worker>,
}

/// What of a channel was not delivered.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Remains {
    /// Notifications that wait.
    pub waiting: usize,
    /// How many of them stand in memory alone and are lost with this process.
    pub in_memory: usize,
    /// Why the last try failed, as the second half of a sentence; empty if none did.
    pub last_error: String,
}

impl fmt::Debug for Couriers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Couriers").field("channels", &self.shared.openers.keys()).finish()
    }
}

impl Couriers {
    /// Couriers for these channels, none of them on its way yet. `ring` is called, from any
    /// thread, when there are [`Couriers::news`].
    pub fn new(
        spool: Arc<Spool>,
        channels: impl IntoIterator<Item = (String, Opener)>,
        deliver_for: Duration,
        ring: impl Fn() + Send + Sync + 'static,
    ) -> Couriers {
        let openers = channels.into_iter().collect();
        let (state, changed) = (Mutex::default(), Condvar::new());
        let ring = Box::new(ring);
        Couriers { shared: Arc::new(Shared { spool, openers, deliver_for, ring, state, changed }) }
    }

    /// Sends off the courier of a channel for which there may be something in the spool.
    pub fn wake(&self, channel: &str) {
        let Some((channel, _)) = self.shared.openers.get_key_value(channel) else { return };
        let mut state = self.shared.lock();
        let lane = state.lanes.entry(channel.clone()).or_default();
        lane.woken = true;
        if lane.running {
            self.shared.changed.notify_all();
            return;
        }
        lane.running = true;
        let worker = lane.worker.take().unwrap_or_else(|| Worker::new(channel));
        let shared = Arc::clone(&self.shared);
        drop(state);
        let thread = thread::Builder::new().name("courier".to_owned());
        if let Err(error) = thread.spawn(move || worker.run(&shared)) {
            self.shared.lock().lanes.entry(channel.clone()).or_default().running = false;
            let why = format!("has no courier: no thread can be started: {error}");
            let again_in = Duration::ZERO;
            self.shared.tell(News::Trouble { channel: channel.clone(), why, again_in });
        }
    }

    /// Sends off the couriers of all channels for which something is in the spool.
    pub fn wake_all(&self) {
        for channel in self.shared.openers.keys() {
            // A spool that cannot be read is said by the courier.
            if self.shared.spool.has_any(channel).unwrap_or(true) {
                self.wake(channel);
            }
        }
    }

    /// Makes dead letters of what waited for too long for channels that are not configured; nobody
    /// would ever fetch it.
    pub fn bury_strangers(&self) {
        let channels = self.shared.spool.channels().unwrap_or_default();
        for channel in channels.iter().filter(|name| !self.shared.openers.contains_key(*name)) {
            let entries = self.shared.spool.entries(channel).unwrap_or_default().entries;
            let why = "no channel of this name is configured".to_owned();
            let now = Timestamp::now();
            let old = entries.iter().filter(|entry| {
                now.seconds_since(entry.since) > self.shared.deliver_for.as_secs_f64()
            });
            let many = old.filter(|entry| self.shared.spool.bury(entry, &why).is_ok()).count();
            if many > 0 {
                self.shared.tell(News::Buried { channel: channel.clone(), many, why });
            }
        }
    }

    /// What there is to say since this was last asked.
    pub fn news(&self) -> Vec<News> {
        std::mem::take(&mut self.shared.lock().news)
    }

    /// Waits until all is delivered that can be within this time, or until there are news; says
    /// whether there are.
    pub fn wait(&self, limit: Duration) -> bool {
        let deadline = Instant::now() + limit;
        let mut state = self.shared.lock();
        let is_busy =
            |lane: &Lane| lane.running && lane.sleeps_until.is_none_or(|until| until <= deadline);
        while state.news.is_empty() && state.lanes.values().any(is_busy) {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let waited = self.shared.changed.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        !state.news.is_empty()
    }

    /// Lets no further try begin, waits within the limit for those that are being made, and says
    /// what waits still, by channel. A try that takes longer ends with the process.
    pub fn close(&self, limit: Duration) -> BTreeMap<String, Remains> {
        let mut state = self.shared.lock();
        state.closing = true;
        self.shared.changed.notify_all();
        let under_way = |state: &mut State| state.lanes.values().any(|lane| lane.running);
        let waited = self.shared.changed.wait_timeout_while(state, limit, under_way);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
        let remains = state.lanes.iter().filter(|(_, lane)| lane.remains.waiting > 0);
        remains.map(|(channel, lane)| (channel.clone(), lane.remains.clone())).collect()
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, news: News) {
        let mut state = self.lock();
        if state.news.len() < MOST_NEWS {
            state.news.push(news);
        }
        self.changed.notify_all();
        drop(state);
        (self.ring)();
    }

    fn too_old(&self) -> String {
        format!("was not delivered within {}", duration_text(self.deliver_for))
    }
}

#[cfg(test)]
mod tests;
