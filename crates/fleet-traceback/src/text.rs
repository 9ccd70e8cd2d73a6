//! Small questions about the bytes of a line.

/// How many blanks it begins with.
pub(crate) fn indent(text: &[u8]) -> usize {
    text.iter().take_while(|&&b| b == b' ').count()
}

/// Without blanks and carriage returns at its end.
pub(crate) fn trimmed(text: &[u8]) -> &[u8] {
    let end = text.iter().rposition(|b| !matches!(b, b' ' | b'\r')).map_or(0, |at| at + 1);
    text.get(..end).unwrap_or_default()
}

/// Whether this stands in it.
pub(crate) fn has(text: &[u8], part: &str) -> bool {
    memchr::memmem::find(text, part.as_bytes()).is_some()
}

/// Whether it begins with this.
pub(crate) fn begins(text: &[u8], with: &str) -> bool {
    text.starts_with(with.as_bytes())
}

/// What stands before a colon and a number at the end.
pub(crate) fn before_number(text: &[u8]) -> Option<&[u8]> {
    let digits = text.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    if digits == 0 {
        return None;
    }
    text.get(..text.len() - digits)?.strip_suffix(b":")
}

/// Whether it only marks places in the line above it.
pub(crate) fn is_caret_line(text: &[u8]) -> bool {
    let marks = text.iter().skip_while(|&&b| b == b' ' || b == b'\t');
    text.contains(&b'^') && marks.clone().all(|b| matches!(b, b'^' | b'~' | b' '))
}

/// The length of a name with dots at the beginning: `java.lang.Foo$Bar`.
pub(crate) fn name_length(text: &[u8]) -> usize {
    let is_part = |b: &&u8| b.is_ascii_alphanumeric() || matches!(**b, b'_' | b'.' | b'$');
    let starts = text.first().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_');
    if starts { text.iter().take_while(is_part).count() } else { 0 }
}

/// Splits `path:12:7` or `path:12` into path and line.
pub(crate) fn place(text: &str) -> Option<(&str, u32)> {
    let (rest, last) = text.rsplit_once(':')?;
    let last: u32 = last.parse().ok()?;
    match rest.rsplit_once(':').and_then(|(path, line)| Some((path, line.parse().ok()?))) {
        Some(both) => Some(both),
        None => Some((rest, last)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places() {
        assert_eq!(place("/a/b.js:3:15"), Some(("/a/b.js", 3)));
        assert_eq!(place("node:fs:573"), Some(("node:fs", 573)));
        assert_eq!(place("x"), None);
        assert_eq!(before_number(b"/a/b.js:3"), Some(&b"/a/b.js"[..]));
        assert_eq!(before_number(b"3"), None);
    }

    #[test]
    fn carets() {
        assert!(is_caret_line(b"    ~~~^^^  ") && is_caret_line(b"^"));
        assert!(!is_caret_line(b"    ~~~") && !is_caret_line(b"x ^") && !is_caret_line(b""));
    }
}
