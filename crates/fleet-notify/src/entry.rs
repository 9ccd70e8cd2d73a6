//! What the desk knows of one alert: how it stands, and what each channel was told of it.

use std::collections::BTreeMap;
use std::time::Duration;

use fleet_core::Timestamp;
use fleet_rules::{AlertRecord, AlertState};
use serde::{Deserialize, Serialize};

use crate::decision::Hold;
use crate::settings::Flap;

/// What the desk knows of one alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    /// The newest record.
    pub(crate) alert: AlertRecord,
    /// How many times it began to fire.
    pub(crate) firings: u64,
    /// How many times it changed in any way.
    pub(crate) changes: u64,
    /// When it last changed, the newest last, no more of them than flap damping counts.
    pub(crate) recent: Vec<Timestamp>,
    /// Whether it changes too often.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) flapping: bool,
    /// By channel.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) channels: BTreeMap<String, Account>,
    /// The firings and changes that there had been when the desk last looked: a channel that is
    /// new since need not be told of those.
    #[serde(skip)]
    pub(crate) looked: (u64, u64),
    /// Whether its rule is gone from the file of rules: the next tool will not know it.
    #[serde(skip)]
    pub(crate) gone: bool,
}

/// What a channel was told of an alert.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Account {
    /// What it was last told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) told: Option<Told>,
    /// The firings that need not be told any more.
    pub(crate) firings: u64,
    /// The changes that need not be told any more.
    pub(crate) changes: u64,
    /// What holds back what it should be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) held: Option<Hold>,
}

/// What a channel was last told of an alert.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Told {
    /// That it is this.
    pub(crate) state: AlertState,
    /// That it is so bad.
    pub(crate) severity: String,
    /// The moment of the change that it was told of.
    pub(crate) ts: Timestamp,
    /// When it was told.
    pub(crate) at: Timestamp,
    /// How often it has been told of this alert.
    pub(crate) times: u64,
    /// Whether it was told that the alert flaps.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) flapping: bool,
}

/// What a channel should be told of an alert.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Owed {
    /// That it fires.
    Firing,
    /// That it is worse, or less bad.
    Severity,
    /// That what it was told of is over.
    Resolved,
    /// That it fired and is over, of which it heard neither.
    CameAndWent,
}

impl Account {
    /// The account of a channel that was told this record, which is not the newest any more.
    #[must_use]
    pub(crate) fn told_before(mut self, said: &AlertRecord, at: Timestamp) -> Account {
        self.told = Some(Told {
            state: said.state,
            severity: said.severity.clone(),
            ts: said.ts,
            at,
            times: self.told.map_or(0, |told| told.times) + 1,
            flapping: false,
        });
        self
    }
}

/// Whether this state is one that is told as wrong.
pub(crate) fn fires(state: AlertState) -> bool {
    matches!(state, AlertState::Firing | AlertState::NoData | AlertState::Error)
}

impl Entry {
    /// An alert that is new. One that is over already fired before anybody could look.
    pub(crate) fn new(alert: AlertRecord) -> Entry {
        let changes = if fires(alert.state) { 1 } else { 2 };
        let recent = vec![alert.ts];
        let channels = BTreeMap::new();
        Entry {
            alert,
            firings: 1,
            changes,
            recent,
            flapping: false,
            channels,
            looked: (0, 0),
            gone: false,
        }
    }

    /// Takes a newer record; says whether it tells anything new.
    pub(crate) fn take(&mut self, alert: AlertRecord, flap: Flap) -> bool {
        let old = &self.alert;
        let same_severity = old.severity == alert.severity;
        if old.ts == alert.ts && old.state == alert.state && same_severity {
            return false;
        }
        let (began, changes) = match (fires(old.state), fires(alert.state)) {
            (false, true) => (1, 1),
            (true, false) => (0, 1),
            // It fired between the two, when nobody was there to look.
            (false, false) => (1, 2),
            // Another run of the process, which failed on its own.
            (true, true) if alert.run > old.run && alert.since > old.since => (1, 1),
            (true, true) if old.state != alert.state || !same_severity => (0, 1),
            (true, true) => (0, 0),
        };
        self.firings += began;
        self.changes += changes;
        if changes > 0 {
            self.recent.push(alert.ts);
            let keep = flap.changes as usize + 1;
            self.recent.drain(..self.recent.len().saturating_sub(keep));
        }
        self.alert = alert;
        true
    }

    /// Whether it fires.
    pub(crate) fn fires(&self) -> bool {
        fires(self.alert.state)
    }

    /// What this channel should be told of it, were nothing to hold that back.
    pub(crate) fn owed(&self, account: &Account, immediate: bool) -> Option<Owed> {
        let told = account.told.as_ref().filter(|told| fires(told.state));
        match (self.fires(), told) {
            (true, None) => Some(Owed::Firing),
            (true, Some(told)) if told.state != self.alert.state => Some(Owed::Firing),
            (true, Some(told)) if told.severity != self.alert.severity => Some(Owed::Severity),
            (true, Some(_)) if immediate && account.firings < self.firings => Some(Owed::Firing),
            (true, Some(_)) => None,
            (false, Some(_)) => Some(Owed::Resolved),
            (false, None) => (account.firings < self.firings).then_some(Owed::CameAndWent),
        }
    }

    /// The account of a channel, which is a new one if it never heard of this alert.
    pub(crate) fn account(&self, channel: &str) -> Account {
        let (firings, changes) = self.looked;
        let new = || Account { firings, changes, ..Account::default() };
        self.channels.get(channel).cloned().unwrap_or_else(new)
    }

    /// Notes that the desk looked at it.
    pub(crate) fn look(&mut self) {
        self.looked = (self.firings, self.changes);
    }

    /// Brings up to date whether it flaps.
    pub(crate) fn damp(&mut self, flap: Flap, now: Timestamp) -> bool {
        for at in &mut self.recent {
            *at = (*at).min(now);
        }
        let was = self.flapping;
        self.flapping = match (self.recent.first(), self.recent.last()) {
            (_, Some(last)) if was => last.plus(flap.within) > now,
            (Some(first), Some(last)) if self.recent.len() > flap.changes as usize => {
                first.plus(flap.within) >= *last
            }
            _ => false,
        };
        if was && !self.flapping {
            self.recent.drain(..self.recent.len().saturating_sub(1));
            self.channels
                .values_mut()
                .filter_map(|a| a.told.as_mut())
                .for_each(|t| t.flapping = false);
        }
        was != self.flapping
    }

    /// When it will have been calm for long enough.
    pub(crate) fn calm_at(&self, flap: Flap) -> Timestamp {
        self.recent.last().copied().unwrap_or(self.alert.ts).plus(flap.within)
    }

    /// The newest moment at which anything happened to it.
    pub(crate) fn newest(&self) -> Option<Timestamp> {
        let told = self.channels.values().filter_map(|account| account.told.as_ref());
        told.map(|told| told.at).chain(self.recent.last().copied()).max()
    }

    /// When it may be forgotten.
    pub(crate) fn forget_at(&self, keep: Duration) -> Timestamp {
        self.newest().unwrap_or(self.alert.ts).plus(keep)
    }

    /// Takes over that the clock was set.
    pub(crate) fn shift(&mut self, by: i64) {
        for at in &mut self.recent {
            *at = at.moved(by);
        }
        for told in self.channels.values_mut().filter_map(|account| account.told.as_mut()) {
            told.at = told.at.moved(by);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::{alert, at};

    const FLAP: Flap = Flap { changes: 3, within: Duration::from_secs(60) };

    fn told(state: AlertState, firings: u64) -> Account {
        let severity = "critical".to_owned();
        let told = Told { state, severity, ts: at(0), at: at(0), times: 1, flapping: false };
        Account { told: Some(told), firings, ..Account::default() }
    }

    #[test]
    fn what_a_channel_is_owed() {
        use AlertState::{Firing, NoData, Resolved};
        for (now, account, owed) in [
            ("firing", Account::default(), Some(Owed::Firing)),
            ("firing", told(Firing, 1), None),
            ("firing", told(Resolved, 0), Some(Owed::Firing)),
            ("firing", told(NoData, 1), Some(Owed::Firing)),
            ("no_data", told(NoData, 1), None),
            ("resolved", told(Firing, 1), Some(Owed::Resolved)),
            ("resolved", told(Resolved, 1), None),
            ("resolved", told(Resolved, 0), Some(Owed::CameAndWent)),
            ("resolved", Account::default(), Some(Owed::CameAndWent)),
        ] {
            let entry = Entry::new(alert("a", "x", now, 0));
            assert_eq!(entry.owed(&account, false), owed, "{now} {account:?}");
        }
        let mut worse = Entry::new(alert("a", "x", "firing", 0));
        worse.alert.severity = "high".to_owned();
        assert_eq!(worse.owed(&told(Firing, 1), false), Some(Owed::Severity));
        // Another firing under the same name is told only where nothing may be held back.
        let again = Entry { firings: 2, ..Entry::new(alert("a", "x", "firing", 0)) };
        assert_eq!(again.owed(&told(Firing, 1), false), None);
        assert_eq!(again.owed(&told(Firing, 1), true), Some(Owed::Firing));
    }

    #[test]
    fn the_same_change_counts_once() {
        let mut entry = Entry::new(alert("a", "x", "firing", 0));
        assert!(!entry.take(alert("a", "x", "firing", 0), FLAP));
        assert!(entry.take(alert("a", "x", "resolved", 5), FLAP));
        assert!(!entry.take(alert("a", "x", "resolved", 5), FLAP));
        // Only the newest record is left of what a crash kept from being told.
        assert!(entry.take(alert("a", "x", "resolved", 9), FLAP));
        assert_eq!((entry.firings, entry.changes), (2, 4));
        assert!(entry.take(alert("a", "x", "firing", 10), FLAP));
        assert!(entry.take(alert("a", "x", "firing", 20), FLAP));
        assert_eq!((entry.firings, entry.changes), (3, 5));
    }

    #[test]
    fn more_changes_than_allowed_within_the_time_are_flapping_until_it_is_calm() {
        let mut entry = Entry::new(alert("a", "x", "firing", 0));
        for (seconds, state, flaps) in [
            (10, "resolved", false),
            (20, "firing", false),
            (60, "resolved", true),
            (70, "firing", true),
        ] {
            entry.take(alert("a", "x", state, seconds), FLAP);
            entry.damp(FLAP, at(seconds));
            assert_eq!(entry.flapping, flaps, "{seconds}");
        }
        assert_eq!(entry.calm_at(FLAP), at(130));
        assert!(!entry.damp(FLAP, at(129)));
        assert!(entry.damp(FLAP, at(130)) && !entry.flapping);
        let mut slow = Entry::new(alert("a", "x", "firing", 0));
        for n in 1..20 {
            let state = if n % 2 == 0 { "firing" } else { "resolved" };
            slow.take(alert("a", "x", state, n * 21), FLAP);
            slow.damp(FLAP, at(n * 21));
            assert!(!slow.flapping, "{n}");
        }
    }
}
