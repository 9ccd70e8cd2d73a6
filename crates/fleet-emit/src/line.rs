//! One line: a sample of values that a program measured by itself.

use fleet_cli::{Exit, Failure};
use fleet_core::{Sample, Subject, Timestamp};
use serde_json::{Map, Value};

use crate::place::SaidBy;

/// A line is no longer than this, newline included.
pub(crate) const MAX_LINE: usize = 10_240;

/// A name is no longer than this.
const MAX_NAME: usize = 128;

/// Step and values, checked.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Values {
    step: Option<i64>,
    values: Map<String, Value>,
}

impl Values {
    /// Reads `NAME=NUMBER` each.
    ///
    /// # Errors
    /// One is none of these, its name cannot be taken or comes twice, or there is no value.
    pub(crate) fn typed(words: &[String]) -> Result<Values, Failure> {
        let mut values = Values::default();
        for word in words {
            let Some((name, number)) = word.split_once('=') else {
                let failure = refused(format!("{word:?} is no value"));
                return Err(failure.hint("write NAME=NUMBER: loss=1.23"));
            };
            values.add(name, text(name, number)?)?;
        }
        values.checked()
    }

    /// Reads an object. What is neither a number nor a word for one is refused.
    ///
    /// # Errors
    /// It is no object of values.
    pub(crate) fn json(line: &[u8]) -> Result<Values, Failure> {
        if line.len() >= MAX_LINE {
            return Err(refused(format!("a line has at most {MAX_LINE} bytes")));
        }
        let object: Map<String, Value> = serde_json::from_slice(line)
            .map_err(|e| refused(format!("this is no object of JSON: {e}")))?;
        let mut values = Values::default();
        for (name, value) in object {
            let number = match value {
                Value::Number(_) => value,
                Value::String(word) => text(&name, &word)?,
                other => return Err(refused(format!("'{name}' is no number: {other}"))),
            };
            values.add(&name, number)?;
        }
        values.checked()
    }

    fn add(&mut self, name: &str, number: Value) -> Result<(), Failure> {
        if name == "step" {
            let step = number.as_i64();
            self.step = Some(step.ok_or_else(|| refused("'step' is a whole number".to_owned()))?);
            return Ok(());
        }
        if name.is_empty() || name.len() > MAX_NAME || name.chars().any(char::is_control) {
            return Err(refused(format!(
                "{name:?} cannot be a name: it has 1 to {MAX_NAME} bytes without control characters"
            )));
        }
        if Sample::is_reserved(name) {
            let failure = refused(format!("'{name}' is a field of every sample"));
            return Err(failure.hint(format!("choose another name: my_{name}")));
        }
        if self.values.insert(name.to_owned(), number).is_some() {
            return Err(refused(format!("'{name}' is given twice")));
        }
        Ok(())
    }

    fn checked(self) -> Result<Values, Failure> {
        if self.values.is_empty() {
            return Err(refused("there is no value, only a step".to_owned()));
        }
        Ok(self)
    }

    /// The record, with its newline.
    ///
    /// # Errors
    /// It is too long.
    pub(crate) fn line(&self, by: &SaidBy, ts: Timestamp) -> Result<Vec<u8>, Failure> {
        let mut sample = Sample::new(Subject::Custom, ts);
        sample.id.clone_from(&by.id);
        sample.run = by.run;
        sample.attempt = by.attempt;
        sample.labels.clone_from(&by.labels);
        sample.more.insert("source".into(), "emit".into());
        sample.more.extend(self.step.map(|step| ("step".into(), step.into())));
        sample.more.extend(self.values.clone());
        let mut line = serde_json::to_vec(&sample).map_err(|e| refused(e.to_string()))?;
        line.push(b'\n');
        if line.len() > MAX_LINE {
            let words =
                format!("this is a line of {} bytes, and {MAX_LINE} is the most", line.len());
            return Err(refused(words).hint("say it in several calls"));
        }
        Ok(line)
    }
}

/// A number in words; those that JSON has no number for stay words.
fn text(name: &str, word: &str) -> Result<Value, Failure> {
    if let Ok(whole) = word.parse::<i64>() {
        return Ok(whole.into());
    }
    let number: f64 =
        word.parse().map_err(|_| refused(format!("'{name}' is no number: {word:?}")))?;
    Ok(match number {
        n if n.is_nan() => "NaN".into(),
        f64::INFINITY => "+Inf".into(),
        f64::NEG_INFINITY => "-Inf".into(),
        n => n.into(),
    })
}

fn refused(words: String) -> Failure {
    Failure::new(Exit::CouldNot, words)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn typed(words: &str) -> Result<String, String> {
        let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
        let line = Values::typed(&words)
            .and_then(|v| v.line(&SaidBy::default(), Timestamp::from_nanos(0)))
            .map_err(|e| e.to_string())?;
        Ok(String::from_utf8(line).unwrap())
    }

    #[test]
    fn a_line_is_a_sample() {
        let head = r#"{"kind":"sample","ts":"1970-01-01T00:00:00.000000Z","subject":"custom""#;
        assert_eq!(
            typed("loss=1.5 step=3").unwrap(),
            format!("{head},\"loss\":1.5,\"source\":\"emit\",\"step\":3}}\n")
        );
        assert_eq!(
            typed("a=nan b=-inf val/c=1e400 d=7").unwrap(),
            format!(
                "{head},\"a\":\"NaN\",\"b\":\"-Inf\",\"d\":7,\"source\":\"emit\",\"val/c\":\"+Inf\"}}\n"
            )
        );
    }

    #[test]
    fn mistakes_are_told() {
        for (words, said) in [
            ("loss", "\"loss\" is no value"),
            ("loss=low", "'loss' is no number: \"low\""),
            ("loss=", "'loss' is no number: \"\""),
            ("=1", "\"\" cannot be a name"),
            ("step=1.5 a=1", "'step' is a whole number"),
            ("step=1", "there is no value, only a step"),
            ("memory_bytes=1", "'memory_bytes' is a field of every sample"),
            ("id=1", "'id' is a field of every sample"),
            ("a=1 a=2", "'a' is given twice"),
        ] {
            assert!(typed(words).unwrap_err().contains(said), "{words}");
        }
        let many: Vec<String> = (0..500).map(|n| format!("a_name_of_some_length_{n}=1")).collect();
        assert!(typed(&many.join(" ")).unwrap_err().contains("and 10240 is the most"));
        for text in ["[1]", "{\"a\":true}", "{\"a\":\"x\"}", "{", "{\"a\":{}}", "{\"step\":\"3\"}"]
        {
            assert!(Values::json(text.as_bytes()).is_err(), "{text}");
        }
        assert!(Values::json(b"{\"a\":\"NaN\",\"step\":3}").is_ok());
    }

    proptest! {
        #[test]
        fn whatever_is_taken_can_be_read(name in "\\PC{1,10}", value: f64, bytes: Vec<u8>) {
            let _ = Values::json(&bytes);
            if let Ok(line) = typed(&format!("{}={value}", name.replace([' ', '='], ""))) {
                let sample: Sample = serde_json::from_str(&line).unwrap();
                prop_assert_eq!(sample.more.len(), 2);
            }
        }
    }
}
