//! What faulthandler and the interpreter print when Python cannot go on.

use super::read::frame;
use crate::native;
use crate::shape::{Begun, Line, Shape, Step, Told};
use crate::text::{begins, has};
use crate::traceback::Language;

const FATAL: &str = "Fatal Python error: ";

const CURRENT: &str = "Current thread ";

pub(super) fn begin(text: &[u8]) -> Option<Begun> {
    let begun = begins(text, FATAL) || is_thread(text);
    begun.then(|| (Box::new(Dump) as Box<dyn Shape>, Step::Part))
}

/// `Current thread 0x… (most recent call first):`, or of another thread.
fn is_thread(text: &[u8]) -> bool {
    (begins(text, CURRENT) || begins(text, "Thread 0x") || begins(text, "Stack "))
        && has(text, "(most recent call first)")
}

/// The stacks of all threads.
#[derive(Debug)]
struct Dump;

impl Shape for Dump {
    fn language(&self) -> Language {
        Language::Python
    }

    fn step(&mut self, line: &Line<'_>) -> Step {
        let text = line.text;
        let goes_on = begins(text, "  ")
            || is_thread(text)
            || begins(text, "Python runtime state: ")
            || begins(text, "Extension modules: ")
            || begins(text, "Current thread's C stack trace");
        match goes_on {
            // The shell's word for what has been told.
            _ if native::death(text).is_some() => Step::Last,
            true => Step::Part,
            false if text.is_empty() => Step::Perhaps,
            false => Step::Not,
        }
    }

    fn read(&self, lines: &[String]) -> Told {
        let mut told = Told::default();
        if let Some(said) = lines.first().and_then(|line| line.strip_prefix(FATAL)) {
            told.kind = Some("Fatal Python error".to_owned());
            told.say(said);
        }
        let current = lines.iter().position(|line| line.starts_with(CURRENT)).unwrap_or(0);
        let stack = lines.iter().skip(current + 1).skip_while(|line| frame(line).is_none());
        told.frames = stack.map_while(|line| frame(line)).collect();
        told
    }
}
