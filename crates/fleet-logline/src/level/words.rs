//! The words for levels.

use super::Level;

/// How a word may stand for a level.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Use {
    /// In every style.
    Any,
    /// Only in capitals or where it stands alone in brackets: as a small word it means much else.
    Loud,
}

/// The words in small letters.
const WORDS: [(&[u8], Level, Use); 37] = [
    (b"error", Level::Error, Use::Any),
    (b"info", Level::Info, Use::Any),
    (b"warning", Level::Warning, Use::Any),
    (b"warn", Level::Warning, Use::Any),
    (b"debug", Level::Debug, Use::Any),
    (b"notice", Level::Notice, Use::Any),
    (b"trace", Level::Trace, Use::Any),
    (b"fatal", Level::Critical, Use::Any),
    (b"critical", Level::Critical, Use::Any),
    (b"err", Level::Error, Use::Any),
    (b"inf", Level::Info, Use::Any),
    (b"wrn", Level::Warning, Use::Any),
    (b"dbg", Level::Debug, Use::Any),
    (b"trc", Level::Trace, Use::Any),
    (b"crit", Level::Critical, Use::Any),
    (b"emerg", Level::Critical, Use::Any),
    (b"panic", Level::Critical, Use::Any),
    (b"alert", Level::Critical, Use::Any),
    (b"severe", Level::Error, Use::Any),
    (b"fail", Level::Error, Use::Any),
    (b"eror", Level::Error, Use::Any),
    (b"dbug", Level::Debug, Use::Any),
    (b"trce", Level::Trace, Use::Any),
    (b"ftl", Level::Critical, Use::Any),
    (b"pnc", Level::Critical, Use::Any),
    (b"vrb", Level::Trace, Use::Any),
    (b"verbose", Level::Trace, Use::Any),
    (b"emergency", Level::Critical, Use::Any),
    (b"information", Level::Info, Use::Any),
    (b"informational", Level::Info, Use::Any),
    (b"log", Level::Info, Use::Loud),
    (b"success", Level::Info, Use::Loud),
    (b"note", Level::Notice, Use::Loud),
    (b"config", Level::Debug, Use::Loud),
    (b"fine", Level::Debug, Use::Loud),
    (b"finer", Level::Trace, Use::Loud),
    (b"finest", Level::Trace, Use::Loud),
];

/// For each first letter a bit for each length that a word has: most words of prose are told by it.
const LENGTHS: [u16; 32] = {
    let mut lengths = [0; 32];
    let mut at = 0;
    while at < WORDS.len() {
        let word = WORDS[at].0;
        lengths[(word[0] & 31) as usize] |= 1 << word.len();
        at += 1;
    }
    lengths
};

/// The words packed, to be compared as numbers.
const PACKED: [u64; WORDS.len()] = {
    let mut packed = [0; WORDS.len()];
    let mut at = 0;
    while at < WORDS.len() {
        packed[at] = pack(WORDS[at].0);
        at += 1;
    }
    packed
};

/// The letters of a word, five bits of each, small or not.
const fn pack(word: &[u8]) -> u64 {
    let (mut packed, mut at) = (0, 0);
    while at < word.len() {
        packed = packed << 5 | (word[at] & 31) as u64;
        at += 1;
    }
    packed
}

/// The level that a word stands for, in capitals or not; it holds nothing but letters.
pub(super) fn of(word: &[u8]) -> Option<(Level, Use)> {
    let first = word.first()?;
    if word.len() > 15 || LENGTHS[usize::from(first & 31)] & 1 << word.len() == 0 {
        return None;
    }
    let packed = pack(word);
    let at = PACKED.iter().position(|known| *known == packed)?;
    let (known, level, uses) = WORDS[at];
    word.eq_ignore_ascii_case(known).then_some((level, uses))
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
