//! The level of a JSON line.

use super::{Level, words};
use crate::json::{members, said};

/// The level that the object names; keys are those of the usual loggers.
pub(super) fn level(text: &[u8]) -> Option<Level> {
    members(text)?.find_map(|(key, value)| by_key(key, value))
}

fn by_key(key: &[u8], value: &[u8]) -> Option<Level> {
    let mut small = [0; 16];
    let small = small.get_mut(..key.len())?;
    small.copy_from_slice(key);
    small.make_ascii_lowercase();
    match &*small {
        b"level" | b"lvl" | b"severity" | b"levelname" | b"loglevel" | b"log_level" | b"@l"
        | b"log.level" | b"severitytext" | b"severity_text" | b"level_name" => {
            let said = said(value);
            word(&said).or_else(|| number(&said).map(of_number))
        }
        b"levelno" => number(&said(value)).map(of_python),
        b"severitynumber" | b"severity_number" => number(&said(value)).and_then(of_telemetry),
        b"priority" => number(&said(value)).filter(|n| *n < 8).map(words::of_severity),
        // MongoDB: "I", "D2".
        b"s" if value.len() <= 4 => said(value).first().and_then(|b| words::of_letter(*b)),
        b"log" => members(value)?.find(|(key, _)| *key == b"level").and_then(|m| word(&said(m.1))),
        _ => None,
    }
}

/// The level that a value says in a word: `warn`, `ERROR`, `level_error`.
pub(super) fn word(said: &[u8]) -> Option<Level> {
    words::of(said.trim_ascii()).map(|(level, _)| level)
}

fn number(said: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(said).ok()?;
    digits.parse().ok()
}

/// Up to 7 they are syslog's (GELF), from 10 on those of bunyan and pino.
pub(super) fn of_number(number: u64) -> Level {
    match number {
        0..=7 => words::of_severity(number),
        8..=19 => Level::Trace,
        20..=29 => Level::Debug,
        30..=39 => Level::Info,
        40..=49 => Level::Warning,
        50..=59 => Level::Error,
        _ => Level::Critical,
    }
}

fn of_python(number: u64) -> Level {
    match number {
        0..=9 => Level::Trace,
        10..=19 => Level::Debug,
        20..=29 => Level::Info,
        30..=39 => Level::Warning,
        40..=49 => Level::Error,
        _ => Level::Critical,
    }
}

fn of_telemetry(number: u64) -> Option<Level> {
    Some(match number {
        1..=4 => Level::Trace,
        5..=8 => Level::Debug,
        10..=12 => Level::Notice,
        9 => Level::Info,
        13..=16 => Level::Warning,
        17..=20 => Level::Error,
        21..=24 => Level::Critical,
        _ => return None,
    })
}
