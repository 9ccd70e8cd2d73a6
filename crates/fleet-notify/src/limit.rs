//! What the desk knows of one channel: how much it was told in the last hour, and whether it
//! works.

use std::collections::BTreeMap;

use fleet_core::Timestamp;
use serde::{Deserialize, Serialize};

/// Nanoseconds of a minute: notifications are counted by it, so that an hour of them is at most
/// sixty numbers whatever the limit.
const MINUTE: i64 = 60_000_000_000;

/// Minutes that a notification counts.
const HOUR: i64 = 60;

/// What the desk knows of one channel.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Traffic {
    /// How many notifications it was sent, by minute since 1970.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    sent: BTreeMap<i64, u32>,
    /// How many messages it ever got that are known by nothing else: those that name no alert, or
    /// that tell again what was told.
    #[serde(default)]
    pub(crate) nameless: u64,
    /// Whether something waits for room.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) limited: bool,
    /// Changes of alerts that were not even remembered.
    #[serde(default)]
    pub(crate) missed: u64,
    /// When it last heard again of all that fires, if it must.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) refreshed: Option<Timestamp>,
    /// Why it is dead, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) dead: Option<String>,
    /// How many times it died or came to life.
    #[serde(default)]
    pub(crate) turns: u64,
    /// How many of those were told to others.
    #[serde(default)]
    pub(crate) turns_told: u64,
}

impl Traffic {
    /// How many notifications there is room for.
    pub(crate) fn room(&self, most: u32, now: Timestamp) -> u32 {
        let recent = self.sent.range(minute(now) - HOUR + 1..);
        most.saturating_sub(recent.map(|(_, count)| *count).fold(0, u32::saturating_add))
    }

    /// When there will be room, if there is none.
    pub(crate) fn room_at(&self, most: u32, now: Timestamp) -> Timestamp {
        let mut left = self.sent.range(minute(now) - HOUR + 1..).map(|(_, n)| *n).sum::<u32>();
        for (minute, count) in self.sent.range(minute(now) - HOUR + 1..) {
            left = left.saturating_sub(*count);
            if left < most {
                return Timestamp::from_nanos((minute + HOUR).saturating_mul(MINUTE));
            }
        }
        now
    }

    /// Counts one that was sent.
    pub(crate) fn count(&mut self, now: Timestamp) {
        self.sent = self.sent.split_off(&(minute(now) - HOUR + 1));
        let count = self.sent.entry(minute(now)).or_default();
        *count = count.saturating_add(1);
    }

    /// The newest moment at which it was told anything, to the minute below.
    pub(crate) fn newest(&self) -> Option<Timestamp> {
        let sent = self.sent.last_key_value();
        let sent = sent.map(|(minute, _)| Timestamp::from_nanos(minute.saturating_mul(MINUTE)));
        sent.max(self.refreshed)
    }

    /// Takes over that the clock was set.
    pub(crate) fn shift(&mut self, by: i64) {
        let sent = std::mem::take(&mut self.sent);
        for (minute, count) in sent {
            let place = self.sent.entry(minute + by.div_euclid(MINUTE)).or_default();
            *place = place.saturating_add(count);
        }
        self.refreshed = self.refreshed.map(|at| at.moved(by));
    }
}

fn minute(at: Timestamp) -> i64 {
    at.nanos().div_euclid(MINUTE)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::at;

    #[test]
    fn an_hour_slides() {
        let mut traffic = Traffic::default();
        for seconds in [0, 600, 1200] {
            assert!(traffic.room(3, at(seconds)) > 0);
            traffic.count(at(seconds));
        }
        assert_eq!(traffic.room(3, at(1200)), 0);
        assert_eq!(traffic.room_at(3, at(1200)), at(3600));
        assert_eq!((traffic.room(3, at(3599)), traffic.room(3, at(3600))), (0, 1));
        assert_eq!(traffic.room_at(2, at(1200)), at(4200));
        // The limit was made smaller, then greater.
        assert_eq!((traffic.room(1, at(3600)), traffic.room(9, at(3600))), (0, 7));
    }

    #[test]
    fn a_clock_that_was_set_back_leaves_the_room_as_it_was() {
        let mut traffic = Traffic::default();
        traffic.count(at(0));
        traffic.shift(-3_600_000_000_000);
        assert_eq!((traffic.room(1, at(-3600)), traffic.room(1, at(0))), (0, 1));
    }
}
