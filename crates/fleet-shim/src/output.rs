//! From the pipes to the log, so that a kill at any moment loses and doubles nothing.
//!
//! A batch goes through these steps: its stream and the position in the log are put on the board;
//! the kernel moves the output into shared memory and counts it there; the time stamp is put on
//! the board; the lines are appended to the log; one store makes what is left open, and the
//! totals, the ones in force. A successor that finds a batch in flight formats it again, with the
//! same stamp and so to the same bytes, and appends what the log lacks of it.

use std::io;

use fleet_core::{LogTotals, Timestamp};
use fleet_logfile::{Counts, LogFile, LogOutput, MAX_PIECE, Open, Stream, format, notice};
use fleet_os::{Pages, Tally, boot_clock, monotonic_nanos};

use crate::board::{BATCH, BATCH_AT, Board, Totals, Word};
use crate::health::LineWatch;
use crate::post::Post;

/// Log lines on their way to one write(2).
const BUFFER: usize = 128 << 10;

/// The capture of one run's output.
pub(crate) struct Capture {
    log: Option<LogFile>,
    buffer: Pages,
    /// Why the log could not be written last time.
    pub(crate) trouble: Option<String>,
    /// Whether a file was set aside that nobody cares for yet.
    pub(crate) set_aside: bool,
    /// Why a file could not be set aside last time.
    pub(crate) unrotated: Option<String>,
    /// When the current file will be too old (monotonic nanoseconds).
    pub(crate) rotate_at: Option<u64>,
    /// A line that is waited for.
    pub(crate) watch: Option<LineWatch>,
}

impl Capture {
    /// Opens the log, and finishes what a predecessor had in flight.
    pub(crate) fn open(post: &mut Post) -> io::Result<Capture> {
        let (buffer, watch) = (Pages::new(BUFFER)?, LineWatch::of(post));
        let mut capture = Capture {
            log: None,
            buffer,
            trouble: None,
            set_aside: false,
            unrotated: None,
            rotate_at: None,
            watch,
        };
        if let Some(stream) = post.board.in_flight() {
            capture.recover(post, stream);
        }
        if post.spec.log.max_age_seconds.is_some() && capture.log.is_none() {
            capture.log = LogFile::open(&post.dir.log(), post.spec.log).ok();
        }
        capture.watch_age();
        Ok(capture)
    }

    /// Takes one batch from a pipe; how many bytes it was.
    pub(crate) fn take(&mut self, post: &mut Post, stream: Stream) -> usize {
        let log = self.position(post);
        post.board.begin_batch(stream, false, log);
        let length = post.take_from_pipe(stream).unwrap_or(0);
        if length == 0 {
            post.board.abandon();
        } else {
            self.write(&mut post.board, stream, length, 0);
        }
        length
    }

    /// Puts a line that is still open into the log as far as it goes.
    pub(crate) fn flush(&mut self, post: &mut Post, stream: Stream) {
        if post.board.open_line(stream).0.length > 0 {
            let log = self.position(post);
            post.board.begin_batch(stream, true, log);
            self.write(&mut post.board, stream, 0, 0);
        }
    }

    /// Takes everything that the pipes hold, and ends all open lines.
    pub(crate) fn drain(&mut self, post: &mut Post) {
        for stream in [Stream::Stdout, Stream::Stderr] {
            while post.has_output(stream) && self.take(post, stream) > 0 {}
            self.flush(post, stream);
        }
    }

    /// Gives the memory of the buffers back until output comes again.
    pub(crate) fn rest(&mut self, post: &mut Post) {
        self.buffer.give_back();
        post.board.shared.give_back(BATCH_AT..BATCH_AT + BATCH);
        for stream in [Stream::Stdout, Stream::Stderr] {
            let next = post.board.next_text(stream);
            post.board.shared.give_back(next);
            let (open, text) = post.board.open_line(stream);
            if open.length == 0 {
                post.board.shared.give_back(text.start..text.start + MAX_PIECE);
            }
        }
    }

    /// Inode and size of the log, which is opened or set aside first if need be. Zeros when there
    /// is none: the batch is then counted as dropped.
    fn position(&mut self, post: &Post) -> (u64, u64) {
        let result = self.try_position(post);
        result.unwrap_or_else(|e| {
            self.log = None;
            self.trouble = Some(e.to_string());
            (0, 0)
        })
    }

    fn try_position(&mut self, post: &Post) -> io::Result<(u64, u64)> {
        let log = match &mut self.log {
            Some(log) => log,
            empty => empty.insert(LogFile::open(&post.dir.log(), post.spec.log)?),
        };
        log.make_anew_if_removed()?;
        let (inode, size) = log.position()?;
        if size < post.spec.log.max_bytes {
            return Ok((inode, size));
        }
        // A file that cannot be set aside is written on.
        if self.rotate(post).is_err() {
            self.log = Some(LogFile::open(&post.dir.log(), post.spec.log)?);
        }
        self.log.as_ref().map_or(Ok((0, 0)), LogFile::position)
    }

    /// Sets the current file aside if there is anything in it.
    ///
    /// # Errors
    /// Words for why it could not be; the log goes on where it can.
    pub(crate) fn rotate(&mut self, post: &Post) -> Result<(), String> {
        let mut log = match self.log.take() {
            Some(log) => log,
            None => LogFile::open(&post.dir.log(), post.spec.log).map_err(|e| e.to_string())?,
        };
        match log.set_aside() {
            Ok(set_aside) => {
                self.log = Some(log);
                self.set_aside |= set_aside;
                (self.unrotated, self.rotate_at) = (None, None);
                Ok(())
            }
            Err(e) => Err(self.unrotated.insert(e.to_string()).clone()),
        }
    }

    /// Whether the current file is too old now; else the moment is noted when it will be.
    pub(crate) fn is_too_old(&mut self) -> bool {
        self.rotate_at = None;
        self.watch_age();
        self.rotate_at.is_some_and(|at| at <= monotonic_nanos())
    }

    /// Notes when the current file will be too old, once there is something in it.
    fn watch_age(&mut self) {
        if self.rotate_at.is_none()
            && let Some(at) = self.log.as_ref().and_then(LogFile::too_old_at)
        {
            let left = at.saturating_sub(Timestamp::now().nanos());
            self.rotate_at = Some(monotonic_nanos().saturating_add(left.max(0) as u64));
        }
    }

    fn recover(&mut self, post: &mut Post, stream: Stream) {
        let flush = post.board.get(Word::BatchFlush) != 0;
        let length = post.board.shared.moved(BATCH_AT, Word::Taken as usize);
        if !flush && length == 0 {
            return post.board.abandon();
        }
        let before = (post.board.get(Word::LogInode), post.board.get(Word::LogSize));
        // Not by way of `position`: the log must not be set aside before the batch is whole.
        self.log = LogFile::open(&post.dir.log(), post.spec.log).ok();
        let now = self.log.as_ref().and_then(|log| log.position().ok()).unwrap_or_default();
        let stamped = post.board.get(Word::BatchStamp) != 0;
        let done = if stamped && now.0 == before.0 { now.1.saturating_sub(before.1) } else { 0 };
        self.write(&mut post.board, stream, length, done);
    }

    /// Formats and appends the batch in flight, of which the log has `done` bytes, and commits it.
    fn write(&mut self, board: &mut Board, stream: Stream, length: usize, done: u64) {
        if board.get(Word::BatchStamp) == 0 {
            board.set(Word::BatchStamp, Timestamp::now().nanos() as u64);
        }
        let now = board.get(Word::BatchStamp) as i64;
        let size = board.get(Word::LogSize);
        let mut totals = board.totals();
        // Before the batch is committed: a successor that writes it again sees it again.
        let data = board.shared.bytes(BATCH_AT..BATCH_AT + length);
        if self.watch.as_mut().is_some_and(|watch| watch.sees(stream, data)) {
            board.set(Word::LineSeen, 1);
        }
        let (batch, next) = board.batch(stream, length, now);
        let before = batch.open.length + length;
        let (open, counts) = match &self.log {
            None => {
                let formatted = format(batch, next, &mut ());
                dropped(&mut totals, before, formatted, now);
                formatted
            }
            Some(log) => {
                let mut out = LogOutput::new(log, self.buffer.as_mut_slice(), done);
                if totals.unsaid_bytes > 0 {
                    notice(now, &dropped_words(&totals, now, self.trouble.as_deref()), &mut out);
                }
                let formatted = format(batch, next, &mut out);
                match out.finish() {
                    Ok(()) => {
                        (totals.unsaid_bytes, totals.unsaid_lines) = (0, 0);
                        self.trouble = None;
                    }
                    Err(e) => {
                        log.truncate(size);
                        self.trouble = Some(e.to_string());
                        dropped(&mut totals, before, formatted, now);
                    }
                }
                formatted
            }
        };
        self.watch_age();
        totals.log.bytes += counts.bytes;
        totals.log.lines += counts.lines;
        totals.log.folded_bytes += counts.folded;
        board.commit(stream, open, totals);
        tell(board, &totals, length > 0);
    }
}

/// Lets others see the totals; `new` says that output has just come.
fn tell(board: &Board, totals: &Totals, new: bool) {
    let LogTotals { bytes, lines, dropped_bytes, .. } = totals.log;
    let last_at = match board.shared.told() {
        Some(told) if !new => told.last_at,
        _ => boot_clock().as_nanos() as u64,
    };
    board.shared.tell(Tally { bytes, lines, dropped_bytes, last_at });
}

/// Counts a batch that could not be written: all of it but what is still open or was folded.
fn dropped(totals: &mut Totals, before: usize, (open, counts): (Open, Counts), now: i64) {
    let bytes = (before as u64).saturating_sub(open.length as u64 + counts.folded);
    if totals.unsaid_bytes == 0 {
        totals.unsaid_since = now;
    }
    totals.unsaid_bytes += bytes;
    totals.unsaid_lines += counts.lines;
    totals.log.dropped_bytes += bytes;
    totals.log.dropped_lines += counts.lines;
}

/// What was dropped, in words.
pub(crate) fn dropped_words(totals: &Totals, now: i64, why: Option<&str>) -> String {
    format!(
        "{} lines, {} bytes dropped from {} to {}: {}",
        totals.unsaid_lines,
        totals.unsaid_bytes,
        Timestamp::from_nanos(totals.unsaid_since),
        Timestamp::from_nanos(now),
        why.unwrap_or("the log could not be written"),
    )
}
