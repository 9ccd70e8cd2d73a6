//! Rust: panics, old and new, and errors that `main` returned with their causes.

use crate::shape::{Begun, Line, Message, Shape, Step, Told};
use crate::text::{before_number, begins, has, indent, place};
use crate::traceback::{Frame, Language};

const PANICKED: &str = " panicked at ";

const OVERFLOWED: &str = " has overflowed its stack";

const BACKTRACE: &str = "stack backtrace:";

pub(super) fn begin(text: &[u8]) -> Option<Begun> {
    let (at, step) =
        if text.is_empty() { (At::Blank, Step::Perhaps) } else { (head(text)?, Step::Part) };
    Some((Box::new(Rust { at }), step))
}

fn head(text: &[u8]) -> Option<At> {
    if !begins(text, "thread '") {
        return None;
    }
    if has(text, OVERFLOWED) {
        return Some(At::Overflowed);
    }
    if has(text, " panicked at '") {
        return Some(At::Quoted { open: !closes(text) });
    }
    has(text, PANICKED).then(|| At::Said { first: true, message: Message::default() })
}

#[derive(Debug)]
struct Rust {
    at: At,
}

#[derive(Debug)]
enum At {
    /// Behind the blank line that newer ones begin with.
    Blank,
    /// In the message, of one line at least.
    Said {
        first: bool,
        message: Message,
    },
    /// Until 1.72: in the message, which the first line begins in quotes, or behind it.
    Quoted {
        open: bool,
    },
    /// In the backtrace.
    Frames,
    Overflowed,
}

impl Shape for Rust {
    fn language(&self) -> Language {
        Language::Rust
    }

    fn step(&mut self, line: &Line<'_>) -> Step {
        let text = line.text;
        match &mut self.at {
            At::Blank => match head(text) {
                Some(at) => {
                    self.at = at;
                    Step::Part
                }
                None => Step::Not,
            },
            At::Said { first: first @ true, .. } => {
                *first = false;
                Step::Part
            }
            At::Quoted { open: open @ true } => {
                *open = !closes(text);
                Step::Part
            }
            At::Said { .. } | At::Quoted { .. } | At::Frames if begins(text, "note: ") => {
                Step::Last
            }
            At::Said { .. } | At::Quoted { .. } if text == BACKTRACE.as_bytes() => {
                self.at = At::Frames;
                Step::Part
            }
            At::Said { message, .. } => message.step(line),
            At::Frames if is_frame(text) => Step::Part,
            At::Overflowed if begins(text, "fatal runtime error: ") => Step::Last,
            _ => Step::Not,
        }
    }

    fn read(&self, lines: &[String]) -> Told {
        let mut told = Told { kind: Some("panic".to_owned()), ..Told::default() };
        let mut lines = lines.iter().skip_while(|line| line.is_empty());
        let head = lines.next().map(String::as_str).unwrap_or_default();
        if head.contains(OVERFLOWED) {
            told.kind = Some("stack overflow".to_owned());
            return told;
        }
        let body: Vec<&str> = lines.map(String::as_str).collect();
        let ends = |line: &&str| *line == BACKTRACE || line.starts_with("note: ");
        let end = body.iter().position(ends).unwrap_or(body.len());
        let (message, backtrace) = body.split_at(end);
        let location = read_head(head, message, &mut told);
        told.frames = frames(backtrace);
        if told.frames.is_empty() {
            told.frames.extend(location);
        }
        told
    }
}

/// Whether a message in quotes ends with this line: the place stands behind it.
fn closes(text: &[u8]) -> bool {
    let quote = memchr::memmem::rfind(text, b"', ");
    quote.is_some_and(|at| before_number(text.get(at..).unwrap_or_default()).is_some())
}

/// A frame's number and symbol, or deeper the place.
fn is_frame(text: &[u8]) -> bool {
    let rest = text.get(indent(text)..).unwrap_or_default();
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let numbered = digits > 0 && rest.get(digits) == Some(&b':');
    indent(text) > 0 && (numbered || begins(rest, "at "))
}

/// Reads place and message of both forms: `panicked at PLACE:` and the message on the lines
/// below, or until 1.72 `panicked at 'MESSAGE', PLACE`.
fn read_head(head: &str, below: &[&str], told: &mut Told) -> Option<Frame> {
    let (_, said) = head.split_once(PANICKED)?;
    let Some(quoted) = said.strip_prefix('\'') else {
        below.iter().for_each(|line| told.say(line));
        return located(said.trim_end_matches(':'));
    };
    let all = std::iter::once(quoted).chain(below.iter().copied()).collect::<Vec<_>>().join("\n");
    let (message, location) = all.rsplit_once("', ").unwrap_or((&all, ""));
    told.say(message);
    located(location)
}

fn located(location: &str) -> Option<Frame> {
    let (file, line) = place(location)?;
    Some(Frame { function: None, file: Some(file.to_owned()), line: Some(line) })
}

/// The frames of a backtrace, each a numbered symbol and mostly a place below.
pub(super) fn frames(lines: &[&str]) -> Vec<Frame> {
    let mut frames: Vec<Frame> = Vec::new();
    for line in lines.iter().filter(|line| is_frame(line.as_bytes())) {
        let bare = line.trim_start();
        if let Some(at) = bare.strip_prefix("at ") {
            if let (Some(frame), Some(at)) = (frames.last_mut(), located(at)) {
                (frame.file, frame.line) = (at.file, at.line);
            }
        } else if let Some((_, symbol)) = bare.split_once(':') {
            frames.push(Frame { function: Some(function(symbol)), file: None, line: None });
        }
    }
    frames
}

/// A symbol without its address and the hashes of crates and functions.
fn function(symbol: &str) -> String {
    let symbol = symbol.trim_start();
    let symbol = match symbol.split_once(" - ") {
        Some((address, rest)) if address.starts_with("0x") => rest,
        _ => symbol,
    };
    let is_hash = |hash: &str| hash.len() == 16 && hash.bytes().all(|b| b.is_ascii_hexdigit());
    match symbol.rsplit_once("::h") {
        Some((name, hash)) if is_hash(hash) => name.to_owned(),
        _ => symbol.to_owned(),
    }
}

/// What follows the error that `main` returned, where anyhow printed it.
#[derive(Debug, Default)]
pub(super) struct Causes {
    /// The backtrace has begun.
    traced: bool,
}

impl Shape for Causes {
    fn language(&self) -> Language {
        Language::Rust
    }

    fn step(&mut self, line: &Line<'_>) -> Step {
        let text = line.text;
        if text.is_empty() && !self.traced {
            return Step::Perhaps;
        }
        if text == b"Stack backtrace:" {
            self.traced = true;
            return Step::Part;
        }
        let goes_on = if self.traced { is_frame(text) } else { begins(text, "    ") };
        if goes_on { Step::Part } else { Step::Not }
    }

    fn read(&self, lines: &[String]) -> Told {
        let mut told = Told { kind: Some("Error".to_owned()), ..Told::default() };
        let head = lines.first().map(String::as_str).unwrap_or_default();
        told.say(head.strip_prefix("Error: ").unwrap_or(head));
        let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
        let traced = lines.iter().position(|line| *line == "Stack backtrace:");
        told.frames = frames(traced.and_then(|at| lines.get(at..)).unwrap_or_default());
        told
    }
}
