//! What is told leaves here: into the spool, and by couriers to the channels.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use fleet_channels::Channel;
use fleet_cli::talk;
use fleet_notify::{Couriers, News, Notification, Opener, Put, Remains, Spool};

use crate::sentence::sentence;
use crate::waker::Bell;

pub(crate) struct Post {
    spool: Arc<Spool>,
    couriers: Couriers,
    /// Channels that got something in this turn.
    filled: BTreeSet<String>,
    unwritten: Option<String>,
}

impl Post {
    /// The spool of a folder, and couriers for these channels, who ring when there are news.
    pub(crate) fn open(
        folder: &Path,
        channels: Vec<Channel>,
        deliver_for: Duration,
        bell: Bell,
    ) -> Post {
        let spool = Arc::new(Spool::open(folder));
        let openers =
            channels.into_iter().map(|channel| (channel.plan.name.clone(), opener(channel)));
        let couriers = Couriers::new(Arc::clone(&spool), openers, deliver_for, move || bell.ring());
        Post { spool, couriers, filled: BTreeSet::new(), unwritten: None }
    }

    /// What may have been told without that being written down.
    pub(crate) fn lately(&self) -> Vec<Notification> {
        self.spool.lately()
    }

    /// Puts notifications into the spool; [`Post::send`] sends them off.
    pub(crate) fn put(&mut self, notifications: &[Notification]) {
        let Put { surplus, unwritten } = self.spool.put(notifications);
        self.filled.extend(notifications.iter().map(|n| n.channel.clone()));
        for (channel, many) in surplus {
            let why = "too many wait for this channel; these were the oldest".to_owned();
            say(&News::Buried { channel, many, why });
        }
        if let Some(error) = unwritten {
            let why = error.sentence();
            if self.unwritten.as_ref() != Some(&why) {
                say(&News::Spool { why: why.clone() });
            }
            self.unwritten = Some(why);
        } else if !notifications.is_empty() {
            self.unwritten = None;
        }
    }

    /// Sends off couriers with what was put.
    pub(crate) fn send(&mut self) {
        for channel in std::mem::take(&mut self.filled) {
            self.couriers.wake(&channel);
        }
    }

    /// Sends off couriers with all that waits, also what other runs left.
    pub(crate) fn send_all(&self) {
        self.couriers.wake_all();
        self.couriers.bury_strangers();
    }

    /// What became of it, said where there is something to say.
    pub(crate) fn news(&self) -> Vec<News> {
        let news = self.couriers.news();
        news.iter().for_each(say);
        news
    }

    /// What does not work, if anything.
    pub(crate) fn trouble(&self) -> Option<&str> {
        self.unwritten.as_deref()
    }

    /// Waits until all is delivered that can be within this time, or until there are news; says
    /// whether there are.
    pub(crate) fn wait(&self, limit: Duration) -> bool {
        self.couriers.wait(limit)
    }

    /// Lets no further try begin, waits within the limit for those that are being made, and says
    /// what waits still.
    pub(crate) fn close(&self, limit: Duration) {
        for (channel, remains) in self.couriers.close(limit) {
            say_remains(&channel, &remains);
        }
    }
}

fn opener(channel: Channel) -> Opener {
    Box::new(move || {
        channel.carrier().map_err(|error| format!("cannot be used: {}", sentence(&error)))
    })
}

fn say(news: &News) {
    news.text().into_iter().for_each(talk);
}

fn say_remains(channel: &str, remains: &Remains) {
    let Remains { waiting, in_memory, last_error } = remains;
    let many = match waiting {
        0 => return,
        1 => "1 notification waits".to_owned(),
        many => format!("{many} notifications wait"),
    };
    let why = if last_error.is_empty() { String::new() } else { format!(", as it {last_error}") };
    let lost = match in_memory {
        0 => String::new(),
        lost => format!("; {lost} could not be written to it and will not be told"),
    };
    talk(format_args!(
        "{many} in the spool for channel '{channel}'{why}; the next run tries{lost}"
    ));
}
