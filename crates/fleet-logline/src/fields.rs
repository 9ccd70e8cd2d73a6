//! What a structured line says by name.

use serde_json::{Map, Number, Value};

use crate::logfmt::{self, Part};
use crate::without_cr;

/// Names and values, in the order of the line where the map keeps it.
pub type Fields = Map<String, Value>;

/// The fields of a line that is one JSON object or logfmt, `None` where it is neither.
///
/// Logfmt is a line that consists of `key=value` pairs for the most part, and of two at the least.
/// Values that are numbers and truths by their looks become such.
pub fn fields(text: &[u8]) -> Option<Fields> {
    let text = without_cr(text).trim_ascii();
    match text.first()? {
        b'{' if text.ends_with(b"}") => serde_json::from_slice(text).ok(),
        _ if memchr::memchr(b'=', text).is_some() => logfmt(text),
        _ => None,
    }
}

fn logfmt(text: &[u8]) -> Option<Fields> {
    let mut fields = Fields::new();
    let mut elsewhere = 0;
    for part in logfmt::parts(text) {
        match part {
            Part::Pair(key, value) => {
                let key = String::from_utf8_lossy(key).into_owned();
                let said = value.said();
                let said = String::from_utf8_lossy(&said);
                let value = if value.quoted { said.into() } else { typed(&said) };
                fields.insert(key, value);
            }
            Part::Word(word) => elsewhere += word.len() + 1,
        }
        if elsewhere * 2 > text.len() {
            return None;
        }
    }
    (fields.len() >= 2).then_some(fields)
}

/// A number only where nothing is lost by it: `007` is a name.
fn typed(said: &str) -> Value {
    match said {
        "true" => true.into(),
        "false" => false.into(),
        _ => number(said).map_or_else(|| said.into(), Value::Number),
    }
}

fn number(said: &str) -> Option<Number> {
    let digits = said.strip_prefix('-').unwrap_or(said).as_bytes();
    match digits {
        [b'0', next, ..] if next.is_ascii_digit() => None,
        [first, ..] if first.is_ascii_digit() => serde_json::from_str(said).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;

    fn of(text: &str) -> Value {
        fields(text.as_bytes()).map_or(Value::Null, Value::Object)
    }

    #[test]
    fn structured_lines_give_their_fields() {
        for (text, expected) in [
            (r#"{"level":"info","n":{"a":[1]}}"#, json!({"level": "info", "n": {"a": [1]}})),
            ("{\"a\":1}\r", json!({"a": 1})),
            (
                r#"level=warn msg="disk \"sda\" slow" used=0.93 retry=true"#,
                json!({"level": "warn", "msg": "disk \"sda\" slow", "used": 0.93, "retry": true}),
            ),
            (
                "Step 100: loss=2.31 lr=5e-05 tokens=4096 run=007",
                json!({"loss": 2.31, "lr": 5e-05, "tokens": 4096, "run": "007"}),
            ),
            ("a= b=2", json!({"a": "", "b": 2})),
            ("x=\"no end y=2", json!({"x": "\"no", "y": 2})),
            ("[1,2]", Value::Null),
            ("{'loss': 1}", Value::Null),
            ("{\"a\":1} trailing", Value::Null),
            ("just one a=1", Value::Null),
            ("a long line of prose in which x=1 and y=2 are named", Value::Null),
            ("a == b and c == d", Value::Null),
            ("", Value::Null),
        ] {
            assert_eq!(of(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, text in "[a-c=\"\\\\ {}:0-9.]{0,40}") {
            let _ = fields(&bytes);
            let _ = fields(text.as_bytes());
        }
    }
}
