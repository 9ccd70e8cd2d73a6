//! Configuration files: where a mistake is, and what would be right.
//!
//! # Theory of operation
//!
//! A file is refused as a whole. Whoever reads one collects a [`Fault`] for each thing that is
//! wrong, by its byte in the text; [`Fault::locate`] makes of it a [`Mistake`] that names file,
//! line and column, as editors count them. Where a word is unknown, [`nearest`] finds the one that
//! was probably meant.

use std::ops::Range;
use std::path::{Path, PathBuf};

/// Something wrong in a configuration file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{}' line {line} column {column}: {message}", path.display())]
pub struct Mistake {
    /// The file.
    pub path: PathBuf,
    /// Line from 1.
    pub line: usize,
    /// Column from 1, in characters.
    pub column: usize,
    /// What is wrong.
    pub message: String,
    /// What would be right, where that can be said.
    pub hint: Option<String>,
}

/// Something wrong at a place in the text, before it is known as line and column.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Fault {
    /// Bytes of the file.
    pub at: usize,
    /// What is wrong.
    pub message: String,
    /// What would be right, where that can be said.
    pub hint: Option<String>,
}

impl Fault {
    /// A fault without a hint.
    pub fn new(at: usize, message: impl Into<String>) -> Fault {
        Fault { at, message: message.into(), hint: None }
    }

    /// Adds what would be right.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Fault {
        self.hint = Some(hint.into());
        self
    }

    /// Finds line and column in the text of the file.
    pub fn locate(self, path: &Path, text: &str) -> Mistake {
        let (line, column) = position(text, self.at);
        let path = path.to_owned();
        Mistake { path, line, column, message: self.message, hint: self.hint }
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

/// The byte of the file at which a byte of a value stands that is written at `span`. In a value
/// with escapes only its beginning can be told.
pub fn inside(text: &str, span: Range<usize>, value: &str, at: usize) -> usize {
    let written = text.get(span.clone()).unwrap_or_default();
    written.find(value).map_or(span.start, |from| span.start + from + at)
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
    did_you_mean(unknown, quoted)
}

/// The hint that names the candidate most like the word, if any is like it at all.
pub fn did_you_mean<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<String> {
    nearest(word, candidates).map(|candidate| format!("did you mean '{candidate}'?"))
}

/// The candidate most like the word, if any is like it at all.
pub fn nearest<'a>(word: &str, candidates: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    candidates
        .map(|candidate| (strsim::jaro_winkler(word, candidate), candidate))
        .filter(|(likeness, _)| *likeness > 0.7)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_place_is_counted_as_editors_do() {
        let text = "a = 1\nü = x\n";
        assert_eq!(position(text, 0), (1, 1));
        assert_eq!(position(text, text.find('x').unwrap()), (2, 5));
        let mistake = Fault::new(6, "no").hint("yes").locate("f.toml".as_ref(), text);
        assert_eq!(mistake.to_string(), "'f.toml' line 2 column 1: no");
    }

    #[test]
    fn a_place_in_a_value_is_found_within_the_quotes_of_the_file() {
        let text = "when = \'\'\'\nx > 5\'\'\'";
        assert_eq!(inside(text, 7..text.len(), "x > 5", 4), text.find('5').unwrap());
        assert_eq!(inside("a = \"\\u0041b\"", 4..13, "Ab", 1), 4);
    }

    #[test]
    fn the_nearest_word_is_the_one_that_was_meant() {
        let words = ["command", "cwd", "restart"];
        assert_eq!(nearest("comand", words.into_iter()), Some("command"));
        assert_eq!(nearest("zzz", words.into_iter()), None);
    }

    proptest! {
        #[test]
        fn any_byte_has_a_place(text in ".{0,40}", at in 0usize..200) {
            let (line, column) = position(&text, at);
            prop_assert!(line >= 1 && line <= text.matches('\n').count() + 1 && column >= 1);
        }
    }
}
