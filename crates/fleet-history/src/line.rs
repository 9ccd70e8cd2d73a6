//! Reading of a stored line what a query needs, and no more.

use std::borrow::Cow;
use std::fmt;

use fleet_core::{Id, Labels, Subject, Timestamp};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::cell::StoredCell;
use crate::names::Names;
use crate::series::Series;

/// No measure is larger; so sums stay finite.
const LARGEST: f64 = 1e200;

/// What a line is about, borrowed from it.
#[derive(Debug, Default)]
pub(crate) struct Head<'a> {
    kind: Option<Text<'a>>,
    pub(crate) ts: Option<Timestamp>,
    subject: Option<Subject>,
    host: Option<Text<'a>>,
    name: Option<Text<'a>>,
    id: Option<Text<'a>>,
    pub(crate) run: Option<u32>,
    pub(crate) attempt: Option<u32>,
    pid: Option<i32>,
    labels: Pairs<'a>,
    /// Samples in the window (roll-up).
    pub(crate) count: Option<u64>,
}

impl Head<'_> {
    /// Whether it is a record of this kind.
    pub(crate) fn is(&self, kind: &str) -> bool {
        self.kind.as_ref().is_some_and(|text| text.0 == kind)
    }

    /// Writes what tells its series from all others, for looking it up without making one.
    pub(crate) fn key(&self, key: &mut Vec<u8>) {
        key.clear();
        key.push(self.subject.map_or(u8::MAX, |subject| subject as u8));
        for text in [&self.host, &self.name, &self.id] {
            push(key, text.as_ref().map_or("\u{1}", |text| &text.0));
        }
        key.extend(self.run.unwrap_or(u32::MAX).to_ne_bytes());
        key.extend(self.member().unwrap_or(-1).to_ne_bytes());
        for (label, value) in &self.labels.0 {
            push(key, label);
            push(key, value);
        }
    }

    /// What it is about; `None` when it does not say so.
    pub(crate) fn series(&self) -> Option<Series> {
        let owned = |text: &Option<Text>| text.as_ref().map(|text| text.0.to_string());
        let id: Option<Id> = match &self.id {
            Some(id) => Some(id.0.parse().ok()?),
            None => None,
        };
        let labels: Labels =
            self.labels.0.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        Some(Series {
            subject: self.subject?,
            host: owned(&self.host),
            name: owned(&self.name),
            id,
            run: self.run,
            pid: self.member(),
            labels,
        })
    }

    fn member(&self) -> Option<i32> {
        self.pid.filter(|_| self.subject == Some(Subject::Member))
    }
}

fn push(key: &mut Vec<u8>, text: &str) {
    key.extend((text.len() as u32).to_ne_bytes());
    key.extend(text.as_bytes());
}

/// What a line says of the wanted measures, into memory that is used again.
#[derive(Debug, Default)]
pub(crate) struct Values {
    /// Of a sample.
    pub(crate) plain: Vec<(u32, f64)>,
    /// Of a roll-up.
    pub(crate) cells: Vec<(u32, StoredCell)>,
}

/// Reads a line.
///
/// # Errors
/// It is no JSON object, or a field that says what it is about has another type.
pub(crate) fn read<'a>(
    line: &'a [u8],
    names: &mut Names,
    values: &mut Values,
) -> serde_json::Result<Head<'a>> {
    values.plain.clear();
    values.cells.clear();
    let mut json = serde_json::Deserializer::from_slice(line);
    let head = Wanted { names, values }.deserialize(&mut json)?;
    json.end()?;
    Ok(head)
}

struct Wanted<'s, 'w> {
    names: &'s mut Names<'w>,
    values: &'s mut Values,
}

impl<'de> DeserializeSeed<'de> for Wanted<'_, '_> {
    type Value = Head<'de>;

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<Head<'de>, D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Wanted<'_, '_> {
    type Value = Head<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a record")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Head<'de>, A::Error> {
        let mut head = Head::default();
        while let Some(key) = map.next_key::<Text>()? {
            match key.0.as_ref() {
                "kind" => head.kind = map.next_value()?,
                "ts" => head.ts = Some(map.next_value()?),
                "subject" => head.subject = Some(map.next_value()?),
                "host" => head.host = map.next_value()?,
                "name" => head.name = map.next_value()?,
                "id" => head.id = map.next_value()?,
                "run" => head.run = map.next_value()?,
                "attempt" => head.attempt = map.next_value()?,
                "pid" => head.pid = map.next_value()?,
                "labels" => head.labels = map.next_value()?,
                "count" => head.count = map.next_value::<Number>()?.0.map(|count| count as u64),
                "measures" => {
                    map.next_value_seed(Cells {
                        names: self.names,
                        cells: &mut self.values.cells,
                    })?;
                }
                // The version of the record, the process of another subject, the window's length.
                "v" | "window_seconds" => _ = map.next_value::<IgnoredAny>()?,
                name => match self.names.number(name) {
                    Some(number) => {
                        let value = map.next_value::<Number>()?.0;
                        self.values.plain.extend(value.map(|value| (number, value)));
                    }
                    None => _ = map.next_value::<IgnoredAny>()?,
                },
            }
        }
        Ok(head)
    }
}

/// The measures of a roll-up.
struct Cells<'s, 'w> {
    names: &'s mut Names<'w>,
    cells: &'s mut Vec<(u32, StoredCell)>,
}

impl<'de> DeserializeSeed<'de> for Cells<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, from: D) -> Result<(), D::Error> {
        from.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Cells<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("measures by name")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Text>()? {
            match self.names.number(&key.0) {
                Some(number) => self.cells.push((number, map.next_value()?)),
                None => _ = map.next_value::<IgnoredAny>()?,
            }
        }
        Ok(())
    }
}

/// A text, borrowed unless it holds escapes.
#[derive(Debug)]
struct Text<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Text<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Text<'de>, D::Error> {
        struct Borrow;

        impl<'de> Visitor<'de> for Borrow {
            type Value = Text<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text")
            }

            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Borrowed(text)))
            }

            fn visit_str<E>(self, text: &str) -> Result<Text<'de>, E> {
                Ok(Text(Cow::Owned(text.to_owned())))
            }
        }

        from.deserialize_str(Borrow)
    }
}

/// Labels in the order of the line, which for our own lines is sorted.
#[derive(Debug, Default)]
struct Pairs<'a>(Vec<(Cow<'a, str>, Cow<'a, str>)>);

impl<'de> Deserialize<'de> for Pairs<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Pairs<'de>, D::Error> {
        struct All;

        impl<'de> Visitor<'de> for All {
            type Value = Pairs<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("labels")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs<'de>, A::Error> {
                let mut pairs = Vec::new();
                while let Some((key, value)) = map.next_entry::<Text, Text>()? {
                    pairs.push((key.0, value.0));
                }
                Ok(Pairs(pairs))
            }
        }

        from.deserialize_map(All)
    }
}

/// A value that is a finite number, or none: words (`"NaN"` among them), lists, objects.
struct Number(Option<f64>);

impl<'de> Deserialize<'de> for Number {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Number, D::Error> {
        struct Any;

        impl<'de> Visitor<'de> for Any {
            type Value = Number;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a value")
            }

            fn visit_f64<E>(self, value: f64) -> Result<Number, E> {
                Ok(Number(Some(value).filter(|value| value.abs() < LARGEST)))
            }

            fn visit_u64<E>(self, value: u64) -> Result<Number, E> {
                Ok(Number(Some(value as f64)))
            }

            fn visit_i64<E>(self, value: i64) -> Result<Number, E> {
                Ok(Number(Some(value as f64)))
            }

            fn visit_str<E>(self, _: &str) -> Result<Number, E> {
                Ok(Number(None))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Number, E> {
                Ok(Number(None))
            }

            fn visit_unit<E>(self) -> Result<Number, E> {
                Ok(Number(None))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Number, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Number(None))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Number, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Number(None))
            }
        }

        from.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleet_core::Sample;
    use proptest::prelude::*;

    const LINE: &str = r#"{"kind":"sample","ts":"2026-11-22T06:00:00.000000Z","subject":"process","host":"h","id":"a","run":2,"attempt":1,"labels":{"q\"":"\u00e9"},"state":"running","pid":7,"cpu_percent":1.5,"threads":3,"exit":{"code":3,"cause":"exited","reason":"x"},"loss":"NaN","list":[1],"big":1e300}"#;

    #[test]
    fn a_line_is_read_as_the_sample_that_it_is() {
        let (mut names, mut values) = (Names::new(&|_| true), Values::default());
        let head = read(LINE.as_bytes(), &mut names, &mut values).unwrap();
        let sample: Sample = serde_json::from_str(LINE).unwrap();
        assert_eq!(head.series().unwrap(), Series::of(&sample));
        assert_eq!((head.ts, head.attempt), (Some(sample.ts), Some(1)));
        let found: Vec<(&str, f64)> =
            values.plain.iter().map(|(n, v)| (names.get(*n).name.as_str(), *v)).collect();
        assert_eq!(found, [("cpu_percent", 1.5), ("threads", 3.0)]);
    }

    #[test]
    fn keys_tell_series_apart() {
        let key = |change: (&str, &str)| {
            let line = LINE.replace(change.0, change.1);
            let (mut names, mut values) = (Names::new(&|_| false), Values::default());
            let mut key = Vec::new();
            read(line.as_bytes(), &mut names, &mut values).unwrap().key(&mut key);
            key
        };
        let same = key(("", ""));
        assert_eq!(same, key((r#""pid":7"#, r#""pid":8"#)));
        for change in [
            (r#""run":2"#, r#""run":3"#),
            (r#""host":"h","#, ""),
            (r#""host":"h""#, r#""name":"h""#),
            (r#""subject":"process""#, r#""subject":"member""#),
            ("u00e9", "u00e8"),
        ] {
            assert_ne!(same, key(change), "{change:?}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, at in 0..LINE.len(), byte: u8) {
            let (mut names, mut values) = (Names::new(&|_| true), Values::default());
            let _ = read(&bytes, &mut names, &mut values);
            let mut line = LINE.as_bytes().to_vec();
            line[at] = byte;
            let _ = read(&line, &mut names, &mut values);
            let _ = read(&line[..at], &mut names, &mut values);
        }
    }
}
