//! Making what a process printed safe for a terminal.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::iter::Peekable;
use std::str::Chars;

const RESET: &str = "\x1b[0m";

/// The text without anything that would move a terminal's cursor, change its state or make it
/// answer: of escape sequences only colours (SGR) are kept, and those only with `colours`; other
/// control characters are written out (`^G`).
pub(crate) fn clean(text: &str, colours: bool) -> Cow<'_, str> {
    if !has_odd(text.as_bytes(), |b| b == b'\t') {
        return Cow::Borrowed(text);
    }
    let mut cleaned = String::with_capacity(text.len());
    let mut coloured = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\x1b' => {
                if let Some(sgr) = escape(&mut chars).filter(|_| colours) {
                    cleaned.push_str(&sgr);
                    coloured = true;
                }
            }
            '\t' => cleaned.push(c),
            c if c.is_control() => written_out(c, &mut cleaned),
            c => cleaned.push(c),
        }
    }
    if coloured {
        // The next line is somebody else's.
        cleaned.push_str(RESET);
    }
    Cow::Owned(cleaned)
}

/// Whether [`clean`] leaves each of these lines as it is; it may say no too often.
pub(crate) fn is_clean(lines: &[u8]) -> bool {
    !has_odd(lines, |b| (b == b'\t') | (b == b'\n')) && str::from_utf8(lines).is_ok()
}

/// Whether any byte may begin a control character but for these; beyond ASCII they begin with C2.
/// All bytes are looked at, many at a time.
fn has_odd(bytes: &[u8], but: impl Fn(u8) -> bool) -> bool {
    let odd = |b: u8| (b < b' ') & !but(b) | (b == 0x7f) | (b == 0xc2);
    bytes.iter().fold(false, |any, &b| any | odd(b))
}

/// Passes over the escape sequence whose ESC was read; answers with it if it is a colour.
fn escape(chars: &mut Peekable<Chars<'_>>) -> Option<String> {
    match chars.next_if(|c| !c.is_control())? {
        '[' => colour(chars),
        // Strings to the terminal: titles, clipboards, queries. They end with BEL or ESC \.
        ']' | 'P' | 'X' | '^' | '_' => {
            while let Some(c) = chars.next() {
                if c == '\x07' || c == '\u{9c}' || c == '\x1b' && chars.next_if_eq(&'\\').is_some()
                {
                    break;
                }
            }
            None
        }
        // Some more bytes may stand before the last: ESC ( B.
        ' '..='/' => {
            while chars.next_if(|c| (' '..='/').contains(c)).is_some() {}
            chars.next_if(|c| !c.is_control());
            None
        }
        _ => None,
    }
}

/// Passes over `1;31m` behind `ESC [`.
fn colour(chars: &mut Peekable<Chars<'_>>) -> Option<String> {
    let mut sequence = String::from("\x1b[");
    while let Some(c) = chars.next_if(|c| (' '..='~').contains(c)) {
        sequence.push(c);
        if ('@'..='~').contains(&c) {
            let plain = |c: char| c.is_ascii_digit() || c == ';' || c == ':';
            let parameters = &sequence[2..sequence.len() - 1];
            return (c == 'm' && parameters.chars().all(plain)).then_some(sequence);
        }
    }
    None
}

fn written_out(c: char, to: &mut String) {
    // Writing to a String cannot fail.
    let _ = match u32::from(c) {
        code @ 0..0x20 => write!(to, "^{}", char::from(b'@' + code as u8)),
        0x7f => write!(to, "^?"),
        code => write!(to, "\\u{{{code:x}}}"),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn colours_stay_and_the_rest_goes() {
        for (text, cleaned) in [
            ("plain\ttext é", "plain\ttext é"),
            ("\x1b[1;31mred\x1b[0m", "\x1b[1;31mred\x1b[0m\x1b[0m"),
            ("\x1b[2J\x1b[Hgone", "gone"),
            ("\x1b[?25lx", "x"),
            ("\x1b]0;title\x07x\x1b]52;c;aGk=\x1b\\y", "xy"),
            ("\x1b(Bx\x1bcy\x1b", "xy"),
            ("bell\x07 \x08\x7f", "bell^G ^H^?"),
            ("\u{9b}31m", "\\u{9b}31m"),
            ("\x1b[>4m\x1b[31", ""),
        ] {
            assert_eq!(clean(text, true), cleaned, "{text:?}");
        }
        assert_eq!(clean("\x1b[31mred\x1b[0m", false), "red");
    }

    #[test]
    fn clean_lines_are_left_as_they_are() {
        for (lines, is) in [("a\tb\nc é\n", true), ("a\r\n", false), ("\u{9b}", false)] {
            assert_eq!(is_clean(lines.as_bytes()), is, "{lines:?}");
        }
        assert!(!is_clean(b"\xff"));
    }

    proptest! {
        #[test]
        fn only_colours_reach_the_terminal(text in "(\x1b|\x1b\\[|[a-z0-9;m\\[\\]\x00-\x1f\u{80}-\u{9f}]){0,20}") {
            prop_assert!(!clean(&text, false).chars().any(|c| c.is_control() && c != '\t'));
            let coloured = clean(&text, true);
            for part in coloured.split('\x1b').skip(1) {
                let sgr = part.strip_prefix('[').and_then(|p| p.split_once('m'));
                prop_assert!(sgr.is_some_and(|(p, _)| p.chars().all(|c| c.is_ascii_digit() || ";:".contains(c))));
            }
        }
    }
}
