//! What becomes of the lines that are wanted.

use std::io;

use crate::entry::{Entry, Face};

/// Takes lines in order of time: prints them, or makes something else of them.
pub(crate) trait Sink {
    /// Takes the next.
    fn take(&mut self, entry: &Entry) -> io::Result<()>;

    /// A process is going to be shown.
    fn line_up(&mut self, _face: &Face) {}

    /// All that there is now was taken, and more may come: passes on what readers wait for.
    fn flush(&mut self) -> io::Result<()>;

    /// Nothing more comes.
    fn finish(self: Box<Self>) -> io::Result<()>;

    /// Whether it writes to standard output, whose reader may leave.
    fn is_stdout(&self) -> bool;

    /// Whether a line without an end, a prompt perhaps, is of use to its reader.
    fn shows_beginnings(&self) -> bool {
        false
    }
}
