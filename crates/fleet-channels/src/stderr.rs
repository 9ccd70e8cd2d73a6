//! The `stderr` channel: a line on standard error for each alert.
//!
//! For a tool whose standard error goes somewhere that people read: a service's journal, the
//! mail of cron.

use fleet_notify::{Carrier, Notification, Verdict};

use crate::terminal;

/// Says each notification on standard error.
pub(crate) struct Speaker;

impl Carrier for Speaker {
    /// Nobody listening on standard error is no failure: there is nothing to try again.
    fn deliver(&mut self, notification: &Notification) -> Verdict {
        for line in terminal::lines(notification) {
            fleet_cli::talk(line);
        }
        Verdict::Delivered
    }
}
