//! Objects of JSON and dicts of Python, as lines hold them.
//!
//! One tolerant reader for both, because programs mix them: `json.dumps` writes a bare NaN, which is
//! no JSON; transformers 4 prints numbers in a dict, 5 prints strings that hold numbers. What has no
//! number is passed over, nested or not.

use crate::number::Number;

/// Deeper nesting than this is no line of metrics.
const MAX_DEPTH: usize = 16;

/// An object at the beginning of a text.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Dict<'a> {
    /// Keys with a number, in order.
    pub(crate) numbers: Vec<(&'a str, Number)>,
    /// What stands in quotes under `kind`.
    pub(crate) kind: Option<&'a str>,
    /// What stands in quotes under `ts`.
    pub(crate) ts: Option<&'a str>,
}

/// Reads the object that the text begins with, which must be whole; numbers in quotes count where
/// `quoted` says so, and NaN and the infinities in any case.
pub(crate) fn read<'a>(text: &'a [u8], quoted: bool) -> Option<Dict<'a>> {
    let mut cursor = Cursor { text, at: 0 };
    let mut dict = Dict::default();
    cursor.take(b'{')?;
    if cursor.skips(b'}') {
        return Some(dict);
    }
    loop {
        let key = cursor.string()?;
        cursor.take(b':')?;
        match cursor.value(0)? {
            Item::Number(number) => dict.numbers.extend(key.map(|key| (key, number))),
            Item::Text(Some(text)) => take_text(&mut dict, key, text, quoted),
            Item::Text(None) | Item::Other => {}
        }
        if cursor.skips(b'}') {
            return Some(dict);
        }
        cursor.take(b',')?;
    }
}

fn take_text<'a>(dict: &mut Dict<'a>, key: Option<&'a str>, text: &'a str, quoted: bool) {
    let Some(key) = key else { return };
    match key {
        "kind" => dict.kind = Some(text),
        "ts" => dict.ts = Some(text),
        _ => {
            let number = Number::parse(text.as_bytes());
            let taken = number.filter(|n| quoted || !n.value().is_finite());
            dict.numbers.extend(taken.map(|number| (key, number)));
        }
    }
}

enum Item<'a> {
    Number(Number),
    /// `None`: with escapes, which no name or number that is looked for has.
    Text(Option<&'a str>),
    Other,
}

struct Cursor<'a> {
    text: &'a [u8],
    at: usize,
}

impl<'a> Cursor<'a> {
    fn peek(&mut self) -> Option<u8> {
        while self.text.get(self.at).is_some_and(u8::is_ascii_whitespace) {
            self.at += 1;
        }
        self.text.get(self.at).copied()
    }

    fn skips(&mut self, byte: u8) -> bool {
        let is = self.peek() == Some(byte);
        self.at += usize::from(is);
        is
    }

    fn take(&mut self, byte: u8) -> Option<()> {
        self.skips(byte).then_some(())
    }

    /// A string in either kind of quotes; inner `None` where it has escapes or is not UTF-8.
    fn string(&mut self) -> Option<Option<&'a str>> {
        let quote = self.peek().filter(|b| matches!(b, b'"' | b'\''))?;
        let start = self.at + 1;
        let mut end = start;
        let mut plain = true;
        loop {
            end += memchr::memchr2(quote, b'\\', self.text.get(end..)?)?;
            if self.text[end] == quote {
                break;
            }
            plain = false;
            end += 2;
        }
        self.at = end + 1;
        Some(if plain { std::str::from_utf8(&self.text[start..end]).ok() } else { None })
    }

    fn value(&mut self, depth: usize) -> Option<Item<'a>> {
        match self.peek()? {
            b'"' | b'\'' => self.string().map(Item::Text),
            open @ (b'{' | b'[' | b'(') if depth < MAX_DEPTH => self.nested(open, depth),
            _ => {
                let rest = &self.text[self.at..];
                let ends = |b: &u8| b.is_ascii_whitespace() || b",}])".contains(b);
                let word = &rest[..rest.iter().position(ends)?];
                self.at += word.len();
                // A word like True or None may stand there, and a call like tensor(0.5).
                if word.is_empty() || word.contains(&b'(') {
                    return None;
                }
                Some(Number::parse(word).map_or(Item::Other, Item::Number))
            }
        }
    }

    /// Passes over what is nested, by its brackets and strings.
    fn nested(&mut self, open: u8, depth: usize) -> Option<Item<'a>> {
        let close = match open {
            b'{' => b'}',
            b'[' => b']',
            _ => b')',
        };
        self.at += 1;
        loop {
            if self.skips(close) {
                return Some(Item::Other);
            }
            match self.peek()? {
                b',' | b':' => self.at += 1,
                _ => {
                    self.value(depth + 1)?;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn numbers(text: &str, quoted: bool) -> Option<Vec<(&str, f64)>> {
        let dict = read(text.as_bytes(), quoted)?;
        Some(dict.numbers.into_iter().map(|(k, n)| (k, n.value())).collect())
    }

    #[test]
    fn json_and_python() {
        let json =
            r#" {"loss": 1.5, "m": {"a": [1, {"b": "}"}]}, "x\"y": 3, "ok": true, "n":2e-3} "#;
        assert_eq!(numbers(json, false).unwrap(), [("loss", 1.5), ("n", 0.002)]);
        let four = "{'loss': 2.3142, 'learning_rate': 4.9e-05, 'epoch': 0.01, 'x': None} tail";
        let read = numbers(four, false).unwrap();
        assert_eq!(read, [("loss", 2.3142), ("learning_rate", 4.9e-5), ("epoch", 0.01)]);
        let five = "{'loss': '2.314', 'epoch': '0.01', 'name': 'b'}";
        assert_eq!(numbers(five, true).unwrap(), [("loss", 2.314), ("epoch", 0.01)]);
        assert!(numbers(five, false).unwrap().is_empty());
        let bare = numbers("{\"loss\": NaN, \"g\": -Infinity, \"h\": \"NaN\"}", false).unwrap();
        assert!(bare[0].1.is_nan() && bare[1].1 == f64::NEG_INFINITY && bare[2].1.is_nan());
        for text in ["", "{", "{'a", "{'a': ", "{'a': 1", "{a: 1}", "{'loss': tensor(0.5)}", "[1]"]
        {
            assert_eq!(numbers(text, true), None, "{text}");
        }
        assert_eq!(numbers("{}", true), Some(Vec::new()));
        assert_eq!(numbers(&"{'a':[".repeat(5000), true), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in "[{}\\[\\]()'\":,\\\\a1.-]{0,40}", bytes: Vec<u8>) {
            let _ = (read(text.as_bytes(), true), read(&bytes, false));
        }

        #[test]
        fn any_flat_object_of_numbers_comes_back(
            object in proptest::collection::btree_map("[a-z/_]{1,8}", any::<i32>(), 1..6),
        ) {
            let text = serde_json::to_string(&object).unwrap();
            let read = numbers(&text, false).unwrap();
            let wanted: Vec<(&str, f64)> =
                object.iter().map(|(k, v)| (k.as_str(), f64::from(*v))).collect();
            prop_assert_eq!(read, wanted);
        }
    }
}
