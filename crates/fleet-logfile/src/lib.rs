//! The log files of a process: written, read forwards, backwards and as they grow, and merged by
//! time.
//!
//! # Theory of operation
//!
//! A run's log is a folder: `current`, which its shim appends to, and files that were set aside
//! when they were full, each named for the stamp of its first line. Each line is one piece of
//! output in the form of [`cri`]. Readers take no lock and tell the writer nothing.
//!
//! [`Reader`] goes forwards from file to file and can be asked again when more was written: a
//! follower is a reader and a watch on its folder. It knows its file by its open handle, not by its name, so
//! that it reads a file to the end after it was renamed, or even removed. [`seek`] finds a moment
//! by halving, [`tail`] the last lines by [`Backward`], neither reads what it does not need; both
//! answer with a [`Position`] that holds across renames. [`Joiner`] makes lines of pieces, and
//! [`Merge`] one stream of many, in order of time, without ever changing the order within one.
//!
//! *Writing* is [`format()`], a pure function from bytes to lines, and [`LogFile`], which appends
//! them and sets full files aside. Whoever writes keeps three promises that readers build on:
//! files sort by name in the order of writing, a file ends with a whole line unless its writer
//! died, and the run's last record is written after the last line.
//!
//! All are bounded in memory, whatever is in the files; nothing in them makes a reader fail. A
//! line that is none is handed out as it is, and counted.

mod aside;
mod attempts;
mod backward;
mod compressed;
mod content;
pub mod cri;
mod files;
mod format;
mod frame;
mod index;
mod join;
pub mod keep;
mod last_words;
mod merge;
mod open;
mod pack;
mod reader;
mod sealed;
mod seek;
mod writer;

#[cfg(test)]
mod testing;

pub use aside::oldest;
pub use attempts::Attempts;
pub use backward::{Backward, Skip, Start, tail};
pub use content::Content;
pub use cri::{Line, Stream};
pub use files::{CURRENT, Listed, Packing, Position, list};
pub use format::{Bar, Batch, Counts, MAX_PIECE, Open, Output, format, notice};
pub use frame::last_frame;
pub use index::{Block, Index};
pub use join::{Joiner, MAX_MESSAGE, Message};
pub use last_words::stderr_tail;
pub use merge::Merge;
pub use reader::Reader;
pub use sealed::{unseal, write_sealed};
pub use seek::seek;
pub use writer::{LogFile, LogOutput};
