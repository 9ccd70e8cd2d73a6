//! Samples kept on disk: daily files, roll-ups, retention, queries.
//!
//! # Theory of operation
//!
//! **Recording.** A [`Recorder`] appends samples as JSON lines to `metrics/<day>.jsonl`, the day in
//! UTC being that of the sample; a round is one write of whole lines. The lines are the records
//! that the tools print, but for what would only repeat: how a process ended is stored once, and
//! one that ended and uses nothing any more is not stored again. `tail -f` shows what comes in. One
//! recorder at a time holds the lock; another one says so and waits for it. A line that was torn
//! (power loss) is ended by the next writer and costs itself alone. What cannot be stored, because
//! the disk is full for example, is counted and said, and sampling goes on.
//!
//! **Closing.** A day that is over is read once, in a thread beside the sampling, in memory that
//! does not grow with it: its bytes are compressed with zstd, and one line for each series and
//! window of five minutes and of an hour goes to the roll-ups `<day>.5m.jsonl.zst` and
//! `<day>.1h.jsonl.zst`. They are written beside the file under names that nobody reads, synced and
//! renamed; the samples are removed last. So a closing that was killed at any step is done again
//! from the samples, and while they are there, they are the truth. Where the clock is set back to a
//! day that was closed, its samples go to a file of their own, `<day>.2.jsonl`. Days that are too
//! old or too many are unlinked, oldest first.
//!
//! **Windows.** A window begins at a whole multiple of its length since 1970. Of each measure in it
//! the number, sum, least, greatest and last of the values are known, and their percentiles: exact
//! where samples were read, from a histogram with at most one percent of error ([`SKETCH_ERROR`])
//! where roll-ups were. Of a counter it is known how much it rose and in how many seconds: each
//! pair of samples that follow each other in a file counts where the later one lies; one that
//! dropped, or belongs to a new attempt or run, began again at 0. All of these of a window are
//! those of its parts put together, in any order; that is what lets roll-ups stand for samples, and
//! it needs no order within a file.
//!
//! **Reading.** [`query`] takes for each day the longest roll-up that its windows are made of, and
//! the samples where there is none, where a day is asked for in part, and where a roll-up is
//! damaged. Of a line only what is asked for is parsed, and several days are read at a time; what
//! no later day can add to is reduced to its values. [`records`] gives the lines themselves.

mod bounds;
mod cell;
mod cells;
mod close;
mod files;
mod keeper;
mod line;
mod lines;
mod names;
mod query;
mod read;
mod recorder;
mod records;
mod repeats;
mod rollup;
mod scan;
mod series;
mod sketch;
mod words;

use std::io;
use std::path::PathBuf;

pub use cell::Agg;
pub use keeper::Settings;
pub use names::is_counter;
pub use query::{Answer, Query, Shown, query};
pub use recorder::Recorder;
pub use records::{Wanted, records};
pub use series::{By, Grouping, Series};
pub use sketch::SKETCH_ERROR;
pub use words::{BadAgg, BadBy};

/// Why history cannot be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum HistoryError {
    /// A file or the folder cannot be read.
    #[error("cannot read '{}'", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A file cannot be written, renamed or removed.
    #[error("cannot write '{}'", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// A window is too short for the span.
    #[error(
        "the time holds {windows} windows, more than {most}; ask for longer ones or for less time"
    )]
    TooManyWindows {
        /// How many it holds.
        windows: i64,
        /// How many it may hold.
        most: i64,
    },
    /// Too many series in too many windows.
    #[error(
        "the answer has more than {most} rows; ask for longer windows, less time or fewer processes"
    )]
    TooManyRows {
        /// How many it may have.
        most: usize,
    },
    /// There are too many threads already.
    #[error("cannot start a thread to read the history")]
    Thread {
        /// What the system said.
        source: io::Error,
    },
    /// A thread that read a day did not come to its end.
    #[error("a thread that read the history broke off")]
    Broken,
}
