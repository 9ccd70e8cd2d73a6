//! Regular expressions of health checks.
//!
//! They are those of the crate regex-lite, which knows no Unicode classes (`\p{…}`; `\w`, `\d` and
//! `\s` mean ASCII) and is small and slow: a text that every match must hold is looked for first.

use memchr::memmem;
use regex_lite::{Regex, RegexBuilder};

/// Bytes that a compiled expression may need: the supervisor keeps it for as long as it waits.
const MAX_COMPILED: usize = 128 << 10;
/// Longest expression, in bytes.
const MAX_TEXT: usize = 1024;

/// A compiled regular expression.
#[derive(Debug)]
pub struct Pattern {
    regex: Regex,
    /// A text that is part of every match; empty when none is known.
    needle: String,
}

/// A mistake in a regular expression.
#[derive(Debug, PartialEq, Eq)]
pub struct BadPattern {
    /// Up to where it was understood: the mistake is this character, counted from 1.
    pub place: usize,
    /// What is wrong, in words.
    pub why: String,
}

impl Pattern {
    /// Compiles an expression.
    ///
    /// # Errors
    /// It is none, or a longer one than a supervisor should carry.
    pub fn new(text: &str) -> Result<Pattern, BadPattern> {
        if text.len() > MAX_TEXT {
            let place = text[..text.floor_char_boundary(MAX_TEXT)].chars().count() + 1;
            return Err(BadPattern { place, why: format!("it is longer than {MAX_TEXT} bytes") });
        }
        match compiled(text) {
            Ok(regex) => Ok(Pattern { regex, needle: needle(text).to_owned() }),
            Err(why) => Err(BadPattern { place: place(text, &why), why }),
        }
    }

    /// Compiles an expression that was found good when the process was spawned, if there is one.
    pub(crate) fn maybe(text: Option<&str>) -> Result<Option<Pattern>, String> {
        text.map(Pattern::new).transpose().map_err(|bad| bad.why)
    }

    /// Whether a part of these bytes matches; those that are not UTF-8 are replaced before.
    pub fn matches(&self, bytes: &[u8]) -> bool {
        let possible = memmem::find(bytes, self.needle.as_bytes()).is_some();
        possible && self.regex.is_match(&String::from_utf8_lossy(bytes))
    }
}

fn compiled(text: &str) -> Result<Regex, String> {
    RegexBuilder::new(text).size_limit(MAX_COMPILED).build().map_err(|e| e.to_string())
}

/// Which character is wrong: the last one of the shortest beginning with the same mistake. The
/// compiler tells no places, but has words of its own for each mistake.
fn place(text: &str, why: &str) -> usize {
    let beginnings = text.char_indices().map(|(at, c)| &text[..at + c.len_utf8()]);
    let fails = |beginning: &str| compiled(beginning).is_err_and(|other| other == why);
    let known = beginnings.enumerate().find(|(_, beginning)| fails(beginning));
    known.map_or_else(|| text.chars().count(), |(at, _)| at) + 1
}

/// The longest run of plain characters that every match holds. Nothing is claimed of expressions
/// with groups, classes, counts or escapes that mean more than a class or a border.
fn needle(text: &str) -> &str {
    let mut best = "";
    let mut begin = 0;
    let mut characters = text.char_indices().peekable();
    let mut last = 0;
    let mut close = |run: &'_ std::ops::Range<usize>| {
        let run = &text[run.clone()];
        if run.len() > best.len() {
            best = run;
        }
    };
    while let Some((at, c)) = characters.next() {
        match c {
            '(' | ')' | '|' | '[' | '{' => return "",
            '.' | '^' | '$' => close(&(begin..at)),
            // What stands before them may be missing; before `+`, when `*` follows.
            '*' | '?' | '+' => close(&(begin..last.max(begin))),
            '\\' => {
                close(&(begin..at));
                match characters.next() {
                    Some((_, 'd' | 'D' | 's' | 'S' | 'w' | 'W' | 'b' | 'B')) => {}
                    Some((_, escaped)) if escaped.is_ascii_punctuation() => {}
                    _ => return "",
                }
            }
            _ => {
                last = at;
                continue;
            }
        }
        begin = characters.peek().map_or(text.len(), |&(next, _)| next);
        last = begin;
    }
    close(&(begin..text.len()));
    best
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_mistake_has_a_place() {
        let place = |text: &str| Pattern::new(text).map(|_| ()).map_err(|bad| bad.place);
        assert_eq!(place("ready on .*"), Ok(()));
        assert_eq!(place("ready (on"), Err(7));
        assert_eq!(place("*ready"), Err(1));
        assert_eq!(place("a[z-b]c"), Err(5));
        assert_eq!(place("a)b"), Err(2));
        assert_eq!(place("é\\p{L}"), Err(3));
        assert_eq!(place("(a{1000}){1000}"), Err(15));
        assert_eq!(place(&"a".repeat(2000)), Err(1025));
    }

    #[test]
    fn needles_are_what_no_match_lacks() {
        for (text, expected) in [
            ("ready", "ready"),
            ("^Listening on .*:8000$", "Listening on "),
            ("Uvicorn running on http://.*:\\d+", "Uvicorn running on http://"),
            ("abc*", "ab"),
            ("é?b", "b"),
            ("ab+", "a"),
            ("a+*", ""),
            ("a|b", ""),
            ("(?i)ready", ""),
            ("\\x41bc", ""),
            ("x{0}", ""),
            ("\\.*abc?", "ab"),
        ] {
            assert_eq!(needle(text), expected, "{text}");
        }
    }

    #[test]
    fn bytes_that_are_no_text_do_not_hide_a_match() {
        let pattern = Pattern::new("^.*ready$").unwrap();
        assert!(pattern.matches(b"\xff\xfe ready"));
        assert!(!pattern.matches(b"\xff\xfe ready?"));
    }

    proptest! {
        #[test]
        fn any_text_is_compiled_or_refused(text in ".{0,60}") {
            match Pattern::new(&text) {
                Ok(pattern) => { pattern.matches(text.as_bytes()); }
                Err(bad) => {
                    prop_assert!((1..=text.chars().count() + 1).contains(&bad.place));
                }
            }
        }

        #[test]
        fn a_needle_is_in_every_match(
            text in "[ab.?*+$^\\\\dw]{0,12}", line in "[ab01 .]{0,12}"
        ) {
            if let Ok(pattern) = Pattern::new(&text) {
                prop_assert_eq!(pattern.matches(line.as_bytes()), pattern.regex.is_match(&line));
            }
        }
    }
}
