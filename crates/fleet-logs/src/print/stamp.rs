//! Times of lines, written quickly: lines of one second share all but the fraction.

use fleet_core::Timestamp;

const SECOND: i64 = 1_000_000_000;

/// Writes times in UTC with nine digits of fraction, `2026-11-22T06:00:00.123456789Z`.
///
/// Unlike in other records they are so many: a busy process prints several lines within a
/// microsecond, and the stamp is part of what is stored.
#[derive(Default)]
pub(super) struct Stamps {
    /// The second that was written last, and its text up to the dot.
    known: Option<(i64, String)>,
}

impl Stamps {
    pub(super) fn write(&mut self, nanos: i64, to: &mut Vec<u8>) {
        let second = nanos.div_euclid(SECOND);
        let text = match &mut self.known {
            Some((known, text)) if *known == second => text,
            known => {
                let text = Timestamp::from_nanos(nanos).to_nanos_text();
                let dot = text.find('.').unwrap_or(text.len());
                &mut known.insert((second, text[..=dot].to_owned())).1
            }
        };
        to.extend_from_slice(text.as_bytes());
        let mut digits = [b'0'; 9];
        let mut rest = nanos.rem_euclid(SECOND);
        for digit in digits.iter_mut().rev() {
            *digit += (rest % 10) as u8;
            rest /= 10;
        }
        to.extend_from_slice(&digits);
        to.push(b'Z');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn times_are_those_of_all_records(nanos: Vec<i64>) {
            let mut stamps = Stamps::default();
            for nanos in nanos.into_iter().flat_map(|n| [n, n / SECOND * SECOND + 7]) {
                let mut text = Vec::new();
                stamps.write(nanos, &mut text);
                let expected = Timestamp::from_nanos(nanos).to_nanos_text();
                prop_assert_eq!(String::from_utf8(text).unwrap(), expected);
            }
        }
    }
}
