//! Java and what else runs in its machine.

use crate::named::split_error;
use crate::shape::{Begun, Line, Shape, Step, Told};
use crate::text::begins;
use crate::traceback::{Frame, Language};

const THREAD: &str = "Exception in thread \"";

/// A message has no more lines, else it is none.
const MESSAGE: u8 = 16;

pub(super) fn begin(text: &[u8]) -> Option<Begun> {
    begins(text, THREAD)
        .then(|| (Box::new(Java { at: At::Said(0) }) as Box<dyn Shape>, Step::Perhaps))
}

/// A traceback whose head was seen.
pub(super) fn framed() -> Box<dyn Shape> {
    Box::new(Java { at: At::Frames })
}

#[derive(Debug)]
struct Java {
    at: At,
}

#[derive(Debug)]
enum At {
    /// Behind the name of an error, whose message may have more lines.
    Said(u8),
    Frames,
}

/// Whether only a stack of Java has such a line.
pub(super) fn is_frame(text: &[u8]) -> bool {
    let tabs = text.iter().take_while(|&&b| b == b'\t').count();
    let rest = text.get(tabs..).unwrap_or_default();
    if tabs > 0 {
        return begins(rest, "at ") || begins(rest, "... ");
    }
    let ends = [".java:", ".kt:", ".scala:", ".groovy:", "(Native Method)", "(Unknown Source)"];
    let blanks = text.trim_ascii_start();
    blanks.len() < text.len()
        && begins(blanks, "at ")
        && ends.iter().any(|end| crate::text::has(blanks, end))
}

impl Shape for Java {
    fn language(&self) -> Language {
        Language::Java
    }

    fn step(&mut self, line: &Line<'_>) -> Step {
        let text = line.text;
        if is_frame(text) {
            self.at = At::Frames;
            return Step::Part;
        }
        match &mut self.at {
            At::Frames if is_cause(text) => {
                self.at = At::Said(0);
                Step::Part
            }
            At::Said(lines) if *lines < MESSAGE => {
                *lines += 1;
                Step::Perhaps
            }
            _ => Step::Not,
        }
    }

    fn read(&self, lines: &[String]) -> Told {
        let mut told = Told::default();
        let head = lines.first().map(String::as_str).unwrap_or_default();
        let named = head.strip_prefix(THREAD).and_then(|rest| rest.split_once("\" "));
        split_error(named.map_or(head, |(_, named)| named), &mut told);
        let rest: Vec<&str> = lines.iter().skip(1).map(String::as_str).collect();
        let message = rest.iter().take_while(|line| !is_frame(line.as_bytes()));
        let count = message.clone().count();
        message.for_each(|line| told.say(line));
        told.frames = rest.iter().skip(count).map_while(|line| frame(line)).collect();
        told
    }
}

fn is_cause(text: &[u8]) -> bool {
    let bare = text.trim_ascii_start();
    let heads = ["Caused by: ", "Suppressed: ", "[CIRCULAR REFERENCE"];
    heads.iter().any(|head| begins(bare, head))
}

/// `at java.base/java.lang.Integer.parseInt(Integer.java:668)`
fn frame(line: &str) -> Option<Frame> {
    let at = line.trim_start().strip_prefix("at ")?;
    let (function, place) = at.split_once('(').unwrap_or((at, ""));
    let place = place.split(')').next().unwrap_or_default();
    let (file, line) = match place.rsplit_once(':') {
        Some((file, line)) => (file, line.parse().ok()),
        None => (place, None),
    };
    Some(Frame {
        // Without the module or class loader.
        function: function.rsplit('/').next().map(str::to_owned),
        file: (!file.is_empty()).then(|| file.to_owned()),
        line,
    })
}
