//! Texts with the fields of a record in them: `{{id}} uses {{memory_bytes | size}}`.

use std::time::Duration;

use fleet_core::{duration_text, size_text};
use serde_json::Value;

/// A text with places for fields.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Template(Vec<Part>);

#[derive(Clone, Debug, PartialEq)]
enum Part {
    Text(String),
    Field { path: Vec<String>, shown: Shown },
}

/// How a field is written.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Shown {
    Plain,
    /// `| size`: bytes as `1.5G`.
    Size,
    /// `| duration`: seconds as `5m02s`.
    Duration,
}

/// What is wrong with a template, and at which byte of it.
#[derive(Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct BadTemplate {
    /// Byte of the template.
    pub at: usize,
    /// What is wrong.
    pub message: &'static str,
}

impl Template {
    /// Reads a template.
    ///
    /// # Errors
    /// A `{{` is not closed, holds no name or asks for an unknown form.
    pub fn parse(text: &str) -> Result<Template, BadTemplate> {
        let mut parts = Vec::new();
        let mut at = 0;
        while let Some(open) = text[at..].find("{{").map(|found| at + found) {
            let bad = |message| BadTemplate { at: open, message };
            let length =
                text[open..].find("}}").ok_or_else(|| bad("this {{ is not closed by }}"))?;
            parts.push(Part::Text(text[at..open].to_owned()));
            parts.push(place(&text[open + 2..open + length]).map_err(bad)?);
            at = open + length + 2;
        }
        parts.push(Part::Text(text[at..].to_owned()));
        Ok(Template(parts))
    }

    /// The fields that it shows, with dots where one lies within another.
    pub fn paths(&self) -> impl Iterator<Item = String> {
        self.0.iter().filter_map(|part| match part {
            Part::Text(_) => None,
            Part::Field { path, .. } => Some(path.join(".")),
        })
    }

    /// The text with this record's fields; a field that it lacks is written `?`.
    pub fn render(&self, record: &Value) -> String {
        self.0
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.clone(),
                Part::Field { path, shown } => {
                    let value = path.iter().try_fold(record, |value, name| value.get(name));
                    value.map_or_else(|| "?".to_owned(), |value| shown.write(value))
                }
            })
            .collect()
    }
}

/// What stands between the braces.
fn place(inner: &str) -> Result<Part, &'static str> {
    let (path, form) = inner.split_once('|').unwrap_or((inner, ""));
    let shown = match form.trim() {
        "" => Shown::Plain,
        "size" => Shown::Size,
        "duration" => Shown::Duration,
        _ => return Err("a field is shown as it is, or with '| size' or '| duration'"),
    };
    let path: Vec<String> = path.trim().split('.').map(str::to_owned).collect();
    let plain = |name: &String| {
        !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-')
    };
    if !path.iter().all(plain) {
        return Err(
            "between {{ and }} stands the name of a field, such as {{id}} or {{exit.reason}}",
        );
    }
    Ok(Part::Field { path, shown })
}

impl Shown {
    fn write(self, value: &Value) -> String {
        match (self, value.as_f64()) {
            (Shown::Size, Some(bytes)) => size_text(bytes.max(0.0) as u64),
            (Shown::Duration, Some(seconds)) => {
                Duration::try_from_secs_f64(seconds).map_or_else(|_| plain(value), duration_text)
            }
            _ => plain(value),
        }
    }
}

/// A value as a person reads it: a text without quotes, a number with at most two decimals.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Number(number) if number.is_f64() => {
            let rounded = (number.as_f64().unwrap_or_default() * 100.0).round() / 100.0;
            rounded.to_string()
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn fields_are_filled_in() {
        let record = json!({"id": "a", "m": 93.27468, "b": 1 << 30, "s": 302,
            "exit": {"reason": "killed"}});
        for (template, text) in [
            ("{{id}} uses {{m}} %", "a uses 93.27 %"),
            ("{{ b | size }} for {{s|duration}}", "1.0G for 5m02s"),
            ("{{exit.reason}}, {{exit.code}}, {{none}}", "killed, ?, ?"),
            ("no {field} } here", "no {field} } here"),
        ] {
            assert_eq!(Template::parse(template).unwrap().render(&record), text);
        }
    }

    #[test]
    fn a_bad_template_says_where() {
        for (template, at) in [("a {{id", 2), ("{{}}", 0), ("x{{id|pounds}}", 1), ("{{a b}}", 0)] {
            assert_eq!(Template::parse(template).unwrap_err().at, at, "{template}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".*", braces in "[{}a|. ]{0,20}") {
            for text in [text, braces] {
                if let Ok(template) = Template::parse(&text) {
                    template.render(&json!({"a": {"a": f64::MAX}}));
                }
            }
        }
    }
}
