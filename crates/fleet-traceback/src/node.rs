//! JavaScript in Node.

use crate::fresh::has_time;
use crate::named::split_error;
use crate::shape::{Begun, Line, Shape, Step, Told};
use crate::text::{before_number, begins, indent, is_caret_line, place};
use crate::traceback::{Frame, Language};

/// Lines between a place and the marks below its source, or what was thrown.
const SOURCE: u8 = 8;

/// Lines between the marks and the first frame.
const MESSAGE: u8 = 64;

/// The last line of a process that dies of it.
const VERSION: &str = "Node.js v";

pub(super) fn begin(text: &[u8]) -> Option<Begun> {
    is_place(text).then(|| (Box::new(Node { at: At::Place(0) }) as Box<dyn Shape>, Step::Perhaps))
}

/// A traceback whose head was seen.
pub(super) fn framed() -> Box<dyn Shape> {
    Box::new(Node { at: At::Frames })
}

/// `/srv/app/x.js:3`, `node:fs:573`, `file:///srv/app/x.mjs:2`, `<anonymous_script>:1`: where
/// something was thrown.
pub(crate) fn is_place(text: &[u8]) -> bool {
    let begins_so = ["/", "node:", "file:///", "<anonymous_script>"];
    before_number(text).is_some() && begins_so.iter().any(|with| begins(text, with))
}

#[derive(Debug)]
struct Node {
    at: At,
}

#[derive(Debug)]
enum At {
    /// Behind the place.
    Place(u8),
    /// Behind the marks below the source.
    Said(u8),
    Frames,
    /// In the properties of the error.
    Block,
    /// Behind all that is of the error.
    Behind,
}

impl Shape for Node {
    fn language(&self) -> Language {
        Language::Node
    }

    fn step(&mut self, line: &Line<'_>) -> Step {
        let text = line.text;
        let first = matches!(self.at, At::Place(_));
        match &mut self.at {
            At::Place(_) | At::Said(_) | At::Frames if is_frame(text) => self.part(text),
            At::Place(_) if is_caret_line(text) => {
                self.at = At::Said(0);
                Step::Part
            }
            At::Place(lines) | At::Said(lines) => {
                *lines += 1;
                let lines = *lines;
                self.said(text, lines, first)
            }
            At::Block => self.block(text),
            At::Frames if text.is_empty() => {
                self.at = At::Behind;
                Step::Perhaps
            }
            At::Behind if text.is_empty() => Step::Perhaps,
            At::Behind if begins(text, VERSION) => Step::Last,
            At::Frames | At::Behind => Step::Not,
        }
    }

    fn read(&self, lines: &[String]) -> Told {
        let mut told = Told::default();
        let mut lines = lines.iter().map(String::as_str).peekable();
        if lines.peek().is_some_and(|line| is_place(line.as_bytes())) {
            // The source ends with marks, or where it has none with a blank line.
            let _ = lines.find(|line| line.is_empty() || is_caret_line(line.as_bytes()));
        }
        while lines.next_if(|line| line.is_empty()).is_some() {}
        split_error(lines.next().unwrap_or_default(), &mut told);
        let is_said = |line: &&str| {
            !is_frame(line.as_bytes()) && !line.is_empty() && !line.starts_with([' ', '}', '('])
        };
        while let Some(line) = lines.next_if(is_said) {
            told.say(line);
        }
        told.frames = lines.map_while(frame).collect();
        told
    }
}

impl Node {
    /// A frame; the last may open the block of properties.
    fn part(&mut self, text: &[u8]) -> Step {
        self.at = if text.ends_with(b" {") { At::Block } else { At::Frames };
        Step::Part
    }

    /// A line between the place or the marks and the frames, of which there may be none.
    fn said(&mut self, text: &[u8], lines: u8, doubtful: bool) -> Step {
        let most = if doubtful { SOURCE } else { MESSAGE };
        match text {
            _ if lines > most || has_time(text) => Step::Not,
            _ if doubtful => Step::Perhaps,
            _ if begins(text, VERSION) => Step::Last,
            _ if text.is_empty() => Step::Perhaps,
            _ if text.ends_with(b" {") => self.part(text),
            _ => Step::Part,
        }
    }

    fn block(&mut self, text: &[u8]) -> Step {
        if text.first() == Some(&b'}') {
            self.at = At::Frames;
        }
        let inside =
            indent(text) > 0 || text.is_empty() || matches!(text.first(), Some(b'}' | b']'));
        if inside { Step::Part } else { Step::Not }
    }
}

/// Whether it is a step of the stack.
pub(super) fn is_frame(text: &[u8]) -> bool {
    begins(text, "    at ") || begins(text, "    ... ")
}

/// `at read (/srv/app/x.js:7:11)`, `at /srv/app/x.js:7:11`, `at async file:///x.mjs:2:1 {`
fn frame(line: &str) -> Option<Frame> {
    let line = line.trim_start();
    if line.starts_with("... ") {
        return None;
    }
    let at = line.strip_prefix("at ")?.trim_end_matches(" {");
    let at = at.strip_prefix("async ").unwrap_or(at);
    let (function, location) = match at.split_once(" (") {
        Some((function, location)) => (Some(function.to_owned()), location.trim_end_matches(')')),
        None => (None, at),
    };
    let (file, line) = match place(location) {
        Some((file, line)) => (file, Some(line)),
        None => (location, None),
    };
    Some(Frame { function, file: Some(file.to_owned()), line })
}
