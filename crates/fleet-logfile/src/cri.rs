//! One line of a log file: the log format of the Kubernetes container runtime interface (CRI).
//!
//! `<time> <stream> <tags> <text>`: an RFC 3339 time, `stdout` or `stderr`, a list of tags joined
//! by colons of which the first is `F` (the last or only piece of a line) or `P` (more follows),
//! and any bytes but a newline. fleet's own notices have the further tag `fleet`.

use chrono::{NaiveDate, TimeDelta};
use fleet_logline::number;

/// What a piece of output was written to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
}

impl Stream {
    /// The word for it in log lines and records.
    pub fn word(self) -> &'static str {
        match self {
            Stream::Stdout => "stdout",
            Stream::Stderr => "stderr",
        }
    }
}

/// One line of a log file, taken apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Line<'a> {
    /// When it was captured, in nanoseconds since 1970.
    pub stamp_nanos: i64,
    /// What the process wrote it to.
    pub stream: Stream,
    /// The process's line goes on in the next piece of the same stream.
    pub partial: bool,
    /// fleet says this, not the process.
    pub notice: bool,
    /// What was written, without the newline.
    pub text: &'a [u8],
}

/// Reads a line (without its newline), or finds that it is none.
///
/// Times may have no or up to nine digits of fraction, as containerd drops zeros, and `Z` or a
/// numeric offset, as conmon writes. Tags that are not known are passed over.
pub fn parse(line: &[u8]) -> Option<Line<'_>> {
    let (stamp, rest) = split(line)?;
    let (stream, rest) = split(rest)?;
    // The space after the tags is left out by writers that strip blanks at the end.
    let (tags, text) = split(rest).unwrap_or((rest, b""));
    let stream = match stream {
        b"stdout" => Stream::Stdout,
        b"stderr" => Stream::Stderr,
        _ => return None,
    };
    let mut tags = tags.split(|&b| b == b':');
    let partial = match tags.next()? {
        b"F" => false,
        b"P" => true,
        _ => return None,
    };
    let notice = tags.any(|tag| tag == b"fleet");
    Some(Line { stamp_nanos: parse_stamp(stamp)?, stream, partial, notice, text })
}

fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(b' ', bytes)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

/// Reads an RFC 3339 time as nanoseconds since 1970, which holds the years 1678 to 2261.
///
/// By hand, because chrono's reader costs more than all the rest of reading a line.
pub fn parse_stamp(text: &[u8]) -> Option<i64> {
    let (day, rest) = text.split_at_checked(10)?;
    let (clock, rest) = rest.split_at_checked(9)?;
    let separators = [day[4], day[7], clock[0], clock[3], clock[6]];
    if separators != *b"--T::" {
        return None;
    }
    let (nanos, zone) = fraction(rest)?;
    let date = NaiveDate::from_ymd_opt(
        number(&day[..4])?.cast_signed(),
        number(&day[5..7])?,
        number(&day[8..])?,
    )?;
    let (hour, minute) = (number(&clock[1..3])?, number(&clock[4..6])?);
    let second = number(&clock[7..])?;
    // A leap second is the last moment of its minute.
    let (second, nanos) = if second == 60 { (59, 999_999_999) } else { (second, nanos) };
    let local = date.and_hms_nano_opt(hour, minute, second, nanos)?;
    local.checked_sub_signed(offset(zone)?)?.and_utc().timestamp_nanos_opt()
}

/// Nanoseconds of `.123`, and what follows the digits.
fn fraction(text: &[u8]) -> Option<(u32, &[u8])> {
    let Some(digits) = text.strip_prefix(b".") else { return Some((0, text)) };
    let count = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    if !(1..=9).contains(&count) {
        return None;
    }
    let (digits, zone) = digits.split_at(count);
    Some((number(digits)? * 10_u32.pow(9 - count as u32), zone))
}

/// East of Greenwich: `Z`, `+02:00`, `-0330`.
fn offset(zone: &[u8]) -> Option<TimeDelta> {
    let (sign, hours, minutes) = match *zone {
        [b'Z' | b'z'] => return Some(TimeDelta::zero()),
        [sign, a, b, b':', c, d] | [sign, a, b, c, d] => (sign, number(&[a, b])?, number(&[c, d])?),
        _ => return None,
    };
    let east = TimeDelta::minutes(i64::from(hours * 60 + minutes));
    match sign {
        _ if hours > 23 || minutes > 59 => None,
        b'+' => Some(east),
        b'-' => Some(-east),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use fleet_core::Timestamp;
    use proptest::prelude::*;

    fn stamp(text: &str) -> Option<String> {
        parse_stamp(text.as_bytes()).map(|n| Timestamp::from_nanos(n).to_nanos_text())
    }

    #[test]
    fn stamps_of_all_runtimes_are_read() {
        for (text, utc) in [
            ("2026-11-22T06:00:00.123456789Z", "2026-11-22T06:00:00.123456789Z"),
            ("2026-11-22T06:00:00.5Z", "2026-11-22T06:00:00.500000000Z"),
            ("2026-11-22T06:00:00Z", "2026-11-22T06:00:00.000000000Z"),
            ("2026-11-22T08:00:00.123456789+02:00", "2026-11-22T06:00:00.123456789Z"),
            ("2026-11-22T02:30:00.0-0330", "2026-11-22T06:00:00.000000000Z"),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999999999Z"),
        ] {
            assert_eq!(stamp(text).as_deref(), Some(utc), "{text}");
        }
        for text in [
            "",
            "2026-11-22",
            "2026-13-22T06:00:00Z",
            "2026-02-30T06:00:00Z",
            "2026-11-22T06:00:00",
            "2026-11-22T06:00:00.Z",
            "2026-11-22T06:00:00.1234567890Z",
            "2026-11-22T24:00:00Z",
            "2026-11-22T06:00:00+2:00",
            "9999-11-22T06:00:00Z",
        ] {
            assert_eq!(stamp(text), None, "{text}");
        }
    }

    #[test]
    fn a_line_is_taken_apart() {
        let line = parse(b"2026-11-22T06:00:00Z stderr P:x:fleet  a b ").unwrap();
        assert_eq!((line.stream, line.partial, line.notice), (Stream::Stderr, true, true));
        assert_eq!(line.text, b" a b ");
        assert_eq!(parse(b"2026-11-22T06:00:00Z stdout F ").unwrap().text, b"");
        assert_eq!(parse(b"2026-11-22T06:00:00Z stdout F").unwrap().text, b"");
        for line in ["", "x", "2026-11-22T06:00:00Z stdin F a", "2026-11-22T06:00:00Z stdout X a"] {
            assert_eq!(parse(line.as_bytes()), None, "{line}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = parse(&bytes);
            let _ = parse_stamp(&bytes);
        }

        #[test]
        fn nearly_stamps_do_not_panic(text in "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{8,19}[Z+-][0-9:]{0,5}") {
            let _ = parse_stamp(text.as_bytes());
        }

        #[test]
        fn any_moment_round_trips(nanos: i64) {
            let text = Timestamp::from_nanos(nanos).to_nanos_text();
            prop_assert_eq!(parse_stamp(text.as_bytes()), Some(nanos));
        }

        #[test]
        fn any_text_round_trips(nanos: i64, text: Vec<u8>) {
            let mut line = format!("{} stdout F ", Timestamp::from_nanos(nanos).to_nanos_text()).into_bytes();
            line.extend(&text);
            prop_assert_eq!(parse(&line).unwrap().text, text.as_slice());
        }
    }
}
