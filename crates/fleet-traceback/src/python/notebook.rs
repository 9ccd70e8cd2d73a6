//! What IPython prints when a cell fails.

use super::is_chain;
use crate::fresh::has_time;
use crate::shape::{Begun, Line, Message, Shape, Step, Told};
use crate::text::{name_length, trimmed};
use crate::traceback::{Frame, Language};

/// The head's line ends so; the name of the error is at its beginning.
const HEAD: &str = " Traceback (most recent call last)";

/// Blank lines and sentences between two errors of a chain.
const BETWEEN: u8 = 6;

pub(super) fn begin(text: &[u8]) -> Option<Begun> {
    let (at, step) = match named(text) {
        Some(name) => (At::Frames(name), Step::Part),
        None if is_rule(text) => (At::Rule(0), Step::Perhaps),
        None => return None,
    };
    Some((Box::new(Notebook { at }), step))
}

/// The name in the head of an error.
fn named(text: &[u8]) -> Option<Vec<u8>> {
    let name = trimmed(text.strip_suffix(HEAD.as_bytes())?);
    (!name.is_empty() && name_length(name) == name.len()).then(|| name.to_vec())
}

/// The line above it.
fn is_rule(text: &[u8]) -> bool {
    text.len() >= 60 && text.iter().all(|&b| b == b'-')
}

#[derive(Debug)]
struct Notebook {
    at: At,
}

#[derive(Debug)]
enum At {
    /// Before the head.
    Rule(u8),
    /// Behind the head of this error.
    Frames(Vec<u8>),
    Said(Message),
    /// Behind a blank line after it.
    Blank(u8),
}

impl Shape for Notebook {
    fn language(&self) -> Language {
        Language::Python
    }

    fn step(&mut self, line: &Line<'_>) -> Step {
        match &mut self.at {
            At::Rule(lines) | At::Blank(lines) => {
                *lines += 1;
                let (lines, chains) = (*lines, matches!(self.at, At::Blank(_)));
                self.head(line.text, lines, chains)
            }
            At::Frames(name) => {
                if is_error(line.text, name) {
                    self.at = At::Said(Message::behind(line.text));
                } else if has_time(line.text) {
                    return Step::Not;
                }
                Step::Part
            }
            At::Said(_) if line.text.is_empty() => {
                self.at = At::Blank(0);
                Step::Perhaps
            }
            At::Said(_) if is_rule(line.text) => Step::Not,
            At::Said(message) => message.step(line),
        }
    }

    fn read(&self, lines: &[String]) -> Told {
        let mut told = Told::default();
        let mut name = None;
        for line in lines {
            if let Some(head) = named(line.as_bytes()) {
                (told, name) = (Told::default(), Some(head));
            } else if told.kind.is_some() {
                if is_chain(line.as_bytes()) {
                    continue;
                }
                told.say(line);
            } else if name.as_ref().is_some_and(|name| is_error(line.as_bytes(), name)) {
                told.set_error(line);
            } else {
                told.frames.extend(frame(line));
            }
        }
        told
    }
}

impl Notebook {
    fn head(&mut self, text: &[u8], lines: u8, chains: bool) -> Step {
        if let Some(name) = named(text) {
            self.at = At::Frames(name);
            return Step::Part;
        }
        let between = text.is_empty() || is_rule(text) || is_chain(text);
        if chains && between && lines < BETWEEN { Step::Perhaps } else { Step::Not }
    }
}

fn is_error(text: &[u8], name: &[u8]) -> bool {
    text.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with(b":"))
}

/// `Cell In[1], line 6, in g()`, `File ~/x.py:3, in f(x)`, `Input In [1], in g()`.
fn frame(line: &str) -> Option<Frame> {
    let is_place = ["Cell ", "File ", "Input "].iter().any(|word| line.starts_with(word));
    if !is_place {
        return None;
    }
    let (place, function) = line.split_once(", in ").unwrap_or((line, ""));
    let function = function.split('(').next().filter(|name| !name.is_empty());
    let place = place.strip_prefix("File ").unwrap_or(place);
    let (file, number) = match place.split_once(", line ") {
        Some(both) => both,
        None => place.rsplit_once(':').unwrap_or((place, "")),
    };
    Some(Frame {
        function: function.map(str::to_owned),
        file: Some(file.to_owned()),
        line: number.parse().ok(),
    })
}
