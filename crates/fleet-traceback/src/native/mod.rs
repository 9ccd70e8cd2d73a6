//! C and C++: what aborts, and what sanitizers report.

mod sanitizer;

use crate::shape::{Begun, Line, Message, Shape, Step, Told};
use crate::text::{before_number, begins, has};
use crate::traceback::{Frame, Language};

const TERMINATE: &str = "terminate called ";

const WHAT: &str = "  what():  ";

/// What the C library says before it aborts.
const LIBRARY: [&str; 11] = [
    "*** stack smashing detected ***",
    "*** buffer overflow detected ***",
    "*** Error in `",
    "free(): ",
    "malloc(): ",
    "malloc_consolidate(): ",
    "munmap_chunk(): ",
    "realloc(): ",
    "double free or corruption",
    "corrupted size vs. prev_size",
    "corrupted double-linked list",
];

/// What a shell says of how its child died.
const DEATHS: [&str; 5] = [
    "Segmentation fault",
    "Aborted",
    "Bus error",
    "Illegal instruction",
    "Floating point exception",
];

pub(super) fn begin(text: &[u8]) -> Option<Begun> {
    let at = if begins(text, TERMINATE) {
        At::Terminate
    } else if LIBRARY.iter().any(|said| begins(text, said)) || is_assertion(text) {
        At::Abort
    } else if death(text).is_some() {
        return Some((Box::new(Native { at: At::Abort }), Step::Last));
    } else {
        return sanitizer::begin(text);
    };
    Some((Box::new(Native { at }), Step::Part))
}

/// `prog: file.c:10: main: Assertion `x > 0' failed.`
fn is_assertion(text: &[u8]) -> bool {
    has(text, ": Assertion `") && text.ends_with(b"' failed.")
}

/// How a line says that a child of a shell died: `run.sh: line 3:  123 Aborted   ./a`, or the
/// words alone.
pub(crate) fn death(text: &[u8]) -> Option<&'static str> {
    let text = text.strip_suffix(b"(core dumped)").map_or(text, |rest| rest.trim_ascii_end());
    let word = DEATHS.into_iter().find(|word| has(text, word))?;
    let before = text.get(..memchr::memmem::find(text, word.as_bytes())?)?;
    let numbered = has(before, ": line ") && before.trim_ascii_end().last()?.is_ascii_digit();
    (text == word.as_bytes() || numbered).then_some(word)
}

#[derive(Debug)]
struct Native {
    at: At,
}

#[derive(Debug)]
enum At {
    /// Behind the name of what was thrown.
    Terminate,
    /// In what it said.
    What(Message),
    /// Behind what was said; at most the shell adds a word.
    Abort,
}

impl Shape for Native {
    fn language(&self) -> Language {
        Language::Native
    }

    fn step(&mut self, line: &Line<'_>) -> Step {
        let text = line.text;
        match &mut self.at {
            _ if !line.late && (begins(text, "Aborted") && death(text).is_some()) => Step::Last,
            At::Terminate if begins(text, WHAT) => {
                self.at = At::What(Message::default());
                Step::Part
            }
            At::Terminate if begins(text, TERMINATE) => Step::Part,
            At::What(_) if begins(text, "frame #") => Step::Part,
            At::What(message) => message.step(line),
            At::Abort if begins(text, "======= ") => {
                self.at = At::What(Message::default());
                Step::Part
            }
            _ => Step::Not,
        }
    }

    fn read(&self, lines: &[String]) -> Told {
        let head = lines.first().map(String::as_str).unwrap_or_default();
        if head.starts_with(TERMINATE) {
            return terminated(head, lines);
        }
        let mut told = Told::default();
        if let Some((before, rest)) = head.split_once(": Assertion `") {
            told.kind = Some("assertion failed".to_owned());
            told.say(rest.trim_end_matches("' failed."));
            told.frames.extend(asserting(before));
        } else if let Some(word) = death(head.as_bytes()) {
            told.kind = Some(word.to_owned());
        } else {
            told.kind = Some("abort".to_owned());
            told.say(head.replace("***", "").trim());
        }
        told
    }
}

fn terminated(head: &str, lines: &[String]) -> Told {
    let mut told = Told { kind: Some("terminate".to_owned()), ..Told::default() };
    match head.split_once('\'').and_then(|(_, rest)| rest.split_once('\'')) {
        Some((kind, _)) => told.kind = Some(kind.to_owned()),
        None => told.say(head.strip_prefix(TERMINATE).unwrap_or(head)),
    }
    let said = lines.iter().skip_while(|line| !line.starts_with(WHAT));
    for line in said.filter(|line| death(line.as_bytes()).is_none()) {
        told.say(line.strip_prefix(WHAT).unwrap_or(line));
    }
    told
}

/// `prog: file.c:10: int main(int, char**)`
fn asserting(before: &str) -> Option<Frame> {
    let (place, function) = before.split_once(": ")?.1.split_once(": ")?;
    let file = before_number(place.as_bytes())?;
    Some(Frame {
        function: Some(function.to_owned()),
        file: place.get(..file.len()).map(str::to_owned),
        line: place.get(file.len() + 1..).and_then(|line| line.parse().ok()),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deaths() {
        for (text, word) in [
            ("Segmentation fault (core dumped)", Some("Segmentation fault")),
            ("bash: line 1:  8178 Segmentation fault      ./a b", Some("Segmentation fault")),
            ("Aborted", Some("Aborted")),
            ("Aborted by the user", None),
            ("saw a Segmentation fault", None),
        ] {
            assert_eq!(death(text.as_bytes()), word, "{text}");
        }
    }
}
