//! The desk: alerts come in, notifications go out, and what holds them back is known.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fleet_core::Timestamp;
use fleet_rules::{AlertRecord, AlertState};

use crate::carrier::ChannelPlan;
use crate::decision::Decision;
use crate::entry::{Entry, Told};
use crate::group::{Group, group_of};
use crate::inhibition::Inhibition;
use crate::judge::Bench;
use crate::limit::Traffic;
use crate::look::{Look, sooner};
use crate::notification::{Notification, Reason};
use crate::policy::Policy;
use crate::silence::{Quiet, Silence};

/// The most alerts that are remembered; what is beyond is told as a number.
pub const MOST_ALERTS: usize = 100_000;

/// A clock that is behind by no more than this was not set, it wavers.
const WAVERS: i64 = 1_000_000_000;

/// Decides who is told what, when. It asks no clock and touches no disk.
#[derive(Debug)]
pub struct Desk {
    pub(crate) policy: Policy,
    pub(crate) quiet: Quiet,
    pub(crate) inhibition: Inhibition,
    /// By fingerprint.
    pub(crate) entries: BTreeMap<String, Entry>,
    /// By channel.
    pub(crate) channels: BTreeMap<String, Traffic>,
    /// By channel: when each group was last told of.
    pub(crate) groups: BTreeMap<String, BTreeMap<Group, Timestamp>>,
    /// The alerts that are new or held back.
    open: BTreeSet<String>,
    /// Whether any of those came since the last look.
    touched: bool,
    /// Whether the next look is at all alerts.
    all: bool,
    /// When something will be to be done by the clock alone.
    pub(crate) wake: Option<Timestamp>,
    /// The latest moment known, against which a clock that was set back is noticed.
    latest: Option<Timestamp>,
    /// By channel and alert: what the spool last held of it when the tool started, and since when.
    noted: BTreeMap<(String, String), (AlertRecord, Timestamp)>,
    /// What must be written down.
    pub(crate) changed: BTreeSet<String>,
    pub(crate) changed_channels: BTreeSet<String>,
}

/// What came of a turn.
#[derive(Clone, Debug, Default)]
pub struct Settled {
    /// What is to be delivered.
    pub notifications: Vec<Notification>,
    /// What was decided newly: who was told, and what was held back.
    pub decisions: Vec<Decision>,
}

impl Desk {
    /// A desk that knows of no alert.
    pub fn new(policy: Policy) -> Desk {
        Desk {
            inhibition: Inhibition::of(&policy),
            policy,
            quiet: Quiet::default(),
            entries: BTreeMap::new(),
            channels: BTreeMap::new(),
            groups: BTreeMap::new(),
            open: BTreeSet::new(),
            touched: false,
            all: true,
            wake: None,
            latest: None,
            noted: BTreeMap::new(),
            changed: BTreeSet::new(),
            changed_channels: BTreeSet::new(),
        }
    }

    /// Takes a change of an alert, in the order in which they came. The same one taken again
    /// changes nothing.
    pub fn take(&mut self, alert: AlertRecord) {
        if alert.state == AlertState::Pending {
            return;
        }
        let name = alert.fingerprint.clone();
        if let Some(entry) = self.entries.get_mut(&name) {
            if !entry.take(alert, self.policy.settings.flap) {
                return;
            }
        } else if self.entries.len() >= MOST_ALERTS && !self.make_room() {
            return self.miss(&alert);
        } else {
            self.entries.insert(name.clone(), Entry::new(alert));
        }
        self.changed.insert(name.clone());
        self.open.insert(name);
        self.touched = true;
    }

    /// Takes the end of an alert whose rule is gone from the file of rules, and what another desk
    /// knew of it.
    pub(crate) fn take_leave(&mut self, known: Option<Entry>, alert: AlertRecord) {
        let name = alert.fingerprint.clone();
        if let Some(mut entry) = known {
            entry.look();
            self.entries.entry(name.clone()).or_insert(entry);
        }
        self.take(alert);
        self.entries.get_mut(&name).into_iter().for_each(|entry| entry.gone = true);
    }

    /// Puts these silences in the place of those that it knows.
    pub fn silences(&mut self, silences: Vec<Silence>) {
        self.quiet = Quiet::new(silences);
        self.all = true;
    }

    /// Notes what the spool holds when a tool starts, in the order of the spool: a crash may have
    /// kept it from being written down that this was told. It counts at the next settling, before
    /// which the ledger was read and what the engine holds as untold was taken.
    pub fn note_spooled(&mut self, notification: &Notification) {
        if notification.reason == Reason::Refresh {
            return;
        }
        for alert in &notification.alerts {
            let key = (notification.channel.clone(), alert.fingerprint.clone());
            self.noted.insert(key, (alert.clone(), notification.created));
        }
    }

    /// Decides what is told now and what is held back.
    pub fn settle(&mut self, now: Timestamp) -> Settled {
        self.follow(now);
        self.heed(now);
        let whole = self.all || self.wake.is_some_and(|at| at <= now);
        if !whole && !self.touched {
            return Settled::default();
        }
        let mut look = self.look(whole, now);
        let mut settled = Settled { decisions: look.decisions, ..Settled::default() };
        for channel in self.policy.channels.clone() {
            let items = look.due.remove(&channel.name).unwrap_or_default();
            self.post(&channel, items, now, &mut settled);
            self.refresh(&channel, now, &mut settled);
        }
        self.report(now, &mut settled);
        self.tidy(&look.over, whole, now);
        settled
    }

    /// How long until [`Desk::settle`] will have something to do by the clock alone.
    pub fn next_due(&self, now: Timestamp) -> Option<Duration> {
        let set_back = self.latest.is_some_and(|latest| now.moved(WAVERS) < latest);
        if self.all || self.touched || set_back {
            return Some(Duration::ZERO);
        }
        self.wake.map(|at| now.until(at))
    }

    /// Whether a silence holds: whoever ends it expects to be told soon of what it held back.
    pub fn is_silenced(&self, now: Timestamp) -> bool {
        self.quiet.holds(now)
    }

    /// Whether alerts of this rule are told by this desk.
    pub fn knows(&self, rule: &str) -> bool {
        self.policy.rules.contains_key(rule)
    }

    /// The newest records of what fires.
    pub fn firing(&self) -> impl Iterator<Item = &AlertRecord> {
        self.entries.values().filter(|entry| entry.fires()).map(|entry| &entry.alert)
    }

    /// The latest moment that it was told.
    pub(crate) fn latest(&self) -> Option<Timestamp> {
        self.latest
    }

    /// The alerts and the channels that must be written down.
    pub(crate) fn take_changed(&mut self) -> (BTreeSet<String>, BTreeSet<String>) {
        (std::mem::take(&mut self.changed), std::mem::take(&mut self.changed_channels))
    }

    /// Something changed that is of no alert: the next look is at all.
    pub(crate) fn stir(&mut self) {
        self.all = true;
    }

    /// Takes over what is remembered in place of what it knows.
    pub(crate) fn restore(
        &mut self,
        entries: BTreeMap<String, Entry>,
        channels: BTreeMap<String, Traffic>,
    ) {
        let newest = entries.values().filter_map(Entry::newest);
        self.latest = newest.chain(channels.values().filter_map(Traffic::newest)).max();
        self.entries = entries;
        self.channels = channels;
        self.groups.clear();
        let mut told = Vec::new();
        for entry in self.entries.values_mut() {
            entry.look();
            let group = group_of(&entry.alert, &self.policy.settings.group_by);
            let accounts = entry.channels.iter().filter_map(|(c, a)| Some((c, a.told.as_ref()?)));
            told.extend(accounts.map(|(channel, t)| (channel.clone(), group.clone(), t.at)));
        }
        told.into_iter().for_each(|(channel, group, at)| self.group_told(&channel, group, at));
        self.open = self.entries.keys().cloned().collect();
        self.changed.clear();
        self.changed_channels.clear();
        self.all = true;
    }

    /// Notes that a group was told of.
    pub(crate) fn group_told(&mut self, channel: &str, group: Group, at: Timestamp) {
        let groups = self.groups.entry(channel.to_owned()).or_default();
        let last = groups.entry(group).or_insert(at);
        *last = (*last).max(at);
    }

    /// Notes that a channel was told how an alert stands; says how many changes it did not hear of.
    pub(crate) fn mark(&mut self, channel: &str, name: &str, at: Timestamp) -> u64 {
        let Some(entry) = self.entries.get_mut(name) else { return 0 };
        let mut account = entry.account(channel);
        let missed = entry.changes.saturating_sub(account.changes + 1);
        account.square(entry);
        account.told = Some(Told {
            state: entry.alert.state,
            severity: entry.alert.severity.clone(),
            ts: entry.alert.ts,
            at,
            times: account.told.map_or(0, |told| told.times) + 1,
            flapping: entry.flapping,
        });
        entry.channels.insert(channel.to_owned(), account);
        let group = group_of(&entry.alert, &self.policy.settings.group_by);
        self.group_told(channel, group, at);
        self.changed.insert(name.to_owned());
        missed
    }

    /// What is known of a channel, to be changed.
    pub(crate) fn traffic(&mut self, channel: &str) -> &mut Traffic {
        self.changed_channels.insert(channel.to_owned());
        self.channels.entry(channel.to_owned()).or_default()
    }

    fn look(&mut self, whole: bool, now: Timestamp) -> Look {
        let mut entries = std::mem::take(&mut self.entries);
        let inhibitors = self.inhibition.now(entries.values());
        let (policy, quiet) = (&self.policy, &self.quiet);
        let bench = Bench { policy, quiet, inhibitors: &inhibitors, now };
        let mut look = Look { wake: self.wake.filter(|_| !whole), ..Look::default() };
        if whole {
            entries.iter_mut().for_each(|(name, entry)| look.at(&bench, name, entry));
            quiet.next_start(now).into_iter().for_each(|at| sooner(&mut look.wake, at));
        } else {
            for name in &self.open {
                entries.get_mut(name).into_iter().for_each(|entry| look.at(&bench, name, entry));
            }
        }
        self.entries = entries;
        self.wake = look.wake;
        self.changed.append(&mut look.changed);
        (self.all, self.touched) = (false, false);
        look
    }

    /// Leaves open what is held back, and forgets what is over.
    fn tidy(&mut self, over: &[String], whole: bool, now: Timestamp) {
        for name in over {
            self.entries.remove(name);
            self.changed.insert(name.clone());
        }
        let entries = &self.entries;
        let held = |entry: &Entry| entry.channels.values().any(|account| account.held.is_some());
        if whole {
            let all = entries.iter().filter(|(_, entry)| held(entry));
            self.open = all.map(|(name, _)| name.clone()).collect();
        } else {
            self.open.retain(|name| entries.get(name).is_some_and(held));
        }
        let window = self.policy.settings.group_window;
        for groups in self.groups.values_mut() {
            groups.retain(|_, last| last.plus(window) > now);
        }
    }

    /// Follows a clock that was set back: all that was before stays as long ago as it was, so
    /// that nothing waits longer and nothing comes twice.
    fn follow(&mut self, now: Timestamp) {
        let latest = self.latest.unwrap_or(now);
        self.latest = Some(now);
        let by = now.nanos().saturating_sub(latest.nanos());
        if by >= -WAVERS {
            self.latest = Some(now.max(latest));
            return;
        }
        self.entries.values_mut().for_each(|entry| entry.shift(by));
        self.channels.values_mut().for_each(|traffic| traffic.shift(by));
        let groups = self.groups.values_mut().flat_map(BTreeMap::values_mut);
        groups.for_each(|at| *at = at.moved(by));
        self.changed = self.entries.keys().cloned().collect();
        self.changed_channels = self.channels.keys().cloned().collect();
        self.all = true;
    }

    /// Takes over what the spool held after a crash, where that is newer than what was written
    /// down.
    fn heed(&mut self, now: Timestamp) {
        for ((channel, name), (said, created)) in std::mem::take(&mut self.noted) {
            let Some(entry) = self.entries.get_mut(&name) else { continue };
            let account = entry.account(&channel);
            let (newest, told) = (&entry.alert, account.told.as_ref());
            let newer = told.is_none_or(|told| told.at < created);
            let same = |ts, state| (ts, state) == (said.ts, said.state);
            let known = told.is_some_and(|told| same(told.ts, told.state));
            if same(newest.ts, newest.state) && newest.severity == said.severity {
                if !known || account.firings < entry.firings {
                    self.mark(&channel, &name, created.min(now));
                }
            } else if newer && !known {
                entry.channels.insert(channel, account.told_before(&said, created.min(now)));
                self.changed.insert(name);
            }
        }
    }

    /// Forgets what is over before its time; says whether that made room.
    fn make_room(&mut self) -> bool {
        let over = |entry: &Entry| {
            !entry.fires() && entry.channels.values().all(|account| account.held.is_none())
        };
        let names = self.entries.iter().filter(|(name, e)| over(e) && !self.open.contains(*name));
        let names: Vec<String> = names.map(|(name, _)| name.clone()).collect();
        for name in &names {
            self.entries.remove(name);
            self.changed.insert(name.clone());
        }
        !names.is_empty()
    }

    /// An alert for which there is no room is told as a number.
    fn miss(&mut self, alert: &AlertRecord) {
        let told = |channel: &&ChannelPlan| self.policy.routes.tells(channel, alert);
        let told: Vec<_> =
            self.policy.channels.iter().filter(told).map(|channel| channel.name.clone()).collect();
        for channel in told {
            let traffic = self.traffic(&channel);
            traffic.missed += 1;
            traffic.limited = true;
        }
        self.all = true;
    }
}
