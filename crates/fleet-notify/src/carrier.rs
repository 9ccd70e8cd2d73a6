//! What takes notifications to a channel, and what it says of each.

use std::time::Duration;

use crate::notification::Notification;

/// Takes notifications to one channel, one at a time.
pub trait Carrier: Send {
    /// Tries once, within the channel's time limit.
    fn deliver(&mut self, notification: &Notification) -> Verdict;
}

/// What became of a try to deliver.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It arrived.
    Delivered,
    /// It did not, but may later.
    Again {
        /// How long the receiver asked to wait.
        after: Option<Duration>,
        /// Whether the trouble is the channel's (no network, too many requests), so that others
        /// wait too, or only this notification's.
        channel: bool,
        /// Why, as the second half of a sentence, without secrets.
        why: String,
    },
    /// The receiver will never take this one.
    Refused {
        /// Why, as the second half of a sentence, without secrets.
        why: String,
    },
    /// The receiver will never take any: the hook was revoked, the password is wrong.
    Dead {
        /// Why, as the second half of a sentence, without secrets.
        why: String,
    },
}

/// What must be known of a channel to decide what it is told.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ChannelPlan {
    /// Its name.
    pub name: String,
    /// The severities that it is told if no route names it; empty means all.
    pub severity: Vec<String>,
    /// Whether it is told of what is over.
    pub resolved: bool,
    /// After how long it must hear again of what fires, or takes it for resolved.
    pub refresh: Option<Duration>,
    /// Most notifications in an hour, where that is not the limit of all.
    pub max_per_hour: Option<u32>,
}
