//! Progress bars: a line whose frames overwrite each other.
//!
//! For the last words of a process, which its shim writes and which must cost it little; readers of
//! logs have all of a terminal in `fleet-progress`.

/// The frame of a line that a terminal would show at the end: the text behind the last carriage
/// return that something printable follows.
pub(crate) fn last_frame(text: &[u8]) -> &[u8] {
    let mut end = text.len();
    while let Some(at) = memchr::memrchr(b'\r', &text[..end]) {
        if shows(&text[at + 1..end]) {
            return &text[at + 1..end];
        }
        end = at;
    }
    &text[..end]
}

/// Whether a frame leaves ink: not blanks and escape sequences alone.
fn shows(frame: &[u8]) -> bool {
    let mut bytes = frame.iter();
    while let Some(&byte) = bytes.next() {
        match byte {
            0x1b => skip_escape(&mut bytes),
            b' ' | b'\t' | 0..0x20 | 0x7f => {}
            _ => return true,
        }
    }
    false
}

/// Passes over `[ … final` or the one byte of a short sequence.
fn skip_escape(bytes: &mut std::slice::Iter<'_, u8>) {
    if bytes.next() == Some(&b'[') {
        bytes.find(|b| (0x40..0x7f).contains(*b));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_terminal_shows_at_the_end_is_left() {
        for (text, frame) in [
            ("plain", "plain"),
            ("dos\r", "dos"),
            ("\r 33%|###\r 66%|###", " 66%|###"),
            ("\r100%|###\r100%|###|  ", "100%|###|  "),
            ("\r50%|#\r      \rwritten", "written"),
            ("50%\r\x1b[K", "50%"),
            ("50%\r\x1b[K60%", "\x1b[K60%"),
            ("\r\r", ""),
            ("", ""),
        ] {
            assert_eq!(last_frame(text.as_bytes()), frame.as_bytes(), "{text:?}");
        }
    }
}
