//! Ways to tell a person of alerts: mail, chat, pagers, webhooks, commands.
//!
//! # Theory of operation
//!
//! A `[channel.NAME]` of the configuration becomes a [`Channel`], or is refused with its place. What it takes to reach the
//! receiver is opened late ([`Channel::carrier`]), since secrets are read from the environment or
//! from files only then. A carrier tries once, within a time limit, and says what became of it; when to
//! try again is not its business.

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
#[cfg(test)]
mod tests;
mod url;
mod v4;
mod webhook;

pub use alertmanager::Alertmanager;
pub use channel::{Channel, Kind};
pub use error::ChannelError;
pub use exec::Exec;
pub use healthchecks::{Healthchecks, Heart};
pub use keys::{Keys, RawChannel};
pub use ntfy::Ntfy;
pub use pagerduty::PagerDuty;
pub use secret::Secret;
pub use slack::Slack;
pub use sms::Sms;
pub use webhook::Webhook;
