//! Keys that are lists on the command line and tables, or one value or a list, in a fleet file.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::marker::PhantomData;

use fleet_core::Label;
use schemars::JsonSchema;
use serde::de::value::{SeqAccessDeserializer, StrDeserializer};
use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serializer};

/// One value, or a list of them.
#[derive(JsonSchema)]
#[schemars(untagged)]
#[allow(dead_code, reason = "it is there for its schema alone")]
pub(super) enum OneOrMore<T> {
    One(T),
    More(Vec<T>),
}

/// Reads a text or a list of texts. Not as an untagged enum, which would forget what was wrong
/// with the one that is bad.
pub(super) fn one_or_more<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
    from: D,
) -> Result<Vec<T>, D::Error> {
    from.deserialize_any(Several(PhantomData))
}

struct Several<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for Several<T> {
    type Value = Vec<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a list of texts")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Vec<T>, E> {
        Ok(vec![T::deserialize(StrDeserializer::new(text))?])
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Vec<T>, A::Error> {
        let list: Vec<One<T>> = Vec::deserialize(SeqAccessDeserializer::new(list))?;
        Ok(list.into_iter().map(|One(one)| one).collect())
    }
}

/// A text of a list, refused while it is read, when its place is known.
struct One<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for One<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<One<T>, D::Error> {
        from.deserialize_str(OneOf(PhantomData))
    }
}

struct OneOf<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for OneOf<T> {
    type Value = One<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<One<T>, E> {
        T::deserialize(StrDeserializer::new(text)).map(One)
    }
}

/// Labels as a table.
pub(super) mod label_table {
    use super::{BTreeMap, Deserialize, Deserializer, Error, Label, Serializer};

    pub(crate) fn serialize<S: Serializer>(labels: &[Label], to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(labels.iter().map(|label| (&label.key, &label.value)))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Label>, D::Error> {
        let table: BTreeMap<Key, String> = BTreeMap::deserialize(from)?;
        Ok(table.into_iter().map(|(Key(key), value)| Label { key, value }).collect())
    }

    /// A key, refused where it stands.
    #[derive(PartialEq, Eq, PartialOrd, Ord)]
    struct Key(String);

    impl<'de> Deserialize<'de> for Key {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Key, D::Error> {
            let text = format!("{}=", String::deserialize(from)?);
            text.parse().map(|label: Label| Key(label.key)).map_err(D::Error::custom)
        }
    }
}

/// Variables as a table.
pub(super) mod env_table {
    use super::{BTreeMap, Deserialize, Deserializer, Error as _, OsString, Serializer};
    use serde::ser::Error as _;

    pub(crate) fn serialize<S: Serializer>(env: &[OsString], to: S) -> Result<S::Ok, S::Error> {
        let pairs: Option<Vec<_>> =
            env.iter().map(|entry| entry.to_str()?.split_once('=')).collect();
        to.collect_map(pairs.ok_or_else(|| {
            S::Error::custom("a variable beside a profile or a file is KEY=VALUE, as UTF-8")
        })?)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
        from: D,
    ) -> Result<Vec<OsString>, D::Error> {
        let table: BTreeMap<Name, String> = BTreeMap::deserialize(from)?;
        Ok(table.into_iter().map(|(Name(name), value)| format!("{name}={value}").into()).collect())
    }

    /// A name, refused where it stands.
    #[derive(PartialEq, Eq, PartialOrd, Ord)]
    struct Name(String);

    impl<'de> Deserialize<'de> for Name {
        fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Name, D::Error> {
            let name = String::deserialize(from)?;
            if name.is_empty() || name.contains(['=', '\0']) {
                return Err(D::Error::custom(format!("{name:?} cannot name a variable")));
            }
            Ok(Name(name))
        }
    }
}
