//! Ways to tell a person of alerts: mail, chat, pagers, webhooks, commands.
//!
//! # Theory of operation
//!
//! A `[channel.NAME]` of the configuration becomes a [`Channel`], or is refused with its place. What it takes to reach the
//! receiver is opened late ([`Channel::carrier`]), since secrets are read from the environment or
//! from files only then ([`Secret`]). A carrier tries once, within a time limit, and says what became of
//! it; when to try again is not its business.
//!
//! **Web servers** are asked by one client (`http`): one time limit for all of a try, no redirects,
//! answers read to a bound, certificates checked. What comes back is an `Answer`, of which each
//! channel makes the verdict that its receiver's rules ask for; a status that those say nothing of
//! means the same everywhere (`answer`). The client knows the secrets that it sends and strikes them
//! out of all that is said of a failure, since receivers repeat what they were sent.
//!
//! **Again, refused or dead**: who asks for time, breaks off or fails is tried again; a 500 may be the
//! fault of one message, so only that one waits, while 429 and a server that cannot be reached hold
//! the whole channel. What a receiver will never take is refused, and what it would say to every
//! message is the end of the channel. A receiver that cannot tell a repeat (`sms`) is not sent a
//! message twice where the first may have arrived.
//!
//! **Texts** that channels share are in [`render`]; long ones are cut in `excerpt`. What Prometheus
//! and Alertmanager call an alert is in `prometheus`.

mod alertmanager;
mod answer;
mod bell;
mod body;
mod channel;
mod email;
mod error;
mod excerpt;
mod exec;
mod file;
mod gsm;
mod headers;
mod healthchecks;
mod http;
mod keys;
mod login;
mod notice;
mod ntfy;
mod pagerduty;
mod parts;
mod prometheus;
mod records;
pub mod render;
#[cfg(test)]
mod samples;
mod secret;
mod slack;
mod sms;
mod stderr;
mod terminal;
mod url;
mod v4;
mod webhook;

pub use alertmanager::Alertmanager;
pub use channel::{Channel, Kind};
pub use error::ChannelError;
pub use excerpt::line as one_line;
pub use exec::Exec;
pub use healthchecks::{Healthchecks, Heart};
pub use keys::{Keys, RawChannel};
pub use ntfy::Ntfy;
pub use pagerduty::PagerDuty;
pub use secret::Secret;
pub use slack::Slack;
pub use sms::Sms;
pub use webhook::Webhook;
