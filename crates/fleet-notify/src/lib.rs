//! From alerts to notifications: who is told what, when, and what is held back.
//!
//! # Theory of operation
//!
//! Alerts come in as records ([`fleet_rules::AlertRecord`]); a [`Notification`] is what goes out on
//! one channel: one or more alerts, and the reason why they are told now. A [`Carrier`] takes it
//! there and says with a [`Verdict`] what became of it.
//!
//! Between the decision to tell and the telling lies the [`Spool`] on disk: what is in it will be
//! delivered, whoever is killed meanwhile. [`Couriers`] take what is there to the carriers, each
//! channel on a thread of its own, and try again what did not arrive.

mod carrier;
mod clock;
mod courier;
mod dead;
mod decision;
mod desk;
mod entry;
mod error;
mod group;
mod inhibition;
mod journal;
mod judge;
mod ledger;
mod limit;
mod look;
mod matcher;
mod notification;
mod policy;
mod post;
mod route;
#[cfg(test)]
mod sample;
mod schedule;
mod settings;
mod silence;
mod spool;
mod standing;

pub use carrier::{Carrier, ChannelPlan, Verdict};
pub use courier::{Couriers, News, Opener, Remains};
pub use decision::Decision;
pub use desk::{Desk, MOST_ALERTS, Settled};
pub use error::NotifyError;
pub use fleet_rules::rank;
pub use ledger::Ledger;
pub use notification::{Notification, Reason, Status};
pub use policy::{Policy, RulePolicy};
pub use post::MOST_NAMED;
pub use route::{RawRoute, Routes};
pub use schedule::pause;
pub use settings::{Flap, RawNotify, Settings};
pub use silence::{Silence, Silences};
pub use spool::{Burial, Entry, Listing, Put, Spool, SpoolError, Unreadable};
pub use standing::Standing;
