//! Channels that are dead are told to the others.

use std::collections::BTreeSet;

use fleet_core::Timestamp;
use fleet_rules::alert::fingerprint;

use crate::desk::{Desk, Settled};
use crate::notification::{Notification, Reason};

impl Desk {
    /// A channel takes nothing any more. The others hear of it once, those that critical alerts
    /// go to.
    pub fn channel_died(&mut self, name: &str, why: &str) {
        if self.channels.get(name).is_some_and(|traffic| traffic.dead.is_some()) {
            return;
        }
        let traffic = self.traffic(name);
        traffic.dead = Some(why.to_owned());
        traffic.turns += 1;
        self.stir();
    }

    /// A channel took something. If it was dead, those who heard of that hear that it is over.
    pub fn channel_lives(&mut self, name: &str) {
        if self.channels.get(name).is_none_or(|traffic| traffic.dead.is_none()) {
            return;
        }
        let traffic = self.traffic(name);
        traffic.dead = None;
        traffic.turns += 1;
        self.stir();
    }

    /// Tells of the channels that died or came to life.
    pub(crate) fn report(&mut self, now: Timestamp, settled: &mut Settled) {
        let news = self.channels.iter().filter(|(_, traffic)| traffic.turns_told < traffic.turns);
        let news: Vec<_> = news.map(|(n, t)| (n.clone(), t.dead.clone(), t.turns)).collect();
        for (name, dead, turn) in news {
            let text = match dead {
                Some(why) => format!(
                    "the channel '{name}' is dead: {why}; nothing arrives there before that is mended"
                ),
                None => format!("the channel '{name}' works again"),
            };
            for hearer in self.hearers(&name) {
                let said = self.said(&hearer, &name, turn, text.clone(), now);
                settled.notifications.push(said);
            }
            self.traffic(&name).turns_told = turn;
        }
    }

    /// The channels that critical alerts go to and that work.
    fn hearers(&self, about: &str) -> Vec<String> {
        let routes = &self.policy.routes;
        let named: BTreeSet<&str> = routes.of_severity("critical").collect();
        let critical = "critical".to_owned();
        let channels = self.policy.channels.iter().filter(|channel| {
            let beside = !routes.names(&channel.name)
                && (channel.severity.is_empty() || channel.severity.contains(&critical));
            named.contains(channel.name.as_str()) || beside
        });
        let works = |name: &str| self.channels.get(name).is_none_or(|t| t.dead.is_none());
        let names = channels.map(|channel| channel.name.clone());
        names.filter(|name| name != about && works(name)).collect()
    }

    fn said(
        &self,
        channel: &str,
        about: &str,
        turn: u64,
        text: String,
        now: Timestamp,
    ) -> Notification {
        Notification {
            kind: "notification".to_owned(),
            v: None,
            id: fingerprint(channel, [(about, turn.to_string().as_str())].into_iter()),
            channel: channel.to_owned(),
            group: [("channel".to_owned(), about.to_owned())].into(),
            reason: Reason::DeadChannel,
            created: now,
            host: self.policy.host.clone(),
            alerts: Vec::new(),
            held_back: 0,
            text,
        }
    }
}
