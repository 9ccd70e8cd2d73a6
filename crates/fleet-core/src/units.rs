//! Durations and sizes as people type and read them.

use std::time::Duration;

/// A text that is no duration or no size.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadUnit {
    /// Not a duration.
    #[error("{0:?} is no duration; write 90s, 5m, 2h, 30d or 1h30m")]
    Duration(String),
    /// A duration that cannot be counted.
    #[error("{0:?} is longer than 100 years; leave the option out where there is to be no limit")]
    TooLong(String),
    /// Not a size.
    #[error("{0:?} is no size in bytes; write 4096, 512K, 10M or 2GiB")]
    Size(String),
}

/// Times are counted in nanoseconds of 64 bits, with others added to them; nobody waits this long.
const LONGEST: Duration = Duration::from_secs(100 * 366 * 86400);

/// Reads `500ms`, `90s`, `5m`, `2h`, `30d`, `1h30m`; a bare number means seconds.
///
/// # Errors
/// The text is something else, or longer than a hundred years.
pub fn parse_duration(text: &str) -> Result<Duration, BadUnit> {
    let bad = || BadUnit::Duration(text.to_owned());
    let trimmed = text.trim();
    let duration = match trimmed.parse::<f64>() {
        Ok(seconds) => Duration::try_from_secs_f64(seconds).map_err(|_| bad())?,
        Err(_) => humantime::parse_duration(trimmed).map_err(|_| bad())?,
    };
    if duration > LONGEST { Err(BadUnit::TooLong(text.to_owned())) } else { Ok(duration) }
}

/// Reads `4096`, `512K`, `10M`, `1.5G`, `2GiB`, `1GB` as bytes.
///
/// `K M G T`, with or without `iB`, are powers of 1024, as in docker and systemd; `KB MB GB TB`
/// are powers of 1000.
///
/// # Errors
/// The text is something else, or more than fits 64 bits.
pub fn parse_size(text: &str) -> Result<u64, BadUnit> {
    let bad = || BadUnit::Size(text.to_owned());
    let trimmed = text.trim();
    let split = trimmed.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(trimmed.len());
    let (number, unit) = trimmed.split_at(split);
    let number: f64 = number.parse().map_err(|_| bad())?;
    let (base, letter) = match unit.trim().to_ascii_uppercase().as_str() {
        "" | "B" => (1.0, 0),
        one if one.len() == 1 => (1024.0, letter_power(one)),
        two if two.len() == 2 && two.ends_with('B') => (1000.0, letter_power(two)),
        three if three.ends_with("IB") && three.len() == 3 => (1024.0, letter_power(three)),
        _ => return Err(bad()),
    };
    if letter == 0 && base > 1.0 {
        return Err(bad());
    }
    let bytes = number * f64::powi(base, letter);
    if bytes >= u64::MAX as f64 { Err(bad()) } else { Ok(bytes as u64) }
}

/// Which power of the base the unit's first letter stands for; 0 for an unknown letter.
fn letter_power(unit: &str) -> i32 {
    "KMGTP".find(&unit[..1]).map_or(0, |at| at as i32 + 1)
}

/// A duration in at most two units, for tables: `3d4h`, `5m02s`, `1.5s`, `120ms`.
pub fn duration_text(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{}ms", duration.as_millis()),
        1..10 => format!("{:.1}s", duration.as_secs_f64()),
        10..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86400, seconds / 3600 % 24),
    }
}

/// A size in powers of 1024 with at most three digits, for tables: `812B`, `1.5M`, `24G`.
pub fn size_text(bytes: u64) -> String {
    const UNITS: [&str; 6] = ["B", "K", "M", "G", "T", "P"];
    let mut value = bytes as f64;
    let mut unit = 0;
    while value >= 999.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    let digits = usize::from(unit > 0 && value < 9.95);
    format!("{value:.digits$}{}", UNITS[unit])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn durations_as_typed() {
        for (text, ms) in [
            ("100ms", 100),
            ("90s", 90_000),
            ("5m", 300_000),
            ("2h", 7_200_000),
            ("30d", 2_592_000_000),
            ("1h30m", 5_400_000),
            ("2", 2_000),
            ("0.5", 500),
        ] {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "-1", "5 apples", "1e400", "nan", "s"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
        assert!(parse_duration("100years").is_ok());
        for text in ["101years", "99999999999d", "1e18"] {
            assert_eq!(parse_duration(text), Err(BadUnit::TooLong(text.to_owned())));
        }
    }

    #[test]
    fn sizes_as_typed() {
        for (text, bytes) in [
            ("0", 0),
            ("4096", 4096),
            ("512K", 512 << 10),
            ("10M", 10 << 20),
            ("2GiB", 2 << 30),
            ("1.5g", 3 << 29),
            ("1GB", 1_000_000_000),
            ("7B", 7),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "M", "-1", "10X", "10XB", "1iB", "99999999P", "1 0", "10é"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }

    #[test]
    fn printed_short() {
        assert_eq!(duration_text(Duration::from_millis(120)), "120ms");
        assert_eq!(duration_text(Duration::from_secs(302)), "5m02s");
        assert_eq!(duration_text(Duration::from_secs(3 * 86400 + 4 * 3600)), "3d04h");
        assert_eq!(size_text(812), "812B");
        assert_eq!(size_text(1536), "1.5K");
        assert_eq!(size_text(24 << 30), "24G");
        assert_eq!(size_text(1023 << 10), "1.0M");
    }

    proptest! {
        #[test]
        fn no_text_panics(text in ".*") {
            let _ = parse_duration(&text);
            let _ = parse_size(&text);
        }

        #[test]
        fn whole_bytes_round_trip(bytes in 0u64..1 << 50) {
            prop_assert_eq!(parse_size(&bytes.to_string()), Ok(bytes));
            prop_assert!(size_text(bytes).len() <= 5);
        }
    }
}
