//! A number that comes back from the memory as it went in.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

/// A number, written as a text: JSON has no NaN and no infinities, and a reader of JSON numbers
/// may be off by the last bit, so that a rule would decide otherwise after a restart.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Exact(pub f64);

impl PartialEq for Exact {
    fn eq(&self, other: &Exact) -> bool {
        self.0.to_bits() == other.0.to_bits()
    }
}

impl Serialize for Exact {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Exact {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Exact, D::Error> {
        let text = String::deserialize(input)?;
        text.parse().map(Exact).map_err(de::Error::custom)
    }
}

/// A number for people: four digits are enough.
pub(crate) fn short(number: f64) -> String {
    if number != 0.0 && number.is_finite() && !(1e-3..1e15).contains(&number.abs()) {
        return format!("{number:.3e}");
    }
    let text = format!("{number:.4}");
    match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn numbers_are_short_for_people() {
        for (number, text) in [
            (0.0, "0"),
            (0.1 + 0.2, "0.3"),
            (100.0, "100"),
            (1e-9, "1.000e-9"),
            (-2.5, "-2.5"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "inf"),
        ] {
            assert_eq!(short(number), text);
        }
    }

    proptest! {
        #[test]
        fn every_number_comes_back(bits in any::<u64>()) {
            let number = f64::from_bits(bits);
            let text = serde_json::to_string(&Exact(number)).unwrap();
            let back: Exact = serde_json::from_str(&text).unwrap();
            prop_assert!(back == Exact(number) || number.is_nan() && back.0.is_nan());
        }
    }
}
