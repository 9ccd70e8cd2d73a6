//! Ways to tell a person of alerts: mail, chat, pagers, webhooks, commands.
//!
//! # Theory of operation
//!
//! A `[channel.NAME]` of the configuration becomes a [`Channel`], or is refused with its place. What it takes to reach the
//! receiver is opened late ([`Channel::carrier`]), since secrets are read from the environment or
//! from files only then. A carrier tries once, within a time limit, and says what became of it; when to
//! try again is not its business.

mod bell;
mod channel;
mod email;
mod error;
mod excerpt;
mod exec;
mod file;
mod keys;
mod records;
mod secret;
mod stderr;
mod terminal;
#[cfg(test)]
mod tests;

pub use channel::{Channel, Kind};
pub use error::ChannelError;
pub use keys::{Keys, RawChannel};
pub use secret::Secret;
