//! A line or a traceback, and whose it is.

use std::borrow::Cow;
use std::sync::{Arc, OnceLock};

use fleet_core::{Labels, ProcessRecord, RunKey, Timestamp};
use fleet_logclass::Anomaly;
use fleet_logfile::Message;
use fleet_logline::{Fields, Level};
use fleet_traceback::Traceback;

/// What is said of a run with each of its lines.
#[derive(Debug)]
pub(crate) struct Face {
    pub(crate) key: RunKey,
    pub(crate) labels: Labels,
    pub(crate) spawned_at: Timestamp,
    /// The run's number is shown, because another run of the process is, too.
    pub(crate) numbered: bool,
    /// The lines come from this file and not from a run: the key's id is made of its name, and
    /// its number means nothing.
    pub(crate) file: Option<String>,
    /// The file tells what each line was written to.
    pub(crate) streams: bool,
}

impl Face {
    pub(crate) fn of(record: &ProcessRecord, numbered: bool) -> Face {
        let (key, labels) = (record.key(), record.labels.clone());
        let spawned_at = record.spawned_at;
        Face { key, labels, spawned_at, numbered, file: None, streams: true }
    }

    /// What stands before its lines.
    pub(crate) fn name(&self) -> String {
        if self.numbered { self.key.to_string() } else { self.key.id.to_string() }
    }

    /// The number of the run; a file is none.
    pub(crate) fn run(&self) -> Option<u32> {
        self.file.is_none().then_some(self.key.run)
    }

    /// Whether it is known what each line was written to: a plain file does not tell.
    pub(crate) fn tells_streams(&self) -> bool {
        self.file.is_none() || self.streams
    }
}

/// What the class of its process makes of a line.
#[derive(Debug, Default)]
pub(crate) struct Noted {
    pub(crate) category: Option<String>,
    pub(crate) level: Option<Level>,
    /// Those of the line itself before those that its class found.
    pub(crate) fields: Fields,
    /// Its class found some of them.
    pub(crate) by_class: bool,
    pub(crate) anomaly: Option<Anomaly>,
}

/// One line, or the lines of one traceback, and whose it is.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) face: Arc<Face>,
    pub(crate) attempt: u32,
    /// A traceback's lines are joined by newlines.
    pub(crate) message: Message,
    pub(crate) traceback: Option<Box<Traceback>>,
    /// It is shown because it stands near one that was found.
    pub(crate) around: bool,
    /// Where lines around are shown: others of its process were passed over before it.
    pub(crate) gap: bool,
    /// It is a line whose text was looked at: it can be shown as it is.
    pub(crate) plain: bool,
    /// Filled in where classes are asked (`classify`).
    pub(crate) noted: OnceLock<Box<Noted>>,
}

impl Entry {
    /// A line that is looked at.
    pub(crate) fn line(face: Arc<Face>, attempt: u32, message: Message) -> Entry {
        Entry {
            face,
            attempt,
            message,
            traceback: None,
            around: false,
            gap: false,
            plain: false,
            noted: OnceLock::new(),
        }
    }

    /// How grave it is; a traceback is an error unless its own lines say more.
    pub(crate) fn level(&self) -> Option<Level> {
        match self.noted.get() {
            Some(noted) => noted.level,
            None => self.own_level().or(self.traceback.is_some().then_some(Level::Error)),
        }
    }

    /// How grave it says that it is.
    pub(crate) fn own_level(&self) -> Option<Level> {
        fleet_logline::level(&self.message.text)
    }

    /// `stdout`, `stderr`, or `fleet` for what fleet itself notes in the log.
    pub(crate) fn stream(&self) -> &'static str {
        if self.message.notice { "fleet" } else { self.message.stream.word() }
    }

    /// Torch's rank that printed it.
    pub(crate) fn rank(&self) -> Option<&str> {
        fleet_logline::rank(&self.message.text).and_then(|rank| std::str::from_utf8(rank).ok())
    }

    /// What it says by name: as JSON or logfmt, or to its class.
    pub(crate) fn fields(&self) -> Option<Cow<'_, Fields>> {
        let fields = match self.noted.get() {
            Some(noted) => Cow::Borrowed(&noted.fields),
            None => Cow::Owned(fleet_logline::fields(&self.message.text)?),
        };
        (!fields.is_empty()).then_some(fields)
    }

    /// Whether its class found fields that it does not name itself.
    pub(crate) fn has_class_fields(&self) -> bool {
        self.noted.get().is_some_and(|noted| noted.by_class)
    }

    /// What sort of thing it is.
    pub(crate) fn category(&self) -> Option<&str> {
        self.noted.get()?.category.as_deref()
    }

    /// What in it is unlike before.
    pub(crate) fn anomaly(&self) -> Option<&Anomaly> {
        self.noted.get()?.anomaly.as_ref()
    }
}

#[cfg(test)]
pub(crate) mod testing {
    //! Lines for tests.

    use fleet_core::Id;
    use fleet_logfile::Stream;

    use super::*;

    /// A line of the first run of `a`.
    pub(crate) fn entry(text: &[u8]) -> Entry {
        let face = Face {
            key: RunKey { id: Id::near("a"), run: 1 },
            labels: Labels::new(),
            spawned_at: Timestamp::from_nanos(0),
            numbered: false,
            file: None,
            streams: true,
        };
        let message = Message {
            stamp_nanos: 0,
            stream: Stream::Stdout,
            notice: false,
            partial: false,
            continues: false,
            text: text.to_vec(),
        };
        Entry::line(Arc::new(face), 1, message)
    }
}
