//! Moments: how they are stored, printed and typed.

use std::fmt;
use std::time::Duration;

use chrono::{DateTime, NaiveDate, SecondsFormat, TimeDelta, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::units::parse_duration;

/// A moment of wall-clock time, for showing and comparing with other records; intervals are
/// measured on the monotonic clock instead. In JSON: RFC 3339, UTC, microseconds.
///
/// Nanoseconds since 1970: what alert rules and logs do with moments is to compare and move them,
/// millions of times a second. The ends of the range, in 1677 and 2262, stand for what lies beyond.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// The text is no moment.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no time; write 2026-11-22T06:00:00Z, or back from now: 90s, -1h, '10m ago'")]
pub struct BadTime(String);

impl Timestamp {
    /// The wall clock now.
    pub fn now() -> Timestamp {
        Utc::now().into()
    }

    /// The moment so many nanoseconds after 1970.
    pub fn from_nanos(nanos: i64) -> Timestamp {
        Timestamp(nanos)
    }

    /// Nanoseconds since 1970.
    pub fn nanos(self) -> i64 {
        self.0
    }

    fn date(self) -> DateTime<Utc> {
        DateTime::from_timestamp_nanos(self.0)
    }

    /// RFC 3339 with nine digits, as log lines are stamped: all have one width and sort as text.
    pub fn to_nanos_text(self) -> String {
        self.date().to_rfc3339_opts(SecondsFormat::Nanos, true)
    }

    /// The UTC day, `2026-11-22`: the name of a day's file.
    pub fn day(self) -> String {
        self.date().format("%Y-%m-%d").to_string()
    }

    /// Seconds from `earlier` to this, negative when it lies before.
    pub fn seconds_since(self, earlier: Timestamp) -> f64 {
        TimeDelta::nanoseconds(self.0.saturating_sub(earlier.0)).as_seconds_f64()
    }

    /// The moment so much earlier; what lies out of range stays at its end.
    pub fn minus(self, duration: Duration) -> Timestamp {
        self.moved(i64::try_from(duration.as_nanos()).map_or(i64::MIN, |nanos| -nanos))
    }

    /// The moment so much later; what lies out of range stays at its end.
    pub fn plus(self, duration: Duration) -> Timestamp {
        self.moved(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
    }

    /// The moment so many nanoseconds later, or earlier; what lies out of range stays at its end.
    pub fn moved(self, nanos: i64) -> Timestamp {
        Timestamp(self.0.saturating_add(nanos))
    }

    /// How long it is to a later moment; nothing if that has passed.
    pub fn until(self, later: Timestamp) -> Duration {
        Duration::from_nanos(later.0.saturating_sub(self.0).max(0).unsigned_abs())
    }

    /// Reads what a person types: RFC 3339, or a duration back from `now` (`1h`, `-1h`,
    /// `10m ago`).
    ///
    /// # Errors
    /// The text is neither.
    pub fn parse(text: &str, now: Timestamp) -> Result<Timestamp, BadTime> {
        let trimmed = text.trim();
        if let Ok(time) = rfc3339(trimmed) {
            return Ok(time);
        }
        let back = trimmed.trim_start_matches('-').trim_end_matches("ago").trim_end();
        parse_duration(back).map(|d| now.minus(d)).map_err(|_| BadTime(text.to_owned()))
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(time: DateTime<Utc>) -> Timestamp {
        let end = if time.timestamp() < 0 { i64::MIN } else { i64::MAX };
        Timestamp(time.timestamp_nanos_opt().unwrap_or(end))
    }
}

impl From<Timestamp> for DateTime<Utc> {
    fn from(time: Timestamp) -> DateTime<Utc> {
        time.date()
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.date().to_rfc3339_opts(SecondsFormat::Micros, true))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        struct Text;

        impl serde::de::Visitor<'_> for Text {
            type Value = Timestamp;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a time as RFC 3339 writes it")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Timestamp, E> {
                rfc3339(text).map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Text)
    }
}

fn rfc3339(text: &str) -> Result<Timestamp, chrono::ParseError> {
    if let Some(time) = our_own(text.as_bytes()) {
        return Ok(time.into());
    }
    DateTime::parse_from_rfc3339(text).map(|time| time.with_timezone(&Utc).into())
}

/// The form that we write ourselves, `2026-11-22T06:00:00.123456Z`: a reader of thousands of
/// records meets little else, and this is five times as quick as reading any form.
fn our_own(text: &[u8]) -> Option<DateTime<Utc>> {
    let number = |range: std::ops::Range<usize>| {
        text[range].iter().try_fold(0u32, |sum, digit| match digit {
            b'0'..=b'9' => Some(sum * 10 + u32::from(digit - b'0')),
            _ => None,
        })
    };
    let marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'.'), (26, b'Z')];
    if text.len() != 27 || marks.iter().any(|&(at, mark)| text[at] != mark) {
        return None;
    }
    let day = NaiveDate::from_ymd_opt(number(0..4)? as i32, number(5..7)?, number(8..10)?)?;
    let (hour, minute, second) = (number(11..13)?, number(14..16)?, number(17..19)?);
    Some(day.and_hms_micro_opt(hour, minute, second, number(20..26)?)?.and_utc())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn moments_are_printed_in_utc_with_microseconds() {
        let time = Timestamp::from_nanos(1_795_327_200_123_456_789);
        assert_eq!(time.to_string(), "2026-11-22T06:00:00.123456Z");
        assert_eq!(time.to_nanos_text(), "2026-11-22T06:00:00.123456789Z");
        assert_eq!(time.day(), "2026-11-22");
    }

    proptest! {
        #[test]
        fn the_quick_reading_agrees_with_the_full_one(
            nanos: i64, cut in 0usize..28, odd in "[0-9TZ:.+-]{27}",
        ) {
            let text = Timestamp::from_nanos(nanos).to_string();
            for text in [text.as_str(), &text[..cut.min(text.len())], &odd] {
                if let Some(quick) = our_own(text.as_bytes()) {
                    let full = DateTime::parse_from_rfc3339(text).unwrap();
                    prop_assert_eq!(quick, full.with_timezone(&Utc));
                }
            }
            let json = format!("\"{text}\"");
            let back: Timestamp = serde_json::from_str(&json).unwrap();
            prop_assert_eq!(back.to_string(), text);
        }
    }

    #[test]
    fn moments_are_moved_and_stay_in_range() {
        let (now, hour) = (Timestamp::from_nanos(1_795_327_200_000_000_000), 3600);
        let later = now.plus(Duration::from_secs(hour));
        assert_eq!(later.moved(-1_800_000_000_000).seconds_since(now), 1800.0);
        assert_eq!(now.until(later), Duration::from_secs(hour));
        assert_eq!(later.until(now), Duration::ZERO);
        assert_eq!(now.plus(Duration::MAX), now.moved(i64::MAX));
    }

    #[test]
    fn a_person_may_type_a_moment_or_a_distance() {
        let now = Timestamp::parse("2026-11-22T06:00:00Z", Timestamp::now()).unwrap();
        let earlier = Timestamp::parse("2026-11-22T06:30:00+01:30", now).unwrap();
        assert_eq!(now.seconds_since(earlier), 3600.0);
        for text in ["1h", "-1h", "1h ago", "60m ago"] {
            assert_eq!(Timestamp::parse(text, now).unwrap(), earlier, "{text}");
        }
        assert!(Timestamp::parse("yesterday-ish", now).is_err());
        assert!(Timestamp::parse("", now).is_err());
    }
}
