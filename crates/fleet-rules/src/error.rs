//! Why a rules file is refused.

use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

/// A rules file that cannot be used. Nothing of it is.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// It cannot be read.
    #[error("cannot read the rules '{}'", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something in it is wrong.
    #[error("'{}' line {line} column {column}: {message}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// Line from 1.
        line: usize,
        /// Column from 1, in characters.
        column: usize,
        /// What is wrong.
        message: String,
        /// What would be right, where that can be said.
        hint: Option<String>,
    },
}

impl RulesError {
    /// What would be right, where that can be said.
    pub fn hint(&self) -> Option<&str> {
        match self {
            RulesError::Wrong { hint, .. } => hint.as_deref(),
            RulesError::Read { .. } => None,
        }
    }
}

/// Something wrong at a place in the text, before it is known as line and column.
#[derive(Debug)]
pub(crate) struct Fault {
    /// Bytes of the file.
    pub(crate) at: usize,
    pub(crate) message: String,
    pub(crate) hint: Option<String>,
}

impl Fault {
    pub(crate) fn new(at: usize, message: impl Into<String>) -> Fault {
        Fault { at, message: message.into(), hint: None }
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Fault {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn locate(self, path: &Path, text: &str) -> RulesError {
        let (line, column) = position(text, self.at);
        let path = path.to_owned();
        RulesError::Wrong { path, line, column, message: self.message, hint: self.hint }
    }
}

/// Line and column, both from 1, of a byte of the text.
fn position(text: &str, at: usize) -> (usize, usize) {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let before = &text[..at];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

/// What toml says, with the nearest known key where the key is unknown.
impl From<toml::de::Error> for Fault {
    fn from(error: toml::de::Error) -> Fault {
        let at = error.span().map_or(0, |Range { start, .. }| start);
        let message = error.message().trim().replace('\n', ", ");
        let hint = nearest_key(&message);
        Fault { at, message, hint }
    }
}

/// For "unknown field `wen`, expected one of `when`, ...": the key that was probably meant.
fn nearest_key(message: &str) -> Option<String> {
    let mut quoted = message.split('`').skip(1).step_by(2);
    let unknown = quoted.next().filter(|_| message.starts_with("unknown field"))?;
    nearest(unknown, quoted).map(|key| format!("did you mean '{key}'?"))
}

/// The candidate most like the word, if any is like it at all.
pub(crate) fn nearest<'a>(
    word: &str,
    candidates: impl Iterator<Item = &'a str>,
) -> Option<&'a str> {
    candidates
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}
