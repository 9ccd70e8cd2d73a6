//! Lines of `key=value` pairs.

use std::borrow::Cow;

/// A part of a line between blanks.
pub(crate) enum Part<'a> {
    /// `key=value` or `key="value"`, the value without its quotes.
    Pair(&'a [u8], Value<'a>),
    /// Anything else.
    Word(&'a [u8]),
}

/// The value of a pair.
pub(crate) struct Value<'a> {
    /// Without its quotes; escapes stand as they were written.
    pub(crate) raw: &'a [u8],
    pub(crate) quoted: bool,
}

impl<'a> Value<'a> {
    /// Without escapes.
    pub(crate) fn said(&self) -> Cow<'a, [u8]> {
        if !self.quoted || memchr::memchr(b'\\', self.raw).is_none() {
            return Cow::Borrowed(self.raw);
        }
        let mut said = Vec::with_capacity(self.raw.len());
        let mut bytes = self.raw.iter().copied();
        while let Some(byte) = bytes.next() {
            said.push(match byte {
                b'\\' => match bytes.next() {
                    Some(b'n') => b'\n',
                    Some(b't') => b'\t',
                    Some(b'r') => b'\r',
                    Some(other) => other,
                    None => b'\\',
                },
                byte => byte,
            });
        }
        Cow::Owned(said)
    }
}

/// The parts of a line, from left to right.
pub(crate) fn parts(text: &[u8]) -> Parts<'_> {
    Parts { rest: text }
}

/// What is left of a line.
pub(crate) struct Parts<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Parts<'a> {
    type Item = Part<'a>;

    fn next(&mut self) -> Option<Part<'a>> {
        let begin = self.rest.iter().position(|&b| b > b' ')?;
        let text = &self.rest[begin..];
        let end = text.iter().position(|&b| b == b'=' || b <= b' ').unwrap_or(text.len());
        let (key, rest) = text.split_at(end);
        if let Some(value) = rest.strip_prefix(b"=").filter(|_| is_key(key)) {
            let (value, rest) = value_of(value);
            self.rest = rest;
            return Some(Part::Pair(key, value));
        }
        let end = text.iter().position(|&b| b <= b' ').unwrap_or(text.len());
        let (word, rest) = text.split_at(end);
        self.rest = rest;
        Some(Part::Word(word))
    }
}

/// The value at the beginning of the text, and what follows it.
fn value_of(text: &[u8]) -> (Value<'_>, &[u8]) {
    if let Some((raw, rest)) = text.strip_prefix(b"\"").and_then(quoted) {
        return (Value { raw, quoted: true }, rest);
    }
    let end = text.iter().position(|&b| b <= b' ').unwrap_or(text.len());
    (Value { raw: &text[..end], quoted: false }, &text[end..])
}

/// What stands before the closing quote, and what behind it.
fn quoted(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut from = 0;
    loop {
        let at = from + memchr::memchr2(b'"', b'\\', text.get(from..)?)?;
        if text[at] == b'"' {
            return Some((&text[..at], &text[at + 1..]));
        }
        from = at + 2;
    }
}

/// Whether it is a name that a person or program would give.
fn is_key(key: &[u8]) -> bool {
    let named = |b: &u8| b.is_ascii_alphanumeric() || b"_.-/@:".contains(b);
    key.first().is_some_and(|b| b.is_ascii_alphabetic() || b"_@".contains(b))
        && key.iter().all(named)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn every_line_has_an_end(bytes: Vec<u8>) {
            prop_assert!(parts(&bytes).count() <= bytes.len());
        }

        #[test]
        fn a_quoted_value_is_read_back(value in ".{0,20}") {
            let escaped = value.replace('\\', "\\\\").replace('"', "\\\"");
            let line = format!("word key=\"{escaped}\" other=1");
            let found = parts(line.as_bytes()).nth(1);
            let said = match &found {
                Some(Part::Pair(b"key", read)) => read.said().into_owned(),
                _ => Vec::new(),
            };
            prop_assert_eq!(said, value.as_bytes());
        }
    }
}
