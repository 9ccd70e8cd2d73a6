//! From what is due to notifications: groups and their windows, limits and digests.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use fleet_core::{Timestamp, duration_text};
use fleet_rules::AlertRecord;
use fleet_rules::alert::fingerprint;

use crate::carrier::ChannelPlan;
use crate::decision::{Cause, Hold};
use crate::desk::{Desk, Settled};
use crate::entry::{Entry, fires};
use crate::group::{Group, group_of};
use crate::look::{AFTER_END, Item, decision, sooner};
use crate::notification::{Notification, Reason};
use fleet_rules::rank;

/// The most alerts that one notification names.
pub const MOST_NAMED: usize = 100;

/// Of the reasons for which the alerts of one notification are told, the one that it gives.
const ORDER: [Reason; 7] = [
    Reason::First,
    Reason::SilenceEnded,
    Reason::InhibitionEnded,
    Reason::Severity,
    Reason::Flapping,
    Reason::Repeat,
    Reason::Resolved,
];

impl Desk {
    /// Tells a channel what is due, as far as windows and its limit let it.
    pub(crate) fn post(
        &mut self,
        channel: &ChannelPlan,
        items: Vec<Item>,
        now: Timestamp,
        settled: &mut Settled,
    ) {
        let most = self.policy.max_per_hour(channel);
        let traffic = self.channels.get(&channel.name).cloned().unwrap_or_default();
        let room = traffic.room(most, now);
        if traffic.limited && room > 0 {
            self.traffic(&channel.name).limited = false;
            if traffic.missed > 0 || items.iter().any(|item| self.was_limited(channel, item)) {
                return self.digest(channel, items, now, settled);
            }
        }
        if items.is_empty() {
            return;
        }
        let ready = self.ready(channel, items, now, settled);
        let passes = |items: &[Item]| items.iter().any(|item| item.immediate);
        let (first, ready): (Vec<_>, Vec<_>) = ready.into_iter().partition(|(_, i)| passes(i));
        let all = first.iter().chain(&ready).flat_map(|(_, items)| items);
        let told = self.told_groups(channel, all.map(|item| item.fingerprint.as_str()).collect());
        for (group, items) in first {
            self.tell(channel, told.contains(&group), group, items, now, settled);
        }
        let traffic = self.channels.get(&channel.name).cloned().unwrap_or_default();
        let room = traffic.room(most, now) as usize;
        if ready.len() <= room {
            for (group, items) in ready {
                self.tell(channel, told.contains(&group), group, items, now, settled);
            }
            return;
        }
        let items: Vec<Item> = ready.into_iter().flat_map(|(_, items)| items).collect();
        if room > 0 {
            return self.digest(channel, items, now, settled);
        }
        self.traffic(&channel.name).limited = true;
        let cause = Cause::Limit(most, traffic.room_at(most, now));
        self.hold(channel, &items, &cause, settled);
    }
}

impl Desk {
    fn was_limited(&self, channel: &ChannelPlan, item: &Item) -> bool {
        let entry = self.entries.get(&item.fingerprint);
        let account = entry.and_then(|entry| entry.channels.get(&channel.name));
        account.is_some_and(|account| account.held == Some(Hold::Limited))
    }

    /// The groups that may be told of now; the rest is held until their window ends. Whatever
    /// does not wait takes its whole group along.
    fn ready(
        &mut self,
        channel: &ChannelPlan,
        items: Vec<Item>,
        now: Timestamp,
        settled: &mut Settled,
    ) -> BTreeMap<Group, Vec<Item>> {
        let mut ready: BTreeMap<Group, Vec<Item>> = BTreeMap::new();
        for item in items {
            let group = self.entries.get(&item.fingerprint).map(|entry| self.group(entry));
            ready.entry(group.unwrap_or_default()).or_default().push(item);
        }
        let window = self.policy.settings.group_window;
        let groups = self.groups.get(&channel.name).cloned().unwrap_or_default();
        let ends = |group: &Group| groups.get(group).map(|last| last.plus(window));
        let waits = |group: &Group, items: &[Item]| {
            ends(group).filter(|ends| *ends > now && !items.iter().any(|item| item.urgent))
        };
        let waiting: Vec<_> =
            ready.extract_if(.., |group, items| waits(group, items).is_some()).collect();
        for (group, items) in waiting {
            let cause = Cause::Window(ends(&group).unwrap_or(now));
            self.hold(channel, &items, &cause, settled);
        }
        ready
    }

    /// Tells of all at once what the limit held back, and of what came and went meanwhile.
    fn digest(
        &mut self,
        channel: &ChannelPlan,
        items: Vec<Item>,
        now: Timestamp,
        settled: &mut Settled,
    ) {
        let unknown = std::mem::take(&mut self.traffic(&channel.name).missed);
        if !items.is_empty() || unknown > 0 {
            let message = Message { reason: Reason::Digest, group: Group::new(), missed: unknown };
            self.send(channel, message, items, now, settled);
        }
    }

    /// Tells of one group.
    fn tell(
        &mut self,
        channel: &ChannelPlan,
        more: bool,
        group: Group,
        items: Vec<Item>,
        now: Timestamp,
        settled: &mut Settled,
    ) {
        let given = |reason: &&Reason| items.iter().any(|item| item.reason == **reason);
        let reason = match ORDER.iter().find(given) {
            Some(Reason::First) if more => Reason::More,
            reason => reason.copied().unwrap_or(Reason::First),
        };
        let message = Message { reason, group, missed: 0 };
        self.send(channel, message, items, now, settled);
    }

    /// Makes the notification, and notes that the channel was told. A receiver that keeps alerts
    /// of its own gets all of them by name.
    fn send(
        &mut self,
        channel: &ChannelPlan,
        message: Message,
        mut items: Vec<Item>,
        now: Timestamp,
        settled: &mut Settled,
    ) {
        items.sort_by_cached_key(|item| self.entries.get(&item.fingerprint).map(place));
        let named = if channel.refresh.is_some() { items.len() } else { MOST_NAMED };
        let unnamed = items.split_off(named.min(items.len()));
        let mut message = message;
        for item in &unnamed {
            message.missed += 1;
            self.told(channel, item, message.reason, now, settled);
        }
        let chunks: Vec<_> = items.chunks(MOST_NAMED).map(<[Item]>::to_vec).collect();
        for chunk in if chunks.is_empty() { vec![Vec::new()] } else { chunks } {
            self.chunk(channel, &mut message, &chunk, now, settled);
        }
    }

    fn chunk(
        &mut self,
        channel: &ChannelPlan,
        message: &mut Message,
        items: &[Item],
        now: Timestamp,
        settled: &mut Settled,
    ) {
        let entries = items.iter().filter_map(|item| self.entries.get(&item.fingerprint));
        let alerts: Vec<_> = entries.clone().map(|entry| self.shown(entry)).collect();
        let id = if items.is_empty() {
            self.nameless(channel)
        } else {
            identity(&channel.name, &message.group, entries)
        };
        for item in items {
            let missed = self.told(channel, item, message.reason, now, settled);
            message.missed += if message.reason == Reason::Digest { missed } else { 0 };
        }
        self.traffic(&channel.name).count(now);
        settled.notifications.push(Notification {
            kind: "notification".to_owned(),
            v: None,
            id,
            channel: channel.name.clone(),
            group: message.group.clone(),
            reason: message.reason,
            created: now,
            host: self.policy.host.clone(),
            alerts,
            held_back: std::mem::take(&mut message.missed),
            text: String::new(),
        });
    }

    /// The record as it is told: of one that flaps it is said.
    fn shown(&self, entry: &Entry) -> AlertRecord {
        let mut alert = entry.alert.clone();
        if entry.flapping {
            let flap = self.policy.settings.flap;
            let within = duration_text(flap.within);
            alert.reason = format!(
                "{}; flapping: it changed more than {} times within {within}, and is told again \
                 when it has been calm for {within}",
                alert.reason, flap.changes
            );
        }
        alert
    }

    /// Notes that an alert was told; says how many changes the channel did not hear of.
    fn told(
        &mut self,
        channel: &ChannelPlan,
        item: &Item,
        reason: Reason,
        now: Timestamp,
        settled: &mut Settled,
    ) -> u64 {
        let missed = self.mark(&channel.name, &item.fingerprint, now);
        if let Some(entry) = self.entries.get(&item.fingerprint) {
            let text = format!("a notification is on its way: {}", entry.alert.state.word());
            let word = if reason == Reason::Digest { reason } else { item.reason }.word();
            settled.decisions.push(decision(&item.fingerprint, entry, &channel.name, word, text));
            if let Some(repeat) = self.policy.repeat(&entry.alert.alert).filter(|_| entry.fires()) {
                sooner(&mut self.wake, now.plus(repeat));
            }
        }
        missed
    }

    /// Holds back what is due.
    fn hold(
        &mut self,
        channel: &ChannelPlan,
        items: &[Item],
        cause: &Cause,
        settled: &mut Settled,
    ) {
        cause.ends().into_iter().for_each(|at| sooner(&mut self.wake, at));
        for item in items {
            let Some(entry) = self.entries.get_mut(&item.fingerprint) else { continue };
            let mut account = entry.account(&channel.name);
            if account.held.replace(cause.hold()) == Some(cause.hold()) {
                continue;
            }
            let (word, text) = (cause.hold().word(), cause.text());
            settled.decisions.push(decision(&item.fingerprint, entry, &channel.name, word, text));
            entry.channels.insert(channel.name.clone(), account);
            self.changed.insert(item.fingerprint.clone());
        }
    }

    /// The groups of which the channel was told that some alert fires, other than those that are
    /// due now.
    fn told_groups(&self, channel: &ChannelPlan, due: BTreeSet<&str>) -> BTreeSet<Group> {
        let told = |entry: &Entry| {
            let told = entry.channels.get(&channel.name).and_then(|a| a.told.as_ref());
            entry.fires() && told.is_some_and(|told| fires(told.state))
        };
        let others = |name: &str| !due.is_empty() && !due.contains(name);
        let entries = self.entries.iter().filter(|(name, entry)| others(name) && told(entry));
        entries.map(|(_, entry)| self.group(entry)).collect()
    }

    /// Tells a receiver again of all that it was told and that fires, or it takes it for over.
    pub(crate) fn refresh(&mut self, channel: &ChannelPlan, now: Timestamp, settled: &mut Settled) {
        let Some(every) = channel.refresh else { return };
        let last = self.channels.get(&channel.name).and_then(|traffic| traffic.refreshed);
        if let Some(due) = last.map(|last| last.plus(every)).filter(|due| *due > now) {
            return sooner(&mut self.wake, due);
        }
        let told = |entry: &Entry| self.told_before(entry, channel, now);
        let alerts: Vec<_> = self.entries.values().filter_map(told).collect();
        if alerts.is_empty() {
            if last.is_some() {
                self.traffic(&channel.name).refreshed = None;
            }
            return;
        }
        self.traffic(&channel.name).refreshed = Some(now);
        sooner(&mut self.wake, now.plus(every));
        if last.is_some() {
            self.send_again(channel, &alerts, now, settled);
        }
    }

    fn send_again(
        &mut self,
        channel: &ChannelPlan,
        alerts: &[AlertRecord],
        now: Timestamp,
        settled: &mut Settled,
    ) {
        for alerts in alerts.chunks(MOST_NAMED) {
            settled.notifications.push(Notification {
                kind: "notification".to_owned(),
                v: None,
                id: self.nameless(channel),
                channel: channel.name.clone(),
                group: Group::new(),
                reason: Reason::Refresh,
                created: now,
                host: self.policy.host.clone(),
                alerts: alerts.to_vec(),
                held_back: 0,
                text: String::new(),
            });
        }
    }

    /// The name of a message that its alerts do not name; the same after a crash.
    fn nameless(&mut self, channel: &ChannelPlan) -> String {
        let traffic = self.traffic(&channel.name);
        traffic.nameless += 1;
        fingerprint(
            &channel.name,
            [("nameless", traffic.nameless.to_string().as_str())].into_iter(),
        )
    }

    /// What the channel was told of this alert, if it must hear of it again.
    fn told_before(
        &self,
        entry: &Entry,
        channel: &ChannelPlan,
        now: Timestamp,
    ) -> Option<AlertRecord> {
        let told = entry.channels.get(&channel.name)?.told.as_ref()?;
        let lately = channel.resolved && told.at.plus(AFTER_END) > now;
        let alive = fires(told.state) || lately;
        let (state, severity) = (told.state, told.severity.clone());
        alive.then(|| AlertRecord { state, severity, ..entry.alert.clone() })
    }

    fn group(&self, entry: &Entry) -> Group {
        group_of(&entry.alert, &self.policy.settings.group_by)
    }
}

/// What a message is about, beside its alerts.
struct Message {
    reason: Reason,
    group: Group,
    /// What it tells only as a number.
    missed: u64,
}

/// The order of alerts in a message: the worst first, what fires before what is over.
fn place(entry: &Entry) -> (Reverse<usize>, bool, String, Option<String>) {
    let alert = &entry.alert;
    (Reverse(rank(&alert.severity)), !entry.fires(), alert.alert.clone(), alert.id.clone())
}

/// The same for the same alerts in the same states on the same channel, and another when they
/// are told again on purpose.
fn identity<'e>(channel: &str, group: &Group, entries: impl Iterator<Item = &'e Entry>) -> String {
    let mut said: Vec<(String, String)> = group.clone().into_iter().collect();
    for entry in entries {
        let alert = &entry.alert;
        let told = entry.channels.get(channel).and_then(|account| account.told.as_ref());
        let times = told.map_or(0, |told| told.times);
        let state = format!("{} {} {times}", alert.state.word(), alert.ts.to_nanos_text());
        said.push((alert.fingerprint.clone(), state));
    }
    fingerprint(channel, said.iter().map(|(name, value)| (name.as_str(), value.as_str())))
}
