//! What becomes of the lines that are wanted.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use crate::count::Count;
use crate::entry::{Entry, Face};

/// What a traceback is to a sink.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tracebacks {
    /// One record.
    Records,
    /// Lines, which must not be torn apart where other processes' lines come between.
    Whole,
    /// Lines like others.
    Lines,
}

/// Takes lines in order of time: prints them, or makes something else of them.
pub(crate) trait Sink {
    /// Takes the next.
    fn take(&mut self, entry: &Entry) -> io::Result<()>;

    /// A process is going to be shown.
    fn line_up(&mut self, _face: &Arc<Face>) {}

    /// What a process draws now, a progress bar on its way: shown while it moves, not kept. `None`
    /// where nothing is drawn any more.
    fn live(&mut self, _drawn: Option<&Entry>) -> io::Result<()> {
        Ok(())
    }

    /// Nothing more comes of this process.
    fn ended(&mut self, _face: &Arc<Face>) -> io::Result<()> {
        Ok(())
    }

    /// All that there is now was taken, and more may come: passes on what readers wait for.
    fn flush(&mut self) -> io::Result<()>;

    /// Nothing more comes: whether it chose among what it took and wanted none of it.
    fn left_nothing(&mut self) -> io::Result<bool> {
        Ok(false)
    }

    /// Nothing more comes.
    fn finish(self: Box<Self>) -> io::Result<()>;

    /// Whether it writes to standard output, whose reader may leave.
    fn is_stdout(&self) -> bool;

    /// The numbers, where only these are wanted.
    fn counts(&mut self) -> Option<&mut Count> {
        None
    }

    /// What a traceback is to it.
    fn tracebacks(&self) -> Tracebacks {
        Tracebacks::Lines
    }

    /// Whether a person reads it at a terminal.
    fn is_terminal(&self) -> bool {
        false
    }

    /// How long until it has something to do by the clock alone; a flush is when it does it.
    fn due(&self) -> Option<Duration> {
        None
    }

    /// Whether a line without an end, a prompt perhaps, is of use to its reader.
    fn shows_beginnings(&self) -> bool {
        false
    }
}
