//! The words for levels.

use super::Level;

/// Longest and shortest of the words.
const LENGTHS: std::ops::RangeInclusive<usize> = 3..=13;

/// How a word may stand for a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// In every style.
    Any,
    /// Only in capitals or where it stands alone in brackets: as a small word it means much else.
    Loud,
}

/// The level that a word stands for, in capitals or not.
pub(super) fn of(word: &[u8]) -> Option<(Level, Use)> {
    if !LENGTHS.contains(&word.len()) {
        return None;
    }
    let mut small = [0; 13];
    let small = small.get_mut(..word.len())?;
    for (to, from) in small.iter_mut().zip(word) {
        *to = from | 0x20;
    }
    Some(match &*small {
        b"trace" | b"trc" | b"trce" | b"verbose" | b"vrb" => (Level::Trace, Use::Any),
        b"finer" | b"finest" => (Level::Trace, Use::Loud),
        b"debug" | b"dbg" | b"dbug" => (Level::Debug, Use::Any),
        b"fine" | b"config" => (Level::Debug, Use::Loud),
        b"info" | b"inf" | b"information" | b"informational" => (Level::Info, Use::Any),
        b"log" | b"success" => (Level::Info, Use::Loud),
        b"notice" => (Level::Notice, Use::Any),
        b"note" => (Level::Notice, Use::Loud),
        b"warning" | b"warn" | b"wrn" => (Level::Warning, Use::Any),
        b"error" | b"err" | b"eror" | b"severe" => (Level::Error, Use::Any),
        b"fail" => (Level::Error, Use::Any),
        b"critical" | b"crit" | b"fatal" | b"ftl" | b"emerg" | b"emergency" | b"panic" | b"pnc"
        | b"alert" => (Level::Critical, Use::Any),
        _ => return None,
    })
}

/// The level that one letter stands for with klog, glog, Android, Jupyter and torch.
pub(super) fn of_letter(letter: u8) -> Option<Level> {
    Some(match letter {
        b'V' => Level::Trace,
        b'D' => Level::Debug,
        b'I' => Level::Info,
        b'W' => Level::Warning,
        b'E' => Level::Error,
        b'F' | b'C' => Level::Critical,
        _ => return None,
    })
}

/// The level of a syslog severity, 0 to 7.
pub(super) fn of_severity(severity: u64) -> Level {
    match severity {
        0..=2 => Level::Critical,
        3 => Level::Error,
        4 => Level::Warning,
        5 => Level::Notice,
        6 => Level::Info,
        _ => Level::Debug,
    }
}
