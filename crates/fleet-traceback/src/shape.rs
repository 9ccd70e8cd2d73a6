//! What all languages' tracebacks have in common.

use std::fmt::Debug;

use crate::begin::begins_surely;
use crate::fresh::is_fresh;
use crate::text::{begins, has};
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

/// What torch adds to whatever CUDA says.
const TORCH_ADDS: [&str; 4] = [
    "CUDA kernel errors might be asynchronously reported",
    "For debugging consider passing CUDA_LAUNCH_BLOCKING",
    "Compile with `TORCH_USE_CUDA_DSA`",
    "Search for `cuda",
];

/// The lines of a message whose end is not marked.
#[derive(Debug, Default)]
pub(crate) struct Message {
    lines: u32,
    /// The line before ends as if more follows.
    open: bool,
    /// So many lines since the last that is part of it for certain.
    doubtful: u32,
}

impl Message {
    /// That begins with this line.
    pub(crate) fn behind(text: &[u8]) -> Message {
        Message { open: is_open(text), ..Message::default() }
    }

    /// The line is part of the message if it looks so, and none if something speaks against it;
    /// between the two what follows tells.
    pub(crate) fn step(&mut self, line: &Line<'_>) -> Step {
        self.lines += 1;
        let text = line.text;
        let ends = line.late
            || text.is_empty()
            || self.lines > MESSAGE_LINES
            || is_bar(text)
            || is_fresh(text)
            || begins_surely(text);
        if ends {
            return Step::Not;
        }
        let indented = text.first().is_some_and(u8::is_ascii_whitespace);
        let sure = match self.doubtful {
            0 => indented || self.open || is_aside(text),
            // What is written below a line belongs to it, and both to the message.
            1 => indented,
            _ => false,
        };
        self.doubtful = if sure { 0 } else { self.doubtful + 1 };
        self.open = is_open(text);
        if sure { Step::Part } else { Step::Perhaps }
    }
}

/// Whether more must follow: `expected one of:`.
fn is_open(text: &[u8]) -> bool {
    matches!(text.last(), Some(b':' | b',' | b'(' | b'[' | b'{' | b'\\'))
}

/// Whether it is what libraries add to a message: `(Background on this error at: …)`.
fn is_aside(text: &[u8]) -> bool {
    let within = |open: u8, close: u8| text.first() == Some(&open) && text.last() == Some(&close);
    within(b'(', b')')
        || within(b'[', b']') && has(text, ": ")
        || TORCH_ADDS.iter().any(|adds| begins(text, adds))
}

/// Whether it is a progress bar.
fn is_bar(text: &[u8]) -> bool {
    has(text, "%|") && has(text, "| ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps<const N: usize>(texts: [&str; N]) -> [Step; N] {
        let mut message = Message::default();
        texts.map(|text| message.step(&Line { text: text.as_bytes(), late: false }))
    }

    #[test]
    fn a_message_goes_on_where_it_looks_so() {
        use Step::{Not, Part, Perhaps};
        assert_eq!(steps(["\tMissing key(s)", "\tsize mismatch"]), [Part, Part]);
        let validated = steps(["lr", "  Field required", "steps", "  Field required"]);
        assert_eq!(validated, [Perhaps, Part, Perhaps, Part]);
        assert_eq!(steps(["[SQL: SELECT 1]", "(Background on this error at: x)"]), [Part, Part]);
        assert_eq!(steps(["Search for `cudaErrorAssert' in x"]), [Part]);
        assert_eq!(steps(["  one of:", "a", "b"]), [Part, Part, Perhaps]);
        assert_eq!(steps([" 33%|###   | 1/3 [00:01<00:02]"]), [Not]);
        assert_eq!(steps(["trying again", "done", "  indented"]), [Perhaps, Perhaps, Perhaps]);
    }
}
