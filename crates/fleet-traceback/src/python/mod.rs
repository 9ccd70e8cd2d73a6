//! Python: chains, groups, pools, threads, faulthandler, notebooks.

mod dump;
mod notebook;
mod read;

use crate::shape::{Begun, Line, Message, Shape, Step, Told};
use crate::text::{begins, has, indent, is_caret_line, name_length};
use crate::traceback::Language;

const HEADER: &str = "Traceback (most recent call last):";

const GROUP_HEADER: &str = "Exception Group Traceback (most recent call last):";

/// What stands between the tracebacks of a chain.
const CHAIN: [&str; 2] = [
    "The above exception was the direct cause of the following exception:",
    "During handling of the above exception, another exception occurred:",
];

/// Lines between what announces a traceback and the traceback.
const PRELUDE: u8 = 2;

/// Lines of a syntax error before its name: place, code, marks.
const SYNTAX: u8 = 6;

/// A message ends with so many blank lines at most before a chain goes on.
const BLANKS: u8 = 3;

/// What a line begins.
pub(super) fn begin(text: &[u8]) -> Option<Begun> {
    let (at, step) = if let Some(at) = headed(text) {
        (at, Step::Part)
    } else if is_prelude(text) {
        (At::Prelude(0), Step::Perhaps)
    } else if is_syntax(text) {
        (At::Syntax(0), Step::Perhaps)
    } else {
        return dump::begin(text).or_else(|| notebook::begin(text));
    };
    Some((Box::new(Python { at }), step))
}

/// What a header begins.
fn headed(text: &[u8]) -> Option<At> {
    if is_group_header(text) {
        return Some(At::Group);
    }
    header(text).map(|indent| At::Frames { indent })
}

/// The indent of a traceback's header. Other text may stand before it: a level, a progress bar.
fn header(text: &[u8]) -> Option<usize> {
    let before = text.strip_suffix(HEADER.as_bytes())?;
    let indent = indent(before);
    Some(if indent == before.len() { indent } else { 0 })
}

fn is_group_header(text: &[u8]) -> bool {
    text.strip_suffix(GROUP_HEADER.as_bytes()).is_some_and(|before| before.ends_with(b"+ "))
}

fn is_prelude(text: &[u8]) -> bool {
    text.ends_with(b"RemoteTraceback:")
        || begins(text, "Exception ignored in")
        || begins(text, "Exception in thread ") && !begins(text, "Exception in thread \"")
}

/// `  File "x.py", line 1` without a function: Python says so of what it cannot compile.
fn is_syntax(text: &[u8]) -> bool {
    begins(text, "  File \"") && !has(text, ", in ") && text.last().is_some_and(u8::is_ascii_digit)
}

/// Whether it looks like `pkg.Type: message` or `Type` alone.
fn is_error(text: &[u8]) -> bool {
    let length = name_length(text);
    let rest = text.get(length..).unwrap_or_default();
    let named = length > 0 && (rest.is_empty() || rest.starts_with(b":"));
    named && !is_level(text.get(..length).unwrap_or_default()) || has(text, ".<locals>.")
}

/// A word that loggers begin lines with, and no exception is called so.
fn is_level(name: &[u8]) -> bool {
    let words: [&[u8]; 7] =
        [b"DEBUG", b"INFO", b"WARNING", b"WARN", b"ERROR", b"CRITICAL", b"FATAL"];
    words.contains(&name)
}

#[derive(Debug)]
struct Python {
    at: At,
}

/// How far it has come.
#[derive(Debug)]
enum At {
    /// Behind what announces a traceback.
    Prelude(u8),
    /// Between the triple quotes of what another process raised.
    Quoted,
    Frames {
        indent: usize,
    },
    /// Behind the name of the error.
    Said(Message),
    /// Behind blank lines after it.
    Blank(u8),
    /// Behind a sentence of a chain.
    Chain,
    /// In an exception group.
    Group,
    /// In a syntax error without a header.
    Syntax(u8),
}

impl Shape for Python {
    fn language(&self) -> Language {
        Language::Python
    }

    fn step(&mut self, line: &Line<'_>) -> Step {
        let text = line.text;
        match &mut self.at {
            At::Prelude(lines) => {
                *lines += 1;
                let lines = *lines;
                self.prelude(text, lines)
            }
            At::Quoted if text == b"\"\"\"" => self.go(At::Said(Message::default())),
            At::Quoted => Step::Part,
            At::Frames { indent } => {
                let indent = *indent;
                self.frame(text, indent)
            }
            At::Said(_) if text.is_empty() => self.wait(At::Blank(1)),
            At::Said(message) => message.step(line),
            At::Blank(blanks) if text.is_empty() && *blanks < BLANKS => {
                *blanks += 1;
                Step::Perhaps
            }
            At::Blank(_) if is_chain(text) => self.go(At::Chain),
            At::Blank(_) => Step::Not,
            At::Chain => self.chained(text),
            At::Group if is_in_group(text) => Step::Part,
            At::Group if text.is_empty() => self.wait(At::Blank(1)),
            At::Group => Step::Not,
            At::Syntax(lines) => {
                *lines += 1;
                let lines = *lines;
                self.syntax(text, lines)
            }
        }
    }

    fn read(&self, lines: &[String]) -> Told {
        read::read(lines)
    }
}

impl Python {
    fn go(&mut self, at: At) -> Step {
        self.at = at;
        Step::Part
    }

    fn wait(&mut self, at: At) -> Step {
        self.at = at;
        Step::Perhaps
    }

    fn prelude(&mut self, text: &[u8], lines: u8) -> Step {
        if let Some(at) = headed(text) {
            return self.go(at);
        }
        match text {
            b"\"\"\"" => self.go(At::Quoted),
            _ if lines < PRELUDE && !text.is_empty() && !is_prelude(text) => Step::Perhaps,
            _ => Step::Not,
        }
    }

    fn frame(&mut self, text: &[u8], header: usize) -> Step {
        if indent(text) > header || is_caret_line(text) {
            return Step::Part;
        }
        let text = text.get(header..).unwrap_or_default();
        if indent(text) == 0 && is_error(text) {
            return self.go(At::Said(Message::behind(text)));
        }
        Step::Not
    }

    fn chained(&mut self, text: &[u8]) -> Step {
        if text.is_empty() {
            return Step::Perhaps;
        }
        match headed(text) {
            Some(at) => self.go(at),
            None if is_prelude(text) => self.wait(At::Prelude(0)),
            None => Step::Not,
        }
    }

    fn syntax(&mut self, text: &[u8], lines: u8) -> Step {
        if indent(text) > 0 && lines < SYNTAX {
            return Step::Perhaps;
        }
        let name = text.get(..name_length(text)).unwrap_or_default();
        if is_error(text) && name.ends_with(b"Error") {
            return self.go(At::Said(Message::behind(text)));
        }
        Step::Not
    }
}

fn is_chain(text: &[u8]) -> bool {
    CHAIN.iter().any(|sentence| text == sentence.as_bytes())
}

/// Lines of a group stand behind bars; the last is `+-----`.
fn is_in_group(text: &[u8]) -> bool {
    let blanks = indent(text);
    let rest = text.get(blanks..).unwrap_or_default();
    blanks > 0 && (rest.starts_with(b"|") || rest.starts_with(b"+-"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn headers() {
        assert_eq!(header(HEADER.as_bytes()), Some(0));
        assert_eq!(header(format!("  {HEADER}").as_bytes()), Some(2));
        assert_eq!(header(format!(" 5%|x| 1/9 [00:01]{HEADER}").as_bytes()), Some(0));
        assert_eq!(header(format!("{HEADER} no").as_bytes()), None);
    }

    #[test]
    fn names_of_errors() {
        for text in ["ValueError", "a.b.Custom: x", "KeyError: 'a'", "__main__.f.<locals>.E: x"] {
            assert!(is_error(text.as_bytes()), "{text}");
        }
        for text in ["", "ERROR: x", "two words", "INFO:root:x", "12: x"] {
            assert!(!is_error(text.as_bytes()), "{text}");
        }
    }
}
