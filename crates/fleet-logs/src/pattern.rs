//! What `-g` looks for.

use std::fmt;

use fleet_cli::{Exit, Failure};
use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use regex::bytes::{Regex, RegexBuilder};
use regex_syntax::ParserBuilder;
use regex_syntax::hir::{Hir, HirKind, Look};

use crate::args::SearchArgs;

/// Where a text begins and ends.
const ANCHORS: [Look; 6] =
    [Look::Start, Look::End, Look::StartLF, Look::EndLF, Look::StartCRLF, Look::EndCRLF];

/// What `-g` looks for: any of several regular expressions, in the text of a line.
pub(crate) struct Pattern {
    exact: Regex,
    inverted: bool,
    relaxed: Option<RegexMatcher>,
}

impl fmt::Debug for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Pattern { exact, inverted, .. } = self;
        f.debug_struct("Pattern").field("exact", exact).field("inverted", inverted).finish()
    }
}

impl Pattern {
    /// What was asked for, if anything was.
    ///
    /// # Errors
    /// An expression is none, or too big.
    pub(crate) fn read(args: &SearchArgs) -> Result<Option<Pattern>, Failure> {
        if args.patterns.is_empty() {
            return Ok(None);
        }
        let mut parsed = Vec::new();
        for typed in &args.patterns {
            let source = if args.fixed { regex_syntax::escape(typed) } else { typed.clone() };
            let mut parser = ParserBuilder::new();
            let parser = parser.utf8(false).case_insensitive(args.ignore_case);
            parsed.push(parser.build().parse(&source).map_err(|error| bad(typed, &error))?);
        }
        let either = Hir::alternation(parsed);
        let exact = RegexBuilder::new(&either.to_string()).build();
        let exact = exact.map_err(|error| {
            Failure::new(Exit::CouldNot, format!("the pattern cannot be searched for: {error}"))
                .hint("make it shorter, or its repetitions smaller")
        })?;
        Ok(Some(Pattern { exact, inverted: args.invert, relaxed: relaxed(&either) }))
    }

    /// Whether a line's text, without its newline, is wanted. A carriage return at its end is a
    /// part of the newline.
    pub(crate) fn takes(&self, text: &[u8]) -> bool {
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        self.exact.is_match(text) != self.inverted
    }

    /// Whether lines that do not match are wanted.
    pub(crate) fn is_inverted(&self) -> bool {
        self.inverted
    }

    /// What finds candidates in whole blocks of a file: it matches in every line whose text
    /// matches, and in others. `None` where there is no such thing.
    pub(crate) fn relaxed(&self) -> Option<&RegexMatcher> {
        self.relaxed.as_ref()
    }
}

/// As ripgrep searches: for a literal that must occur, where there is one, and never across
/// newlines.
fn relaxed(exact: &Hir) -> Option<RegexMatcher> {
    let loose = without_anchors(exact).to_string();
    RegexMatcherBuilder::new().line_terminator(Some(b'\n')).build(&loose).ok()
}

/// The same, but it may begin and end anywhere in a line: before the text of a line in a file
/// stands its head. Word boundaries stay, because the head ends with a blank.
fn without_anchors(hir: &Hir) -> Hir {
    match hir.kind() {
        HirKind::Look(look) if ANCHORS.contains(look) => Hir::empty(),
        HirKind::Capture(capture) => without_anchors(&capture.sub),
        HirKind::Repetition(repetition) => {
            Hir::repetition(repetition.with(without_anchors(&repetition.sub)))
        }
        HirKind::Concat(parts) => Hir::concat(parts.iter().map(without_anchors).collect()),
        HirKind::Alternation(parts) => {
            Hir::alternation(parts.iter().map(without_anchors).collect())
        }
        HirKind::Empty | HirKind::Literal(_) | HirKind::Class(_) | HirKind::Look(_) => hir.clone(),
    }
}

/// A sentence, and the place in the expression.
fn bad(typed: &str, error: &regex_syntax::Error) -> Failure {
    let (what, span) = match error {
        regex_syntax::Error::Parse(error) => (error.kind().to_string(), Some(error.span())),
        regex_syntax::Error::Translate(error) => (error.kind().to_string(), Some(error.span())),
        other => (other.to_string(), None),
    };
    let mut message = format!("'{typed}' is no regular expression: {what}");
    // A pattern of several lines has no one line to point into.
    if let Some(span) = span.filter(|_| !typed.contains('\n')) {
        let before = span.start.column.saturating_sub(1);
        let width = span.end.column.saturating_sub(span.start.column).max(1);
        message += &format!(
            ", at character {}\n    {typed}\n    {}{}",
            before + 1,
            " ".repeat(before),
            "^".repeat(width)
        );
    }
    Failure::new(Exit::CouldNot, message).hint("with -F it is taken as plain text")
}

#[cfg(test)]
mod tests {
    use super::*;
    use grep_matcher::Matcher;
    use proptest::prelude::*;

    fn pattern(patterns: &[&str], change: impl FnOnce(&mut SearchArgs)) -> Pattern {
        let patterns = patterns.iter().map(|p| (*p).to_owned()).collect();
        let mut args = SearchArgs { patterns, ..SearchArgs::default() };
        change(&mut args);
        Pattern::read(&args).unwrap().unwrap()
    }

    #[test]
    fn any_of_several_and_none_and_plain_and_whatever_the_case() {
        let either = pattern(&["a|b", "^c$"], |_| {});
        for (text, wanted) in [("xbx", true), ("c", true), ("c\r", true), ("cc", false)] {
            assert_eq!(either.takes(text.as_bytes()), wanted, "{text:?}");
        }
        let none = pattern(&["a", "b"], |args| args.invert = true);
        assert!(none.takes(b"c") && !none.takes(b"b"));
        let plain = pattern(&["a.c"], |args| args.fixed = true);
        assert!(plain.takes(b"xa.c") && !plain.takes(b"abc"));
        let both = pattern(&["É"], |args| args.ignore_case = true);
        assert!(both.takes("né".as_bytes()));
        assert!(pattern(&[r"(?-u:\xff)"], |_| {}).takes(b"a\xffb"));
    }

    #[test]
    fn a_bad_expression_is_shown_with_its_place() {
        let args = SearchArgs { patterns: vec!["é(b".to_owned()], ..SearchArgs::default() };
        let said = Pattern::read(&args).unwrap_err().to_string();
        assert!(said.starts_with("'é(b' is no regular expression: unclosed group"), "{said}");
        assert!(said.ends_with("at character 2\n    é(b\n     ^"), "{said}");
    }

    const PARTS: &[&str] = &[
        "^",
        "$",
        "a",
        "b",
        "[^a]",
        r"\b",
        r"\B",
        r"\s",
        r"\S",
        r"(b|\b)",
        r"\w+",
        "a*",
        "x?",
        r"\n",
        "(?m:^)",
        "(?R:$)",
        ".",
        r"\A",
        r"\z",
        "(?:ab|^x|b$)",
        r"(?-u:\W)",
    ];

    proptest! {
        #[test]
        fn what_matches_a_text_is_a_candidate_in_its_line(
            source in proptest::collection::vec(proptest::sample::select(PARTS), 1..5),
            text in "[ab x]{0,6}",
            invert: bool,
        ) {
            let pattern = pattern(&[&source.concat()], |args| args.invert = invert);
            let Some(relaxed) = pattern.relaxed() else { return Ok(()) };
            let line = format!("2026-11-22T06:00:00.000000000Z stdout F {text}");
            if pattern.takes(text.as_bytes()) != invert {
                prop_assert!(relaxed.find_candidate_line(line.as_bytes()).unwrap().is_some());
            }
        }
    }
}
