//! Finding the first line of a moment without reading what is before it.

use std::io;
use std::path::Path;

use crate::backward::BLOCK;
use crate::content::{Bytes, Content};
use crate::cri;
use crate::files::{self, Listed, Position};

/// The first line that was captured at this moment or later, `None` where all are older.
///
/// Stamps rise within a file and names within a folder; where the clock was set back, lines near
/// that point can be missed.
///
/// # Errors
/// A file cannot be read.
pub fn seek(dir: &Path, stamp: i64) -> io::Result<Option<Position>> {
    let files = files::list(dir)?;
    let older = |f: &Listed| f.first.is_some_and(|first| first <= stamp);
    let first = files.iter().rposition(older).unwrap_or(0);
    for listed in files.iter().skip(first) {
        let Some(mut content) = Content::open(listed)? else { continue };
        if let Some(offset) = seek_in(&mut content, stamp)? {
            return Ok(Some(Position { offset, ..content.beginning(listed)? }));
        }
    }
    Ok(None)
}

/// The first line of a file with this stamp or a later one.
fn seek_in(content: &mut Content, stamp: i64) -> io::Result<Option<u64>> {
    let len = content.len()?;
    if content.is_packed() {
        return seek_packed(content, len, stamp);
    }
    let (mut low, mut high) = (0, len);
    while high - low > BLOCK {
        let middle = low + (high - low) / 2;
        match stamped_line(content, middle, high, false, i64::MIN)? {
            Some((at, found)) if found < stamp => low = at,
            _ => high = middle,
        }
    }
    // `high` may lie within a line that begins before it.
    Ok(stamped_line(content, low, len, false, stamp)?.map(|(at, _)| at))
}

/// The same by way of the side index, so that few frames are unpacked.
fn seek_packed(content: &mut Content, len: u64, stamp: i64) -> io::Result<Option<u64>> {
    let Some(index) = content.index()? else { return Ok(None) };
    let from = index.blocks.iter().find(|block| block.last >= Some(stamp));
    let Some((from, whole)) = from.map(|block| (block.plain, !block.torn)) else {
        return Ok(None);
    };
    Ok(stamped_line(content, from, len, whole, stamp)?.map(|(at, _)| at))
}

/// The first line that begins between two places and has this stamp or a later one. With `begins`
/// a line is known to begin at the first place.
fn stamped_line(
    content: &mut Content,
    low: u64,
    high: u64,
    begins: bool,
    least: i64,
) -> io::Result<Option<(u64, i64)>> {
    let mut block = vec![0; BLOCK as usize];
    // A line begins behind a newline: look at the byte before, too.
    let mut begins = begins || low == 0;
    let mut at = if begins { low } else { low - 1 };
    while at < high {
        let count = content.read_at(&mut block, at)?;
        if count == 0 {
            return Ok(None);
        }
        let mut next = 0;
        while next < count && at + (next as u64) < high {
            if begins && let Some(found) = stamp_of(&block[next..count]) {
                if found >= least {
                    return Ok(Some((at + next as u64, found)));
                }
            } else if begins && count - next < STAMP && count == block.len() {
                // The stamp goes on in the next block.
                break;
            }
            begins = true;
            match memchr::memchr(b'\n', &block[next..count]) {
                Some(end) => next += end + 1,
                None => {
                    begins = false;
                    next = count;
                }
            }
        }
        at += next as u64;
    }
    Ok(None)
}

/// The longest stamp: nine digits and a numeric offset, and the blank behind it.
const STAMP: usize = 36;

fn stamp_of(line: &[u8]) -> Option<i64> {
    let end = memchr::memchr(b' ', &line[..line.len().min(STAMP)])?;
    cri::parse_stamp(&line[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backward::{Backward, MAX_LINE};
    use crate::files::Packing;
    use crate::reader::Reader;
    use crate::testing::{Log, line};

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn a_moment_is_found_in_the_right_file() {
        let log = Log::new();
        for file in 0..3 {
            let mut bytes = Vec::new();
            for at in 0..5000 {
                let second = file * 5000 + at;
                bytes.extend(line(second, "stdout F", second.to_string().as_bytes()));
            }
            log.append(&bytes);
            if file < 2 {
                log.rotate(file * 5000);
            }
        }
        found_all(&log);
        log.pack(0, Packing::Zstd, 10_000);
        found_all(&log);
        log.pack(5000, Packing::Gzip, 1_000_001);
        found_all(&log);
        // As often as it is asked, the index is there or not.
        found_all(&log);
        for second in [0, 5000] {
            std::fs::remove_file(log.index(second)).unwrap();
        }
        found_all(&log);
    }

    fn found_all(log: &Log) {
        for second in [0, 1, 2499, 4999, 5000, 5001, 9999, 12_345, 14_999] {
            for nanos in [second * SECOND, second * SECOND - 1] {
                let place = seek(log.dir(), nanos).unwrap().unwrap();
                let mut reader = Reader::at(log.dir(), place).unwrap();
                let line = reader.next_line().unwrap().unwrap();
                assert_eq!(line.text, second.to_string().as_bytes());
            }
        }
        assert_eq!(seek(log.dir(), 15_000 * SECOND).unwrap(), None);
    }

    #[test]
    fn a_moment_is_found_among_garbage_and_long_lines() {
        let log = Log::new();
        let long = "x".repeat(300_000);
        log.append(b"garbage\n");
        log.write(1, "stdout F", &long);
        log.append(long.as_bytes());
        log.append(b"\n");
        log.write(2, "stdout F", &long);
        log.write(3, "stdout F", "three");
        for (second, text) in [(1, long.as_str()), (2, &long), (3, "three")] {
            let place = seek(log.dir(), second * SECOND).unwrap().unwrap();
            let mut back = Backward::new(log.dir(), None).unwrap();
            let mut found = None;
            while let Some((at, line)) = back.next_line().unwrap() {
                if at == place {
                    found = Some(line.text.len());
                }
            }
            assert_eq!(
                found,
                Some(text.len().min(MAX_LINE + BLOCK as usize)).map(|n| n.min(text.len()))
            );
        }
    }
}
