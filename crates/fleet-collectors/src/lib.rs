//! Measures of the user's own: what commands print, what files hold, what HTTP servers answer.
//!
//! # Theory of operation
//!
//! A [`CollectorFile`] names collectors; each asks its one [`Source`] every interval and has a time
//! limit. What it answers becomes [`Reading`]s, values under labels, and each reading a `sample`
//! record of the subject *custom*. Each collector has a record of its own beside them, of the
//! subject *collector*: whether it succeeded, how long it took, how old its values are, and in
//! words why it failed.
//!
//! **Isolation.** Each collector is asked in a thread of its own, so that one that hangs costs its
//! own values only. A command runs in its own process group and is killed with its group
//! and all below it when its time is over or when it floods; only a daemon that left both behind
//! escapes. What is read is bounded
//! in bytes ([`MOST_BYTES`]) and in series ([`MOST_SERIES`]). After a failure the last good values go
//! on, with their age, for as long as the collector's `keep` says.
//!
//! **Following and one-shots.** A [`Team`] that follows asks beside the rounds, and a round takes
//! what is known by then. A one-shot asks all at once and waits for them, but not for those that
//! were asked less than an interval ago by somebody else: results are kept in
//! `metrics/collectors.json`, so that a cron job each minute asks as often as the file says.
//!
//! **Secrets** for HTTP headers come from the environment or from files, are read anew each time,
//! and are in no record, no error and no memory.

mod collector;
mod command;
mod files;
mod http;
mod load;
mod memory;
mod output;
mod raw;
mod team;
mod tell;

pub use collector::{Collector, Header, Secret, Source};
pub use load::{CollectorFile, CollectorsError};
pub use memory::MemoryError;
pub use output::{Format, Reading};
pub use team::Team;

/// A source may say so many bytes; of a file that is searched for a pattern its end of that size
/// is read.
pub const MOST_BYTES: u64 = 1 << 20;

/// A source may say values under so many sets of labels.
pub const MOST_SERIES: usize = 1000;
