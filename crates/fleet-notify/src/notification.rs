//! What goes out on one channel.

use std::collections::BTreeMap;

use fleet_core::Timestamp;
use fleet_rules::{AlertRecord, AlertState};
use serde::{Deserialize, Serialize};

use fleet_rules::rank;

/// One message to one channel, as it stands in the spool.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Notification {
    /// Always `notification`.
    pub kind: String,
    /// Version of this form; absent means 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub v: Option<u32>,
    /// The same for each try to deliver it, also after a crash: 16 hexadecimal digits.
    pub id: String,
    /// The channel that it goes to.
    pub channel: String,
    /// What its alerts have in common: the fields of `group_by` and their values.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub group: BTreeMap<String, String>,
    /// Why it is told now.
    pub reason: Reason,
    /// When it was decided to tell it.
    pub created: Timestamp,
    /// The machine that it comes from.
    pub host: String,
    /// What it tells, the worst first.
    pub alerts: Vec<AlertRecord>,
    /// How many changes of alerts are told only as this number: they came and went while the
    /// limit of this channel held them back, or there were too many to name.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub held_back: u64,
    /// What is told beside alerts: that another channel is dead, or that this is a test.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub text: String,
}

fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// The named reason of a notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// An alert fires that this channel was not told of, and no other one of its group does.
    First,
    /// More alerts of a group fire.
    More,
    /// An alert became worse or less bad.
    Severity,
    /// Alerts are over.
    Resolved,
    /// They fire still.
    Repeat,
    /// They fire, and the silence that held them back has ended.
    SilenceEnded,
    /// They fire, and the alert that inhibited them is over.
    InhibitionEnded,
    /// An alert changes too often: it is told once more, and then not until it has been calm.
    Flapping,
    /// They were held back by the limit of the channel.
    Digest,
    /// The receiver must hear of them again or it takes them for resolved.
    Refresh,
    /// Another channel is dead, or works again.
    DeadChannel,
    /// Somebody wanted to see whether it arrives.
    Test,
}

impl Reason {
    /// The reason as one word.
    pub fn word(self) -> &'static str {
        match self {
            Reason::First => "first",
            Reason::More => "more",
            Reason::Severity => "severity",
            Reason::Resolved => "resolved",
            Reason::Repeat => "repeat",
            Reason::SilenceEnded => "silence_ended",
            Reason::InhibitionEnded => "inhibition_ended",
            Reason::Flapping => "flapping",
            Reason::Digest => "digest",
            Reason::Refresh => "refresh",
            Reason::DeadChannel => "dead_channel",
            Reason::Test => "test",
        }
    }
}

/// Whether a notification is about something that is wrong or that is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// At least one of its alerts fires, or it is no alert at all.
    Firing,
    /// All of its alerts are over.
    Resolved,
}

impl Notification {
    /// Firing if any of its alerts does.
    pub fn status(&self) -> Status {
        let over = |alert: &AlertRecord| alert.state == AlertState::Resolved;
        if !self.alerts.is_empty() && self.alerts.iter().all(over) {
            Status::Resolved
        } else {
            Status::Firing
        }
    }

    /// The worst severity of its alerts; `info` if there are none.
    pub fn severity(&self) -> &str {
        let severities = self.alerts.iter().map(|alert| alert.severity.as_str());
        severities.max_by_key(|severity| rank(severity)).unwrap_or("info")
    }
}
