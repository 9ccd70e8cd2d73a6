//! A message without what differs from time to time.

/// Months and days, which stand before a number in times.
const CALENDAR: [&str; 19] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec", "Mon",
    "Tue", "Wed", "Thu", "Fri", "Sat", "Sun",
];

/// A word of hexadecimal digits is an address or a hash if it is so long.
const HEX: usize = 6;

/// Numbers, hexadecimal words and UUIDs become `#`, quoted texts `'…'`, paths `/…`.
pub(super) fn normalised(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let before = out.chars().next_back();
        let (taken, put) = piece(c, rest, before);
        // One sign for `10.0.0.1:5432` and for `-1.5e-07`, one for all words of a date.
        let joins = put == "#" && ends_with_number(&mut out);
        if !joins {
            out.push_str(&put);
        }
        rest = rest.get(taken..).unwrap_or_default();
    }
    out
}

/// What the rest begins with: how long it is, and what becomes of it.
fn piece(c: char, rest: &str, before: Option<char>) -> (usize, String) {
    let is_apart = before.is_none_or(|b| !b.is_alphanumeric() && b != '#');
    if let Some(length) = quoted(rest).filter(|_| is_apart) {
        return (length, "'…'".to_owned());
    }
    if c == '/' && is_apart {
        let length = rest.find([' ', '\'', '"', ',', ')', ']', ';']).unwrap_or(rest.len());
        if length > 1 {
            return (length, "/…".to_owned());
        }
    }
    if let Some(length) = uuid(rest).or_else(|| number(rest)).filter(|_| is_apart) {
        return (length, "#".to_owned());
    }
    if c.is_alphanumeric() {
        let is_part = |c: char| c.is_alphanumeric() || c == '_';
        let length = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let word = rest.get(..length).unwrap_or(rest);
        return (length, of_word(word));
    }
    (c.len_utf8(), c.to_string())
}

/// The length of `550e8400-e29b-41d4-a716-446655440000`.
fn uuid(rest: &str) -> Option<usize> {
    const LENGTH: usize = 36;
    let fits = |(at, byte): (usize, u8)| match at {
        8 | 13 | 18 | 23 => byte == b'-',
        _ => byte.is_ascii_hexdigit(),
    };
    rest.get(..LENGTH)?.bytes().enumerate().all(fits).then_some(LENGTH)
}

/// The length of `12`, `-1.5e-07`, where no word begins so.
fn number(rest: &str) -> Option<usize> {
    let bytes = rest.as_bytes();
    let digits = |from: usize| {
        let digits = bytes.get(from..)?.iter().take_while(|b| b.is_ascii_digit()).count();
        (digits > 0).then_some(from + digits)
    };
    let mut end = digits(usize::from(bytes.first() == Some(&b'-')))?;
    if bytes.get(end) == Some(&b'.') {
        end = digits(end + 1).unwrap_or(end);
    }
    if matches!(bytes.get(end), Some(b'e' | b'E')) {
        let signed = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        end = digits(end + 1 + signed).unwrap_or(end);
    }
    let next = rest.get(end..)?.chars().next();
    next.is_none_or(|c| !c.is_alphanumeric() && c != '_').then_some(end)
}

/// The length of a quoted text with its quotes: the second is followed by no letter.
fn quoted(rest: &str) -> Option<usize> {
    let quote = rest.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let inner = rest.get(1..)?;
    let ends = |at: &usize| {
        let next = inner.get(at + 1..).and_then(|rest| rest.chars().next());
        next.is_none_or(|c| !c.is_alphanumeric())
    };
    inner.match_indices(quote).map(|(at, _)| at).find(ends).map(|at| at + 2)
}

fn of_word(word: &str) -> String {
    let has_digit = word.bytes().any(|b| b.is_ascii_digit());
    let is_hex = |word: &str| !word.is_empty() && word.bytes().all(|b| b.is_ascii_hexdigit());
    let is_address = word.strip_prefix("0x").is_some_and(is_hex);
    if is_address || has_digit && word.len() >= HEX && is_hex(word) || CALENDAR.contains(&word) {
        return "#".to_owned();
    }
    if has_digit { without_numbers(word) } else { word.to_owned() }
}

/// With `#` instead of each number.
pub(super) fn without_numbers(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '0'..='9' if out.ends_with('#') => {}
            '0'..='9' => out.push('#'),
            c => out.push(c),
        }
    }
    out
}

/// Whether a number stands at the end that goes on with the next; takes away what is between.
fn ends_with_number(out: &mut String) -> bool {
    let bare = out.trim_end_matches(['.', ':', '-', '+', ',', '/', '_', ' ']);
    if bare.ends_with('#') {
        out.truncate(bare.len());
        return true;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_differs_goes() {
        for (text, kept) in [
            ("list index out of range", "list index out of range"),
            ("can't open file '/srv/x 1.bin': no", "can't open file '…': no"),
            ("lost 10.0.0.1:5432 after -1.5e-07 s", "lost # after # s"),
            ("at 0x7fff00 of deadbeef1 and dead", "at # of # and dead"),
            ("job 550e8400-e29b-41d4-a716-446655440000 is bad", "job # is bad"),
            ("no /srv/data/part-7, no", "no /…, no"),
            ("layer3.weight of block_12", "layer#.weight of block_#"),
            ("Sun Nov 22 06:00:00 2026 x", "# x"),
            ("a / b", "a / b"),
            ("KeyError: \"it's\" and 'b'", "KeyError: '…' and '…'"),
        ] {
            assert_eq!(normalised(text), kept, "{text}");
        }
    }

    proptest! {
        #[test]
        fn nothing_panics_and_it_is_final(text in ".{0,60}") {
            let once = normalised(&text);
            prop_assert!(once.chars().count() <= 2 * text.chars().count() + 3);
            prop_assert!(!once.bytes().any(|b| b.is_ascii_digit()));
        }

        #[test]
        fn numbers_do_not_matter(a in 0u64.., b in 0u64..) {
            prop_assert_eq!(normalised(&format!("x {a} y")), normalised(&format!("x {b} y")));
        }
    }
}
