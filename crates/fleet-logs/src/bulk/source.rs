//! The log of one run, put together from its blocks.

use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use fleet_logfile::{Attempts, Heads, Joiner, Line, Message, Part, Stream, Tail, unfinished};

use super::chunks::Chunks;
use super::pool::{Pool, Scanned};
use super::scan::{Found, Mark, line_at};
use crate::entry::{Entry, Face};
use crate::filter::Window;
use crate::sieve::Sieve;

/// The log of one run as a source of entries.
///
/// Blocks come looked through: of most, only the lines that were found are looked at again. A
/// block that holds pieces of lines, or that a line goes on in, is gone through line by line, as
/// are the lines of a traceback.
pub(crate) struct Source {
    head: Entry,
    log: PathBuf,
    window: Window,
    attempts: Attempts,
    chunks: Chunks,
    sieve: Sieve,
    joiner: Joiner,
    heads: Heads,
    /// Of the newest line.
    attempt: u32,
    /// Of the last log line before this place of the block.
    last_stamp: i64,
    known: usize,
    at: Option<Box<At>>,
    garbage: u64,
    lost: bool,
}

/// A block that is being passed on.
struct At {
    part: Arc<Part>,
    buffer: Vec<u8>,
    tail: Tail,
    /// What was not passed on so far.
    lines: Range<usize>,
    /// Where lines were left out.
    cuts: Vec<usize>,
    /// `None`: each line is looked at.
    marks: Option<std::vec::IntoIter<Mark>>,
}

impl At {
    /// Whether lines were left out between what was passed on and a place.
    fn has_cut(&self, to: usize) -> bool {
        self.cuts.iter().any(|cut| (self.lines.start..=to).contains(cut))
    }
}

impl Source {
    pub(super) fn new(
        face: Arc<Face>,
        log: PathBuf,
        window: Window,
        attempts: Attempts,
        chunks: Chunks,
        sieve: Sieve,
        lost: bool,
    ) -> Source {
        let empty = Message {
            stamp_nanos: 0,
            stream: Stream::Stdout,
            notice: false,
            partial: false,
            continues: false,
            text: Vec::new(),
        };
        Source {
            head: Entry::line(face, 1, empty),
            log,
            window,
            attempts,
            chunks,
            sieve,
            joiner: Joiner::default(),
            heads: Heads::default(),
            attempt: 1,
            last_stamp: i64::MIN,
            known: 0,
            at: None,
            garbage: 0,
            lost,
        }
    }

    /// Whose log it is.
    pub(crate) fn face(&self) -> &Arc<Face> {
        &self.head.face
    }

    /// The entry that was reached last.
    pub(crate) fn head(&self) -> &Entry {
        &self.head
    }

    pub(super) fn look_ahead(&mut self, pool: &Pool) {
        self.chunks.look_ahead(pool);
    }

    /// Goes on to the next entry; `false` where there is none.
    pub(super) fn advance(&mut self, pool: &Pool) -> io::Result<bool> {
        loop {
            if let Some(entry) = self.sieve.pop() {
                self.head = entry;
                return Ok(true);
            }
            if self.sieve.is_over() {
                return Ok(false);
            }
            match self.at.take() {
                Some(mut at) => {
                    let (more, reached) = self.step(&mut at)?;
                    match more {
                        true => self.at = Some(at),
                        false => pool.recycle(at.buffer, &at.cuts),
                    }
                    if reached {
                        return Ok(true);
                    }
                }
                None => match self.chunks.next(pool)? {
                    Some(scanned) => self.at = self.begin(scanned)?,
                    None if self.joiner.holds() => self.cut(self.attempt),
                    None if self.sieve.holds() => self.sieve.finish(),
                    None => return Ok(false),
                },
            }
        }
    }

    /// Counts what is wanted of the next chunk, without making entries where that can be; `None`
    /// where there is no more.
    pub(super) fn count_some(&mut self, pool: &Pool) -> io::Result<Option<u64>> {
        if self.sieve.is_over() {
            return Ok(None);
        }
        let Some(scanned) = self.chunks.next(pool)? else {
            self.cut(self.attempt);
            self.sieve.flush();
            let rest = self.count_ready();
            return Ok((rest > 0).then_some(rest));
        };
        match scanned {
            Scanned { found: Found::Count(found), block: Some(block), buffer, cuts, .. }
                if !self.joiner.holds() =>
            {
                self.known = block.lines.start;
                self.end(&buffer, block.lines.end);
                pool.recycle(buffer, &cuts);
                Ok(Some(self.sieve.context().counts(found)))
            }
            scanned => {
                self.at = self.begin(scanned)?;
                self.count_at(pool).map(Some)
            }
        }
    }

    fn count_at(&mut self, pool: &Pool) -> io::Result<u64> {
        let mut count = 0;
        while let Some(mut at) = self.at.take() {
            let (more, reached) = self.step(&mut at)?;
            count += u64::from(reached) + self.count_ready();
            match more {
                true => self.at = Some(at),
                false => pool.recycle(at.buffer, &at.cuts),
            }
        }
        Ok(count)
    }

    fn count_ready(&mut self) -> u64 {
        std::iter::from_fn(|| self.sieve.pop()).filter(|entry| !entry.around).count() as u64
    }

    fn begin(&mut self, scanned: Scanned) -> io::Result<Option<Box<At>>> {
        // Where a line goes on in it, each line is looked at.
        let scanned = if self.joiner.holds() { scanned.whole()? } else { scanned };
        let Scanned { part, buffer, block, cuts, found, .. } = scanned;
        let Some(block) = block else {
            self.lost = true;
            return Ok(None);
        };
        self.known = block.lines.start;
        let marks = match found {
            Found::Lines(marks) if !self.joiner.holds() => Some(marks.into_iter()),
            _ => None,
        };
        let (tail, lines) = (block.tail, block.lines);
        Ok(Some(Box::new(At { part, buffer, tail, lines, cuts, marks })))
    }

    /// Passes on some of a block: whether there is more of it, and whether the head is the next
    /// entry.
    fn step(&mut self, at: &mut At) -> io::Result<(bool, bool)> {
        if at.lines.is_empty() {
            self.end(&at.buffer, at.lines.end);
            return Ok((false, false));
        }
        let Some(marks) = &mut at.marks else {
            self.next_line(at)?;
            return Ok((true, false));
        };
        if self.sieve.holds() {
            // Whether a line goes on with a traceback is seen only there.
            self.next_line(at)?;
            return Ok((true, false));
        }
        let from = at.lines.start as u32;
        match marks.find(|mark| mark.start >= from) {
            Some(mark) => Ok((true, self.mark(at, mark))),
            None => {
                self.pass_over(at, at.lines.end);
                Ok((true, false))
            }
        }
    }

    /// Passes on a line that was found, and what stands around it.
    fn mark(&mut self, at: &mut At, mark: Mark) -> bool {
        let (start, end) = (mark.start as usize, mark.end as usize);
        self.pass_over(at, start);
        if self.sieve.is_over() {
            return false;
        }
        let stamp_nanos = match mark.garbage {
            true => self.stamp_before(&at.buffer, start),
            false => mark.stamp_nanos,
        };
        self.garbage += u64::from(mark.garbage);
        at.lines.start = (end + 1).min(at.lines.end);
        self.attempt = self.attempt.max(self.attempts.of(stamp_nanos));
        let text = &at.buffer[mark.text as usize..end];
        if mark.begins || self.sieve.context().is_wide() {
            let entry = self.entry(stamp_nanos, mark.stream, mark.notice, text);
            match mark.begins {
                true => self.sieve.push(entry),
                false => self.sieve.pass(entry, true),
            }
            return false;
        }
        if self.sieve.context().counts(1) == 0 {
            return false;
        }
        let Entry { attempt, message, traceback, around, gap, plain, noted, .. } = &mut self.head;
        noted.take();
        (*attempt, *traceback, *around, *gap) = (self.attempt, None, false, false);
        *plain = mark.plain;
        (message.stamp_nanos, message.stream, message.notice) =
            (stamp_nanos, mark.stream, mark.notice);
        (message.partial, message.continues) = (false, false);
        message.text.clear();
        message.text.extend_from_slice(text);
        true
    }

    /// Whether any line up to a place is one of those that are shown at all.
    fn any_wanted(&mut self, at: &At, to: usize) -> bool {
        let mut start = at.lines.start;
        while start < to {
            let (_, end) = line_at(&at.buffer, start..to, start);
            let line = self.heads.parse(&at.buffer[start..end]);
            if line.is_none_or(|line| self.window.takes_head(&line)) {
                return true;
            }
            start = end + 1;
        }
        false
    }

    /// Passes over lines up to a place, but for those around what was found before or may be found
    /// next.
    fn pass_over(&mut self, at: &mut At, to: usize) {
        if !self.sieve.context().is_wide() {
            at.lines.start = to;
            return;
        }
        while at.lines.start < to && self.sieve.context().after() > 0 {
            self.near(at);
        }
        let (mut from, mut held) = (to, 0);
        while held < self.sieve.context().before() && from > at.lines.start {
            let (start, end) = line_at(&at.buffer, at.lines.clone(), from - 1);
            let line = self.heads.parse(&at.buffer[start..end]);
            held += usize::from(line.is_none_or(|line| self.window.takes_head(&line)));
            from = start;
        }
        if at.has_cut(from) || self.any_wanted(at, from) {
            self.sieve.context().pass_over();
        }
        at.lines.start = from.max(at.lines.start);
        while at.lines.start < to {
            self.near(at);
        }
    }

    /// Passes on the next line as one that was not found.
    fn near(&mut self, at: &mut At) {
        let (start, end) = line_at(&at.buffer, at.lines.clone(), at.lines.start);
        let line = self.line(&at.buffer, start..end);
        at.lines.start = (end + 1).min(at.lines.end);
        if self.window.takes_head(&line) {
            self.attempt = self.attempt.max(self.attempts.of(line.stamp_nanos));
            let entry = self.entry(line.stamp_nanos, line.stream, line.notice, line.text);
            self.sieve.pass(entry, false);
        }
    }

    fn entry(&self, stamp_nanos: i64, stream: Stream, notice: bool, text: &[u8]) -> Entry {
        let text = text.to_vec();
        let message =
            Message { stamp_nanos, stream, notice, partial: false, continues: false, text };
        Entry::line(Arc::clone(self.face()), self.attempt, message)
    }

    /// Looks at the next line, whatever it is.
    fn next_line(&mut self, at: &mut At) -> io::Result<()> {
        let (start, end) = line_at(&at.buffer, at.lines.clone(), at.lines.start);
        let ended = end < at.lines.end;
        at.lines.start = (end + 1).min(at.lines.end);
        if ended || at.tail == Tail::Whole {
            let line = self.line(&at.buffer, start..end);
            self.take(&line);
            return Ok(());
        }
        match at.tail {
            Tail::Long(place) => self.long(at, start..end, place),
            _ => {
                if unfinished(&at.buffer[start..end]).is_some() {
                    let line = self.line(&at.buffer, start..end);
                    self.take(&Line { partial: true, ..line });
                }
                Ok(())
            }
        }
    }

    /// Reads on in a line that goes on behind its block.
    fn long(&mut self, at: &At, first: Range<usize>, mut place: u64) -> io::Result<()> {
        let line = self.line(&at.buffer, first);
        self.take(&Line { partial: true, ..line });
        let mut buffer = Vec::new();
        loop {
            let (len, ended) = at.part.read_on(place, &mut buffer)?;
            let partial = !ended || line.partial;
            self.take(&Line { partial, text: &buffer[..len], ..line });
            if ended {
                return Ok(());
            }
            place += len as u64;
        }
    }

    /// A line of the block; one that is none counts as standard output.
    fn line<'a>(&mut self, buffer: &'a [u8], place: Range<usize>) -> Line<'a> {
        let text = &buffer[place.clone()];
        let line = self.heads.parse(text);
        self.garbage += u64::from(line.is_none());
        let line = line.unwrap_or_else(|| Line {
            stamp_nanos: self.stamp_before(buffer, place.start),
            stream: Stream::Stdout,
            partial: false,
            notice: false,
            text,
        });
        (self.last_stamp, self.known) = (line.stamp_nanos, place.end);
        line
    }

    /// The stamp of the last log line before a place of the block.
    fn stamp_before(&mut self, buffer: &[u8], place: usize) -> i64 {
        let mut from = place;
        while from > self.known {
            let (start, end) = line_at(buffer, self.known..from, from - 1);
            if let Some(line) = self.heads.parse(&buffer[start..end]) {
                self.last_stamp = line.stamp_nanos;
                break;
            }
            from = start;
        }
        self.known = place;
        self.last_stamp = self.last_stamp.max(0);
        self.last_stamp
    }

    fn take(&mut self, line: &Line<'_>) {
        let attempt = self.attempts.of(line.stamp_nanos).max(self.attempt);
        if attempt > self.attempt {
            let ended = std::mem::replace(&mut self.attempt, attempt);
            self.cut(ended);
        }
        if self.window.takes(line, attempt)
            && let Some(message) = self.joiner.push(line)
        {
            self.sieve.push(Entry::line(Arc::clone(&self.head.face), attempt, message));
        }
    }

    /// Hands out what is held of lines without an end.
    fn cut(&mut self, attempt: u32) {
        for message in self.joiner.cut() {
            self.sieve.push(Entry::line(Arc::clone(&self.head.face), attempt, message));
        }
    }

    /// Remembers of a block that is passed on what those behind it may ask for.
    fn end(&mut self, buffer: &[u8], end: usize) {
        let stamp = self.stamp_before(buffer, end);
        self.attempt = self.attempt.max(self.attempts.of(stamp));
    }

    /// What was found wrong with the files.
    pub(super) fn complaints(&self) -> Vec<String> {
        crate::run::complaints(&self.log, self.garbage, false, self.lost)
    }
}
