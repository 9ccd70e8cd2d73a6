//! Errors that are the same.

use std::collections::BTreeSet;

use fleet_core::Id;
use fleet_logline::{Level, plain};
use fleet_traceback::{Traceback, fingerprint_of_line};

use crate::entry::Entry;

/// So many processes are named of each error.
const MAX_IDS: usize = 100;

/// So much is kept of a traceback when all together have too much.
const SHORT: usize = 2 << 10;

/// One error as it was found.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) fingerprint: String,
    pub(super) id: Id,
    pub(super) at_nanos: i64,
    pub(super) level: Option<Level>,
    pub(super) traceback: Option<Traceback>,
    /// Its lines, without colours; not more than so many bytes of a line that is no traceback.
    pub(super) text: String,
    /// What was logged right before the traceback.
    pub(super) logged: Option<String>,
}

impl Found {
    pub(super) fn new(entry: &Entry, level: Option<Level>) -> Found {
        let text = &entry.message.text;
        let traceback = entry.traceback.as_deref().cloned();
        let fingerprint = match &traceback {
            Some(traceback) => traceback.fingerprint.clone(),
            None => fingerprint_of_line(text),
        };
        let lines = text.split(|&b| b == b'\n');
        let lines = lines.map(|line| String::from_utf8_lossy(&plain(line).text).into_owned());
        let mut text = lines.collect::<Vec<_>>().join("\n");
        if traceback.is_none() {
            shorten(&mut text);
        }
        let (id, at_nanos) = (entry.face.key.id.clone(), entry.message.stamp_nanos);
        Found { fingerprint, id, at_nanos, level, traceback, text, logged: None }
    }
}

/// Errors that are the same.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) count: u64,
    pub(super) first_nanos: i64,
    pub(super) ids: BTreeSet<Id>,
    /// More processes have it than are named.
    pub(super) more_ids: bool,
    /// The gravest.
    pub(super) level: Option<Level>,
    /// The one that came last.
    pub(super) latest: Found,
    /// How many there were when it was shown last.
    pub(super) told: u64,
}

impl Group {
    pub(super) fn new(found: Found) -> Group {
        Group {
            count: 1,
            first_nanos: found.at_nanos,
            ids: BTreeSet::from([found.id.clone()]),
            more_ids: false,
            level: found.level,
            latest: found,
            told: 0,
        }
    }

    /// Counts one more, which is the latest now.
    pub(super) fn add(&mut self, found: Found) {
        self.count += 1;
        self.first_nanos = self.first_nanos.min(found.at_nanos);
        self.level = self.level.max(found.level);
        if self.ids.len() < MAX_IDS {
            self.ids.insert(found.id.clone());
        } else {
            self.more_ids |= !self.ids.contains(&found.id);
        }
        self.latest = found;
    }

    /// Whether it is new, or has come twice as often since it was shown.
    pub(super) fn is_news(&self) -> bool {
        self.count >= self.told.saturating_mul(2).max(1)
    }

    /// Keeps only the beginning of its text; how many bytes that spared.
    pub(super) fn shorten(&mut self) -> usize {
        let before = self.latest.text.len();
        shorten(&mut self.latest.text);
        before - self.latest.text.len()
    }
}

fn shorten(text: &mut String) {
    if text.len() <= SHORT {
        return;
    }
    text.truncate(text.floor_char_boundary(SHORT - '…'.len_utf8()));
    text.push('…');
}
