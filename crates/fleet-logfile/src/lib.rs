//! The log files of a process.
mod cri;
mod format;
mod writer;
pub use cri::Stream;
pub use format::{Bar, Batch, Counts, MAX_PIECE, Open, Output, format, notice};
pub use writer::{LogFile, LogOutput};
