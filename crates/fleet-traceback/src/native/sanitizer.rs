//! Reports of sanitizers.

use crate::fresh::has_time;
use crate::shape::{Begun, Line, Shape, Step, Told};
use crate::text::{begins, has, indent, place};
use crate::traceback::{Frame, Language};

/// Between place and finding of the undefined-behaviour sanitizer.
const UNDEFINED: &str = ": runtime error: ";

/// What all others call themselves in the line that says what was found.
const SANITIZER: &str = "Sanitizer: ";

/// Lines between the rule above a report and the line that says what was found.
const BEFORE: u8 = 2;

pub(super) fn begin(text: &[u8]) -> Option<Begun> {
    let (at, step) = if is_finding(text) {
        (At::Body, Step::Part)
    } else if is_undefined(text) {
        (At::Stack, Step::Part)
    } else if is_rule(text) || text.ends_with(b"Sanitizer:DEADLYSIGNAL") {
        (At::Before(0), Step::Perhaps)
    } else {
        return None;
    };
    Some((Box::new(Sanitizer { at }), step))
}

/// `==123==ERROR: AddressSanitizer: …`, `WARNING: ThreadSanitizer: …`
fn is_finding(text: &[u8]) -> bool {
    has(text, SANITIZER)
        && (begins(text, "==") && (has(text, "==ERROR: ") || has(text, "==WARNING: "))
            || begins(text, "WARNING: ThreadSanitizer: ")
            || begins(text, "FATAL: ThreadSanitizer: "))
}

/// `a.c:62:14: runtime error: …`
fn is_undefined(text: &[u8]) -> bool {
    let at = memchr::memmem::find(text, UNDEFINED.as_bytes());
    let before = at.and_then(|at| std::str::from_utf8(text.get(..at)?).ok());
    before.is_some_and(|before| place(before).is_some())
}

fn is_rule(text: &[u8]) -> bool {
    text.len() >= 18 && text.iter().all(|&b| b == b'=')
}

#[derive(Debug)]
struct Sanitizer {
    at: At,
}

#[derive(Debug)]
enum At {
    /// Behind the rule above a report.
    Before(u8),
    Body,
    /// Behind the summary: shadow bytes may follow, and a last line.
    Summary,
    /// In the stack of an undefined behaviour, if it has one.
    Stack,
}

impl Shape for Sanitizer {
    fn language(&self) -> Language {
        Language::Native
    }

    fn step(&mut self, line: &Line<'_>) -> Step {
        let text = line.text;
        match &mut self.at {
            At::Before(_) if is_finding(text) => self.go(At::Body),
            At::Before(lines) if *lines < BEFORE => {
                *lines += 1;
                if is_rule(text) { Step::Perhaps } else { Step::Not }
            }
            At::Body | At::Summary if text.ends_with(b"==ABORTING") => Step::Last,
            At::Summary if is_rule(text) => Step::Last,
            At::Body if begins(text, "SUMMARY: ") => self.go(At::Summary),
            At::Body if !has_time(text) => Step::Part,
            At::Summary if begins(text, "Shadow bytes ") => self.go(At::Body),
            At::Stack if begins(text, "SUMMARY: ") => Step::Last,
            At::Stack if begins(text, "    #") => Step::Part,
            At::Summary | At::Stack if text.is_empty() => Step::Perhaps,
            _ => Step::Not,
        }
    }

    fn read(&self, lines: &[String]) -> Told {
        let mut told = Told::default();
        if let Some((before, said)) = lines.iter().find_map(|line| line.split_once(SANITIZER)) {
            let name = before.rsplit(' ').next().unwrap_or_default();
            let end = [" on ", " ("].iter().filter_map(|end| said.find(end)).min();
            let (class, rest) = said.split_at(end.unwrap_or(said.len()));
            told.kind = Some(format!("{name}{SANITIZER}{class}"));
            told.say(rest.trim_start());
        } else if let Some((at, said)) = lines.first().and_then(|line| line.split_once(UNDEFINED)) {
            told.kind = Some("UndefinedBehaviorSanitizer".to_owned());
            told.say(said);
            let place = place(at);
            told.frames.extend(place.map(|(file, line)| Frame {
                file: Some(file.to_owned()),
                line: Some(line),
                function: None,
            }));
        }
        let stack = lines.iter().skip_while(|line| frame(line).is_none());
        let stack: Vec<Frame> = stack.map_while(|line| frame(line)).collect();
        if !stack.is_empty() {
            told.frames = stack;
        }
        told
    }
}

impl Sanitizer {
    fn go(&mut self, at: At) -> Step {
        self.at = at;
        Step::Part
    }
}

/// `#0 0x5555 in f(int) /a/b.cc:16`, `#0 f /a/b.cc:25 (prog+0x2609)`, `#3 0x55 in _start (/a/b+0x34)`
fn frame(line: &str) -> Option<Frame> {
    if indent(line.as_bytes()) != 4 {
        return None;
    }
    let (_, rest) = line.trim_start().strip_prefix('#')?.split_once(' ')?;
    let rest = match rest.split_once(" in ") {
        Some((address, rest)) if address.starts_with("0x") => rest,
        _ => rest,
    };
    // Behind the place may stand the program and the offset in it.
    let (rest, _) = match rest.rsplit_once(" (") {
        Some((rest, program)) if program.contains('+') => (rest, program),
        _ => (rest, ""),
    };
    let (function, location) = match rest.rsplit_once(' ') {
        Some((function, location)) if location.starts_with(['/', '.', '<']) => (function, location),
        _ => (rest, ""),
    };
    let (file, line) = match place(location) {
        Some((file, line)) => (Some(file.to_owned()), Some(line)),
        None => (None, None),
    };
    Some(Frame { function: Some(function.trim_end_matches(" <null>").to_owned()), file, line })
}
