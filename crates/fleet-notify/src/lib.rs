//! From alerts to notifications: who is told what, when, and what is held back.
//!
//! # Theory of operation
//!
//! Alerts come in as records ([`fleet_rules::AlertRecord`]); a [`Notification`] is what goes out on
//! one channel: one or more alerts, and the reason why they are told now. A [`Carrier`] takes it
//! there and says with a [`Verdict`] what became of it.
//!
//! **The desk** ([`Desk`]) is a reconciler. Of each alert it knows the newest record and, for each
//! channel, what was last told; where the two differ, the channel is owed something, and either a
//! notification goes out or the hold that keeps it has a name ([`Decision`]). Nothing is queued:
//! what is held back is the difference itself, so it cannot be lost, and of an alert that came and
//! went twenty times meanwhile only its state is told, and the number. The holds are asked in this
//! order: silences, inhibition, flap damping, the window of its group, the limit of the channel;
//! `immediate` rules pass by all of them. The end of an alert goes to whoever was told that it
//! fires, silence or not. When two rules inhibit each other, neither does.
//!
//! The desk asks no clock and touches no disk: each call is told what time it is, and a
//! [`Ledger`] keeps what it knows. All of its moments are of the clock of this machine. When that
//! is set back, they are moved with it, so that nothing waits for the time to come round again
//! and nothing is told twice. An alert is forgotten when it is over, nothing is owed, and it
//! could flap no more; of more than [`MOST_ALERTS`] alerts only the number is told.
//!
//! Under the lock of the state, a turn does this in order: alerts are taken from the engine,
//! which keeps them as untold; [`Desk::settle`]; notifications into the spool; the ledger; the
//! engine strikes them out. After a crash whatever step was not reached is done again, and
//! [`Desk::note_spooled`] keeps what the spool holds already from being made twice.
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
mod history;
mod inhibition;
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
pub use history::{Decided, Happened, History, Tried};
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
