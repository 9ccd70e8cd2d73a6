//! How grave a line is.

mod json;
mod text;
mod words;

use std::fmt;
use std::str::FromStr;

use serde::Serialize;

use crate::plain;

/// How grave a line is, least first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// Finer than debug.
    Trace,
    /// For who wrote the program.
    Debug,
    /// All is as it should be.
    Info,
    /// As it should be, but worth a look.
    Notice,
    /// Something may go wrong.
    Warning,
    /// Something went wrong.
    Error,
    /// The program cannot go on: critical, fatal, alert, emergency, panic.
    Critical,
}

impl Level {
    /// All, least grave first.
    pub const ALL: [Level; 7] = [
        Level::Trace,
        Level::Debug,
        Level::Info,
        Level::Notice,
        Level::Warning,
        Level::Error,
        Level::Critical,
    ];

    /// The word for it in records.
    pub fn word(self) -> &'static str {
        match self {
            Level::Trace => "trace",
            Level::Debug => "debug",
            Level::Info => "info",
            Level::Notice => "notice",
            Level::Warning => "warning",
            Level::Error => "error",
            Level::Critical => "critical",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// A level was typed that is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is no level: write error, error.. (and graver), warning..error, or unknown")]
pub struct BadLevel(String);

/// Which levels are wanted: `error` alone, `error..` and graver, `..info`, `warning..error`,
/// several with commas, `unknown` for lines that have none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LevelRange {
    /// A bit for each level, the lowest for [`Level::Trace`]; bit 7 for lines without one.
    bits: u8,
}

impl LevelRange {
    /// Whether a line of this level is wanted.
    pub fn takes(self, level: Option<Level>) -> bool {
        self.bits & bit(level) != 0
    }

    /// A bit for each level, the lowest for [`Level::Trace`]; bit 7 for lines without one.
    pub fn mask(self) -> u8 {
        self.bits
    }
}

fn bit(level: Option<Level>) -> u8 {
    1 << level.map_or(7, |level| level as u8)
}

impl FromStr for LevelRange {
    type Err = BadLevel;

    fn from_str(text: &str) -> Result<LevelRange, BadLevel> {
        let bad = || BadLevel(text.to_owned());
        let named = |word: &str| Level::ALL.into_iter().find(|l| l.word() == word).ok_or_else(bad);
        let mut bits = 0;
        for part in text.split(',') {
            let (from, to) = match part.split_once("..") {
                _ if part == "unknown" => {
                    bits |= bit(None);
                    continue;
                }
                None => (named(part)?, named(part)?),
                Some(("", "")) => return Err(bad()),
                Some((from, "")) => (named(from)?, Level::Critical),
                Some(("", to)) => (Level::Trace, named(to)?),
                Some((from, to)) => (named(from)?, named(to)?),
            };
            let range = Level::ALL.into_iter().filter(|l| (from..=to).contains(l));
            bits |= range.fold(0, |bits, level| bits | bit(Some(level)));
        }
        if bits == 0 { Err(bad()) } else { Ok(LevelRange { bits }) }
    }
}

/// So much of a line is looked at: its level stands before what it says.
const HEAD: usize = 160;

/// The level of a line, where it says one: as JSON, logfmt, or in the style of a language's usual
/// logger. The text may hold colours and a rank's prefix.
///
/// A word counts only where a logger puts it: at the beginning, behind a time, a name and a colon,
/// in brackets. That prose speaks of an error makes it none.
pub fn level(text: &[u8]) -> Option<Level> {
    let text = text.trim_ascii_start();
    if text.first() == Some(&b'{') {
        return json::level(text);
    }
    let head = text.get(..HEAD).unwrap_or(text);
    match memchr::memchr(0x1b, head) {
        None => text::level(head),
        Some(_) => text::level(plain(text.get(..2 * HEAD).unwrap_or(text)).text.trim_ascii_start()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_as_typed() {
        let range = |text: &str| text.parse::<LevelRange>().unwrap();
        assert!(range("error..").takes(Some(Level::Critical)));
        assert!(!range("error..").takes(Some(Level::Warning)));
        assert!(!range("error..").takes(None) && range("error..,unknown").takes(None));
        assert!(
            range("..info").takes(Some(Level::Trace)) && !range("info").takes(Some(Level::Debug))
        );
        for bad in ["", "..", "loud", "error..warning", "error,"] {
            assert!(bad.parse::<LevelRange>().is_err(), "{bad}");
        }
    }
}
