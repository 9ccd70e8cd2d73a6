//! Reading the log of a run backwards, and finding places in it without reading it whole.

use std::io;
use std::path::Path;

use crate::content::{Bytes, Content, find};
use crate::cri::{self, Line, Stream};
use crate::files::{self, Listed, Position};
use crate::join::Message;

/// Bytes read at a time.
pub(crate) const BLOCK: u64 = 64 << 10;

/// Of a longer line only the first so many bytes are held.
pub(crate) const MAX_LINE: usize = 256 << 10;

/// How far before the last wanted line its first pieces are looked for. A line's pieces stand
/// close together unless the other stream is busy; each that is found renews the search.
const LOOK_BACK: u64 = 1 << 20;

/// Lines from the last to the first. What is written after the beginning is not seen.
pub struct Backward<B = Content> {
    /// Files that were not begun yet, oldest first.
    files: Vec<Listed>,
    open: Option<Open<B>>,
    last_stamp: i64,
    read: u64,
}

struct Open<B> {
    bytes: B,
    file: Position,
    /// Where the lines that were handed out begin.
    end: u64,
    /// Bytes from `base` on, up to `end` or, in a long line, less far.
    buffer: Vec<u8>,
    base: u64,
}

impl Backward {
    /// From a place, or the end, back.
    ///
    /// # Errors
    /// The folder cannot be read.
    pub fn new(dir: impl AsRef<Path>, from: Option<Position>) -> io::Result<Backward> {
        Backward::over(dir.as_ref(), from)
    }
}

#[allow(private_bounds, reason = "what files are packed in is decided in this crate")]
impl<B: Bytes> Backward<B> {
    /// Over files of the forms that `B` reads.
    pub(crate) fn over(dir: &Path, from: Option<Position>) -> io::Result<Backward<B>> {
        let mut files = files::list(dir)?;
        let mut open = None;
        if let Some(from) = from
            && let Some((at, bytes)) = find::<B>(&files, &from)?
        {
            open = Some(Open::new(bytes, &files[at], Some(from.offset))?);
            files.truncate(at);
        }
        let mut lines = Backward { files, open, last_stamp: i64::MAX, read: 0 };
        // Now, so that what is written from now on is not seen.
        if lines.open.is_none() {
            lines.open_last()?;
        }
        Ok(lines)
    }

    /// Opens the last file that is left; `false` where none is.
    fn open_last(&mut self) -> io::Result<bool> {
        while let Some(listed) = self.files.pop() {
            if let Some(bytes) = B::open(&listed)? {
                self.open = Some(Open::new(bytes, &listed, None)?);
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Bytes read so far.
    pub fn bytes_read(&self) -> u64 {
        self.read
    }

    /// The line before the last one, and where it begins. What is no log line is handed out as a
    /// line of standard output with the stamp of the one behind it.
    ///
    /// # Errors
    /// A file cannot be read.
    pub fn next_line(&mut self) -> io::Result<Option<(Position, Line<'_>)>> {
        while self.open.as_ref().is_none_or(|open| open.end == 0) {
            if !self.open_last()? {
                return Ok(None);
            }
        }
        let Some(open) = &mut self.open else { return Ok(None) };
        let file = open.file;
        let (offset, text) = open.line(&mut self.read)?;
        let line = cri::parse(text).unwrap_or(Line {
            stamp_nanos: self.last_stamp,
            stream: Stream::Stdout,
            partial: false,
            notice: false,
            text,
        });
        self.last_stamp = line.stamp_nanos;
        Ok(Some((Position { offset, ..file }, line)))
    }
}

impl<B: Bytes> Open<B> {
    fn new(mut bytes: B, listed: &Listed, end: Option<u64>) -> io::Result<Open<B>> {
        let file = bytes.beginning(listed)?;
        let end = end.map_or_else(|| bytes.len(), Ok)?;
        Ok(Open { bytes, file, end, buffer: Vec::new(), base: end })
    }

    /// The line that ends at `end`, which must not be 0, and where it begins, which is `end` then.
    fn line(&mut self, read: &mut u64) -> io::Result<(u64, &[u8])> {
        self.buffer.truncate((self.end - self.base) as usize);
        if self.buffer.is_empty() {
            self.load(read)?;
        }
        // The newline that ends this line is not the one that ended the line before.
        let content = self.buffer.len() - usize::from(self.buffer.last() == Some(&b'\n'));
        let mut unsearched = content;
        let mut content = content;
        let start = loop {
            if let Some(at) = memchr::memrchr(b'\n', &self.buffer[..unsearched]) {
                break at + 1;
            }
            if self.base == 0 {
                break 0;
            }
            self.buffer.truncate(MAX_LINE);
            content = content.min(self.buffer.len());
            let kept = self.buffer.len();
            self.load(read)?;
            unsearched = self.buffer.len() - kept;
            content += unsearched;
        };
        self.end = self.base + start as u64;
        Ok((self.end, &self.buffer[start..content]))
    }

    /// Reads the block before the buffer.
    fn load(&mut self, read: &mut u64) -> io::Result<()> {
        let base = self.base.saturating_sub(BLOCK);
        let mut block = vec![0; (self.base - base) as usize];
        let count = self.bytes.read_at(&mut block, base)?;
        *read += count as u64;
        // Cut short under us: what is gone reads as zeros, which are no log line and no newline.
        block.append(&mut self.buffer);
        self.buffer = block;
        self.base = base;
        Ok(())
    }
}

/// Where to begin so that just the wanted lines follow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Start {
    /// The place; `None` where there is no log yet.
    pub place: Option<Position>,
    /// What comes first there and is not wanted.
    pub skip: Skip,
}

/// So many whole lines of each stream, and notices, stand between the pieces of a line that is
/// wanted and end before it does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Skip([usize; 3]);

impl Skip {
    /// Whether to pass over this message, the next from where the skipping began.
    pub fn passes_over(&mut self, message: &Message) -> bool {
        let left = &mut self.0[lane(message.stream, message.notice)];
        let over = *left > 0;
        *left -= usize::from(over && !message.partial);
        over
    }
}

/// Notices are whole lines beside the streams.
fn lane(stream: Stream, notice: bool) -> usize {
    if notice { 2 } else { stream as usize }
}

/// Finds the last `wanted` whole lines (pieces joined) among those that `takes` accepts, in what
/// is written between `from` and `to` now.
///
/// # Errors
/// A file cannot be read.
pub fn tail(
    dir: &Path,
    wanted: usize,
    from: Option<Position>,
    to: Option<Position>,
    mut takes: impl FnMut(&Line<'_>) -> bool,
) -> io::Result<Start> {
    let mut lines = Backward::new(dir, to)?;
    let mut count = Counter::new(wanted, end_of(&mut lines, to)?);
    while !count.done(lines.bytes_read()) {
        let read = lines.bytes_read();
        let Some((place, line)) = lines.next_line()? else { break };
        if from.is_some_and(|f| f.same_file(&place) && place.offset < f.offset) {
            break;
        }
        if takes(&line) {
            count.line(place, &line, read);
        }
    }
    Ok(count.start)
}

/// The place behind the last whole line: where to begin to see only what is written from now on.
fn end_of(lines: &mut Backward, to: Option<Position>) -> io::Result<Option<Position>> {
    let Some(open) = &mut lines.open else { return Ok(None) };
    let end = Position { offset: open.end, ..open.file };
    if to.is_some() || end.offset == 0 {
        return Ok(Some(end));
    }
    let mut newline = [0];
    open.bytes.read_at(&mut newline, end.offset - 1)?;
    if newline == *b"\n" {
        return Ok(Some(end));
    }
    let (offset, _) = open.line(&mut lines.read)?;
    // The torn line is handed out all the same.
    open.end = end.offset;
    (open.base, open.buffer) = (end.offset, Vec::new());
    Ok(Some(Position { offset, ..end }))
}

/// Counts lines backwards.
struct Counter {
    wanted: usize,
    found: usize,
    start: Start,
    /// Per stream: its next piece back belongs to a line that was counted.
    open: [bool; 2],
    /// Per stream: an end of a line was met, so that pieces before belong to a known line.
    met: [bool; 2],
    /// Whole lines met after the last that was wanted.
    extra: Skip,
    /// Bytes read when the search for first pieces began, or was renewed.
    searching: Option<u64>,
}

impl Counter {
    fn new(wanted: usize, end: Option<Position>) -> Counter {
        Counter {
            wanted,
            found: 0,
            start: Start { place: end, skip: Skip::default() },
            open: [false; 2],
            met: [false; 2],
            extra: Skip::default(),
            searching: None,
        }
    }

    fn done(&self, read: u64) -> bool {
        let enough = self.found == self.wanted;
        let searched = self.searching.is_some_and(|since| read - since > LOOK_BACK);
        self.wanted == 0 || enough && (searched || self.open == [false; 2])
    }

    fn line(&mut self, place: Position, line: &Line<'_>, read: u64) {
        let stream = line.stream as usize;
        if line.partial && !line.notice {
            let last = !self.met[stream];
            self.met[stream] = true;
            if last && self.found < self.wanted {
                self.found += 1;
                self.open[stream] = true;
            }
            if self.open[stream] {
                self.start = Start { place: Some(place), skip: self.extra };
                self.searching = (self.found == self.wanted).then_some(read);
            }
            return;
        }
        if !line.notice {
            self.met[stream] = true;
            self.open[stream] = false;
        }
        if self.found == self.wanted {
            self.extra.0[lane(line.stream, line.notice)] += 1;
            return;
        }
        self.found += 1;
        self.open[stream] |= !line.notice;
        self.start.place = Some(place);
        self.searching = (self.found == self.wanted).then_some(read);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::reader::Reader;
    use crate::testing::{Log, texts};
    use proptest::prelude::*;

    fn all_back(log: &Log) -> Vec<String> {
        let mut lines = Backward::new(log.dir(), None).unwrap();
        let mut texts = Vec::new();
        while let Some((_, line)) = lines.next_line().unwrap() {
            texts.push(String::from_utf8_lossy(line.text).into_owned());
        }
        texts.reverse();
        texts
    }

    /// What follows the start, pieces as they are.
    fn from(log: &Log, start: Start) -> Vec<String> {
        let Some(place) = start.place else { return Vec::new() };
        texts(&mut Reader::at(log.dir(), place).unwrap())
    }

    fn last(log: &Log, wanted: usize) -> (Vec<String>, [usize; 3]) {
        let start = tail(log.dir(), wanted, None, None, |_| true).unwrap();
        (from(log, start), start.skip.0)
    }

    #[test]
    fn the_last_lines_are_found_across_files() {
        let log = Log::new();
        assert_eq!(tail(log.dir(), 3, None, None, |_| true).unwrap(), Start::default());
        for stamp in 1..=3 {
            log.write(stamp, "stdout F", &stamp.to_string());
            log.rotate(stamp);
        }
        log.write(4, "stdout F", "4");
        assert_eq!(last(&log, 3), (vec!["2".into(), "3".into(), "4".into()], [0; 3]));
        assert_eq!(last(&log, 9).0.len(), 4);
        assert_eq!(last(&log, 0).0, [""; 0]);
        log.write(5, "stdout F", "5");
        let start = tail(log.dir(), 2, None, None, |l| l.text != b"4").unwrap();
        assert_eq!(from(&log, start), ["3", "4", "5"]);
    }

    #[test]
    fn pieces_count_as_one_line_and_what_lies_between_is_skipped() {
        let log = Log::new();
        for (head, text) in [
            ("stdout F", "old"),
            ("stderr P", "e1"),
            ("stdout F", "between"),
            ("stderr P", "e2"),
            ("stdout F", "x"),
            ("stderr F", "e3"),
        ] {
            log.write(1, head, text);
        }
        assert_eq!(
            last(&log, 1),
            (["e1", "between", "e2", "x", "e3"].map(String::from).into(), [2, 0, 0])
        );
        assert_eq!(
            last(&log, 2),
            (["e1", "between", "e2", "x", "e3"].map(String::from).into(), [1, 0, 0])
        );
        log.write(2, "stdout P", "open");
        assert_eq!(last(&log, 1), (vec!["open".into()], [0; 3]));
    }

    #[test]
    fn nothing_wanted_begins_behind_the_last_whole_line() {
        let log = Log::new();
        log.write(1, "stdout F", "a");
        log.append(b"1970-01-01T00:00:02Z stdout F to");
        let start = tail(log.dir(), 0, None, None, |_| true).unwrap();
        log.append(b"rn\n");
        assert_eq!(from(&log, start), ["torn"]);
    }

    proptest! {
        #[test]
        fn backwards_is_forwards_reversed(
            lines in proptest::collection::vec((0usize..3, 0usize..40_000, any::<bool>()), 0..12)
        ) {
            let log = Log::new();
            let mut texts = Vec::new();
            for (at, (kind, len, rotate)) in lines.iter().enumerate() {
                let text = at.to_string().repeat(*len);
                match kind {
                    0 => log.append(format!("{text}\n").as_bytes()),
                    1 => log.write(at as i64, "stdout P", &text),
                    _ => log.write(at as i64, "stderr F", &text),
                }
                texts.push(text);
                if *rotate {
                    log.rotate(at as i64);
                }
            }
            prop_assert_eq!(all_back(&log), texts);
        }
    }
}
