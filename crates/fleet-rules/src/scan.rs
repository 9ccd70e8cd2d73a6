//! JSON read to and fro, no further than a record needs: where values begin and end.
//!
//! The grammar is that of RFC 8259 and is checked whole, but for two things that only matter in
//! what nobody reads: whether a text is UTF-8, and whether the halves of a surrogate pair meet.

/// Deepest nesting: each level is a call.
const DEEPEST: u32 = 127;

/// A place in a line of JSON.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Scanner<'a> {
    bytes: &'a [u8],
    at: usize,
}

const ONES: u64 = u64::from_ne_bytes([1; 8]);
const HIGHS: u64 = ONES << 7;

/// How many of these eight bytes simply stand for themselves in a text, before the first that is a
/// quote, a backslash or a control. All at once: a byte less than the least that is subtracted
/// borrows from its own highest bit (Hacker's Delight, "Find first 0-byte").
fn plain(bytes: [u8; 8]) -> usize {
    let word = u64::from_le_bytes(bytes);
    let below = |word: u64, least: u64| word.wrapping_sub(ONES * least) & !word & HIGHS;
    let quote = below(word ^ (ONES * u64::from(b'"')), 1);
    let backslash = below(word ^ (ONES * u64::from(b'\\')), 1);
    let found = below(word, 0x20) | quote | backslash;
    found.trailing_zeros() as usize / 8
}

impl<'a> Scanner<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Scanner<'a> {
        Scanner { bytes, at: 0 }
    }

    /// The byte here; 0, which no JSON holds, at the end.
    #[inline]
    pub(crate) fn peek(&self) -> u8 {
        self.bytes.get(self.at).copied().unwrap_or(0)
    }

    /// How many bytes lie behind.
    pub(crate) fn place(&self) -> usize {
        self.at
    }

    /// The bytes from a place to here.
    pub(crate) fn since(&self, start: usize) -> &'a [u8] {
        self.bytes.get(start..self.at).unwrap_or_default()
    }

    /// Whether nothing but space is left.
    pub(crate) fn is_at_end(&mut self) -> bool {
        self.space();
        self.at == self.bytes.len()
    }

    #[inline]
    pub(crate) fn space(&mut self) {
        // There is nearly never any.
        while self.peek() <= b' ' && matches!(self.peek(), b' ' | b'\t' | b'\n' | b'\r') {
            self.at += 1;
        }
    }

    /// Passes over this byte, and nothing where another one stands.
    pub(crate) fn expect(&mut self, byte: u8) -> Option<()> {
        (self.peek() == byte).then(|| self.at += 1)
    }

    /// Passes over the name of a member and its colon: the bytes between the quotes, and whether
    /// there are escapes in them.
    pub(crate) fn name(&mut self) -> Option<(&'a [u8], bool)> {
        self.space();
        let start = self.at + 1;
        let escaped = self.text()?;
        let name = self.bytes.get(start..self.at - 1)?;
        self.space();
        self.expect(b':')?;
        self.space();
        Some((name, escaped))
    }

    /// Passes over what stands after a member or an item: whether there is another one.
    pub(crate) fn more(&mut self, close: u8) -> Option<bool> {
        self.space();
        let byte = self.peek();
        self.at += 1;
        (byte == b',' || byte == close).then_some(byte == b',')
    }

    /// Passes over the opening of an object or array: whether there is anything in it.
    pub(crate) fn open(&mut self, close: u8) -> Option<bool> {
        self.at += 1;
        self.space();
        Some(self.expect(close).is_none())
    }

    /// Passes over a value.
    pub(crate) fn value(&mut self) -> Option<()> {
        self.nested(0)
    }

    fn nested(&mut self, depth: u32) -> Option<()> {
        match self.peek() {
            b'"' => self.text().map(drop),
            b'-' | b'0'..=b'9' => self.number(),
            b'{' if depth < DEEPEST => self.object(depth),
            b'[' if depth < DEEPEST => self.array(depth),
            b't' => self.word(b"true"),
            b'f' => self.word(b"false"),
            b'n' => self.word(b"null"),
            _ => None,
        }
    }

    fn object(&mut self, depth: u32) -> Option<()> {
        let mut more = self.open(b'}')?;
        while more {
            self.name()?;
            self.nested(depth + 1)?;
            more = self.more(b'}')?;
        }
        Some(())
    }

    fn array(&mut self, depth: u32) -> Option<()> {
        let mut more = self.open(b']')?;
        while more {
            self.space();
            self.nested(depth + 1)?;
            more = self.more(b']')?;
        }
        Some(())
    }

    fn word(&mut self, word: &[u8]) -> Option<()> {
        self.bytes.get(self.at..)?.starts_with(word).then(|| self.at += word.len())
    }

    /// Passes over a text with its quotes: whether there are escapes in it.
    #[inline]
    fn text(&mut self) -> Option<bool> {
        self.expect(b'"')?;
        let mut escaped = false;
        loop {
            while let Some(eight) = self.bytes.get(self.at..).and_then(<[u8]>::first_chunk) {
                let passed = plain(*eight);
                self.at += passed;
                if passed < 8 {
                    break;
                }
            }
            match self.peek() {
                b'"' => {
                    self.at += 1;
                    return Some(escaped);
                }
                b'\\' => {
                    self.escape()?;
                    escaped = true;
                }
                0..0x20 => return None,
                // One of the last few bytes of the line.
                _ => self.at += 1,
            }
        }
    }

    fn escape(&mut self) -> Option<()> {
        let length = match self.bytes.get(self.at + 1)? {
            b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => 2,
            b'u' => {
                let digits = self.bytes.get(self.at + 2..self.at + 6)?;
                digits.iter().all(u8::is_ascii_hexdigit).then_some(6)?
            }
            _ => return None,
        };
        self.at += length;
        Some(())
    }

    fn number(&mut self) -> Option<()> {
        let _ = self.expect(b'-');
        if self.expect(b'0').is_none() {
            self.digits()?;
        }
        if self.expect(b'.').is_some() {
            self.digits()?;
        }
        if matches!(self.peek(), b'e' | b'E') {
            self.at += 1;
            if matches!(self.peek(), b'+' | b'-') {
                self.at += 1;
            }
            self.digits()?;
        }
        Some(())
    }

    /// At least one digit.
    fn digits(&mut self) -> Option<()> {
        let start = self.at;
        while self.peek().is_ascii_digit() {
            self.at += 1;
        }
        (self.at > start).then_some(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde::de::IgnoredAny;

    fn is_json(text: &[u8]) -> bool {
        let mut scanner = Scanner::new(text);
        scanner.space();
        scanner.value().is_some() && scanner.is_at_end()
    }

    #[test]
    fn what_is_json() {
        for (text, json) in [
            ("{}", true),
            (r#" {"a" : [1, -2.5e+3, "x\u00e9\n", {"b":null}] , "c":true} "#, true),
            (r#"{"a":1,}"#, false),
            (r#"{"a" 1}"#, false),
            (r#"{"a":01}"#, false),
            (r#"{"a":1.}"#, false),
            (r#"{"a":-}"#, false),
            (r#"{"a":tru}"#, false),
            (r#"{"a":"\x"}"#, false),
            (r#"{"a":"\u12g4"}"#, false),
            ("{\"a\":\"\t\"}", false),
            (r#"{"a":"b"#, false),
            (r#"{"a":[1,]}"#, false),
            ("{} {}", false),
        ] {
            assert_eq!(is_json(text.as_bytes()), json, "{text}");
        }
        let deep = |n: usize| format!("{}1{}", "[".repeat(n), "]".repeat(n));
        assert!(is_json(deep(100).as_bytes()) && !is_json(deep(1000).as_bytes()));
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]
        #[test]
        fn it_is_json_where_serde_says_so(
            text in "[{}\\[\\]\":,a\\\\u0-2eE+. nul\\x09-]{0,12}",
            parts in proptest::collection::vec(prop::sample::select(vec![
                "{", "}", "[", "]", "\"a\"", ":", ",", "1", "-1.5e3", "true", "null", " ", "\"\\n\"", "0",
            ]), 0..10),
        ) {
            for text in [text, parts.concat()] {
                let serde = serde_json::from_str::<IgnoredAny>(&text).is_ok();
                prop_assert_eq!(is_json(text.as_bytes()), serde, "{}", text);
            }
        }

        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..100)) {
            is_json(&bytes);
        }
    }
}
