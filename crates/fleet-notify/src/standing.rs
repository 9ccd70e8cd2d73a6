//! How alerts stand: what fires, who was told, and what holds the rest back.

use fleet_core::Timestamp;
use fleet_rules::AlertRecord;

use crate::carrier::ChannelPlan;
use crate::clock::shown;
use crate::decision::{Cause, Decision, Hold, nobody, unrouted};
use crate::desk::Desk;
use crate::entry::{Account, Entry, fires};
use crate::group::group_of;
use crate::inhibition::Inhibitors;
use crate::judge::{Bench, Ruling};
use crate::look::{concerns, decision};

/// An alert that fires.
#[derive(Clone, Debug, PartialEq)]
pub struct Standing {
    /// Its newest record.
    pub alert: AlertRecord,
    /// The channels that were told that it fires, and when.
    pub told: Vec<(String, Timestamp)>,
    /// The channels that should be told and are not, and why.
    pub held: Vec<Decision>,
    /// Whether it flaps.
    pub flapping: bool,
}

impl Desk {
    /// What fires, by rule and process. Says what was decided when the desk last settled.
    pub fn standing(&self, now: Timestamp) -> impl Iterator<Item = Standing> {
        let inhibitors = self.inhibition.now(self.entries.values());
        let mut fire: Vec<_> = self.entries.iter().filter(|(_, entry)| entry.fires()).collect();
        fire.sort_by_key(|(_, entry)| (&entry.alert.alert, &entry.alert.id));
        let stands = |(name, entry): (&String, &Entry)| {
            let held = |account: &Account| account.held.is_some();
            let explained = self.explained(name, entry, &inhibitors, now).into_iter();
            Standing {
                alert: entry.alert.clone(),
                told: told(entry),
                held: explained
                    .filter(|said| entry.channels.get(&said.channel).is_some_and(held))
                    .collect(),
                flapping: entry.flapping,
            }
        };
        fire.into_iter().map(stands).collect::<Vec<_>>().into_iter()
    }

    /// Why each channel was told or not, for the alerts that are asked for.
    pub fn explain(&self, now: Timestamp, wanted: impl Fn(&AlertRecord) -> bool) -> Vec<Decision> {
        let inhibitors = self.inhibition.now(self.entries.values());
        let entries = self.entries.iter().filter(|(_, entry)| wanted(&entry.alert));
        entries.flat_map(|(name, entry)| self.explained(name, entry, &inhibitors, now)).collect()
    }

    fn explained(
        &self,
        name: &str,
        entry: &Entry,
        inhibitors: &Inhibitors,
        now: Timestamp,
    ) -> Vec<Decision> {
        let bench = Bench { policy: &self.policy, quiet: &self.quiet, inhibitors, now };
        let said = |channel: &ChannelPlan| {
            let (word, text) = self.why(&bench, entry, channel);
            decision(name, entry, &channel.name, word, text)
        };
        if self.policy.channels.is_empty() {
            let text = nobody(&self.policy, &entry.alert);
            return vec![decision(name, entry, "", "not_routed", text)];
        }
        self.policy.channels.iter().map(said).collect()
    }

    fn why(&self, bench: &Bench, entry: &Entry, channel: &ChannelPlan) -> (&'static str, String) {
        let routes = &self.policy.routes;
        if !concerns(&self.policy, entry, channel) {
            return unrouted(channel, routes.names(&channel.name), &entry.alert.severity);
        }
        let account = entry.account(&channel.name);
        match bench.judge(entry, channel, &account) {
            Ruling::Due { .. } => match self.holds(entry, channel, &account, bench.now) {
                Some(cause) => (cause.hold().word(), cause.text()),
                None => ("due", "is told in the next turn".to_owned()),
            },
            Ruling::Held(cause) => (cause.hold().word(), cause.text()),
            Ruling::Spared(hold) => {
                (hold.word(), format!("fired and was over while it was {}", hold.word()))
            }
            Ruling::Muted => {
                ("muted_resolved", "the channel is not told of what is over".to_owned())
            }
            Ruling::Quits(again) => quits(entry, &account, again),
        }
    }

    /// What beyond the alert itself holds back what is due.
    fn holds(
        &self,
        entry: &Entry,
        channel: &ChannelPlan,
        account: &Account,
        now: Timestamp,
    ) -> Option<Cause<'static>> {
        let most = self.policy.max_per_hour(channel);
        let limit =
            || Some(Cause::Limit(most, self.channels.get(&channel.name)?.room_at(most, now)));
        let window = || {
            let group = group_of(&entry.alert, &self.policy.settings.group_by);
            let last = self.groups.get(&channel.name)?.get(&group)?;
            Some(Cause::Window(last.plus(self.policy.settings.group_window)))
        };
        match account.held? {
            Hold::Limited => limit(),
            Hold::Grouped => window(),
            _ => None,
        }
    }
}

fn told(entry: &Entry) -> Vec<(String, Timestamp)> {
    let told =
        entry.channels.iter().filter_map(|(name, account)| Some((name, account.told.as_ref()?)));
    told.filter(|(_, told)| fires(told.state)).map(|(name, told)| (name.clone(), told.at)).collect()
}

/// Why nothing is owed.
fn quits(entry: &Entry, account: &Account, again: Option<Timestamp>) -> (&'static str, String) {
    let Some(told) = &account.told else {
        let text = "it was over before the channel was to hear of it, or while it was held back";
        return ("over", text.to_owned());
    };
    let at = shown(told.at);
    match again {
        Some(again) => (
            "waits_repeat",
            format!("was told at {at}, and is told again at {} if it fires still", shown(again)),
        ),
        None if entry.fires() => ("told_already", format!("was told at {at} that it fires")),
        None => ("over", format!("was told of it last at {at}; it is over")),
    }
}
