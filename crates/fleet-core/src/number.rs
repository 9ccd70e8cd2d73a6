//! Numbers as records hold them: JSON has no word for what is no number.

use serde_json::{Number, Value};

/// A number as it stands in a record: NaN and the infinities are the texts "NaN", "+Inf" and
/// "-Inf".
pub fn number_value(number: f64) -> Value {
    match Number::from_f64(number) {
        // Counts are written without a fraction, as whole numbers are everywhere else.
        Some(_) if number.fract() == 0.0 && number.abs() < 9e15 => Value::from(number as i64),
        Some(finite) => Value::Number(finite),
        None if number.is_nan() => "NaN".into(),
        None if number > 0.0 => "+Inf".into(),
        None => "-Inf".into(),
    }
}

/// The number that a field of a record holds, if it holds one.
pub fn value_number(value: &Value) -> Option<f64> {
    match value {
        Value::Number(number) => number.as_f64(),
        Value::String(text) => match text.as_str() {
            "NaN" => Some(f64::NAN),
            "+Inf" | "Inf" => Some(f64::INFINITY),
            "-Inf" => Some(f64::NEG_INFINITY),
            _ => None,
        },
        _ => None,
    }
}

/// A number field of a record struct, for `#[serde(with = …)]`.
pub mod as_number {
    use super::{Value, number_value, value_number};
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    /// Writes it as [`number_value`] does.
    ///
    /// # Errors
    /// The writer does not take it.
    pub fn serialize<S: Serializer>(number: &f64, to: S) -> Result<S::Ok, S::Error> {
        number_value(*number).serialize(to)
    }

    /// Reads what [`serialize`] wrote.
    ///
    /// # Errors
    /// It is no number.
    pub fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<f64, D::Error> {
        let value = Value::deserialize(from)?;
        value_number(&value).ok_or_else(|| D::Error::custom("expected a number"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_is_no_number_has_its_own_words() {
        assert_eq!(number_value(f64::NAN), "NaN");
        assert_eq!(number_value(f64::NEG_INFINITY), "-Inf");
        assert_eq!(number_value(7.0).to_string(), "7");
        assert_eq!(number_value(0.25).to_string(), "0.25");
        assert_eq!(value_number(&"+Inf".into()), Some(f64::INFINITY));
        assert_eq!(value_number(&"seven".into()), None);
        assert_eq!(value_number(&true.into()), None);
    }

    proptest! {
        #[test]
        fn numbers_survive(number: f64) {
            let back = value_number(&number_value(number)).unwrap();
            prop_assert!(back == number || (back.is_nan() && number.is_nan()));
        }
    }
}
