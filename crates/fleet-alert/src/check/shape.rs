//! The names of a type's fields, and the words of an enumeration, as they stand in JSON: asked of
//! the type itself, so that they are never out of date.

use std::fmt;

use serde::de::{Deserialize, Deserializer, Visitor};
use serde::forward_to_deserialize_any;

/// The fields of a structure; none where it takes any.
pub(super) fn fields_of<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    asked::<T>()
}

/// The words of an enumeration.
pub(super) fn words_of<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    asked::<T>()
}

fn asked<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    let mut names: &'static [&'static str] = &[];
    // It is refused in any case: all that is wanted is what it asks for first.
    let _ = T::deserialize(Ask(&mut names));
    names
}

/// Gives no value, and notes what it was asked for.
struct Ask<'a>(&'a mut &'static [&'static str]);

/// Nothing was given.
#[derive(Debug, thiserror::Error)]
#[error("nothing is given")]
struct Nothing;

impl serde::de::Error for Nothing {
    fn custom<M: fmt::Display>(_: M) -> Nothing {
        Nothing
    }
}

impl<'de> Deserializer<'de> for Ask<'_> {
    type Error = Nothing;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Nothing> {
        Err(Nothing)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Nothing> {
        *self.0 = fields;
        Err(Nothing)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        words: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, Nothing> {
        *self.0 = words;
        Err(Nothing)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleet_core::{Cause, End, ProcessRecord, State};

    #[test]
    fn types_say_their_names() {
        assert!(fields_of::<ProcessRecord>().contains(&"spawned_at"));
        assert!(fields_of::<End>().contains(&"reason"));
        assert_eq!(words_of::<State>(), State::ALL.map(State::word));
        assert!(words_of::<Cause>().contains(&"crash_loop"));
        assert!(fields_of::<u32>().is_empty());
    }
}
