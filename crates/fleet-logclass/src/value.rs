//! From the text of a group to the value of a field.

use fleet_core::{number_value, parse_duration, parse_size};
use fleet_curve::Number;
use serde::Deserialize;
use serde_json::Value;

/// What a group is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    /// A text, even where it looks like a number.
    Text,
    /// A number, NaN and the infinities among them.
    Number,
    /// `350ms`, `1.5 s`, `1h30m`: becomes seconds.
    Duration,
    /// `512`, `1.5 GiB`: becomes bytes.
    Size,
}

/// The value of a group, none where its text is not what it was said to be.
pub(crate) fn value(text: &[u8], kind: Option<Kind>) -> Option<Value> {
    let text = text.trim_ascii();
    let said = String::from_utf8_lossy(text);
    match kind {
        _ if text.is_empty() => None,
        Some(Kind::Text) => Some(said.into()),
        Some(Kind::Number) => Number::parse(text).map(number),
        Some(Kind::Duration) => seconds(&said).map(number_value),
        Some(Kind::Size) => parse_size(&said).ok().map(Value::from),
        None => Some(plain_number(text).map_or_else(|| said.into(), number)),
    }
}

/// A number as a record has it.
pub(crate) fn number(number: Number) -> Value {
    match number {
        Number::Whole(whole) => whole.into(),
        other => number_value(other.value()),
    }
}

/// The number that a text is, unless it could be a name: `nan` and `007` are texts.
fn plain_number(text: &[u8]) -> Option<Number> {
    let digits = text.strip_prefix(b"-").unwrap_or(text);
    let named = !digits.first()?.is_ascii_digit() && digits.first() != Some(&b'.');
    let padded = digits.len() > 1 && digits[0] == b'0' && digits.iter().all(u8::is_ascii_digit);
    if named || padded { None } else { Number::parse(text) }
}

/// A duration as programs print it, fractions and words included.
fn seconds(text: &str) -> Option<f64> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(split);
    let factor = match unit.trim() {
        "ns" => 1e-9,
        "us" | "µs" => 1e-6,
        "ms" | "msec" | "millis" | "milliseconds" => 1e-3,
        "" | "s" | "sec" | "secs" | "second" | "seconds" => 1.0,
        "m" | "min" | "mins" | "minute" | "minutes" => 60.0,
        "h" | "hr" | "hour" | "hours" => 3600.0,
        _ => return parse_duration(text).ok().map(|duration| duration.as_secs_f64()),
    };
    // Through the shortest decimal, so that 350 ms are 0.35 and not a hair beside it.
    let seconds = number.parse::<f64>().ok()? * factor;
    format!("{seconds:.9}").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    #[test]
    fn texts_become_what_they_are() {
        for (text, kind, expected) in [
            ("17", None, Some(json!(17))),
            ("-0.5", None, Some(json!(-0.5))),
            ("1e-5", None, Some(json!(1e-5))),
            ("007", None, Some(json!("007"))),
            ("0", None, Some(json!(0))),
            ("nan", None, Some(json!("nan"))),
            ("10.0.0.7", None, Some(json!("10.0.0.7"))),
            (" ", None, None),
            ("17", Some(Kind::Text), Some(json!("17"))),
            ("nan", Some(Kind::Number), Some(json!("NaN"))),
            ("x", Some(Kind::Number), None),
            ("350ms", Some(Kind::Duration), Some(json!(0.35))),
            ("1.5 s", Some(Kind::Duration), Some(json!(1.5))),
            ("2 minutes", Some(Kind::Duration), Some(json!(120))),
            ("1h30m", Some(Kind::Duration), Some(json!(5400))),
            ("soon", Some(Kind::Duration), None),
            ("1.5 GiB", Some(Kind::Size), Some(json!(1_610_612_736_u64))),
        ] {
            assert_eq!(value(text.as_bytes(), kind), expected, "{text} {kind:?}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[-+.0-9a-zµ ]{0,12}|.{0,8}") {
            for kind in [None, Some(Kind::Number), Some(Kind::Duration), Some(Kind::Size)] {
                let _ = value(text.as_bytes(), kind);
            }
        }
    }
}
