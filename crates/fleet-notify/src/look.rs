//! One look at alerts that may have something to be told: what is due, what is held back and why.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use fleet_core::Timestamp;
use fleet_rules::AlertState;

use crate::carrier::ChannelPlan;
use crate::decision::{Cause, Decision, Hold, nobody};
use crate::entry::{Account, Entry, fires};
use crate::judge::{Bench, Ruling};
use crate::notification::Reason;
use crate::policy::Policy;

/// For so long after its end an alert is remembered at least: a receiver that must hear again of
/// what fires also hears for this long of what is over, as Prometheus has it.
pub(crate) const AFTER_END: Duration = Duration::from_secs(15 * 60);

/// What came of a look.
#[derive(Debug, Default)]
pub(crate) struct Look {
    /// By channel: what nothing about the alert itself holds back.
    pub(crate) due: BTreeMap<String, Vec<Item>>,
    pub(crate) decisions: Vec<Decision>,
    /// The alerts of which something must be written down.
    pub(crate) changed: BTreeSet<String>,
    /// The alerts that may be forgotten.
    pub(crate) over: Vec<String>,
    /// When something will be to be done by the clock alone.
    pub(crate) wake: Option<Timestamp>,
}

/// One alert that is due to one channel.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) fingerprint: String,
    pub(crate) reason: Reason,
    pub(crate) immediate: bool,
    pub(crate) urgent: bool,
}

/// The earlier of two moments.
pub(crate) fn sooner(wake: &mut Option<Timestamp>, at: Timestamp) {
    *wake = Some(wake.map_or(at, |wake| wake.min(at)));
}

impl Look {
    /// Looks at one alert.
    pub(crate) fn at(&mut self, bench: &Bench, name: &str, entry: &mut Entry) {
        let flap = bench.policy.settings.flap;
        if entry.damp(flap, bench.now) {
            self.changed.insert(name.to_owned());
        }
        let mut concerned = false;
        for channel in &bench.policy.channels {
            if concerns(bench.policy, entry, channel) {
                concerned = true;
                self.channel(bench, name, entry, channel);
            }
        }
        if !concerned && entry.looked.0 < entry.firings {
            let text = nobody(bench.policy, &entry.alert);
            self.decisions.push(decision(name, entry, "", "not_routed", text));
        }
        entry.look();
        if entry.flapping {
            sooner(&mut self.wake, entry.calm_at(flap));
        }
        self.end(bench, name, entry);
    }

    fn channel(&mut self, bench: &Bench, name: &str, entry: &mut Entry, channel: &ChannelPlan) {
        let mut account = entry.account(&channel.name);
        let before = account.clone();
        match bench.judge(entry, channel, &account) {
            Ruling::Due { reason, immediate, urgent } => {
                let item = Item { fingerprint: name.to_owned(), reason, immediate, urgent };
                self.due.entry(channel.name.clone()).or_default().push(item);
                entry.channels.insert(channel.name.clone(), account.clone());
            }
            Ruling::Held(cause) => self.held(name, entry, channel, &mut account, &cause),
            Ruling::Spared(hold) => {
                self.decisions.push(spared(name, entry, channel, hold));
                account.square(entry);
            }
            Ruling::Muted => {
                let text = "the channel is not told of what is over".to_owned();
                self.decisions.push(decision(name, entry, &channel.name, "muted_resolved", text));
                account.square(entry);
            }
            Ruling::Quits(again) => {
                account.held = None;
                again.into_iter().for_each(|at| sooner(&mut self.wake, at));
            }
        }
        if account != before {
            entry.channels.insert(channel.name.clone(), account);
            self.changed.insert(name.to_owned());
        }
    }

    fn held(
        &mut self,
        name: &str,
        entry: &Entry,
        channel: &ChannelPlan,
        account: &mut Account,
        cause: &Cause,
    ) {
        if account.held != Some(cause.hold()) {
            account.held = Some(cause.hold());
            let word = cause.hold().word();
            self.decisions.push(decision(name, entry, &channel.name, word, cause.text()));
        }
        cause.ends().into_iter().for_each(|at| sooner(&mut self.wake, at));
    }

    /// An alert that is over and owes nothing is forgotten after a while.
    fn end(&mut self, bench: &Bench, name: &str, entry: &Entry) {
        if entry.fires() {
            return;
        }
        let settings = &bench.policy.settings;
        let at = entry.forget_at(settings.flap.within.max(settings.group_window).max(AFTER_END));
        if at > bench.now {
            sooner(&mut self.wake, at);
        } else if entry.channels.values().all(|account| account.held.is_none()) {
            self.over.push(name.to_owned());
        }
    }
}

impl Account {
    /// Nothing more need be told of what has been so far.
    pub(crate) fn square(&mut self, entry: &Entry) {
        self.firings = entry.firings;
        self.changes = entry.changes;
        self.held = None;
        if !entry.fires()
            && let Some(told) = &mut self.told
        {
            told.state = AlertState::Resolved;
        }
    }
}

/// Whether a channel is to be told of an alert: it is routed there, or it was told that it fires.
pub(crate) fn concerns(policy: &Policy, entry: &Entry, channel: &ChannelPlan) -> bool {
    let told = entry.channels.get(&channel.name).and_then(|account| account.told.as_ref());
    told.is_some_and(|told| fires(told.state)) || policy.routes.tells(channel, &entry.alert)
}

/// A decision about this alert.
pub(crate) fn decision(
    fingerprint: &str,
    entry: &Entry,
    channel: &str,
    word: &'static str,
    text: String,
) -> Decision {
    Decision {
        fingerprint: fingerprint.to_owned(),
        alert: entry.alert.alert.clone(),
        id: entry.alert.id.clone(),
        channel: channel.to_owned(),
        word,
        text,
    }
}

fn spared(name: &str, entry: &Entry, channel: &ChannelPlan, hold: Hold) -> Decision {
    let text = format!("fired and was over while it was {}", hold.word());
    decision(name, entry, &channel.name, hold.word(), text)
}
