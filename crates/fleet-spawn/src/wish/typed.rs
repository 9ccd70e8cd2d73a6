//! Values that are typed as text.

use std::borrow::Cow;
use std::fmt::{self, Display};
use std::marker::PhantomData;
use std::str::FromStr;
use std::time::Duration;

use fleet_core::{Backoff, BadUnit, CrashLimit, Restart, Signal, parse_duration, parse_size};
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ports::{PortRange, Ports};

/// A value and the text that it was read from, which is its form in files.
#[derive(Clone, Debug)]
pub struct Typed<T> {
    text: String,
    /// What the text means.
    pub value: T,
}

impl<T> PartialEq for Typed<T> {
    fn eq(&self, other: &Typed<T>) -> bool {
        self.text == other.text
    }
}

impl<T: FromStr> FromStr for Typed<T> {
    type Err = T::Err;

    fn from_str(text: &str) -> Result<Typed<T>, T::Err> {
        Ok(Typed { text: text.to_owned(), value: text.parse()? })
    }
}

impl<T> Serialize for Typed<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.text)
    }
}

impl<'de, T: FromStr<Err: Display>> Deserialize<'de> for Typed<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Typed<T>, D::Error> {
        from.deserialize_any(Written(PhantomData))
    }
}

/// Reads what is written as a text, or as a number without quotes.
struct Written<T>(PhantomData<T>);

impl<T: FromStr<Err: Display>> Visitor<'_> for Written<T> {
    type Value = Typed<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or a number")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Typed<T>, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Typed<T>, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Typed<T>, E> {
        self.visit_str(&number.to_string())
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Typed<T>, E> {
        self.visit_str(&number.to_string())
    }
}

impl<T: Form> JsonSchema for Typed<T> {
    fn schema_name() -> Cow<'static, str> {
        "Text".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        T::form()
    }
}

/// What the text of a value looks like, for editors: at least as wide as what is understood.
pub trait Form {
    /// A schema of its text or number.
    fn form() -> Schema;
}

impl Form for String {
    fn form() -> Schema {
        json_schema!({ "type": ["string", "number"] })
    }
}

impl Form for Restart {
    fn form() -> Schema {
        let words = [Restart::No, Restart::OnFailure, Restart::Always, Restart::UnlessStopped];
        json_schema!({ "enum": words.map(Restart::word) })
    }
}

impl Form for Signal {
    fn form() -> Schema {
        json_schema!({
            "type": ["string", "integer"],
            "pattern": "^([Ss][Ii][Gg])?[A-Za-z]+[0-9]?$|^[0-9]+$",
            "examples": ["TERM", "INT", "HUP", "QUIT", "USR1", "USR2", "KILL"],
        })
    }
}

impl Form for Ports {
    fn form() -> Schema {
        json_schema!({
            "type": ["string", "integer"],
            "pattern": "^(auto(:[1-9][0-9]*)?|[1-9][0-9]*)$",
            "minimum": 1,
            "maximum": 65535,
            "examples": ["auto", "auto:5", 8080],
        })
    }
}

impl Form for PortRange {
    fn form() -> Schema {
        json_schema!({ "type": "string", "pattern": "^[1-9][0-9]*-[1-9][0-9]*$" })
    }
}

impl Form for Backoff {
    fn form() -> Schema {
        json_schema!({ "type": "string", "pattern": "^[^-]+-[^-]+$", "examples": ["1s-60s"] })
    }
}

impl Form for CrashLimit {
    fn form() -> Schema {
        json_schema!({ "type": "string", "pattern": "^[1-9][0-9]?/.+$", "examples": ["10/10m"] })
    }
}

/// A length of time.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Span(pub Duration);

impl FromStr for Span {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Span, BadUnit> {
        parse_duration(text).map(Span)
    }
}

impl Form for Span {
    fn form() -> Schema {
        json_schema!({
            "type": ["string", "number"],
            "pattern": "^ *[0-9.]+ *([a-zA-Z]+ *([0-9]+ *[a-zA-Z]+ *)*)?$",
            "minimum": 0,
            "examples": ["500ms", "90s", "5m", "1h30m"],
        })
    }
}

/// A number of bytes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Size(pub u64);

impl FromStr for Size {
    type Err = BadUnit;

    fn from_str(text: &str) -> Result<Size, BadUnit> {
        parse_size(text).map(Size)
    }
}

impl Form for Size {
    fn form() -> Schema {
        json_schema!({
            "type": ["string", "number"],
            "pattern": "^ *[0-9.]+ *([KMGTPkmgtp]?([iI]?[bB])?) *$",
            "minimum": 0,
            "examples": ["512M", "24G"],
        })
    }
}
