//! Lines that begin something new, whatever was before.

/// Whether the line has a time or level of its own at its beginning.
pub(crate) fn is_fresh(text: &[u8]) -> bool {
    let begins = text.first().is_some_and(|b| !b.is_ascii_whitespace());
    begins && (has_time(text) || fleet_logline::level(text).is_some())
}

/// Whether the line begins with a time, or is a record of its own.
pub(crate) fn has_time(text: &[u8]) -> bool {
    text.starts_with(b"{\"")
        || fleet_logline::time_near(text, 0).is_some()
        || is_like(text.strip_prefix(b"[").unwrap_or(text), b"00:00:00")
        || is_like(text, b"aaa 00, 0000 ")
}

/// Whether it begins like this, `0` for any digit and `a` for any letter.
fn is_like(text: &[u8], shape: &[u8]) -> bool {
    let fits = |(wanted, is): (&u8, &u8)| match wanted {
        b'0' => is.is_ascii_digit(),
        b'a' => is.is_ascii_alphabetic(),
        other => other == is,
    };
    text.len() >= shape.len() && shape.iter().zip(text).all(fits)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times() {
        for text in [
            "2026-11-22 06:00:00,123 INFO x",
            "[2026-11-22T06:00:00Z] x",
            "2026/11/22 06:00:00 http: panic",
            "06:00:00.123 x",
            "22/Nov/2026:06:00:00 +0000 x",
            "Nov 22 06:00:00 host x[1]: y",
            "Nov  2 06:00:00 host x[1]: y",
            "Nov 22, 2026 6:19:18 PM Throws main",
            "E1122 06:00:00.123456 7 x.cc:9] y",
            "{\"ts\":1}",
        ] {
            assert!(has_time(text.as_bytes()), "{text}");
        }
        for text in ["", "x", "12 files", "1. first", "left: 7", "ValueError: 2026-11-22", "{"] {
            assert!(!has_time(text.as_bytes()), "{text}");
        }
    }
}
