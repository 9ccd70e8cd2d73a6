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
mod courier;
mod notification;
mod schedule;
mod spool;

pub use carrier::{Carrier, ChannelPlan, Verdict};
pub use courier::{Couriers, News, Opener, Remains};
pub use fleet_rules::rank;
pub use notification::{Notification, Reason, Status};
pub use schedule::pause;
pub use spool::{Burial, Entry, Listing, Put, Spool, SpoolError, Unreadable};
