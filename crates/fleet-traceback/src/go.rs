//! Go: panics and fatal errors with their goroutines.

use crate::shape::{Begun, Line, Shape, Step, Told};
use crate::text::{begins, has};
use crate::traceback::{Frame, Language};

/// What begins a report, up to which it may be an ordinary line.
const HEADS: [&str; 5] = [
    "panic: ",
    "fatal error: ",
    "SIGQUIT: quit",
    "runtime: goroutine stack exceeds ",
    "unexpected fault address ",
];

/// What a server says of a request that failed; it goes on.
const SERVING: &str = "http: panic serving ";

/// The head of the stack that a fatal error is noticed on.
const RUNTIME: &str = "runtime stack:";

/// Lines between the head and the first goroutine: other panics, the signal, the message's lines.
const BEFORE: u8 = 24;

pub(super) fn begin(text: &[u8]) -> Option<Begun> {
    let begun = HEADS.iter().any(|head| begins(text, head)) || has(text, SERVING);
    begun.then(|| (Box::new(Go { at: At::Head(0) }) as Box<dyn Shape>, Step::Perhaps))
}

#[derive(Debug)]
struct Go {
    at: At,
}

#[derive(Debug)]
enum At {
    /// Before the first stack.
    Head(u8),
    Frames,
    /// Behind the blank line after a stack.
    Blank,
}

impl Shape for Go {
    fn language(&self) -> Language {
        Language::Go
    }

    fn step(&mut self, line: &Line<'_>) -> Step {
        let text = line.text;
        if is_stack(text) {
            self.at = At::Frames;
            return Step::Part;
        }
        match &mut self.at {
            At::Head(lines) if *lines < BEFORE => {
                *lines += 1;
                Step::Perhaps
            }
            At::Frames if text.is_empty() => {
                self.at = At::Blank;
                Step::Perhaps
            }
            At::Frames | At::Blank if begins(text, "exit status ") => Step::Last,
            At::Frames if is_frame(text) => Step::Part,
            At::Blank if is_register(text) => {
                self.at = At::Frames;
                Step::Part
            }
            _ => Step::Not,
        }
    }

    fn read(&self, lines: &[String]) -> Told {
        let first = lines.iter().position(|line| is_goroutine(line.as_bytes()));
        let (head, stacks) = lines.split_at(first.unwrap_or(lines.len()));
        let stack = stacks.iter().skip(1).take_while(|line| !line.is_empty());
        Told { frames: frames(stack), ..error(head) }
    }
}

/// The head of a stack.
fn is_stack(text: &[u8]) -> bool {
    is_goroutine(text) || text == RUNTIME.as_bytes()
}

/// `goroutine 1 [running]:`
fn is_goroutine(text: &[u8]) -> bool {
    begins(text, "goroutine ") && has(text, " [") && text.ends_with(b"]:")
}

fn is_frame(text: &[u8]) -> bool {
    begins(text, "\t")
        || begins(text, "created by ")
        || begins(text, "...")
        || is_register(text)
        || text.ends_with(b")") && text.contains(&b'(') && !begins(text, " ")
}

/// `rax    0xca`, which follow a signal.
fn is_register(text: &[u8]) -> bool {
    let mut words = text.split(|&b| b == b' ').filter(|word| !word.is_empty());
    let (name, value, more) = (words.next(), words.next(), words.next());
    name.is_some_and(|name| name.len() <= 6)
        && value.is_some_and(|value| value.starts_with(b"0x"))
        && more.is_none()
}

/// The last panic counts: one while another was cleaned up after.
fn error(head: &[String]) -> Told {
    let mut told = Told::default();
    for line in head.iter().take_while(|line| *line != RUNTIME) {
        let bare = line.trim_start_matches('\t');
        let said = |kind: &str| bare.strip_prefix(kind)?.strip_prefix(": ");
        if let Some((kind, said)) =
            ["panic", "fatal error"].into_iter().find_map(|kind| Some((kind, said(kind)?)))
        {
            told = Told { kind: Some(kind.to_owned()), ..Told::default() };
            told.say(said.trim_end_matches(" [recovered]"));
        } else if let Some((_, said)) = bare.split_once(SERVING) {
            told.kind = Some("panic".to_owned());
            told.say(said.split_once(": ").map_or(said, |(_, message)| message));
        } else if !bare.is_empty() && !bare.starts_with("[signal ") && told.message.is_some() {
            told.say(bare);
        }
    }
    told.kind.get_or_insert_with(|| "SIGQUIT".to_owned());
    told
}

/// A function, and its place on the line below.
fn frames<'a>(lines: impl Iterator<Item = &'a String>) -> Vec<Frame> {
    let mut frames: Vec<Frame> = Vec::new();
    for line in lines {
        let Some(at) = line.strip_prefix('\t') else {
            if line.starts_with("...") || line.starts_with("exit status ") {
                continue;
            }
            let named = line.strip_prefix("created by ").unwrap_or(line);
            let end =
                if line.ends_with(')') { named.rfind('(') } else { named.find(" in goroutine") };
            let function = named.get(..end.unwrap_or(named.len())).unwrap_or(named);
            frames.push(Frame { function: Some(function.to_owned()), ..Frame::default() });
            continue;
        };
        let at = at.split(' ').next().and_then(|at| at.rsplit_once(':'));
        if let (Some(frame), Some((file, line))) = (frames.last_mut(), at) {
            (frame.file, frame.line) = (Some(file.to_owned()), line.parse().ok());
        }
    }
    frames
}
