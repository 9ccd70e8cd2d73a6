//! The keys of a `[channel.NAME]`, taken out one by one; what is left over is unknown.

use std::collections::BTreeMap;
use std::time::Duration;

use fleet_config::{Fault, did_you_mean};
use fleet_core::parse_duration;
use serde::Deserialize;
use toml::{Spanned, Value};

/// A `[channel.NAME]` as it is written.
#[derive(Debug, Deserialize)]
#[serde(transparent)]
pub struct RawChannel(BTreeMap<Spanned<String>, Spanned<Value>>);

/// The keys of a channel that were not taken yet.
#[derive(Debug)]
pub struct Keys {
    /// Where the channel's name stands.
    at: usize,
    left: BTreeMap<String, (usize, Spanned<Value>)>,
    /// The keys that were asked for: those that there are.
    known: Vec<String>,
}

impl Keys {
    /// All keys of a channel whose name stands at this byte.
    pub fn new(at: usize, raw: RawChannel) -> Keys {
        let pair = |(key, value): (Spanned<String>, _)| {
            let place = key.span().start;
            (key.into_inner(), (place, value))
        };
        Keys { at, left: raw.0.into_iter().map(pair).collect(), known: Vec::new() }
    }

    /// Where the channel's name stands.
    pub fn at(&self) -> usize {
        self.at
    }

    fn take(&mut self, key: &str) -> Option<Spanned<Value>> {
        self.known.push(key.to_owned());
        self.left.remove(key).map(|(_, value)| value)
    }

    fn typed<T>(
        &mut self,
        key: &str,
        what: &str,
        of: impl FnOnce(Value) -> Option<T>,
    ) -> Result<Option<Spanned<T>>, Fault> {
        let Some(value) = self.take(key) else { return Ok(None) };
        let span = value.span();
        let of = of(value.into_inner());
        let of = of.ok_or_else(|| Fault::new(span.start, format!("'{key}' is {what}")))?;
        Ok(Some(Spanned::new(span, of)))
    }

    /// A text.
    ///
    /// # Errors
    /// It is something else.
    pub fn text(&mut self, key: &str) -> Result<Option<Spanned<String>>, Fault> {
        self.typed(key, "a text", |value| match value {
            Value::String(text) => Some(text),
            _ => None,
        })
    }

    /// A whole number that is not negative.
    ///
    /// # Errors
    /// It is something else.
    pub fn number(&mut self, key: &str) -> Result<Option<Spanned<u64>>, Fault> {
        self.typed(key, "a whole number from 0", |value| {
            value.as_integer().and_then(|number| u64::try_from(number).ok())
        })
    }

    /// `true` or `false`.
    ///
    /// # Errors
    /// It is something else.
    pub fn flag(&mut self, key: &str) -> Result<Option<bool>, Fault> {
        Ok(self.typed(key, "true or false", |v| v.as_bool())?.map(Spanned::into_inner))
    }

    /// A list of texts.
    ///
    /// # Errors
    /// It is something else.
    pub fn texts(&mut self, key: &str) -> Result<Option<Spanned<Vec<String>>>, Fault> {
        self.typed(key, "a list of texts", |value| match value {
            Value::Array(all) => all.into_iter().map(|v| v.as_str().map(str::to_owned)).collect(),
            _ => None,
        })
    }

    /// A table of texts.
    ///
    /// # Errors
    /// It is something else.
    pub fn table(&mut self, key: &str) -> Result<BTreeMap<String, String>, Fault> {
        let table = self.typed(key, "a table of texts", |value| match value {
            Value::Table(all) => {
                all.into_iter().map(|(k, v)| Some((k, v.as_str()?.to_owned()))).collect()
            }
            _ => None,
        })?;
        Ok(table.map(Spanned::into_inner).unwrap_or_default())
    }

    /// A duration such as `10s`.
    ///
    /// # Errors
    /// It is something else.
    pub fn duration(&mut self, key: &str) -> Result<Option<Duration>, Fault> {
        let Some(text) = self.text(key)? else { return Ok(None) };
        let parsed = parse_duration(text.get_ref());
        parsed.map(Some).map_err(|bad| Fault::new(text.span().start, bad.to_string()))
    }

    /// Refuses what nobody asked for.
    ///
    /// # Errors
    /// A key is left.
    pub fn finish(self, kind: &str) -> Result<(), Fault> {
        let Some((key, (place, _))) = self.left.iter().next() else { return Ok(()) };
        let fault =
            Fault::new(*place, format!("there is no key '{key}' in a channel of type {kind}"));
        let meant = did_you_mean(key, self.known.iter().map(String::as_str));
        Err(meant.into_iter().fold(fault, Fault::hint))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// The keys of a channel that is written so.
    pub(crate) fn keys(text: &str) -> Keys {
        Keys::new(0, toml::from_str(text).unwrap())
    }
}
