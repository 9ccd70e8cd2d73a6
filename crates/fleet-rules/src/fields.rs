//! The fields of a record that rules read, taken out of its line without building the rest.

use std::borrow::Cow;

use serde::de::{Error, IgnoredAny};
use serde_json::value::RawValue;

use crate::alert::fingerprint;
use crate::scan::Scanner;

/// Longest text, in bytes, by which an instance is told from others.
const LONGEST_KEY: usize = 1024;

/// Which of the wanted fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Slot(usize);

/// Names of all fields that any rule reads, each with its slot. A name with dots is a path:
/// `exit.code` is the member `code` of the field `exit`.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields {
    slots: usize,
    top: Level,
}

/// The wanted names of one object.
#[derive(Clone, Debug, Default)]
struct Level {
    names: Vec<Name>,
    /// Names by their length: most names of a record differ in it from all wanted ones.
    by_length: Vec<Vec<usize>>,
}

#[derive(Clone, Debug)]
struct Name {
    text: String,
    /// Its first bytes as a number: what nearly always tells it from others of its length.
    start: u64,
    slot: Option<Slot>,
    inside: Option<Level>,
}

/// The first eight bytes, less where there are fewer.
fn start_of(name: &[u8]) -> u64 {
    let mut start = [0; 8];
    match name.first_chunk::<8>() {
        Some(first) => start = *first,
        None => start[..name.len()].copy_from_slice(name),
    }
    u64::from_le_bytes(start)
}

impl Level {
    fn find(&self, name: &[u8]) -> Option<&Name> {
        let of_its_length = self.by_length.get(name.len())?;
        if of_its_length.is_empty() {
            return None;
        }
        let start = start_of(name);
        let mut names = of_its_length.iter().filter_map(|at| self.names.get(*at));
        names.find(|n| n.start == start && (name.len() <= 8 || n.text.as_bytes() == name))
    }

    fn want(&mut self, text: &str) -> &mut Name {
        let known = self.names.iter().position(|name| name.text == text);
        let at = known.unwrap_or_else(|| self.add(text));
        &mut self.names[at]
    }

    fn add(&mut self, text: &str) -> usize {
        if self.by_length.len() <= text.len() {
            self.by_length.resize(text.len() + 1, Vec::new());
        }
        self.by_length[text.len()].push(self.names.len());
        let start = start_of(text.as_bytes());
        self.names.push(Name { text: text.to_owned(), start, slot: None, inside: None });
        self.names.len() - 1
    }
}

impl Fields {
    /// The slot of this name, a new one if it had none.
    pub(crate) fn want(&mut self, name: &str) -> Slot {
        self.want_path(name.split('.'))
    }

    /// The slot of the field at the end of this path, a new one if it had none.
    pub(crate) fn want_path<'n>(&mut self, path: impl Iterator<Item = &'n str>) -> Slot {
        let mut path = path.peekable();
        let mut level = &mut self.top;
        let fresh = Slot(self.slots);
        let mut slot = fresh;
        while let Some(name) = path.next() {
            let name = level.want(name);
            if path.peek().is_none() {
                slot = *name.slot.get_or_insert(fresh);
                break;
            }
            level = name.inside.get_or_insert_default();
        }
        self.slots += usize::from(slot == fresh);
        slot
    }

    /// The slot of this name, if any rule reads it.
    pub(crate) fn find(&self, name: &str) -> Option<Slot> {
        let mut level = &self.top;
        let mut path = name;
        while let Some((first, rest)) = path.split_once('.') {
            level = level.find(first.as_bytes())?.inside.as_ref()?;
            path = rest;
        }
        level.find(path.as_bytes())?.slot
    }
}

/// One field of a record.
#[derive(Clone, Debug, Default)]
pub(crate) enum Field<'a> {
    /// The record has no such field.
    #[default]
    Missing,
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A whole number beyond [`i64::MAX`].
    UInt(u64),
    /// Any other number.
    Double(f64),
    /// A text.
    Text(Cow<'a, str>),
    /// An array or an object, not looked into.
    Nested(&'a RawValue),
}

impl<'a> Field<'a> {
    /// A value of which the form was checked.
    fn of(value: &'a [u8]) -> Option<Field<'a>> {
        Some(match value.first()? {
            b'"' => string(str::from_utf8(value).ok()?),
            b'{' | b'[' => Field::Nested(serde_json::from_slice(value).ok()?),
            b't' => Field::Bool(true),
            b'f' => Field::Bool(false),
            b'n' => Field::Null,
            _ => number(str::from_utf8(value).ok()?),
        })
    }

    /// The text, if it is one.
    pub(crate) fn text(&self) -> Option<&str> {
        if let Field::Text(text) = self { Some(text) } else { None }
    }

    /// The field in a form that tells instances apart: a text itself, anything else as JSON.
    pub(crate) fn key(&self) -> Cow<'_, str> {
        match self {
            Field::Missing | Field::Null => Cow::Borrowed(""),
            Field::Text(text) => short(text),
            Field::Bool(value) => value.to_string().into(),
            Field::Int(value) => value.to_string().into(),
            Field::UInt(value) => value.to_string().into(),
            Field::Double(value) => value.to_string().into(),
            Field::Nested(raw) => short(raw.get()),
        }
    }
}

/// A text that tells instances apart, and is remembered of each: of a long one the beginning, and
/// a hash of all of it.
pub(crate) fn short(text: &str) -> Cow<'_, str> {
    if text.len() <= LONGEST_KEY {
        return Cow::Borrowed(text);
    }
    let (start, _) = text.split_at(text.floor_char_boundary(LONGEST_KEY));
    format!("{start}… {}", fingerprint(text, [].into_iter())).into()
}

/// A JSON string; without escapes it is borrowed.
fn string(quoted: &str) -> Field<'_> {
    match quoted.get(1..quoted.len() - 1) {
        Some(plain) if !plain.contains('\\') => Field::Text(Cow::Borrowed(plain)),
        _ => serde_json::from_str(quoted).map_or(Field::Null, |t: String| Field::Text(t.into())),
    }
}

fn number(text: &str) -> Field<'_> {
    if text.bytes().any(|byte| matches!(byte, b'.' | b'e' | b'E')) {
        return text.parse().map_or(Field::Null, Field::Double);
    }
    if let Ok(value) = text.parse() {
        Field::Int(value)
    } else if let Ok(value) = text.parse() {
        Field::UInt(value)
    } else {
        text.parse().map_or(Field::Null, Field::Double)
    }
}

/// The wanted fields of one record.
#[derive(Debug)]
pub(crate) struct Record<'a>(Vec<Field<'a>>);

impl<'a> Record<'a> {
    /// Reads a line.
    ///
    /// # Errors
    /// The line is no JSON object.
    pub(crate) fn read(fields: &Fields, line: &'a [u8]) -> Result<Record<'a>, serde_json::Error> {
        let mut values = vec![Field::Missing; fields.slots];
        let mut scanner = Scanner::new(line);
        scanner.space();
        let read = object(&mut scanner, &fields.top, &mut values);
        match read.filter(|()| scanner.is_at_end()) {
            Some(()) => Ok(Record(values)),
            None => Err(complaint(line)),
        }
    }

    /// The field in a slot.
    pub(crate) fn get(&self, slot: Slot) -> &Field<'a> {
        self.0.get(slot.0).unwrap_or(&Field::Missing)
    }
}

/// Takes the wanted fields out of an object.
fn object<'a>(scanner: &mut Scanner<'a>, level: &Level, values: &mut [Field<'a>]) -> Option<()> {
    if scanner.peek() != b'{' {
        return None;
    }
    let mut more = scanner.open(b'}')?;
    while more {
        let (name, escaped) = scanner.name()?;
        let found = if escaped { level.find(&unescaped(name)?) } else { level.find(name) };
        match found {
            Some(name) => member(scanner, name, values)?,
            None => scanner.value()?,
        }
        more = scanner.more(b'}')?;
    }
    Some(())
}

fn member<'a>(scanner: &mut Scanner<'a>, name: &Name, values: &mut [Field<'a>]) -> Option<()> {
    let start = scanner.place();
    match &name.inside {
        Some(level) if scanner.peek() == b'{' => object(scanner, level, values)?,
        _ => scanner.value()?,
    }
    if let Some(slot) = name.slot {
        *values.get_mut(slot.0)? = Field::of(scanner.since(start))?;
    }
    Some(())
}

/// A name that was written with escapes.
fn unescaped(name: &[u8]) -> Option<Vec<u8>> {
    let quoted = format!("\"{}\"", str::from_utf8(name).ok()?);
    serde_json::from_str(&quoted).map(String::into_bytes).ok()
}

/// What is wrong with a line that is no record.
fn complaint(line: &[u8]) -> serde_json::Error {
    if line.trim_ascii_start().first() != Some(&b'{') {
        return Error::custom("it is no JSON object");
    }
    match serde_json::from_slice::<IgnoredAny>(line) {
        Err(error) => error,
        Ok(_) if str::from_utf8(line).is_err() => Error::custom("it is not UTF-8"),
        Ok(_) => Error::custom("it is nested too deeply"),
    }
}

/// The kind of a line, where it comes first as in all that fleet writes: found without reading
/// the line, so that what no rule wants costs next to nothing.
pub(crate) fn leading_kind(line: &[u8]) -> Option<&[u8]> {
    let rest = line.strip_prefix(b"{\"kind\":\"")?;
    let end = rest.iter().take(40).position(|byte| *byte == b'"')?;
    Some(&rest[..end]).filter(|kind| !kind.contains(&b'\\'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read<'a>(line: &'a str, name: &str) -> Option<Field<'a>> {
        let mut fields = Fields::default();
        let slot = fields.want(name);
        Record::read(&fields, line.as_bytes()).ok().map(|r| r.get(slot).clone())
    }

    #[test]
    fn only_what_is_wanted_is_taken() {
        let line = r#"{"a":1,"b":"x\ny","c":{"d":[1]},"e":1.5,"f":18446744073709551615,"g":null}"#;
        assert!(matches!(read(line, "a"), Some(Field::Int(1))));
        assert!(matches!(read(line, "b"), Some(Field::Text(t)) if t == "x\ny"));
        assert!(matches!(read(line, "c"), Some(Field::Nested(_))));
        assert!(matches!(read(line, "e"), Some(Field::Double(v)) if v == 1.5));
        assert!(matches!(read(line, "f"), Some(Field::UInt(u64::MAX))));
        assert!(matches!(read(line, "g"), Some(Field::Null)));
        assert!(matches!(read(line, "z"), Some(Field::Missing)));
        assert!(matches!(read(r#"{"\u0061":1}"#, "a"), Some(Field::Int(1))));
        assert!(read("[1]", "a").is_none());
        assert!(read("{\"a\":1} x", "a").is_none());
    }

    #[test]
    fn the_leading_kind_is_the_kind() {
        for line in [r#"{"kind":"sample","a":1}"#, r#"{"kind":"x"}"#] {
            let quick = leading_kind(line.as_bytes()).map(String::from_utf8_lossy);
            let whole: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(quick.as_deref(), whole["kind"].as_str());
        }
        assert_eq!(leading_kind(br#"{"ts":1,"kind":"x"}"#), None);
        assert_eq!(leading_kind(br#"{"kind":"a\"b"}"#), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut fields = Fields::default();
            fields.want("a");
            let _ = Record::read(&fields, &bytes);
            let _ = leading_kind(&bytes);
        }

        #[test]
        fn no_json_like_text_panics(text in "[{}\\[\\]\":,a\\\\u0-9eE+.nul-]{0,60}") {
            let mut fields = Fields::default();
            fields.want("a");
            let _ = Record::read(&fields, text.as_bytes());
        }
    }
}
