//! From alerts to notifications: who is told what, when, and what is held back.
//!
//! # Theory of operation
//!
//! Alerts come in as records ([`fleet_rules::AlertRecord`]); a [`Notification`] is what goes out on
//! one channel: one or more alerts, and the reason why they are told now. A [`Carrier`] takes it
//! there and says with a [`Verdict`] what became of it.

mod carrier;
mod history;
mod notification;

pub use carrier::{Carrier, ChannelPlan, Verdict};
pub use fleet_rules::rank;
pub use history::{Decided, Happened, History, Tried};
pub use notification::{Notification, Reason, Status};
