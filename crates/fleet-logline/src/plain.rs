//! A line without what was put around its text.

use std::borrow::Cow;

use memchr::memchr;

use crate::without_cr;

const ESC: u8 = 0x1b;
const BEL: u8 = 0x07;

/// The text of a line, and who was named before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plain<'a> {
    /// Without colours and other escape sequences, and without the prefix.
    pub text: Cow<'a, [u8]>,
    /// What torch and torchrun put before each line of a rank: `rank0`, `default0`.
    pub rank: Option<&'a [u8]>,
}

/// Takes a line out of its colours and its rank's prefix; a carriage return at its end goes, too.
pub fn plain(text: &[u8]) -> Plain<'_> {
    let text = without_cr(text);
    let (rank, text) = prefix(text).map_or((None, text), |(rank, rest)| (Some(rank), rest));
    let text = match memchr(ESC, text) {
        None => Cow::Borrowed(text),
        Some(at) => Cow::Owned(without_escapes(text, at)),
    };
    Plain { text, rank }
}

/// What torch and torchrun put before each line of a rank: `rank0`, `default0`.
pub fn rank(text: &[u8]) -> Option<&[u8]> {
    prefix(text).map(|(rank, _)| rank)
}

/// The name in `[rank0]: ` or `[default0]:`, and what stands behind the prefix.
fn prefix(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let inside = text.strip_prefix(b"[")?;
    let word = [b"rank".as_slice(), b"default"].into_iter().find(|w| inside.starts_with(w))?;
    let digits = inside[word.len()..].iter().take_while(|b| b.is_ascii_digit()).count();
    let (name, rest) = inside.split_at(word.len() + digits);
    let rest = rest.strip_prefix(b"]:").filter(|_| digits > 0)?;
    Some((name, rest.strip_prefix(b" ").unwrap_or(rest)))
}

/// The text without its escape sequences, the first of which is at this place.
fn without_escapes(text: &[u8], first: usize) -> Vec<u8> {
    let mut kept = Vec::with_capacity(text.len());
    let (mut rest, mut at) = (text, Some(first));
    while let Some(escape) = at {
        kept.extend_from_slice(&rest[..escape]);
        rest = behind_escape(&rest[escape + 1..]);
        at = memchr(ESC, rest);
    }
    kept.extend_from_slice(rest);
    kept
}

/// What stands behind the sequence whose escape character was just before this text.
fn behind_escape(text: &[u8]) -> &[u8] {
    let Some((&kind, rest)) = text.split_first() else { return text };
    match kind {
        b'[' => behind(rest, |b| (0x40..0x7f).contains(&b)),
        // Strings to the terminal: titles, links. They end with BEL or ESC \.
        b']' | b'P' | b'X' | b'^' | b'_' => match memchr::memchr2(BEL, ESC, rest) {
            Some(at) if rest[at] == BEL => &rest[at + 1..],
            Some(at) => rest[at + 1..].strip_prefix(b"\\").unwrap_or(&rest[at..]),
            None => b"",
        },
        // Some more bytes may stand before the last: ESC ( B.
        b' '..=b'/' => behind(rest, |b| !(b' '..=b'/').contains(&b)),
        b'0'..=b'~' => rest,
        _ => text,
    }
}

fn behind(text: &[u8], last: impl Fn(u8) -> bool) -> &[u8] {
    text.iter().position(|&b| last(b)).map_or(b"", |at| &text[at + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn colours_and_ranks_come_off() {
        for (line, text, rank) in [
            ("as it is", "as it is", None),
            ("[rank12]: Traceback", "Traceback", Some("rank12")),
            ("[rank0]:[E1012 x] y", "[E1012 x] y", Some("rank0")),
            ("[default3]:  indented\r", " indented", Some("default3")),
            ("[rank]: x", "[rank]: x", None),
            ("[ranking1]: x", "[ranking1]: x", None),
            ("\x1b[1;31mred\x1b[0m text\x1b[K", "red text", None),
            ("\x1b]0;title\x07a\x1b]8;;http://x\x1b\\b\x1b(Bc\x1bMd", "abcd", None),
            ("cut off \x1b[3", "cut off ", None),
            ("\x1b", "", None),
        ] {
            let got = plain(line.as_bytes());
            assert_eq!(got.text.as_ref(), text.as_bytes(), "{line:?}");
            assert_eq!(got.rank, rank.map(str::as_bytes), "{line:?}");
        }
    }

    proptest! {
        #[test]
        fn nothing_is_copied_without_need(line in "[^\x1b]{0,40}") {
            prop_assert!(matches!(plain(line.as_bytes()).text, Cow::Borrowed(_)));
        }

        #[test]
        fn no_escape_is_left(line in "(\x1b|\\[|\\]|[a-z0-9;m\x07\\\\]){0,30}", bytes: Vec<u8>) {
            prop_assert!(!plain(line.as_bytes()).text.contains(&ESC));
            prop_assert!(!plain(&bytes).text.contains(&ESC));
        }
    }
}
