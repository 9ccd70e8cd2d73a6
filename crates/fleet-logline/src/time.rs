//! The time that a line says of itself, at its beginning.

use std::cell::Cell;

use chrono::{
    DateTime, Datelike, Local, NaiveDate, NaiveDateTime, NaiveTime, Offset, TimeZone, Utc,
};

use crate::json;

const SECOND: i64 = 1_000_000_000;

/// A zone's offset changes at such moments only.
const QUARTER: i64 = 15 * 60;

/// A time without a year is taken for no later than a day from now.
const DAY: i64 = 24 * 60 * 60 * SECOND;

/// What stands before the time of a request is no longer.
const MAX_CLIENT: usize = 128;

/// The keys under which JSON lines have their time.
const KEYS: [&[u8]; 7] =
    [b"time", b"ts", b"timestamp", b"@timestamp", b"@t", b"datetime", b"asctime"];

/// When a line was written as its beginning tells, in nanoseconds since 1970, and where in it the
/// text behind the time begins.
///
/// ISO 8601 with a blank or `T`, the times of syslog, nginx, Apache, klog, Spark and Python, each
/// also in brackets; of JSON lines the member that is their time, where nothing stands before the
/// text. A time without a zone is local, one without a year the latest that is not to come.
pub fn time(text: &[u8]) -> Option<(i64, usize)> {
    time_near(text, Utc::now().timestamp_nanos_opt()?)
}

/// As [`time`], of a log that was written until `near`: a year that is left out is guessed by it.
pub fn time_near(text: &[u8], near: i64) -> Option<(i64, usize)> {
    let open = text.iter().take(2).take_while(|b| matches!(b, b'[' | b' ')).count();
    let inside = text.get(open..)?;
    let (nanos, end) = match inside.first()? {
        b'{' if open == 0 => return in_json(inside).map(|nanos| (nanos, 0)),
        b'0'..=b'9' => digits_first(inside).or_else(|| access(inside))?,
        b'I' | b'W' | b'E' | b'F' | b'D' => {
            klog(inside, near).or_else(|| named(inside, near)).or_else(|| access(inside))?
        }
        b'A'..=b'Z' => named(inside, near).or_else(|| access(inside))?,
        b'<' => {
            let end = inside.iter().take(6).position(|b| *b == b'>')? + 1;
            let version = if inside[end..].starts_with(b"1 ") { 2 } else { 0 };
            let (nanos, length) = time_near(&inside[end + version..], near)?;
            (nanos, end + version + length)
        }
        _ => access(inside)?,
    };
    let behind = inside[end..].iter().take(2).take_while(|b| b"] :,".contains(b)).count();
    Some((nanos, open + end + behind))
}

/// Epoch seconds, milli-, micro- or nanoseconds, or a text.
fn in_json(text: &[u8]) -> Option<i64> {
    let of = |value: &[u8]| {
        let said = json::said(value);
        let number = || std::str::from_utf8(&said).ok()?.parse::<f64>().ok().and_then(epoch);
        digits_first(&said).map(|(nanos, _)| nanos).or_else(number)
    };
    json::members(text)?.filter(|(key, _)| KEYS.contains(key)).find_map(|(_, value)| of(value))
}

/// The number's size tells its unit: seconds since 1970 have ten digits from 2001 to 2286.
fn epoch(number: f64) -> Option<i64> {
    let nanos = match number {
        1e9..1e10 => number * 1e9,
        1e12..1e13 => number * 1e6,
        1e15..1e16 => number * 1e3,
        1e18..9.2e18 => number,
        _ => return None,
    };
    Some(nanos as i64)
}

/// `2026-11-22T06:00:00,123+01:00`, `2026/11/22 06:00:00`, `22/Nov/2026:06:00:00 +0000`,
/// `17/06/09 20:10:40`, `22-Nov-2026 06:00:00.123`.
fn digits_first(text: &[u8]) -> Option<(i64, usize)> {
    let (date, end) = year_first(text).or_else(|| day_first(text)).or_else(|| short_year(text))?;
    let blank = text[end..].iter().take(2).take_while(|b| b" T:_,".contains(b)).count();
    if blank == 0 {
        return None;
    }
    let (time, length) = clock(&text[end + blank..])?;
    let end = end + blank + length;
    let (offset, length) = zone(&text[end..]);
    Some((nanos(date.and_time(time), offset)?, end + length))
}

/// `203.0.113.7 - ann [22/Nov/2026:06:00:00 +0000]`, with which web servers begin what they write
/// of a request: client, identity and user stand before the time.
fn access(text: &[u8]) -> Option<(i64, usize)> {
    let open = memchr::memchr(b'[', &text[..text.len().min(MAX_CLIENT)])?;
    let before = text[..open].strip_suffix(b" ")?;
    if text.get(open + 3) != Some(&b'/') || before.split(|b| *b == b' ').count() != 3 {
        return None;
    }
    let (nanos, length) = digits_first(&text[open + 1..])?;
    Some((nanos, open + 1 + length))
}

fn year_first(text: &[u8]) -> Option<(NaiveDate, usize)> {
    let [a, b, c, d, first, e, f, second, g, h, ..] = *text else { return None };
    if first != second || !matches!(first, b'-' | b'/' | b'.') {
        return None;
    }
    let date = NaiveDate::from_ymd_opt(
        number(&[a, b, c, d])?.cast_signed(),
        number(&[e, f])?,
        number(&[g, h])?,
    )?;
    Some((date, 10))
}

fn day_first(text: &[u8]) -> Option<(NaiveDate, usize)> {
    let [a, b, first, name @ ..] = text else { return None };
    let [c, d, e, second, f, g, h, i, ..] = name else { return None };
    if first != second || !matches!(first, b'-' | b'/' | b' ') {
        return None;
    }
    let year = number(&[*f, *g, *h, *i])?.cast_signed();
    let date = NaiveDate::from_ymd_opt(year, month(&[*c, *d, *e])?, number(&[*a, *b])?)?;
    Some((date, 11))
}

fn short_year(text: &[u8]) -> Option<(NaiveDate, usize)> {
    let [a, b, b'/', c, d, b'/', e, f, b' ', ..] = *text else { return None };
    let year = 2000 + number(&[a, b])?.cast_signed();
    Some((NaiveDate::from_ymd_opt(year, number(&[c, d])?, number(&[e, f])?)?, 8))
}

/// `Nov 22 06:00:00`, `Sun Nov 22 06:00:00.123456 2026`.
fn named(text: &[u8], near: i64) -> Option<(i64, usize)> {
    let weekday = text.get(..4).is_some_and(|day| WEEKDAYS.contains(&day));
    let skipped = if weekday { 4 } else { 0 };
    let rest = &text[skipped..];
    let month = month(rest.get(..3)?)?;
    let day = match *rest.get(3..6)? {
        [b' ', b' ', digit] => number(&[digit])?,
        [b' ', a, b] => number(&[a, b])?,
        _ => return None,
    };
    let rest = rest[6..].strip_prefix(b" ")?;
    let (time, length) = clock(rest)?;
    let end = skipped + 7 + length;
    let year = text[end..].strip_prefix(b" ").and_then(|rest| number(rest.get(..4)?));
    if let Some(year) = year.filter(|_| weekday) {
        let date = NaiveDate::from_ymd_opt(year.cast_signed(), month, day)?;
        return Some((nanos(date.and_time(time), None)?, end + 5));
    }
    Some((without_year(month, day, time, near)?, end))
}

/// `E1122 06:00:00.123456`.
fn klog(text: &[u8], near: i64) -> Option<(i64, usize)> {
    let [_, a, b, c, d, b' ', ref rest @ ..] = *text else { return None };
    let (time, length) = clock(rest)?;
    let nanos = without_year(number(&[a, b])?, number(&[c, d])?, time, near)?;
    Some((nanos, 6 + length))
}

fn without_year(month: u32, day: u32, time: NaiveTime, near: i64) -> Option<i64> {
    let latest = near.saturating_add(DAY);
    let year = DateTime::from_timestamp_nanos(latest).year();
    // February 29 may need to go back to a leap year.
    (year - 8..=year).rev().find_map(|year| {
        let date = NaiveDate::from_ymd_opt(year, month, day)?;
        nanos(date.and_time(time), None).filter(|nanos| *nanos <= latest)
    })
}

/// `06:00:00`, and a fraction behind a dot or comma.
fn clock(text: &[u8]) -> Option<(NaiveTime, usize)> {
    let [a, b, b':', c, d, b':', e, f, ref rest @ ..] = *text else { return None };
    let digits = match rest {
        [b'.' | b',', digits @ ..] => digits.iter().take_while(|b| b.is_ascii_digit()).count(),
        _ => 0,
    };
    let fraction = if digits == 0 { 0 } else { fraction(&rest[1..=digits])? };
    let (second, fraction) = match number(&[e, f])? {
        60 => (59, 999_999_999),
        second => (second, fraction),
    };
    let time = NaiveTime::from_hms_nano_opt(number(&[a, b])?, number(&[c, d])?, second, fraction)?;
    Some((time, if digits == 0 { 8 } else { 9 + digits }))
}

/// Nanoseconds; further digits are cut.
fn fraction(digits: &[u8]) -> Option<u32> {
    let digits = digits.get(..9).unwrap_or(digits);
    Some(number(digits)? * 10_u32.pow(9 - digits.len() as u32))
}

/// Seconds east of Greenwich, where a zone is named, and the length of its name.
fn zone(text: &[u8]) -> (Option<i64>, usize) {
    let blank = usize::from(text.first() == Some(&b' '));
    let name = &text[blank..];
    let offset = |sign: u8, digits: [u8; 4]| {
        let east = i64::from(number(&digits[..2])? * 3600 + number(&digits[2..])? * 60);
        Some(if sign == b'-' { -east } else { east })
    };
    let (east, length) = match *name {
        [b'Z' | b'z', ..] if blank == 0 => (Some(0), 1),
        [b'U', b'T', b'C', ..] | [b'G', b'M', b'T', ..] => (Some(0), 3),
        [sign @ (b'+' | b'-'), a, b, b':', c, d, ..] => (offset(sign, [a, b, c, d]), 6),
        [sign @ (b'+' | b'-'), a, b, c, d, ..] => (offset(sign, [a, b, c, d]), 5),
        _ => (None, 0),
    };
    if east.is_some() { (east, blank + length) } else { (None, 0) }
}

/// Nanoseconds since 1970; without an offset the time is local.
fn nanos(time: NaiveDateTime, east: Option<i64>) -> Option<i64> {
    let seconds = time.and_utc().timestamp();
    let east = east.unwrap_or_else(|| local_offset(seconds));
    let nanos = i64::from(time.and_utc().timestamp_subsec_nanos());
    (seconds - east).checked_mul(SECOND)?.checked_add(nanos)
}

thread_local! {
    /// The quarter of an hour that was asked for last, and its offset: asking the system costs more
    /// than all the rest of a line.
    static OFFSET: Cell<(i64, i64)> = const { Cell::new((i64::MIN, 0)) };
}

fn local_offset(seconds: i64) -> i64 {
    let quarter = seconds.div_euclid(QUARTER);
    let (known, offset) = OFFSET.get();
    if known == quarter {
        return offset;
    }
    let moment = DateTime::from_timestamp(seconds, 0).unwrap_or_default().naive_utc();
    // An hour that the clock goes through twice is taken for its first time, one that it leaps over
    // for what it was before.
    let offset = Local.offset_from_local_datetime(&moment).earliest().map_or_else(
        || Local.offset_from_utc_datetime(&moment).fix().local_minus_utc(),
        |offset| offset.fix().local_minus_utc(),
    );
    OFFSET.set((quarter, offset.into()));
    offset.into()
}

fn month(name: &[u8]) -> Option<u32> {
    const MONTHS: [&[u8]; 12] = [
        b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov",
        b"Dec",
    ];
    MONTHS.iter().position(|month| *month == name).map(|at| at as u32 + 1)
}

const WEEKDAYS: [&[u8]; 7] = [b"Mon ", b"Tue ", b"Wed ", b"Thu ", b"Fri ", b"Sat ", b"Sun "];

/// The number that these decimal digits write, at most nine of them; `None` where one is none.
pub fn number(digits: &[u8]) -> Option<u32> {
    digits
        .iter()
        .try_fold(0, |sum: u32, b| b.is_ascii_digit().then(|| sum * 10 + u32::from(b - b'0')))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NEAR: i64 = 1_795_330_800 * SECOND; // 2026-11-22T07:00:00Z

    fn utc(nanos: i64) -> String {
        DateTime::from_timestamp_nanos(nanos).format("%Y-%m-%dT%H:%M:%S%.f").to_string()
    }

    /// With zones that say themselves what they are.
    #[test]
    fn times_with_a_zone_are_read() {
        for (text, time, rest) in [
            ("2026-11-22T06:00:00.123456789Z x", "2026-11-22T06:00:00.123456789", "x"),
            ("2026-11-22 06:00:00,123+01:00 x", "2026-11-22T05:00:00.123", "x"),
            ("[2026-11-22 06:00:00 +0000] [12] x", "2026-11-22T06:00:00", "[12] x"),
            ("2026-11-22 06:00:00.5 UTC [12] x", "2026-11-22T06:00:00.500", "[12] x"),
            ("[22/Nov/2026:06:00:00 -0330] x", "2026-11-22T09:30:00", "x"),
            ("::1 - ann [22/Nov/2026:06:00:00 +0000] \"GET", "2026-11-22T06:00:00", "\"GET"),
            ("10.0.0.7 - - [22/Nov/2026:06:00:00 +0000] x", "2026-11-22T06:00:00", "x"),
            ("<34>1 2026-11-22T06:00:00Z host", "2026-11-22T06:00:00", "host"),
            ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59.999999999", ""),
            (
                "{\"a\":1,\"ts\":1732255200.5}",
                "2024-11-22T06:00:00.500",
                "{\"a\":1,\"ts\":1732255200.5}",
            ),
            ("{\"time\":1732255200000}", "2024-11-22T06:00:00", "{\"time\":1732255200000}"),
        ] {
            let (nanos, end) = time_near(text.as_bytes(), NEAR).unwrap_or_else(|| panic!("{text}"));
            assert_eq!((utc(nanos).as_str(), &text[end..]), (time, rest), "{text}");
        }
    }

    #[test]
    fn times_without_a_zone_are_local() {
        for (text, time, rest) in [
            ("2026-11-22 06:00:00,123 - root", "2026-11-22T06:00:00.123", "- root"),
            ("2026/11/22 06:00:00 [error]", "2026-11-22T06:00:00", "[error]"),
            ("17/06/09 20:10:40 INFO x", "2017-06-09T20:10:40", "INFO x"),
            ("22-Nov-2026 06:00:00.123 SEVERE", "2026-11-22T06:00:00.123", "SEVERE"),
            ("Nov 22 06:00:00 host x", "2026-11-22T06:00:00", "host x"),
            ("Dec  4 06:00:00 host x", "2025-12-04T06:00:00", "host x"),
            ("Feb 29 06:00:00 host", "2024-02-29T06:00:00", "host"),
            ("[Sun Dec 04 04:47:44 2005] [notice]", "2005-12-04T04:47:44", "[notice]"),
            ("E1122 06:00:00.123456 12 f.go:1] x", "2026-11-22T06:00:00.123456", "12 f.go:1] x"),
        ] {
            let (nanos, end) = time_near(text.as_bytes(), NEAR).unwrap_or_else(|| panic!("{text}"));
            let local = DateTime::from_timestamp_nanos(nanos).with_timezone(&Local).naive_local();
            let local = local.format("%Y-%m-%dT%H:%M:%S%.f").to_string();
            assert_eq!((local.as_str(), &text[end..]), (time, rest), "{text}");
        }
    }

    #[test]
    fn lines_without_a_time_have_none() {
        for text in [
            "",
            "x",
            "2026-11-22",
            "2026-13-22 06:00:00",
            "2026-11-22 25:00:00",
            "Nov 22",
            "1234",
            "{\"ts\":5}",
            "{\"ts\":\"soon\"}",
            "<3",
            "[",
            "2026-11-2206:00:00",
            "Error at 06:00:00",
            "seen at [22/Nov/2026:06:00:00 +0000]",
            "a - - [12] x",
        ] {
            assert_eq!(time_near(text.as_bytes(), NEAR), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, text in "[\\[<]?[0-9IENov/: T.,-]{0,30}[Z+0-9:]{0,6}") {
            for text in [bytes.as_slice(), text.as_bytes()] {
                if let Some((_, end)) = time_near(text, NEAR) {
                    prop_assert!(end <= text.len());
                }
            }
        }

        #[test]
        fn any_moment_round_trips(seconds in 0..4_000_000_000_i64, nanos in 0..1_000_000_000_u32) {
            let moment = DateTime::from_timestamp(seconds, nanos).unwrap();
            let text = moment.to_rfc3339();
            prop_assert_eq!(time(text.as_bytes()), moment.timestamp_nanos_opt().map(|n| (n, text.len())));
        }
    }
}
