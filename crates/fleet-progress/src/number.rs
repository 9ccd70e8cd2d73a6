//! Amounts and times as bars write them.

/// An amount: `12`, `1.20k`, `38.1M`, `2,048`, `806.3 kB`.
///
/// A factor counts in thousands: which programs count in 1024 cannot be seen.
pub(crate) fn amount(text: &str) -> Option<f64> {
    let end =
        text.find(|c: char| !c.is_ascii_digit() && c != '.' && c != ',').unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    let number: f64 = digits.replace(',', "").parse().ok()?;
    Some(number * factor(rest.trim_start()).0)
}

/// The factor that a unit begins with, and the unit behind it.
pub(crate) fn factor(unit: &str) -> (f64, &str) {
    let factor = match unit.as_bytes().first() {
        Some(b'k' | b'K') => 1e3,
        Some(b'M') => 1e6,
        Some(b'G') => 1e9,
        Some(b'T') => 1e12,
        _ => return (1.0, unit),
    };
    (factor, &unit[1..])
}

/// A time in seconds: `00:07`, `1:02:03`, `2 days, 1:02:03`, `1m 7s`, `1.8s`, `36ms`; dashes and question
/// marks are none.
pub(crate) fn seconds(text: &str) -> Option<f64> {
    let text = text.trim();
    if let Some((days, clock)) = text.split_once(" day") {
        let clock = clock.split_once(", ").map_or("0", |(_, clock)| clock);
        return Some(days.parse::<f64>().ok()? * 86_400.0 + seconds(clock)?);
    }
    if text.contains(':') {
        return text
            .split(':')
            .try_fold(0.0, |sum, part| Some(sum * 60.0 + part.parse::<f64>().ok()?));
    }
    let mut sum = None;
    let mut rest = text;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (digits, behind) = rest.split_at(end);
        let unit = behind.find(|c: char| c.is_ascii_digit()).unwrap_or(behind.len());
        let (unit, behind) = behind.split_at(unit);
        sum = Some(sum.unwrap_or(0.0) + digits.parse::<f64>().ok()? * of_unit(unit.trim())?);
        rest = behind;
    }
    sum
}

/// How many seconds a unit of time is.
pub(crate) fn of_unit(unit: &str) -> Option<f64> {
    Some(match unit {
        "" | "s" => 1.0,
        "d" => 86_400.0,
        "h" => 3_600.0,
        "m" | "min" => 60.0,
        "ms" => 1e-3,
        "us" | "µs" | "μs" => 1e-6,
        "ns" => 1e-9,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn amounts_and_times_as_they_are_written() {
        for (text, is) in
            [("12", 12.0), ("1.20k", 1200.0), ("806.3 kB", 806_300.0), ("2,048K", 2_048_000.0)]
        {
            assert_eq!(amount(text), Some(is), "{text}");
        }
        for (text, is) in [
            ("00:07", 7.0),
            ("1:02:03", 3723.0),
            ("2 days, 1:02:03", 176_523.0),
            ("1m 7s", 67.0),
            ("1h2m", 3720.0),
            ("1.8s", 1.8),
            ("250ms", 0.25),
            ("0", 0.0),
        ] {
            assert_eq!(seconds(text), Some(is), "{text}");
        }
        for text in ["", "?", "-:--:--", "--:--:--", "--.-", "5 parsecs"] {
            assert_eq!(
                (amount(text).filter(|_| text != "5 parsecs"), seconds(text)),
                (None, None),
                "{text}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_number_or_not(text: String, near in "[0-9.,:kMG dayhms]{0,12}") {
            for text in [text, near] {
                let _ = (amount(&text), seconds(&text));
            }
        }
    }
}
