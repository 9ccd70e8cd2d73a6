//! Reading the log of a run forwards, file after file, and going on where it grows.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::content::{Bytes, Content, find};
use crate::cri::{self, Line, Stream};
use crate::files::{self, CURRENT, Listed, Position};
use crate::open::{After, Fate, Open, open_after};

/// Bytes read at a time: a merge holds so much of each source.
const BLOCK: usize = 32 << 10;

/// A physical line longer than this is handed out in pieces. Our own writer's lines are a quarter
/// of it, so that only a stranger's file or a damaged one meets the bound.
const MAX_LINE: usize = 64 << 10;

/// Reads the lines of a run's log in the order in which they were written.
///
/// At the end of what is written [`Reader::next_line`] answers `None`; asked again later it goes
/// on with what came since. A file that was set aside is read to its end before the next is begun.
#[derive(Debug)]
pub struct Reader {
    dir: PathBuf,
    open: Option<Open>,
    /// Bytes of the open file that end at its offset; from `from` on they were not handed out.
    buffer: Vec<u8>,
    from: usize,
    /// Where in the buffer no newline needs to be looked for again.
    searched: usize,
    /// What to take the rest of an overlong line for: its stream and tag.
    overlong: Option<(Stream, bool, bool)>,
    last_stamp: i64,
    stop: Option<Position>,
    /// Where the file before this one ended.
    before: Option<Position>,
    /// Files that were seen behind this one and will not get other names.
    ahead: VecDeque<Listed>,
    garbage: u64,
    truncations: u64,
    taken_back: u64,
    lost: bool,
    damaged: Vec<String>,
}

impl Reader {
    /// From the oldest line on.
    pub fn new(dir: impl Into<PathBuf>) -> Reader {
        Reader {
            dir: dir.into(),
            open: None,
            buffer: Vec::new(),
            from: 0,
            searched: 0,
            overlong: None,
            last_stamp: i64::MIN,
            stop: None,
            before: None,
            ahead: VecDeque::new(),
            garbage: 0,
            truncations: 0,
            taken_back: 0,
            lost: false,
            damaged: Vec::new(),
        }
    }

    /// From a place on; from the oldest line where its file is gone by now.
    ///
    /// # Errors
    /// The folder or the file cannot be read.
    pub fn at(dir: impl Into<PathBuf>, place: Position) -> io::Result<Reader> {
        let mut reader = Reader::new(dir);
        let mut files = files::list(&reader.dir)?;
        if let Some((at, content)) = find(&files, &place)? {
            let listed = files.remove(at);
            reader.begin_at(Open::new(content, &listed, place.offset)?, files.split_off(at));
        } else {
            // What is left of it is younger, as far as names tell.
            let younger =
                |f: &Listed| f.first.is_none() || place.first.is_none_or(|p| f.first > Some(p));
            let at = files.iter().position(younger).unwrap_or(files.len());
            reader.ahead = files.split_off(at).into();
            reader.lost = true;
        }
        Ok(reader)
    }

    /// Ends at this place, as if nothing were written behind it.
    #[must_use]
    pub fn until(mut self, place: Position) -> Reader {
        self.stop = Some(place);
        self
    }

    /// The folder that it reads.
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// How many lines were no log lines. They are handed out whole as lines of standard output,
    /// with the stamp of the line before.
    pub fn garbage(&self) -> u64 {
        self.garbage
    }

    /// How often the file was found cut short, or another in its place; it is read anew from the
    /// start then.
    pub fn truncations(&self) -> u64 {
        self.truncations
    }

    /// How often the end of the file was taken back after it had been read, as a writer does on a
    /// full disk.
    pub fn taken_back(&self) -> u64 {
        self.taken_back
    }

    /// The place of the next line that was not handed out; `None` where there is no whole line yet.
    pub fn position(&self) -> Option<Position> {
        let open = self.open.as_ref()?;
        let offset = open.offset - (self.buffer.len() - self.from) as u64;
        // A file without a whole line cannot be told from others later on.
        if offset == 0 && open.file.head.is_none() {
            return self.before;
        }
        Some(Position { offset, ..open.file })
    }

    /// Which compressed files could not be read to their ends, and why.
    pub fn damaged(&self) -> &[String] {
        &self.damaged
    }

    /// Whether files were removed before they were read.
    pub fn lost_files(&self) -> bool {
        self.lost
    }

    /// The next line, `None` where nothing more is written yet.
    ///
    /// # Errors
    /// A file or the folder cannot be read.
    pub fn next_line(&mut self) -> io::Result<Option<Line<'_>>> {
        let (start, end, whole) = loop {
            if self.stopped() {
                return Ok(None);
            }
            if let Some(found) = self.in_buffer() {
                break found;
            }
            match self.fill()? {
                Filled::More => {}
                Filled::End => {
                    self.let_go();
                    return Ok(None);
                }
                // The next file is open, but the last line of this one has no newline.
                Filled::Next(next) => {
                    let rest = (self.from < self.buffer.len()).then(|| self.take_rest());
                    self.before = self.position();
                    self.open = Some(*next);
                    if let Some(rest) = rest {
                        break rest;
                    }
                    self.buffer.clear();
                    (self.from, self.searched) = (0, 0);
                }
            }
        };
        Ok(Some(self.interpret(start, end, whole)))
    }

    /// What is written of a last line without a newline, for who will not come back: a torn
    /// line, or one being written at this moment. It counts as partial; a torn head, in which
    /// the process has no part, as nothing.
    pub fn unfinished(&mut self) -> Option<Line<'_>> {
        if self.from >= self.buffer.len() || self.stopped() {
            return None;
        }
        let (start, end, whole) = self.take_rest();
        if self.overlong.is_none() && is_torn_head(&self.buffer[start..end]) {
            return None;
        }
        Some(Line { partial: true, ..self.interpret(start, end, whole) })
    }

    fn stopped(&self) -> bool {
        let (Some(stop), Some(open)) = (self.stop, &self.open) else { return false };
        let unread = (self.buffer.len() - self.from) as u64;
        open.file.same_file(&stop) && open.offset - unread >= stop.offset
    }

    /// A line in the buffer: where it begins, where it ends, and whether a newline ends it.
    fn in_buffer(&mut self) -> Option<(usize, usize, bool)> {
        let start = self.from;
        if let Some(at) = memchr::memchr(b'\n', &self.buffer[self.searched..]) {
            let end = self.searched + at;
            self.from = end + 1;
            self.searched = self.from;
            return Some((start, end, true));
        }
        self.searched = self.buffer.len();
        if self.buffer.len() - start < MAX_LINE {
            return None;
        }
        self.from = self.buffer.len();
        Some((start, self.from, false))
    }

    fn take_rest(&mut self) -> (usize, usize, bool) {
        let start = self.from;
        self.from = self.buffer.len();
        self.searched = self.from;
        (start, self.from, true)
    }

    fn interpret(&mut self, start: usize, end: usize, whole: bool) -> Line<'_> {
        let text = &self.buffer[start..end];
        let rest = self.overlong.take();
        let mut line = match rest {
            Some((stream, partial, notice)) => {
                Line { stamp_nanos: self.last_stamp, stream, partial, notice, text }
            }
            None => cri::parse(text).unwrap_or_else(|| {
                self.garbage += 1;
                Line {
                    stamp_nanos: self.last_stamp.max(0),
                    stream: Stream::Stdout,
                    partial: false,
                    notice: false,
                    text,
                }
            }),
        };
        self.last_stamp = line.stamp_nanos;
        if !whole {
            self.overlong = Some((line.stream, line.partial, line.notice));
            line.partial = true;
        }
        line
    }

    /// Reads on, or finds what comes behind the end of the file.
    fn fill(&mut self) -> io::Result<Filled> {
        if self.open.is_none() {
            return self.begin();
        }
        if self.read_block()? {
            return Ok(Filled::More);
        }
        if self.is_current()? {
            return Ok(Filled::End);
        }
        // Renamed, so that nothing is written to it any more: what came before that is its end.
        if self.read_block()? {
            return Ok(Filled::More);
        }
        if let Some(open) = &self.open
            && let Some(why) = open.content.damage()
        {
            let file = open.listed.path.display();
            self.damaged.push(format!("'{file}' cannot be read to its end: {why}"));
        }
        Ok(self.successor()?.map_or(Filled::End, Filled::Next))
    }

    /// Opens the first file.
    fn begin(&mut self) -> io::Result<Filled> {
        let mut files: VecDeque<Listed> = match self.ahead.is_empty() {
            true => files::list(&self.dir)?.into(),
            false => std::mem::take(&mut self.ahead),
        };
        while let Some(listed) = files.pop_front() {
            if let Some(content) = Content::open(&listed)? {
                self.begin_at(Open::new(content, &listed, 0)?, files);
                return Ok(Filled::More);
            }
        }
        Ok(Filled::End)
    }

    fn begin_at(&mut self, open: Open, behind: impl Into<VecDeque<Listed>>) {
        self.open = Some(open);
        self.ahead = behind.into();
        self.ahead.retain(|f| f.first.is_some());
    }

    /// Reads the next block; what was read of a file that was cut short meanwhile is of no use.
    fn read_block(&mut self) -> io::Result<bool> {
        let Some(open) = &mut self.open else { return Ok(false) };
        self.buffer.drain(..self.from);
        self.searched -= self.from;
        self.from = 0;
        let held = self.buffer.len();
        self.buffer.resize(held + BLOCK, 0);
        let count = open.content.read_at(&mut self.buffer[held..], open.offset);
        self.buffer.truncate(held + *count.as_ref().unwrap_or(&0));
        let count = count?;
        match open.fate(count)? {
            Fate::Grows => {}
            Fate::CutBack(len) => {
                self.go_back(len);
                return Ok(false);
            }
            Fate::Replaced => {
                self.read_anew();
                return self.read_block();
            }
        }
        open.offset += count as u64;
        if count < BLOCK {
            self.buffer.shrink_to_fit();
        }
        Ok(count > 0)
    }

    /// Forgets what was read behind the new end of the file. Lines from there that were handed out
    /// stay so.
    fn go_back(&mut self, len: u64) {
        let Some(open) = &mut self.open else { return };
        self.taken_back += 1;
        let start = open.offset - self.buffer.len() as u64;
        if len < start {
            self.overlong = None;
        }
        self.buffer.truncate(usize::try_from(len.saturating_sub(start)).unwrap_or(usize::MAX));
        self.searched = self.searched.min(self.buffer.len());
        open.offset = len;
    }

    fn read_anew(&mut self) {
        self.truncations += 1;
        self.overlong = None;
        self.buffer.clear();
        (self.from, self.searched) = (0, 0);
        if let Some(open) = &mut self.open {
            open.offset = 0;
        }
    }

    /// Whether our file is the one being written, as far as the folder tells.
    fn is_current(&self) -> io::Result<bool> {
        let Some(open) = self.open.as_ref().filter(|open| !open.is_named()) else {
            return Ok(false);
        };
        match std::fs::metadata(self.dir.join(CURRENT)) {
            Ok(meta) => Ok(meta.ino() == open.file.inode),
            Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
            Err(e) => Err(e),
        }
    }

    /// Opens the file that was begun after ours.
    fn successor(&mut self) -> io::Result<Option<Box<Open>>> {
        while let Some(next) = self.ahead.pop_front() {
            match Content::open(&next)? {
                Some(content) => return Ok(Some(Box::new(Open::new(content, &next, 0)?))),
                None => self.ahead.clear(),
            }
        }
        let Some(ours) = &self.open else { return Ok(None) };
        // Once more for each file that is renamed under us; the next call tries again.
        for _ in 0..4 {
            let files = files::list(&self.dir)?;
            match open_after(&files, &ours.file)? {
                After::Next { found, at, open } => {
                    // While ours is there, so is all that is younger, and none was left out.
                    let gap = match found {
                        Some(ours) => !files[ours].is_there(),
                        None => ours.is_named() || open.is_named(),
                    };
                    self.lost |= gap;
                    let behind = files[at + 1..].iter().filter(|f| f.first.is_some());
                    self.ahead = behind.cloned().collect();
                    return Ok(Some(open));
                }
                After::Nothing => return Ok(None),
                After::Gone => {}
            }
        }
        Ok(None)
    }

    /// Gives back memory while there is nothing to read: a follower may have a thousand readers.
    fn let_go(&mut self) {
        if self.from == self.buffer.len() {
            self.buffer = Vec::new();
            (self.from, self.searched) = (0, 0);
        }
    }
}

/// Whether this may be the beginning of a line that ends before its text does begin.
pub(crate) fn is_torn_head(line: &[u8]) -> bool {
    let blanks = line.iter().filter(|&&b| b == b' ').count();
    line.len() < 64 && blanks < 3 && line.first().is_some_and(u8::is_ascii_digit)
}

enum Filled {
    More,
    End,
    Next(Box<Open>),
}

#[cfg(test)]
mod tests;
