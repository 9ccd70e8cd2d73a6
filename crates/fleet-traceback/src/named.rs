//! `Type: message`: a traceback if frames follow, an ordinary line if not.

use crate::fresh::is_fresh;
use crate::rust::Causes;
use crate::shape::{Begun, Line, Shape, Step, Told};
use crate::text::{has, name_length};
use crate::traceback::Language;
use crate::{java, node};

/// A message has no more lines, else it is none.
const MESSAGE: u8 = 16;

pub(super) fn begin(text: &[u8]) -> Option<Begun> {
    let bare = is_bare(text);
    let named =
        bare || ["Error: ", "Exception: ", "Error [", "Error]: "].iter().any(|n| has(text, n));
    named
        .then(|| (Box::new(Named { bare, lines: 0, found: None }) as Box<dyn Shape>, Step::Perhaps))
}

/// Whether the line begins with the name of an error: `TypeError: x`, `java.io.IOException`,
/// `com.example.Refused: x`.
pub(crate) fn is_bare(text: &[u8]) -> bool {
    let (name, rest) = text.split_at(name_length(text));
    matches!(rest.first(), None | Some(b':' | b'\r')) && !name.is_empty() && names_error(name)
        || rest.starts_with(b" [") && name.ends_with(b"Error")
}

fn names_error(name: &[u8]) -> bool {
    if name.ends_with(b"Error") || name.ends_with(b"Exception") {
        return true;
    }
    // A class in a package.
    let last = memchr::memrchr(b'.', name).and_then(|dot| name.get(dot + 1));
    name.first().is_some_and(u8::is_ascii_lowercase) && last.is_some_and(u8::is_ascii_uppercase)
}

/// Splits a head into type and message; before the type may stand what was logged.
pub(super) fn split_error(head: &str, told: &mut Told) {
    let head = head.trim_end_matches(" {");
    let head = head.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(head);
    let start = if is_bare(head.as_bytes()) { 0 } else { start_of_name(head).unwrap_or(0) };
    let named = head.get(start..).unwrap_or(head);
    let length = name_length(named.as_bytes());
    let (kind, rest) = named.split_at(length);
    let rest = match rest.strip_prefix(" [").and_then(|code| code.split_once(']')) {
        Some((_, rest)) => rest,
        None => rest,
    };
    match rest.strip_prefix(':') {
        _ if kind.is_empty() => told.say(head),
        Some(message) => {
            told.kind = Some(kind.to_owned());
            told.say(message.trim_start());
        }
        None if rest.is_empty() && !kind.is_empty() => told.kind = Some(kind.to_owned()),
        None => told.say(head),
    }
}

/// Where the first word is that an error may be called by.
fn start_of_name(head: &str) -> Option<usize> {
    let mut at = 0;
    for word in head.split(' ') {
        let name = word.trim_end_matches(':').as_bytes();
        let is_name = name_length(name) == name.len();
        if is_name && (name.ends_with(b"Error") || name.ends_with(b"Exception")) {
            return Some(at);
        }
        at += word.len() + 1;
    }
    None
}

#[derive(Debug)]
struct Named {
    /// The name stands at the beginning, so that the message may have more lines.
    bare: bool,
    lines: u8,
    /// What it turned out to be.
    found: Option<Box<dyn Shape>>,
}

impl Shape for Named {
    fn language(&self) -> Language {
        self.found.as_ref().map_or(Language::Node, |found| found.language())
    }

    fn step(&mut self, line: &Line<'_>) -> Step {
        if let Some(found) = &mut self.found {
            return found.step(line);
        }
        self.lines += 1;
        let text = line.text;
        if java::is_frame(text) {
            return self.find(java::framed(), line);
        }
        if node::is_frame(text) {
            return self.find(node::framed(), line);
        }
        if self.bare && text == b"Caused by:" {
            self.found = Some(Box::new(Causes::default()));
            return Step::Part;
        }
        let may_go_on = self.bare && self.lines <= MESSAGE && !is_fresh(text);
        if may_go_on { Step::Perhaps } else { Step::Not }
    }

    fn read(&self, lines: &[String]) -> Told {
        self.found.as_ref().map(|found| found.read(lines)).unwrap_or_default()
    }
}

impl Named {
    fn find(&mut self, mut shape: Box<dyn Shape>, line: &Line<'_>) -> Step {
        let step = shape.step(line);
        self.found = Some(shape);
        step
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn heads_are_split() {
        for (head, kind, message) in [
            ("TypeError: x is: y", Some("TypeError"), Some("x is: y")),
            ("TypeError [ERR_A]: x", Some("TypeError"), Some("x")),
            ("java.io.IOException", Some("java.io.IOException"), None),
            ("[AggregateError: all] {", Some("AggregateError"), Some("all")),
            ("job failed: Error: late", Some("Error"), Some("late")),
            ("Throws$Refused", Some("Throws$Refused"), None),
            ("no error object 7", None, Some("no error object 7")),
        ] {
            let mut told = Told::default();
            split_error(head, &mut told);
            assert_eq!((told.kind.as_deref(), told.message.as_deref()), (kind, message), "{head}");
        }
    }

    #[test]
    fn names_at_the_beginning() {
        for text in ["Error: x", "a.b.C: x", "a.b.C", "RangeError [ERR_B]: x"] {
            assert!(is_bare(text.as_bytes()), "{text}");
        }
        for text in ["", "epoch 1", "Epoch: 3", "a.b: x", "file.txt", "Done."] {
            assert!(!is_bare(text.as_bytes()), "{text}");
        }
    }
}
