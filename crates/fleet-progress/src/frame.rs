//! The drawings that a line went through.

/// A terminal's escape sequence, without its ESC: how long it is, and what it does if that matters
/// here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Escape {
    /// Changes how text looks.
    Look,
    /// Moves the cursor up so many rows; down where negative.
    Up(isize),
    /// The same, and to the first column.
    UpHome(isize),
    /// Moves the cursor to the first column.
    Home,
    /// Erases the row, or what is right of the cursor.
    Erase,
    /// Anything else.
    Other,
}

/// Takes apart what follows an ESC: the length of the sequence, and what it does.
pub(crate) fn escape(text: &[u8]) -> (usize, Escape) {
    match text.first() {
        Some(b'[') => {}
        Some(b'M') => return (1, Escape::Up(1)),
        // Strings to the terminal end with BEL or ESC \.
        Some(b']' | b'P' | b'X' | b'^' | b'_') => {
            let end = text.iter().position(|&b| b == 0x07 || b == 0x1b);
            return (end.map_or(text.len(), |at| at + 1), Escape::Other);
        }
        // ESC ( B
        Some(b' '..=b'/') => return (text.len().min(2), Escape::Other),
        other => return (usize::from(other.is_some()), Escape::Other),
    }
    let Some(end) = text.iter().skip(1).position(|b| !(0x20..0x40).contains(b)) else {
        return (text.len(), Escape::Other);
    };
    let number = std::str::from_utf8(&text[1..=end]).ok().and_then(|n| n.parse::<u16>().ok());
    let rows = isize::try_from(number.unwrap_or(1).max(1)).unwrap_or(1);
    let what = match text[end + 1] {
        b'm' => Escape::Look,
        b'A' => Escape::Up(rows),
        b'B' => Escape::Up(-rows),
        b'F' => Escape::UpHome(rows),
        b'E' => Escape::UpHome(-rows),
        b'G' if rows == 1 => Escape::Home,
        b'K' => Escape::Erase,
        _ => Escape::Other,
    };
    (end + 2, what)
}

/// The text without escape sequences and other control characters, trimmed.
pub(crate) fn plain(text: &[u8]) -> String {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&byte, behind)) = rest.split_first() {
        rest = match byte {
            0x1b => &behind[escape(behind).0..],
            b'\t' => {
                plain.push(b' ');
                behind
            }
            0..0x20 | 0x7f => behind,
            byte => {
                plain.push(byte);
                behind
            }
        };
    }
    String::from_utf8_lossy(&plain).trim().to_owned()
}

/// The drawings of a line, the last first, without colours and cursor moves; blank ones are left
/// out. Rows below each other come as several.
pub fn drawings(text: &[u8]) -> impl Iterator<Item = String> {
    let ends = |b: &u8| matches!(b, b'\r' | b'\n');
    text.rsplit(ends).map(plain).filter(|drawing| !drawing.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn escape_sequences_are_taken_apart() {
        for (text, is) in [
            (&b"[A"[..], (2, Escape::Up(1))),
            (b"[12Bx", (4, Escape::Up(-12))),
            (b"[2F", (3, Escape::UpHome(2))),
            (b"[1;31mred", (6, Escape::Look)),
            (b"[2K", (3, Escape::Erase)),
            (b"[1G", (3, Escape::Home)),
            (b"[?25l", (5, Escape::Other)),
            (b"]0;title\x07x", (9, Escape::Other)),
            (b"(B", (2, Escape::Other)),
            (b"M", (1, Escape::Up(1))),
            (b"[31", (3, Escape::Other)),
            (b"", (0, Escape::Other)),
        ] {
            assert_eq!(escape(text), is, "{text:?}");
        }
    }

    #[test]
    fn drawings_of_a_line_come_last_first() {
        let text = b"\r 33%|#\r\x1b[32m 66%|#\x1b[0m\x08\x08\r     \rdone";
        assert_eq!(drawings(text).collect::<Vec<_>>(), ["done", "66%|#", "33%|#"]);
        assert_eq!(drawings(b"dos\r").collect::<Vec<_>>(), ["dos"]);
        assert_eq!(drawings(b"").count(), 0);
    }

    proptest! {
        #[test]
        fn any_bytes_have_drawings_without_control_characters(
            bytes: Vec<u8>, near in "(\x1b|\\[|[0-9;]|[A-Z]|\r|\x08|é){0,20}",
        ) {
            for text in [&bytes[..], near.as_bytes()] {
                prop_assert!(drawings(text).all(|d| !d.bytes().any(|b| b < 0x20)));
            }
        }
    }
}
