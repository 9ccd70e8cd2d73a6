//! What sources say, as values under labels.

use std::collections::BTreeMap;

use fleet_core::{Labels, as_number, value_number};
use fleet_exposition::read;
use glob::Pattern;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::MOST_SERIES;

/// JSON is looked into so deep.
const DEEPEST: usize = 8;

/// How values are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// As whichever of the others it looks like.
    #[default]
    Auto,
    /// One number.
    Number,
    /// JSON lines, or any other JSON values one behind another.
    Json,
    /// The text format of Prometheus, or OpenMetrics.
    Prometheus,
}

/// Values that were taken together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Reading {
    /// What tells it from others of the collector.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// By their names.
    pub values: BTreeMap<String, Figure>,
}

/// A value, which may be no number.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Figure(#[serde(with = "as_number")] pub f64);

/// Everything that a source said.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Output {
    pub(crate) readings: BTreeMap<Labels, BTreeMap<String, Figure>>,
    /// Values that were there before, and were left out: a sentence's second half each.
    pub(crate) repeated: Vec<String>,
}

impl Format {
    /// All, in the order of their declaration.
    pub const ALL: [Format; 4] = [Format::Auto, Format::Number, Format::Json, Format::Prometheus];

    /// The word for it in files.
    pub fn word(self) -> &'static str {
        match self {
            Format::Auto => "auto",
            Format::Number => "number",
            Format::Json => "json",
            Format::Prometheus => "prometheus",
        }
    }

    /// Reads a text; a bare number in it is called `metric`.
    pub(crate) fn read(self, text: &str, metric: &str) -> Result<Output, String> {
        let mut output = Output::default();
        match self.of(text) {
            _ if text.trim().is_empty() => return Err("it said nothing".to_owned()),
            Format::Json => output.json(text, metric)?,
            Format::Prometheus => output.exposition(text)?,
            Format::Auto | Format::Number => {
                let value = number(text).ok_or("it said something else than a number")?;
                output.add(Labels::new(), metric, value);
            }
        }
        Ok(output)
    }

    fn of(self, text: &str) -> Format {
        let text = text.trim_start();
        match self {
            Format::Auto if number(text).is_some() => Format::Number,
            Format::Auto if text.starts_with(['{', '[']) => Format::Json,
            Format::Auto => Format::Prometheus,
            said => said,
        }
    }
}

fn number(text: &str) -> Option<f64> {
    text.trim().parse().ok()
}

impl Output {
    /// Adds a value; of two under the same labels and name the first is kept.
    pub(crate) fn add(&mut self, labels: Labels, name: &str, value: f64) {
        let values = self.readings.entry(labels).or_default();
        if values.contains_key(name) {
            self.repeated.push(format!("'{name}' is there with the same labels before"));
        } else {
            values.insert(name.to_owned(), Figure(value));
        }
    }

    /// Sets a value, whatever was there.
    pub(crate) fn set(&mut self, labels: Labels, name: &str, value: f64) {
        self.readings.entry(labels).or_default().insert(name.to_owned(), Figure(value));
    }

    /// Takes over what another source said, under one more label where there is one.
    pub(crate) fn absorb(&mut self, other: Output, label: Option<(&str, &str)>) {
        for (mut labels, values) in other.readings {
            labels.extend(label.map(|(key, value)| (key.to_owned(), value.to_owned())));
            for (name, value) in values {
                self.add(labels.clone(), &name, value.0);
            }
        }
        self.repeated.extend(other.repeated);
    }

    /// Leaves out what is not asked for.
    pub(crate) fn keep_only(&mut self, names: &[Pattern]) {
        if names.is_empty() {
            return;
        }
        let wanted = |name: &str| names.iter().any(|pattern| pattern.matches(name));
        self.readings.values_mut().for_each(|values| values.retain(|name, _| wanted(name)));
        self.readings.retain(|_, values| !values.is_empty());
    }

    /// Refuses what is nothing, and what is too much.
    pub(crate) fn check(&self) -> Result<(), String> {
        if self.readings.values().all(BTreeMap::is_empty) {
            return Err("it said no number that is asked for".to_owned());
        }
        let series: usize = self.readings.values().map(BTreeMap::len).sum();
        match series > MOST_SERIES {
            true => Err(format!("it said {series} values, and {MOST_SERIES} are the most")),
            false => Ok(()),
        }
    }

    pub(crate) fn into_readings(self) -> Vec<Reading> {
        let readings = self.readings.into_iter().filter(|(_, values)| !values.is_empty());
        readings.map(|(labels, values)| Reading { labels, values }).collect()
    }

    fn json(&mut self, text: &str, metric: &str) -> Result<(), String> {
        for value in serde_json::Deserializer::from_str(text).into_iter::<Value>() {
            match value.map_err(|e| format!("it said no JSON: {e}"))? {
                Value::Array(list) => list.iter().for_each(|one| self.json_value(one, metric)),
                one => self.json_value(&one, metric),
            }
        }
        Ok(())
    }

    /// One reading: numbers are values, texts are labels.
    fn json_value(&mut self, value: &Value, metric: &str) {
        let (mut labels, mut values) = (Labels::new(), Vec::new());
        flatten(metric, value, 0, &mut labels, &mut values);
        for (name, value) in values {
            self.add(labels.clone(), &name, value);
        }
    }

    fn exposition(&mut self, text: &str) -> Result<(), String> {
        let read = read::parse(text).map_err(|e| format!("it said no metrics: {e}"))?;
        for point in read.families.into_iter().flat_map(|family| family.points) {
            let plain = |(key, value): (String, String)| (label_name(&key), value);
            let labels = point.labels.into_iter().map(plain).collect();
            self.add(labels, &point.name, point.value);
        }
        self.repeated.extend(read.repeated.iter().map(ToString::to_string));
        Ok(())
    }
}

fn flatten(
    name: &str,
    value: &Value,
    depth: usize,
    labels: &mut Labels,
    values: &mut Vec<(String, f64)>,
) {
    if let Some(number) = value_number(value) {
        values.push((name.to_owned(), number));
        return;
    }
    match value {
        Value::Bool(is) => values.push((name.to_owned(), f64::from(u8::from(*is)))),
        Value::String(text) => drop(labels.insert(label_name(name), text.clone())),
        Value::Object(table) if depth < DEEPEST => {
            for (key, value) in table {
                let name = if depth == 0 { key.clone() } else { format!("{name}_{key}") };
                flatten(&name, value, depth + 1, labels, values);
            }
        }
        _ => {}
    }
}

/// The nearest that may name a label.
pub(crate) fn label_name(text: &str) -> String {
    let fit = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = text.chars().map(fit).collect();
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    if begins { name } else { format!("_{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What is read, as `labels values`, one reading a line.
    fn read(format: Format, text: &str) -> Result<String, String> {
        let output = format.read(text, "x")?;
        output.check()?;
        let shown = |reading: &Reading| {
            let labels: Vec<String> =
                reading.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
            let values = serde_json::to_string(&reading.values).unwrap();
            format!("{} {values}", labels.join(","))
        };
        let readings = output.into_readings();
        Ok(readings.iter().map(shown).collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn each_format_is_read_and_recognised() {
        for (format, text, expected) in [
            (Format::Number, " 7\n", " {\"x\":7}"),
            (Format::Number, "nan", " {\"x\":\"NaN\"}"),
            (
                Format::Json,
                "{\"queue\":\"mail\",\"depth\":7,\"up\":true,\"odd\":null}\n{\"queue\":\"sms\",\"depth\":\"NaN\"}\n",
                "queue=mail {\"depth\":7,\"up\":1}\nqueue=sms {\"depth\":\"NaN\"}",
            ),
            (Format::Json, "{\"gpu\": {\"load\": 0.5}, \"list\": [1]}", " {\"gpu_load\":0.5}"),
            (Format::Json, "[{\"a\": 1, \"k\": \"l\"}, 2]", " {\"x\":2}\nk=l {\"a\":1}"),
            (
                Format::Prometheus,
                "# TYPE q gauge\nq{name=\"mail\"} 7\nq{name=\"sms\"} +Inf\nup 1\n",
                " {\"up\":1}\nname=mail {\"q\":7}\nname=sms {\"q\":\"+Inf\"}",
            ),
        ] {
            assert_eq!(read(format, text).as_deref(), Ok(expected), "{text}");
            assert_eq!(read(Format::Auto, text).as_deref(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_says_nothing_is_a_failure_with_a_reason() {
        for (format, text, said) in [
            (Format::Auto, "  \n", "it said nothing"),
            (Format::Number, "seven", "something else than a number"),
            (
                Format::Json,
                "{\"a\": 1}\n<html>",
                "it said no JSON: expected value at line 2 column 1",
            ),
            (Format::Json, "{\"a\": \"b\"}", "no number that is asked for"),
            (Format::Auto, "<html>", "it said no metrics: line 1 column 1: expected the name"),
            (Format::Auto, "# only words", "no number that is asked for"),
        ] {
            let error = read(format, text).unwrap_err();
            assert!(error.contains(said), "{text}: {error}");
        }
        let many: String = (0..=MOST_SERIES).map(|n| format!("a{{n=\"{n}\"}} 1\n")).collect();
        assert!(read(Format::Auto, &many).unwrap_err().contains("1001 values, and 1000 are"));
    }

    #[test]
    fn of_what_is_there_twice_the_first_is_kept_and_the_second_told() {
        let output = Format::Auto.read("a 1\na{b=\"\"} 2\na 3\n", "x").unwrap();
        assert_eq!(output.repeated, ["line 3: 'a' is there with the same labels before"]);
        assert_eq!(output.readings[&Labels::new()]["a"], Figure(1.0));
        let output = Format::Json.read("{\"a\":1}{\"a\":2,\"b\":3}", "x").unwrap();
        assert_eq!(output.repeated, ["'a' is there with the same labels before"]);
        assert_eq!(output.readings[&Labels::new()].len(), 2);
    }

    #[test]
    fn only_what_is_asked_for_is_kept() {
        let mut output = Format::Auto.read("vllm:a 1\nvllm:b{x=\"\"} 2\ngo_gc 3\n", "x").unwrap();
        output.keep_only(&[Pattern::new("vllm:*").unwrap()]);
        assert_eq!(output.clone().into_readings().len(), 2);
        output.keep_only(&[Pattern::new("python_*").unwrap()]);
        assert!(output.check().is_err());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".*", bits in "[\\[\\]{}\":,a1.\n -]{0,60}") {
            for format in Format::ALL {
                let _ = format.read(&text, "x");
                let _ = format.read(&bits, "x");
            }
        }

        #[test]
        fn a_label_can_be_named_so(text in ".*") {
            let label: Result<fleet_core::Label, _> = format!("{}=", label_name(&text)).parse();
            prop_assert!(label.is_ok());
        }
    }
}
