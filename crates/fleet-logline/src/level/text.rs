//! The level of a line of text.
//!
//! Loggers put a level among other things before what they say: a time, a host, a name, numbers,
//! all in brackets or between bars. The walk goes over such parts from the left and stops at the
//! first that has no place there, so that a line of prose costs a word or two.

use super::{Level, json, words};
use crate::level::words::Use;

/// No logger's head has more parts; BlueGene's has nine.
const PARTS: usize = 16;

/// A bracket that is longer than this is no part of a head.
const BRACKET: usize = 96;

/// The level that the beginning of a line names.
pub(super) fn level(head: &[u8]) -> Option<Level> {
    beginning(head).or_else(|| Walk::default().over(head))
}

/// Forms that are known by their first bytes.
fn beginning(head: &[u8]) -> Option<Level> {
    match head {
        [b'<', ..] => priority(head),
        [b'n', b'p', b'm', b' ', rest @ ..] => {
            let word = rest.split(|b| !b.is_ascii_alphabetic()).next()?;
            words::of(word).map(|(level, _)| level)
        }
        // apt
        [letter @ (b'E' | b'W'), b':', b' ', ..] => words::of_letter(*letter),
        [b'0'..=b'9', ..] => redis(head),
        [b'D' | b'I' | b'W' | b'E' | b'F', ..] => klog(head),
        _ => None,
    }
}

/// `<3>` of the kernel and systemd, `<34>1` of syslog.
fn priority(head: &[u8]) -> Option<Level> {
    let digits = head[1..].iter().take(4).take_while(|b| b.is_ascii_digit()).count();
    let number = std::str::from_utf8(head.get(1..=digits)?).ok()?.parse::<u64>().ok()?;
    (head.get(digits + 1) == Some(&b'>') && number < 192).then(|| words::of_severity(number % 8))
}

/// `1234:M 22 Nov 2026 06:00:00.123 # text`.
fn redis(head: &[u8]) -> Option<Level> {
    let pid = head.iter().take(8).take_while(|b| b.is_ascii_digit()).count();
    let [b':', b'M' | b'S' | b'C' | b'X', b' ', ..] = head[pid..] else { return None };
    match head.split(|b| *b == b' ').nth(5)? {
        b"." => Some(Level::Trace),
        b"-" => Some(Level::Debug),
        b"*" => Some(Level::Notice),
        b"#" => Some(Level::Warning),
        _ => None,
    }
}

/// `E1122 06:00:00.123456`, of glog, klog, absl and torch.
fn klog(text: &[u8]) -> Option<Level> {
    let (letter, rest) = text.split_first()?;
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    let (3.., b' ') = (digits, *rest.get(digits)?) else { return None };
    words::of_letter(*letter)
}

/// What was met so far.
#[derive(Default)]
struct Walk {
    /// A time, a bracket or a bar was met: this is a logger's line.
    logged: bool,
    /// Parts that were neither bars nor brackets.
    parts: u8,
    /// Words that could be prose.
    words: u8,
    /// Parts since the first of these.
    since_word: u8,
    /// Names that could not.
    names: u8,
    /// Whole numbers: Android has two before the letter.
    numbers: u8,
    before: Before,
}

/// What stood just before.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Before {
    #[default]
    Nothing,
    /// A bar, a dash, a bracket, a name with a colon.
    Mark,
    /// A time.
    Time,
    /// A name with dots, digits or the like in it.
    Name,
    /// Anything else.
    Word,
}

/// What a part of a head means for the walk.
enum Step {
    /// So many bytes are passed over.
    On(usize),
    /// This is the level.
    Found(Level),
    /// The head has ended.
    End,
}

impl Walk {
    fn over(mut self, head: &[u8]) -> Option<Level> {
        let mut rest = head;
        for _ in 0..PARTS {
            let blanks = rest.iter().take_while(|b| matches!(b, b' ' | b'\t' | b',')).count();
            rest = &rest[blanks..];
            let step = match *rest.first()? {
                open @ (b'[' | b'(' | b'{' | b'<') => self.bracket(rest, open),
                b'|' | b'-' | b'*' | b':' | b'>' | b'~' if !is_name(rest.get(1)) => self.mark(),
                // What is quoted is said.
                b'"' | b'\'' | b'`' => return None,
                _ => self.part(rest),
            };
            match step {
                Step::On(length) => rest = rest.get(length..)?,
                Step::Found(level) => return Some(level),
                Step::End => return None,
            }
        }
        None
    }

    fn mark(&mut self) -> Step {
        // `name - ERROR - text`, `web-1 | ERROR text`: one part before the first bar.
        if self.parts > 1 && !self.logged {
            return Step::End;
        }
        self.logged = true;
        self.before = Before::Mark;
        Step::On(1)
    }

    fn bracket(&mut self, text: &[u8], open: u8) -> Step {
        let close = match open {
            b'[' => b']',
            b'(' => b')',
            b'{' => b'}',
            _ => b'>',
        };
        let within = text.get(..BRACKET).unwrap_or(text);
        let Some(end) = memchr::memchr(close, within) else { return Step::End };
        if let Some(level) = in_bracket(&within[1..end], open) {
            return Step::Found(level);
        }
        if self.parts > 1 && !self.logged {
            return Step::End;
        }
        self.logged = true;
        self.before = Before::Mark;
        let colon = usize::from(text.get(end + 1) == Some(&b':'));
        Step::On(end + 1 + colon)
    }

    fn part(&mut self, text: &[u8]) -> Step {
        let letters = text.iter().take(14).take_while(|b| b.is_ascii_alphabetic()).count();
        if let Some(level) = self.word(text, letters) {
            return Step::Found(level);
        }
        let part = Part::read(text);
        if part.equals > 0 {
            return self.pair(text, part.equals);
        }
        if let Some(level) = self.letter(&text[..part.length], &text[part.length..]) {
            return Step::Found(level);
        }
        self.parts += 1;
        let place = self.before != Before::Word;
        let bytes = &text[..part.length];
        if part.colon && place {
            if bytes.ends_with(b"Warning:") {
                return Step::Found(Level::Warning);
            }
            // Laravel and Monolog: `local.ERROR:`
            let last = bytes[..bytes.len() - 1].rsplit(|b| *b == b'.').next().unwrap_or(bytes);
            if let Some((level, _)) = words::of(last).filter(|_| last[0].is_ascii_uppercase()) {
                return Step::Found(level);
            }
        }
        self.count(bytes, part)
    }

    /// Remembers a part that is no level, and ends the walk where it is prose.
    fn count(&mut self, bytes: &[u8], part: Part) -> Step {
        // A word, and then no bar, bracket or time.
        let lost = !self.logged && self.before == Before::Word && !part.clock;
        self.before = match part {
            Part { clock: true, .. } => {
                self.logged = true;
                Before::Time
            }
            Part { number: true, .. } => {
                // Hadoop's days and seconds since 1970 begin a line; a count of something, too.
                self.logged |= self.parts == 1 && part.length >= 6;
                self.numbers += 1;
                match self.before {
                    Before::Time => Before::Time,
                    // A month stands before it.
                    Before::Nothing if self.parts > 1 => Before::Nothing,
                    _ if self.logged => Before::Name,
                    _ => Before::Word,
                }
            }
            Part { colon: true, .. } => {
                self.names += 1;
                Before::Mark
            }
            Part { name: true, .. } => {
                self.names += 1;
                Before::Name
            }
            _ if is_date_word(bytes) => self.before,
            Part { small: false, .. } => {
                self.names += 1;
                Before::Name
            }
            _ => {
                self.words += 1;
                Before::Word
            }
        };
        self.since_word += u8::from(self.words > 0);
        let prose = self.words > 1 || self.since_word > 3 || self.names > 5 || lost;
        if prose { Step::End } else { Step::On(part.length) }
    }

    /// The level that a word is here, by its looks and what is around it.
    fn word(&self, text: &[u8], letters: usize) -> Option<Level> {
        let word = &text[..letters];
        let (level, uses) = words::of(word)?;
        let behind = &text[letters..];
        let capitals = word.iter().all(u8::is_ascii_uppercase);
        let fits =
            if capitals { self.loud(behind) } else { uses == Use::Any && self.quiet(behind) };
        let fatal_error = || word == b"fatal" && behind.starts_with(b" error:");
        (fits || fatal_error() && self.before != Before::Word).then_some(level)
    }

    /// Whether a word in capitals stands where a logger puts it.
    fn loud(&self, behind: &[u8]) -> bool {
        let placed = self.logged || self.before != Before::Word;
        placed
            && match behind {
                [] | [b' ' | b'\t' | b':' | b'|' | b'[' | b'(' | b']' | b'!', ..] => true,
                // PostgreSQL's DEBUG1 to DEBUG5
                [b'1'..=b'5', b':', ..] => true,
                _ => false,
            }
    }

    /// The same for `error:` and `Error:`.
    fn quiet(&self, behind: &[u8]) -> bool {
        let placed = matches!(self.before, Before::Nothing | Before::Mark | Before::Time);
        let apart = || self.logged && matches!(self.before, Before::Mark | Before::Time);
        match behind {
            _ if !placed => false,
            [b':', b':', ..] => false,
            [b':', ..] => true,
            // rustc: `error[E0382]:`
            [b'[', code @ ..] => code.iter().take(8).any(|b| *b == b']'),
            [b'\t', ..] | [b' ', b' ' | b'|', ..] | [b' ', b'-' | b':', b' ', ..] => apart(),
            [b',', b' ', ..] => apart(),
            _ => false,
        }
    }

    /// `key=value`: passed over, unless the key is that of the level.
    fn pair(&mut self, text: &[u8], equals: usize) -> Step {
        let value = &text[equals + 1..];
        let (value, length) = match value.strip_prefix(b"\"") {
            Some(inside) => {
                let end = memchr::memchr(b'"', inside).unwrap_or(inside.len());
                (&inside[..end], end + 2)
            }
            None => {
                let end = memchr::memchr2(b' ', b'\t', value).unwrap_or(value.len());
                (&value[..end], end)
            }
        };
        let level = match &text[..equals] {
            b"level" | b"lvl" | b"severity" | b"loglevel" | b"log.level" | b"levelname"
            | b"log_level" | b"log_severity" => pair_level(value),
            _ => None,
        };
        self.before = Before::Mark;
        level.map_or(Step::On(equals + 1 + length), Step::Found)
    }

    /// One letter: Android's behind a time and two numbers, TensorFlow's behind `time:`, MongoDB's
    /// before a component in capitals.
    fn letter(&self, part: &[u8], behind: &[u8]) -> Option<Level> {
        let ([letter], Before::Time) = (part, self.before) else { return None };
        let component = behind.get(1).zip(behind.get(2));
        let mongo =
            component.is_some_and(|(a, b)| a.is_ascii_uppercase() && b.is_ascii_uppercase());
        let path = || {
            let next = behind.get(1..)?.split(|b| *b == b' ').next()?;
            next.contains(&b'/').then_some(())
        };
        let placed = self.numbers >= 2 || mongo || path().is_some();
        placed.then(|| words::of_letter(*letter)).flatten()
    }
}

/// The level that a bracket holds: alone, behind a time, or before a slash or bar.
fn in_bracket(inside: &[u8], open: u8) -> Option<Level> {
    let inside = inside.trim_ascii();
    if let Some((level, _)) = words::of(inside) {
        return Some(level);
    }
    match (open, inside) {
        (b'(', b"EE") => return Some(Level::Error),
        (b'(', b"WW") => return Some(Level::Warning),
        (b'(', b"II") => return Some(Level::Info),
        (b'[', [letter, ..]) if letter.is_ascii_uppercase() => {
            if let Some(level) = klog(inside).or_else(|| letter_first(inside)) {
                return Some(level);
            }
        }
        (b'[', _) => {}
        _ => return None,
    }
    let mut parts = inside.split(|b| matches!(b, b' ' | b':' | b'/' | b'|' | b',')).peekable();
    let mut after_time = false;
    for _ in 0..8 {
        let part = parts.next()?;
        match words::of(part) {
            Some((level, _)) if part[0].is_ascii_uppercase() => return Some(level),
            // Apache: `core:error`
            Some((level, Use::Any)) if parts.peek().is_none() => {
                return (!inside.contains(&b' ')).then_some(level);
            }
            _ => {}
        }
        if let ([letter], true) = (part, after_time) {
            return words::of_letter(*letter);
        }
        let digits = |b: &u8| b.is_ascii_digit() || b"-.Z+T".contains(b);
        after_time = part.first().is_some_and(u8::is_ascii_digit) && part.iter().all(digits);
    }
    None
}

/// Jupyter's `[I 06:00:00.123 App]` and torch's older `[W file.cpp:12]`.
fn letter_first(inside: &[u8]) -> Option<Level> {
    match inside {
        [letter, b' ', rest @ ..] if rest.iter().any(u8::is_ascii_digit) => {
            words::of_letter(*letter)
        }
        _ => None,
    }
}

/// The level that is the value of a pair.
fn pair_level(value: &[u8]) -> Option<Level> {
    json::word(value).or_else(|| {
        let number = std::str::from_utf8(value).ok()?.parse().ok()?;
        Some(json::of_number(number))
    })
}

/// A part of a head, up to the next blank.
#[derive(Clone, Copy)]
struct Part {
    length: usize,
    /// Where a pair's sign is, 0 where there is none.
    equals: usize,
    /// Digits with what stands between those of a time.
    clock: bool,
    /// Digits alone, or with a dot.
    number: bool,
    /// It ends with a colon.
    colon: bool,
    /// It has digits or signs in it, or a bracket behind it.
    name: bool,
    /// It has small letters in it.
    small: bool,
}

impl Part {
    fn read(text: &[u8]) -> Part {
        let (mut kinds, mut equals, mut length) = (0_u8, 0, text.len());
        for (at, byte) in text.iter().enumerate() {
            let kind = KINDS[usize::from(*byte)];
            if kind == BLANK || *byte == b'[' && at > 0 {
                length = at;
                break;
            }
            if kind & EQUALS != 0 && kinds & (SMALL | CAPITAL) != 0 {
                equals = at;
                break;
            }
            kinds |= kind;
        }
        let part = &text[..length];
        let digit_first = part.first().is_some_and(u8::is_ascii_digit);
        // `T` and `Z` are letters, as are am and pm and the month of common logs.
        let few_letters = || part.iter().filter(|b| b.is_ascii_alphabetic()).count() <= 3;
        Part {
            length,
            equals,
            clock: digit_first && kinds & BETWEEN != 0 && few_letters(),
            number: digit_first && kinds & !(DIGIT | DOT) == 0,
            colon: part.last() == Some(&b':'),
            name: kinds & (DIGIT | BETWEEN | DOT | SIGN) != 0 || text.get(length) == Some(&b'['),
            small: kinds & SMALL != 0,
        }
    }
}

const SMALL: u8 = 1;
const CAPITAL: u8 = 1 << 1;
const DIGIT: u8 = 1 << 2;
const BLANK: u8 = 1 << 3;
/// `:`, `-`, `/`: between the digits of a time.
const BETWEEN: u8 = 1 << 4;
const DOT: u8 = 1 << 5;
const EQUALS: u8 = 1 << 6;
/// Any other that a name may have.
const SIGN: u8 = 1 << 7;

/// What each byte is.
const KINDS: [u8; 256] = {
    let mut kinds = [SIGN; 256];
    let mut byte = 0;
    while byte < 256 {
        kinds[byte] = match byte as u8 {
            b'a'..=b'z' => SMALL,
            b'A'..=b'Z' => CAPITAL,
            b'0'..=b'9' => DIGIT,
            0..=b' ' => BLANK,
            b':' | b'-' | b'/' => BETWEEN,
            b'.' => DOT,
            b'=' => EQUALS,
            // Letters of other scripts, and what prose has: neither name nor number.
            b',' | b'\'' | b'"' | b'?' | b'!' | b';' | 0x80..=0xff => SMALL,
            _ => SIGN,
        };
        byte += 1;
    }
    kinds
};

fn is_name(byte: Option<&u8>) -> bool {
    byte.is_some_and(|b| b.is_ascii_alphanumeric() || *b == b'-' || *b == b'/')
}

/// Days of the week, months, halves of the day, zones.
fn is_date_word(part: &[u8]) -> bool {
    matches!(
        part,
        b"Mon"
            | b"Tue"
            | b"Wed"
            | b"Thu"
            | b"Fri"
            | b"Sat"
            | b"Sun"
            | b"Jan"
            | b"Feb"
            | b"Mar"
            | b"Apr"
            | b"May"
            | b"Jun"
            | b"Jul"
            | b"Aug"
            | b"Sep"
            | b"Oct"
            | b"Nov"
            | b"Dec"
            | b"AM"
            | b"PM"
            | b"UTC"
            | b"GMT"
            | b"CET"
            | b"CEST"
            | b"EST"
            | b"PST"
    )
}
