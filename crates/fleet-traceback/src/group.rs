//! From lines to groups.

use serde::Serialize;

/// A line as the grouper looks at it.
pub trait Said {
    /// Its bytes, without the newline.
    fn text(&self) -> &[u8];

    /// What it was written to: lines of different lanes are never of one traceback.
    fn lane(&self) -> usize;
}

/// What printed a traceback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Language {
    /// Python, and what runs in it.
    Python,
    /// Rust.
    Rust,
    /// Go.
    Go,
    /// Java, Kotlin, Scala.
    Java,
    /// JavaScript in Node.
    Node,
    /// C and C++: aborts and sanitizers.
    Native,
}

/// One step of a stack.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Frame {
    /// The function, where it is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub function: Option<String>,
    /// The file, where it is named.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// The line in the file, from 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub line: Option<u32>,
}

/// What is known of a traceback.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Traceback {
    /// What printed it.
    pub language: Language,
    /// The type of the error that was raised in the end: `ValueError`, `java.io.IOException`.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// What the error said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The frames of the error that was raised in the end, in the order of the text.
    pub frames: Vec<Frame>,
    /// The same for errors that are the same: 16 hexadecimal digits.
    pub fingerprint: String,
    /// Torch's rank whose lines they are.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rank: Option<String>,
    /// It has more lines or bytes than a group may have; what follows stands alone.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub cut: bool,
}

/// What comes out of a grouper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grouped<T> {
    /// A line that belongs to no traceback.
    Line(T),
    /// A whole traceback: what is known of it, and its lines as they came.
    Traceback(Box<Traceback>, Vec<T>),
}

/// Puts the lines of tracebacks together, for one process.
#[derive(Debug)]
pub struct Grouper<T> {
    held: Vec<T>,
}

impl<T> Default for Grouper<T> {
    fn default() -> Grouper<T> {
        Grouper { held: Vec::new() }
    }
}

impl<T: Said> Grouper<T> {
    /// Whether this line is none of the grouper's business: it holds nothing of its lane, and the
    /// line begins nothing. Such a line need not be pushed.
    pub fn passes(&self, _lane: usize, _text: &[u8]) -> bool {
        true
    }

    /// Takes the next line and gives out what is complete by it.
    pub fn push(&mut self, line: T, give: &mut impl FnMut(Grouped<T>)) {
        give(Grouped::Line(line));
    }

    /// Gives out all that is held: the log has ended, or has been quiet for a while.
    pub fn flush(&mut self, give: &mut impl FnMut(Grouped<T>)) {
        self.held.drain(..).for_each(|line| give(Grouped::Line(line)));
    }

    /// Whether lines are held.
    pub fn holds(&self) -> bool {
        !self.held.is_empty()
    }
}
