//! A notification that waits to be delivered, as it stands in its file.

use std::collections::BTreeSet;

use fleet_core::{RECORD_VERSION, Timestamp};
use serde::{Deserialize, Serialize};

use crate::notification::Notification;

/// A notification in the spool, and what became of it so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Always `spooled`.
    pub kind: String,
    /// Version of this form; absent means 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub v: Option<u32>,
    /// What is to be delivered.
    pub notification: Notification,
    /// When it came into the spool.
    pub since: Timestamp,
    /// How often it was tried.
    #[serde(default)]
    pub tries: u32,
    /// When it was tried for the first time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_try: Option<Timestamp>,
    /// When it was last tried.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_try: Option<Timestamp>,
    /// When it is to be tried again; absent means as soon as it may.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<Timestamp>,
    /// Whether all of its channel waits until then, because the trouble is the channel's.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub holds_channel: bool,
    /// Why the last try failed, as the second half of a sentence.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub last_error: String,
    /// Why it will not be tried any more, in a dead letter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub buried: Option<Burial>,
    /// The name of its file, by which entries of a channel are in order.
    #[serde(skip)]
    pub(crate) name: String,
}

/// The end of an entry that was not delivered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Burial {
    /// When.
    pub at: Timestamp,
    /// Why, as the second half of a sentence.
    pub why: String,
}

/// Why a file of the spool is no entry.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// It is of a version that a newer fleet-alert wrote; it is left as it is.
    #[error("it is of version {0}, which a newer fleet-alert wrote")]
    Newer(u32),
    /// It is torn or was never an entry.
    #[error("{0}")]
    Broken(String),
    /// It is gone: another tool delivered it.
    #[error("it is gone")]
    Gone,
}

#[derive(Deserialize)]
struct Head {
    v: Option<u32>,
}

impl Entry {
    /// An entry that was not tried yet.
    pub(crate) fn new(notification: Notification, name: String, now: Timestamp) -> Entry {
        Entry {
            kind: "spooled".to_owned(),
            v: None,
            notification,
            since: now,
            tries: 0,
            first_try: None,
            last_try: None,
            next: None,
            holds_channel: false,
            last_error: String::new(),
            buried: None,
            name,
        }
    }

    /// Reads the content of a file of this name.
    pub(crate) fn parse(name: &str, bytes: &[u8]) -> Result<Entry, Unreadable> {
        let broken = |error: serde_json::Error| Unreadable::Broken(error.to_string());
        let head: Head = serde_json::from_slice(bytes).map_err(broken)?;
        if let Some(v) = head.v.filter(|v| *v > RECORD_VERSION) {
            return Err(Unreadable::Newer(v));
        }
        let mut entry: Entry = serde_json::from_slice(bytes).map_err(broken)?;
        entry.name = name.to_owned();
        Ok(entry)
    }

    /// The content of its file.
    pub(crate) fn text(&self) -> Vec<u8> {
        // Texts, numbers and times: nothing that JSON could refuse.
        let mut text = serde_json::to_vec(self).unwrap_or_default();
        text.push(b'\n');
        text
    }

    /// An entry as it was before it was tried.
    pub(crate) fn fresh(self, now: Timestamp) -> Entry {
        Entry::new(self.notification, self.name, now)
    }

    /// What tells its alerts apart from others: entries that share one keep their order.
    pub(crate) fn fingerprints(&self) -> BTreeSet<&str> {
        self.notification.alerts.iter().map(|alert| alert.fingerprint.as_str()).collect()
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::notification::Reason;
    use fleet_rules::{AlertRecord, AlertState};
    use proptest::prelude::*;

    /// A moment that its text tells whole.
    pub(crate) fn moment() -> Timestamp {
        Timestamp::from_nanos(Timestamp::now().nanos() / 1000 * 1000)
    }

    pub(crate) fn alert(fingerprint: &str, state: AlertState) -> AlertRecord {
        let at = moment();
        AlertRecord {
            kind: "alert".to_owned(),
            ts: at,
            alert: "r".to_owned(),
            state,
            severity: "warning".to_owned(),
            id: Some(fingerprint.to_owned()),
            run: None,
            labels: Default::default(),
            since: at,
            value: None,
            summary: "something".to_owned(),
            annotations: Default::default(),
            reason: "x is 2".to_owned(),
            fingerprint: fingerprint.to_owned(),
        }
    }

    pub(crate) fn notification(channel: &str, id: &str, fingerprint: &str) -> Notification {
        Notification {
            kind: "notification".to_owned(),
            v: None,
            id: id.to_owned(),
            channel: channel.to_owned(),
            group: Default::default(),
            reason: Reason::First,
            created: moment(),
            host: "here".to_owned(),
            alerts: vec![alert(fingerprint, AlertState::Firing)],
            held_back: 0,
            text: String::new(),
        }
    }

    #[test]
    fn an_entry_is_read_as_it_was_written() {
        let mut entry = Entry::new(notification("c", "1", "a"), "n".to_owned(), moment());
        assert_eq!(Entry::parse("n", &entry.text()), Ok(entry.clone()));
        entry.tries = 3;
        entry.next = Some(moment());
        entry.last_error = "said 429".to_owned();
        assert_eq!(Entry::parse("n", &entry.text()), Ok(entry));
    }

    #[test]
    fn what_is_newer_is_not_broken() {
        let newer = br#"{"kind":"spooled","v":9,"shape":"new"}"#;
        assert_eq!(Entry::parse("n", newer), Err(Unreadable::Newer(9)));
        for broken in [&b""[..], b"{", b"null", b"{\"kind\":\"spooled\"}"] {
            assert!(matches!(Entry::parse("n", broken), Err(Unreadable::Broken(_))));
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), cut in 0_usize..900) {
            let _ = Entry::parse("n", &bytes);
            let entry = Entry::new(notification("c", "1", "a"), "n".to_owned(), Timestamp::now());
            let mut text = entry.text();
            text.truncate(cut);
            let _ = Entry::parse("n", &text);
        }
    }
}
