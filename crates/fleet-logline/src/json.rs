//! A JSON object skimmed: its members as they stand in the text, without building anything.
//!
//! What is skimmed is not checked: in text that is no JSON it finds nothing, or nonsense that
//! leads no further than its caller's comparison.

use std::borrow::Cow;

use memchr::memchr2;

/// The members of the object that the text is, or `None` where it is none.
pub(crate) fn members(text: &[u8]) -> Option<Members<'_>> {
    let rest = blanks_off(text).strip_prefix(b"{")?;
    Some(Members { rest })
}

/// Members of an object: key and value, both raw; the key without its quotes.
pub(crate) struct Members<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Members<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (key, rest) = string(blanks_off(self.rest))?;
        let value = blanks_off(blanks_off(rest).strip_prefix(b":")?);
        let (value, rest) = value.split_at_checked(value_len(value)?)?;
        let rest = blanks_off(rest);
        self.rest = rest.strip_prefix(b",").unwrap_or(b"");
        Some((key, value))
    }
}

/// What a scalar says: a string without quotes and escapes, anything else as it stands.
pub(crate) fn said(value: &[u8]) -> Cow<'_, [u8]> {
    match string(value) {
        Some((inside, _)) if memchr::memchr(b'\\', inside).is_none() => Cow::Borrowed(inside),
        Some(_) => match serde_json::from_slice::<String>(value) {
            Ok(text) => Cow::Owned(text.into_bytes()),
            Err(_) => Cow::Borrowed(value),
        },
        None => Cow::Borrowed(value),
    }
}

/// What is between the quotes of a string, and what follows it.
fn string(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let inside = text.strip_prefix(b"\"")?;
    let mut from = 0;
    loop {
        let at = from + memchr2(b'"', b'\\', inside.get(from..)?)?;
        if inside[at] == b'"' {
            return Some((&inside[..at], &inside[at + 1..]));
        }
        from = at + 2;
    }
}

fn value_len(text: &[u8]) -> Option<usize> {
    match text.first()? {
        b'"' => string(text).map(|(_, rest)| text.len() - rest.len()),
        b'{' | b'[' => nested_len(text),
        _ => text.iter().position(|b| matches!(b, b',' | b'}' | b']') || b.is_ascii_whitespace()),
    }
}

/// The length of an object or list; brackets of both kinds count alike.
fn nested_len(text: &[u8]) -> Option<usize> {
    let (mut depth, mut at) = (0_usize, 0);
    loop {
        match text.get(at)? {
            b'"' => {
                at = text.len() - string(&text[at..])?.1.len();
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
}

fn blanks_off(text: &[u8]) -> &[u8] {
    match text.first() {
        Some(b) if b.is_ascii_whitespace() => text.trim_ascii_start(),
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::{Map, Value};

    #[test]
    fn members_stand_as_they_are_written() {
        let text = br#" { "a" : 1,"b":"x\"}","c":{"d":["]",{}]} , "e":null}"#;
        let found: Vec<_> = members(text).unwrap().collect();
        let expected: [(&[u8], &[u8]); 4] =
            [(b"a", b"1"), (b"b", br#""x\"}""#), (b"c", br#"{"d":["]",{}]}"#), (b"e", b"null")];
        assert_eq!(found, expected);
        assert_eq!(said(found[1].1).as_ref(), b"x\"}");
        assert!(members(b"[1]").is_none());
        assert_eq!(members(b"{\"a\":1 \"b\":2}").unwrap().count(), 1);
        assert_eq!(members(b"{\"a\":\"no end").unwrap().count(), 0);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, text in "[{}\\[\\]\",:a\\\\ 1]{0,40}") {
            let _ = members(&bytes).map(Iterator::count);
            for (_, value) in members(text.as_bytes()).into_iter().flatten() {
                let _ = said(value);
            }
        }

        #[test]
        fn what_serde_writes_is_found(object in proptest::collection::btree_map(".*", ".*", 0..5)) {
            let object: Map<String, Value> = object.into_iter().map(|(k, v)| (k, v.into())).collect();
            let text = serde_json::to_vec(&object).unwrap();
            let values: Vec<_> = members(&text).unwrap().map(|(_, v)| said(v).into_owned()).collect();
            let expected: Vec<_> = object.values().map(|v| v.as_str().unwrap().as_bytes().to_vec()).collect();
            prop_assert_eq!(values, expected);
        }
    }
}
