//! A log in blocks of whole lines, for who looks through all of it at once.
//!
//! The files are listed once, and each is cut into chunks of bytes. A line belongs to the chunk
//! that it begins in, so that any number of threads can read any chunks in any order, and
//! together they see each line once.

use std::io;
use std::ops::Range;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use crate::content::{self, Content};
use crate::cri::{self, Line};
use crate::files::{self, Listed, Packing, Position};
use crate::reader::is_torn_head;

/// How far behind its chunk the end of the last line is looked for.
const OVERHANG: usize = 64 << 10;

/// Bytes read at a time where a line goes on behind its chunk, as the last one does.
const STEP: usize = 4 << 10;

/// One file of a log, as far as it was written when it was listed.
#[derive(Debug)]
pub struct Part {
    listed: Listed,
    range: Range<u64>,
    /// Nothing is written behind it.
    last: bool,
    /// Opened at the first use, for all of its chunks.
    content: Mutex<Option<Content>>,
}

/// The lines that begin in one chunk, in a buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk {
    /// Where in the buffer they lie.
    pub lines: Range<usize>,
    /// How the last of them ends.
    pub tail: Tail,
}

/// How the last line of a block ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tail {
    /// With a newline, or with a file that another followed.
    Whole,
    /// Not yet: it is being written, or its writer died.
    Unfinished,
    /// Far behind the chunk; the place is that behind the bytes that are in the buffer.
    Long(u64),
}

/// The files between two places, oldest first, and whether some were removed meanwhile. `None`
/// where some are compressed.
///
/// # Errors
/// The folder or a file cannot be read.
pub fn parts(
    dir: &Path,
    from: Option<Position>,
    to: Option<Position>,
) -> io::Result<Option<(Vec<Part>, bool)>> {
    let files = files::list(dir)?;
    if files.iter().any(|file| file.packing != Packing::Plain) {
        return Ok(None);
    }
    let place = |place: Option<Position>| match place {
        Some(place) => {
            let found = content::find::<Content>(&files, &place)?;
            Ok::<_, io::Error>(found.map(|(at, _)| (at, place.offset)))
        }
        None => Ok(None),
    };
    let (first, last) = (place(from)?, place(to)?);
    let mut lost = from.is_some() && first.is_none();
    let mut parts = Vec::new();
    for (at, listed) in files.iter().enumerate() {
        let before = first.is_some_and(|(first, _)| at < first);
        if before || last.is_some_and(|(last, _)| at > last) {
            continue;
        }
        let Some(mut content) = Content::open(listed)? else {
            lost = true;
            continue;
        };
        let offset = |place: Option<(usize, u64)>| place.filter(|p| p.0 == at).map(|p| p.1);
        let start = offset(first).unwrap_or(0);
        let end = offset(last).map_or_else(|| content.plain_len(), Ok)?;
        // The file being written may have another name when it is read.
        let kept = listed.first.is_none().then_some(content);
        let (listed, range, content) = (listed.clone(), start..end.max(start), Mutex::new(kept));
        parts.push(Part { listed, range, last: false, content });
    }
    if let Some(part) = parts.last_mut() {
        part.last = true;
    }
    Ok(Some((parts, lost)))
}

impl Part {
    /// The bytes that are looked through.
    pub fn range(&self) -> Range<u64> {
        self.range.clone()
    }

    /// Reads the lines that begin in a chunk. `None`: the file was removed.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(&self, chunk: Range<u64>, buffer: &mut Vec<u8>) -> io::Result<Option<Chunk>> {
        // A line begins behind a newline: look at the byte before, too.
        let base = if chunk.start > self.range.start { chunk.start - 1 } else { chunk.start };
        let wanted = (chunk.end - base) as usize;
        let Some(mut filled) = self.fill(buffer, base, 0..wanted + STEP)? else { return Ok(None) };
        let within = wanted.min(filled);
        let start = match chunk.start > self.range.start {
            true => memchr::memchr(b'\n', &buffer[..within]).map_or(within, |at| at + 1),
            false => 0,
        };
        if start >= within {
            return Ok(Some(Chunk { lines: 0..0, tail: Tail::Whole }));
        }
        let mut searched = within - 1;
        loop {
            if let Some(at) = memchr::memchr(b'\n', &buffer[searched..filled]) {
                return Ok(Some(Chunk { lines: start..searched + at + 1, tail: Tail::Whole }));
            }
            searched = filled;
            if filled >= wanted + OVERHANG {
                let tail = Tail::Long(base + filled as u64);
                return Ok(Some(Chunk { lines: start..filled, tail }));
            }
            let more = self.fill(buffer, base, filled..filled + STEP)?;
            filled = more.unwrap_or(filled);
            if filled == searched {
                let tail = if self.last { Tail::Unfinished } else { Tail::Whole };
                return Ok(Some(Chunk { lines: start..filled, tail }));
            }
        }
    }

    /// Reads on in a long line: the bytes from a place on, as far as the line or the buffer goes,
    /// and whether the line ends there.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read_on(&self, from: u64, buffer: &mut Vec<u8>) -> io::Result<(usize, bool)> {
        let filled = self.fill(buffer, from, 0..OVERHANG)?.unwrap_or(0);
        Ok(match memchr::memchr(b'\n', &buffer[..filled]) {
            Some(at) => (at, true),
            None => (filled, filled < OVERHANG),
        })
    }

    /// Reads a part of the file into this part of a buffer, and says how far it is filled then.
    fn fill(
        &self,
        buffer: &mut Vec<u8>,
        base: u64,
        part: Range<usize>,
    ) -> io::Result<Option<usize>> {
        if buffer.len() < part.end {
            buffer.resize(part.end, 0);
        }
        let (from, offset) = (part.start, base + part.start as u64);
        Ok(self.read_at(&mut buffer[part], offset)?.map(|count| from + count))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<Option<usize>> {
        let mut locked = self.content.lock().unwrap_or_else(PoisonError::into_inner);
        if locked.is_none() {
            *locked = Content::open(&self.listed)?;
        }
        let Some(content) = locked.as_mut() else { return Ok(None) };
        let Some(file) = content.plain_file() else {
            // It was compressed a moment ago.
            return content.read_plain_at(buffer, offset).map(Some);
        };
        drop(locked);
        files::read_at(&file, buffer, offset).map(Some)
    }
}

/// What is written of a line that has no end yet: a partial line, or nothing where its head is
/// torn, in which the process has no part.
pub fn unfinished(line: &[u8]) -> Option<&[u8]> {
    (!is_torn_head(line)).then_some(line)
}

/// Reads the heads of lines, and is quick where they are as our own writer's: of one width, and
/// most within the same second as the line before.
#[derive(Clone, Debug, Default)]
pub struct Heads {
    second: [u8; 20],
    nanos: i64,
}

/// Width of a stamp with nine digits in UTC.
const STAMP: usize = 30;

/// Width of the head of a whole line after our own writer.
const HEAD: usize = STAMP + " stdout F ".len();

impl Heads {
    /// As [`cri::parse`].
    pub fn parse<'a>(&mut self, line: &'a [u8]) -> Option<Line<'a>> {
        match whole(line) {
            Some((stream, text)) => self.stamped(line, stream, text),
            None => cri::parse(line),
        }
    }

    /// The same of a line whose stream and text are known from [`whole`].
    pub fn stamped<'a>(
        &mut self,
        line: &[u8],
        stream: cri::Stream,
        text: &'a [u8],
    ) -> Option<Line<'a>> {
        let stamp_nanos = self.stamp(line.get(..STAMP)?)?;
        Some(Line { stamp_nanos, stream, partial: false, notice: false, text })
    }

    fn stamp(&mut self, stamp: &[u8]) -> Option<i64> {
        let (second, fraction) = stamp.split_at(20);
        if self.second == *second {
            let digits = fraction[..9].iter();
            let nanos = digits.fold(0_i64, |sum, digit| sum * 10 + i64::from(digit - b'0'));
            return Some(self.nanos + nanos);
        }
        let nanos = cri::parse_stamp(stamp)?;
        self.nanos = nanos - nanos.rem_euclid(1_000_000_000);
        // A leap second's stamp has no fraction of its own.
        if second[17..19] != *b"60" {
            self.second.copy_from_slice(second);
        }
        Some(nanos)
    }
}

/// The stream and the text of a line as our own writer writes whole lines; `None` for any other.
pub fn whole(line: &[u8]) -> Option<(cri::Stream, &[u8])> {
    let (head, text) = line.split_at_checked(HEAD)?;
    let stream = match &head[STAMP..] {
        b" stdout F " => cri::Stream::Stdout,
        b" stderr F " => cri::Stream::Stderr,
        _ => return None,
    };
    let fraction = head[19] == b'.' && head[20..29].iter().all(u8::is_ascii_digit);
    (fraction && head[29] == b'Z').then_some((stream, text))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cri::Stream;
    use crate::testing::Log;
    use proptest::prelude::*;

    /// All lines by chunks of this size.
    fn lines(log: &Log, size: u64) -> Vec<Vec<u8>> {
        let (parts, lost) = parts(log.dir(), None, None).unwrap().unwrap();
        assert!(!lost);
        let (mut buffer, mut all) = (Vec::new(), Vec::new());
        for part in parts {
            for start in part.range().step_by(size as usize) {
                let chunk = start..(start + size).min(part.range().end);
                let block = part.read(chunk, &mut buffer).unwrap().unwrap();
                let bytes = &buffer[block.lines];
                all.extend(bytes.split_inclusive(|&b| b == b'\n').map(<[u8]>::to_vec));
                assert!(!matches!(block.tail, Tail::Long(_)));
            }
        }
        all
    }

    #[test]
    fn a_line_without_end_is_read_on() {
        let log = Log::new();
        log.append(&[b'x'; 4 * OVERHANG]);
        log.append(b"\nnext\n");
        let part = parts(log.dir(), None, None).unwrap().unwrap().0.remove(0);
        let mut buffer = Vec::new();
        let block = part.read(0..10, &mut buffer).unwrap().unwrap();
        let Tail::Long(at) = block.tail else { panic!("{block:?}") };
        assert_eq!(at, block.lines.end as u64);
        assert_eq!(part.read_on(at, &mut buffer).unwrap(), (OVERHANG, false));
        let at = at + 2 * OVERHANG as u64;
        let rest = part.read_on(at, &mut buffer).unwrap();
        assert_eq!((at + rest.0 as u64, rest.1), (4 * OVERHANG as u64, true));
        let within = part.read(10..20, &mut buffer).unwrap().unwrap();
        assert!(within.lines.is_empty());
    }

    proptest! {
        #[test]
        fn each_line_is_in_one_block_whatever_its_size(
            texts in proptest::collection::vec((0usize..40, any::<bool>()), 0..20),
            size in 1u64..200,
            torn: bool,
        ) {
            let log = Log::new();
            let mut wanted = Vec::new();
            for (at, (len, rotate)) in texts.iter().enumerate() {
                let line = format!("{at}{}\n", "x".repeat(*len));
                log.append(line.as_bytes());
                wanted.push(line.into_bytes());
                if *rotate {
                    log.rotate(at as i64);
                }
            }
            if torn {
                log.append(b"torn");
                wanted.push(b"torn".to_vec());
            }
            prop_assert_eq!(lines(&log, size), wanted);
        }

        #[test]
        fn heads_are_read_as_cri_lines(
            lines in proptest::collection::vec(
                "2026-11-2[2-3]T06:0[0-1]:(00|60)\\.[0-9a]{8,9}[Z0] (stdout|stderr|x) [FP](:fleet)? ?[ab]{0,2}", 1..9,
            ),
        ) {
            let mut heads = Heads::default();
            for line in &lines {
                prop_assert_eq!(heads.parse(line.as_bytes()), cri::parse(line.as_bytes()));
            }
        }
    }

    #[test]
    fn the_text_of_a_whole_line() {
        let line = b"2026-11-22T06:00:00.123456789Z stderr F a b";
        assert_eq!(whole(line), Some((Stream::Stderr, b"a b".as_slice())));
        assert_eq!(whole(b"2026-11-22T06:00:00.123456789Z stderr P a b"), None);
    }
}
