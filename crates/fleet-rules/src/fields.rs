//! The fields of a record that rules read, taken out of its line without building the rest.

use std::borrow::Cow;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::value::RawValue;

/// Which of the wanted fields.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Slot(usize);

/// Names of all fields that any rule reads, each with its slot.
#[derive(Clone, Debug, Default)]
pub struct Fields {
    names: Vec<String>,
    /// Slots by the length of the name: most names of a record differ in it from all wanted ones.
    by_length: Vec<Vec<Slot>>,
}

impl Fields {
    /// The slot of this name, a new one if it had none.
    pub fn want(&mut self, name: &str) -> Slot {
        if let Some(slot) = self.find(name) {
            return slot;
        }
        let slot = Slot(self.names.len());
        self.names.push(name.to_owned());
        if self.by_length.len() <= name.len() {
            self.by_length.resize(name.len() + 1, Vec::new());
        }
        self.by_length[name.len()].push(slot);
        slot
    }

    /// The slot of this name, if any rule reads it.
    pub fn find(&self, name: &str) -> Option<Slot> {
        self.find_bytes(name.as_bytes())
    }

    fn find_bytes(&self, name: &[u8]) -> Option<Slot> {
        let mut slots = self.by_length.get(name.len())?.iter().copied();
        slots.find(|slot| self.names[slot.0].as_bytes() == name)
    }
}

/// One field of a record.
#[derive(Clone, Debug, Default)]
pub enum Field<'a> {
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
    fn of(raw: &'a RawValue) -> Field<'a> {
        let text = raw.get();
        match text.as_bytes().first() {
            Some(b'"') => string(text),
            Some(b'{' | b'[') => Field::Nested(raw),
            Some(b't') => Field::Bool(true),
            Some(b'f') => Field::Bool(false),
            Some(b'n') | None => Field::Null,
            Some(_) => number(text),
        }
    }

    /// The text, if it is one.
    pub fn text(&self) -> Option<&str> {
        if let Field::Text(text) = self { Some(text) } else { None }
    }

    /// The field in a form that tells instances apart: a text itself, anything else as JSON.
    pub fn key(&self) -> Cow<'_, str> {
        match self {
            Field::Missing | Field::Null => Cow::Borrowed(""),
            Field::Text(text) => Cow::Borrowed(text),
            Field::Bool(value) => value.to_string().into(),
            Field::Int(value) => value.to_string().into(),
            Field::UInt(value) => value.to_string().into(),
            Field::Double(value) => value.to_string().into(),
            Field::Nested(raw) => Cow::Borrowed(raw.get()),
        }
    }
}

/// A JSON string; without escapes it is borrowed.
fn string(quoted: &str) -> Field<'_> {
    match quoted.get(1..quoted.len() - 1) {
        Some(plain) if !plain.contains('\\') => Field::Text(Cow::Borrowed(plain)),
        _ => serde_json::from_str(quoted).map_or(Field::Null, |t: String| Field::Text(t.into())),
    }
}

fn number(text: &str) -> Field<'_> {
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
pub struct Record<'a>(Vec<Field<'a>>);

impl<'a> Record<'a> {
    /// Reads a line.
    ///
    /// # Errors
    /// The line is no JSON object.
    pub fn read(fields: &Fields, line: &'a [u8]) -> Result<Record<'a>, serde_json::Error> {
        let mut json = serde_json::Deserializer::from_slice(line);
        let values = json.deserialize_map(Reader(fields))?;
        json.end()?;
        Ok(Record(values))
    }

    /// The field in a slot.
    pub fn get(&self, slot: Slot) -> &Field<'a> {
        self.0.get(slot.0).unwrap_or(&Field::Missing)
    }
}

struct Reader<'f>(&'f Fields);

impl<'de> Visitor<'de> for Reader<'_> {
    type Value = Vec<Field<'de>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut values = vec![Field::Missing; self.0.names.len()];
        while let Some(slot) = map.next_key_seed(Key(self.0))? {
            match slot {
                Some(slot) => values[slot.0] = Field::of(map.next_value()?),
                None => drop(map.next_value::<IgnoredAny>()?),
            }
        }
        Ok(values)
    }
}

/// Turns a key into its slot without keeping it.
struct Key<'f>(&'f Fields);

impl<'de> DeserializeSeed<'de> for Key<'_> {
    type Value = Option<Slot>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        // As bytes: a key that is none of ours need not even be UTF-8.
        json.deserialize_bytes(self)
    }
}

impl Visitor<'_> for Key<'_> {
    type Value = Option<Slot>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Self::Value, E> {
        Ok(self.0.find(name))
    }

    fn visit_bytes<E>(self, name: &[u8]) -> Result<Self::Value, E> {
        Ok(self.0.find_bytes(name))
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
