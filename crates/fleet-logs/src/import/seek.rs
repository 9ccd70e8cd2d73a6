//! Places in a file, found without reading all of it.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use super::form::Form;

/// Bytes read at a time.
const BLOCK: usize = 64 << 10;

/// A file that is smaller is read as a whole.
const SMALL: u64 = 1 << 20;

/// So many places must be in order of time before a file counts as sorted.
const PROBES: u64 = 16;

/// When a line was written, as it tells.
pub(super) fn stamp(form: Form, line: &[u8], near: i64) -> Option<i64> {
    let piece = || form.piece(line).map(|piece| piece.stamp_nanos);
    piece().or_else(|| fleet_logline::time_near(line, near).map(|(nanos, _)| nanos))
}

/// Where the last so many lines begin. A last line without a newline is one.
pub(super) fn last_lines(file: &File, lines: usize) -> io::Result<u64> {
    let length = file.metadata()?.len();
    if lines == 0 {
        return Ok(length);
    }
    let (mut left, mut end) = (lines, length);
    while end > 0 {
        let begin = end.saturating_sub(BLOCK as u64);
        let block = read(file, begin, (end - begin) as usize)?;
        for at in memchr::memrchr_iter(b'\n', &block) {
            let place = begin + at as u64 + 1;
            if place == length {
                continue;
            }
            if left == 1 {
                return Ok(place);
            }
            left -= 1;
        }
        end = begin;
    }
    Ok(0)
}

/// A place before which all lines are older, a little early rather than late: the start, unless the
/// file is large and its lines are in order of time.
pub(super) fn since(file: &File, form: Form, since: i64, near: i64) -> io::Result<u64> {
    let length = file.metadata()?.len();
    if length < SMALL || !is_sorted(file, form, length, near)? {
        return Ok(0);
    }
    let (mut older, mut newer) = (0, length / BLOCK as u64);
    while newer - older > 1 {
        let middle = older + (newer - older) / 2;
        match in_block(file, form, middle * BLOCK as u64, near)? {
            Some((nanos, _)) if nanos < since => older = middle,
            _ => newer = middle,
        }
    }
    // Lines of several threads may be a little out of order.
    let begin = older.saturating_sub(1) * BLOCK as u64;
    Ok(in_block(file, form, begin, near)?.filter(|_| begin > 0).map_or(0, |(_, place)| place))
}

fn is_sorted(file: &File, form: Form, length: u64, near: i64) -> io::Result<bool> {
    let mut last = i64::MIN;
    for probe in 0..PROBES {
        let Some((nanos, _)) = in_block(file, form, length / PROBES * probe, near)? else {
            return Ok(false);
        };
        if nanos < last {
            return Ok(false);
        }
        last = nanos;
    }
    Ok(true)
}

/// The first time of the block that begins here, and where its line begins.
fn in_block(file: &File, form: Form, begin: u64, near: i64) -> io::Result<Option<(i64, u64)>> {
    let block = read(file, begin, BLOCK)?;
    let mut at = 0;
    for (number, line) in block.split(|b| *b == b'\n').enumerate() {
        // The block begins within its first line.
        let whole = number > 0 || begin == 0;
        if let Some(nanos) = whole.then(|| stamp(form, line, near)).flatten() {
            return Ok(Some((nanos, begin + at as u64)));
        }
        at += line.len() + 1;
    }
    Ok(None)
}

/// The last time that is told before a place, at no great distance.
pub(super) fn before(file: &File, form: Form, place: u64, near: i64) -> io::Result<Option<i64>> {
    let begin = place.saturating_sub(BLOCK as u64);
    let block = read(file, begin, (place - begin) as usize)?;
    Ok(block.rsplit(|b| *b == b'\n').find_map(|line| stamp(form, line, near)))
}

fn read(file: &File, begin: u64, most: usize) -> io::Result<Vec<u8>> {
    let mut block = vec![0; most];
    let mut filled = 0;
    while filled < most {
        match file.read_at(&mut block[filled..], begin + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    block.truncate(filled);
    Ok(block)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Write;

    fn file(text: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text).unwrap();
        file
    }

    #[test]
    fn what_is_older_is_passed_over() {
        let line = |at: u64| {
            let (hour, rest) = (at / 3600, at % 3600);
            let (minute, second) = (rest / 60, rest % 60);
            format!("2026-11-22T{hour:02}:{minute:02}:{second:02}Z {}\n", "x".repeat(100))
        };
        let text: String = (0..40_000).map(line).collect();
        let found = |text: &str, at: &str| {
            let nanos = stamp(Form::Plain, at.as_bytes(), 0).unwrap();
            let place = since(&file(text.as_bytes()), Form::Plain, nanos, 0).unwrap();
            (place, text[place as usize..].find(at).is_some(), text[..place as usize].contains(at))
        };
        let (place, behind, before) = found(&text, "2026-11-22T08:00:00Z");
        assert!(place > 1 << 20 && behind && !before);
        let (place, ..) = found(&text, "2026-11-22T00:00:00Z");
        assert_eq!(place, 0);
        let (place, ..) = found(&format!("{text}{text}"), "2026-11-22T08:00:00Z");
        assert_eq!(place, 0, "out of order");
    }

    proptest! {
        #[test]
        fn the_last_lines_are_those(text in "[ab\n]{0,40}", lines in 0_usize..6) {
            let place = last_lines(&file(text.as_bytes()), lines).unwrap() as usize;
            let all: Vec<&str> = text.split_inclusive('\n').collect();
            let expected = all[all.len().saturating_sub(lines)..].concat();
            prop_assert_eq!(&text[place..], expected);
        }
    }
}
