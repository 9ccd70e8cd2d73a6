//! What couriers have to say to whoever sent them.

use std::time::Duration;

use fleet_core::duration_text;

use crate::history::Tried;

/// Something that a person should hear of the ways to tell people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// A notification was tried. There is nothing to say of it, but it may be written down.
    Tried(Tried),
    /// A channel does not work; said when that begins and when the reason changes.
    Trouble {
        /// Which.
        channel: String,
        /// Why, as the second half of a sentence.
        why: String,
        /// When it is tried again.
        again_in: Duration,
    },
    /// A channel works again.
    Recovered {
        /// Which.
        channel: String,
    },
    /// A channel will not work until a person mends it.
    Died {
        /// Which.
        channel: String,
        /// Why, as the second half of a sentence.
        why: String,
    },
    /// Notifications became dead letters.
    Buried {
        /// Of which channel.
        channel: String,
        /// How many.
        many: usize,
        /// Why, as the second half of a sentence.
        why: String,
    },
    /// A file of the spool is no entry.
    PassedOver {
        /// Of which channel.
        channel: String,
        /// Its name.
        file: String,
        /// Why.
        why: String,
    },
    /// The spool does not work, and what waits stands in memory.
    Spool {
        /// What the matter is.
        why: String,
    },
}

impl News {
    /// A sentence, where there is something to say.
    pub fn text(&self) -> Option<String> {
        Some(match self {
            News::Tried(_) => return None,
            News::Trouble { channel, why, again_in } => {
                let again = duration_text(*again_in);
                format!("channel '{channel}' {why}; tries again in {again}")
            }
            News::Recovered { channel } => format!("channel '{channel}' works again"),
            News::Died { channel, why } => {
                format!("channel '{channel}' is dead and needs a person: it {why}")
            }
            News::Buried { channel, many, why } => {
                let what = if *many == 1 { "notification" } else { "notifications" };
                format!(
                    "{many} {what} to channel '{channel}' could not be delivered and became dead \
                     letters: {why}; see fleet-alert --spool"
                )
            }
            News::PassedOver { channel, file, why } => {
                format!("passed over '{file}' in the spool of channel '{channel}': {why}")
            }
            News::Spool { why } => format!("{why}; what waits stands in memory alone"),
        })
    }
}
