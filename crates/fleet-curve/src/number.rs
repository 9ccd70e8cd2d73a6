//! Numbers as programs print them.

use serde::{Serialize, Serializer};

/// A value of a curve, in the precision in which it was stored, so that it is printed as short as
/// it was meant: a float32 of 0.99 is 0.99 and not 0.9900000095367432.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Number {
    /// A whole number.
    Whole(i64),
    /// A float32.
    Single(f32),
    /// A float64, or a decimal of a text.
    Double(f64),
}

impl Number {
    /// The value; a float32 is widened by its shortest decimal.
    pub fn value(self) -> f64 {
        match self {
            Number::Whole(whole) => whole as f64,
            Number::Single(single) if single.is_finite() => {
                single.to_string().parse().unwrap_or(f64::from(single))
            }
            Number::Single(single) => f64::from(single),
            Number::Double(double) => double,
        }
    }

    /// Whether it has a fraction, or is no finite number.
    pub(crate) fn is_fraction(self) -> bool {
        !matches!(self, Number::Whole(_))
    }

    /// The number that a whole text is: decimal, with or without exponent, NaN or infinite in the
    /// spellings of Python, C and JSON.
    pub fn parse(text: &[u8]) -> Option<Number> {
        let (&first, rest) = text.split_first()?;
        let digits = if matches!(first, b'+' | b'-') { rest } else { text };
        match digits.first()? {
            b'0'..=b'9' | b'.' => decimal(text),
            b'n' | b'N' | b'i' | b'I' => not_finite(first == b'-', digits),
            _ => None,
        }
    }
}

fn decimal(text: &[u8]) -> Option<Number> {
    let text = std::str::from_utf8(text).ok()?;
    if text.bytes().all(|b| b.is_ascii_digit() || b == b'-' || b == b'+')
        && let Ok(whole) = text.parse()
    {
        return Some(Number::Whole(whole));
    }
    text.parse().ok().map(Number::Double)
}

fn not_finite(negative: bool, word: &[u8]) -> Option<Number> {
    let is = |known: &str| word.eq_ignore_ascii_case(known.as_bytes());
    let infinite = if negative { f64::NEG_INFINITY } else { f64::INFINITY };
    match () {
        () if is("nan") => Some(Number::Double(f64::NAN)),
        () if is("inf") || is("infinity") => Some(Number::Double(infinite)),
        () => None,
    }
}

/// NaN and the infinities, which JSON has no numbers for, are the strings that all records have.
impl Serialize for Number {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match *self {
            Number::Whole(whole) => to.serialize_i64(whole),
            Number::Single(single) if single.is_finite() => to.serialize_f32(single),
            Number::Double(double) if double.is_finite() => to.serialize_f64(double),
            _ => to.serialize_str(word(self.value())),
        }
    }
}

/// The string that stands for a number that is not finite.
pub(crate) fn word(value: f64) -> &'static str {
    match value {
        v if v.is_nan() => "NaN",
        v if v > 0.0 => "+Inf",
        _ => "-Inf",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn json(text: &str) -> Option<String> {
        Number::parse(text.as_bytes()).map(|n| serde_json::to_string(&n).unwrap())
    }

    #[test]
    fn spellings() {
        for (text, is) in [
            ("1", "1"),
            ("-0.5", "-0.5"),
            ("+3", "3"),
            ("4.9e-05", "0.000049"),
            (".5", "0.5"),
            ("1e3", "1000.0"),
            ("nan", "\"NaN\""),
            ("-nan", "\"NaN\""),
            ("-Infinity", "\"-Inf\""),
            ("+Inf", "\"+Inf\""),
            ("99999999999999999999", "100000000000000000000.0"),
        ] {
            let read = json(text).unwrap_or_else(|| panic!("{text}"));
            let same = read == is || read.parse::<f64>().ok() == is.parse().ok();
            assert!(same, "{text}: {read}");
        }
        for text in ["", "-", ".", "1.2.3", "0x1", "12ms", "none", "info", "1_000", "--1", "e5"] {
            assert_eq!(json(text), None, "{text}");
        }
        assert_eq!(serde_json::to_string(&Number::Single(0.99)).unwrap(), "0.99");
        assert_eq!(Number::Single(0.99).value(), 0.99);
    }

    proptest! {
        #[test]
        fn any_number_is_read_back(value: f64) {
            let text = value.to_string();
            let read = Number::parse(text.as_bytes()).map(Number::value);
            prop_assert!(read == Some(value) || value.is_nan() && read.is_some_and(f64::is_nan));
        }

        #[test]
        fn any_bytes_are_a_number_or_not(bytes: Vec<u8>, near in "[-+0-9.eEnaif]{0,12}") {
            let _ = (Number::parse(&bytes), Number::parse(near.as_bytes()));
        }
    }
}
