//! What all languages' tracebacks have in common.

use std::fmt::Debug;

use crate::begin::begins_surely;
use crate::fresh::is_fresh;
use crate::traceback::{Frame, Language};

/// What a line is to a traceback that has begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// It is part of it, and so are all before it.
    Part,
    /// It is, if what follows says so.
    Perhaps,
    /// It is the last part of it.
    Last,
    /// It is none: the traceback has ended before it.
    Not,
}

/// A line to be judged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Line<'a> {
    /// Without colours, rank and carriage return.
    pub(crate) text: &'a [u8],
    /// It was written a while after the line before.
    pub(crate) late: bool,
}

/// The tracebacks of one language; holds how far one has come.
pub(crate) trait Shape: Debug + Send {
    /// What prints such.
    fn language(&self) -> Language;

    /// Judges the next line.
    fn step(&mut self, line: &Line<'_>) -> Step;

    /// What the whole of it says.
    fn read(&self, lines: &[String]) -> Told;
}

/// A shape that was begun by a line, and what that line is to it.
pub(crate) type Begun = (Box<dyn Shape>, Step);

/// What a traceback says.
#[derive(Debug, Default)]
pub(crate) struct Told {
    pub(crate) kind: Option<String>,
    pub(crate) message: Option<String>,
    pub(crate) frames: Vec<Frame>,
}

impl Told {
    /// Splits `Type: message`.
    pub(crate) fn set_error(&mut self, text: &str) {
        let (kind, message) = text.split_once(": ").unwrap_or((text.trim_end_matches(':'), ""));
        self.kind = Some(kind.trim().to_owned());
        self.message = None;
        self.say(message);
    }

    /// Adds a line to the message.
    pub(crate) fn say(&mut self, line: &str) {
        let line = line.trim_end();
        match &mut self.message {
            Some(message) => {
                message.push('\n');
                message.push_str(line);
            }
            None if line.is_empty() => {}
            None => self.message = Some(line.to_owned()),
        }
    }
}

/// More lines of a message than this are taken for something else.
const MESSAGE_LINES: u32 = 100;

/// The lines of a message whose end is not marked.
#[derive(Debug, Default)]
pub(crate) struct Message {
    lines: u32,
}

impl Message {
    /// The line still belongs to the message if nothing speaks against it.
    pub(crate) fn step(&mut self, line: &Line<'_>) -> Step {
        self.lines += 1;
        let ends = line.late
            || line.text.is_empty()
            || self.lines > MESSAGE_LINES
            || is_fresh(line.text)
            || begins_surely(line.text);
        if ends { Step::Not } else { Step::Part }
    }
}
