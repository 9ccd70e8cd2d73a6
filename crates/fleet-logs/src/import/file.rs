//! A file as a source of lines.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::Arc;

use fleet_core::{Id, Labels, RunKey, Timestamp};
use fleet_logfile::{Joiner, Line, Message, Stream};

use super::bytes::{Bytes, Filled};
use super::form::{Form, Piece};
use super::seek;
use crate::Plan;
use crate::entry::{Entry, Face};
use crate::sieve::Sieve;
use crate::source::Source;

/// A line that is longer is handed out in parts.
const MAX_PART: usize = 256 << 10;

/// What is read at first, to learn the form and the time of the first lines.
const PEEK: usize = 64 << 10;

/// How a file is read.
#[derive(Clone, Copy)]
pub(super) struct How {
    /// It goes on where it grows, and where its name is given to another file.
    pub(super) follow: bool,
    /// Bytes are handed out as they are: a carriage return is a part of its line.
    pub(super) raw: bool,
}

/// A file as a source of lines.
pub(super) struct LogFile {
    pub(super) face: Arc<Face>,
    pub(super) path: PathBuf,
    bytes: Bytes,
    how: How,
    plan: Plan,
    form: Form,
    clock: Clock,
    joiner: Joiner,
    sieve: Sieve,
    ready: VecDeque<Message>,
    /// Bytes of which those from `from` on were not handed out.
    buffer: Vec<u8>,
    from: usize,
    /// Where in the buffer no newline needs to be looked for again.
    searched: usize,
    /// The line before was handed out without its end.
    open: bool,
    /// Nothing more will come.
    over: bool,
    behind: bool,
    /// The end was met, so that what comes now is written now.
    met_end: bool,
    /// It could not be read on from here.
    trouble: Option<io::Error>,
    complaints: Vec<String>,
}

/// The time of lines that have none of their own.
struct Clock {
    last: i64,
    /// No line had a time so far.
    silent: bool,
    /// What a year that is left out is guessed by.
    near: i64,
}

impl LogFile {
    /// Opens a file and looks at its beginning.
    pub(super) fn open(path: PathBuf, id: Id, plan: &Plan, how: How) -> io::Result<LogFile> {
        let written = path.metadata().and_then(|meta| meta.modified());
        let near = written
            .map_or_else(|_| Timestamp::now(), |at| Timestamp::from(chrono::DateTime::from(at)));
        let mut file = LogFile {
            bytes: Bytes::open(&path)?,
            face: Arc::new(face(id, &path, near)),
            path,
            how,
            form: Form::Plain,
            clock: Clock { last: near.nanos(), silent: true, near: near.nanos() },
            joiner: Joiner::default(),
            sieve: Sieve::new(plan),
            ready: VecDeque::new(),
            buffer: Vec::new(),
            from: 0,
            searched: 0,
            open: false,
            over: false,
            behind: false,
            met_end: false,
            trouble: None,
            complaints: Vec::new(),
            plan: plan.clone(),
        };
        file.peek();
        file.begin()?;
        Ok(file)
    }

    /// Learns the form and the first time.
    fn peek(&mut self) {
        while self.buffer.len() < PEEK {
            let any = memchr::memchr(b'\n', &self.buffer).is_some();
            let live = matches!(self.bytes, Bytes::Stream { .. }) && any;
            if live {
                break;
            }
            match self.bytes.fill(&mut self.buffer) {
                Ok(Filled::More) => {}
                Ok(_) => break,
                // What was read is shown first.
                Err(error) => {
                    self.trouble = Some(error);
                    break;
                }
            }
        }
        self.form = Form::of(&self.buffer);
        let near = self.clock.near;
        let mut lines = self.buffer.split(|b| *b == b'\n');
        if let Some(first) = lines.find_map(|line| seek::stamp(self.form, line, near)) {
            self.clock.last = first;
        }
        let face = Face {
            streams: self.form.has_streams(),
            spawned_at: Timestamp::from_nanos(self.clock.last),
            labels: Labels::new(),
            key: self.face.key.clone(),
            file: self.face.file.clone(),
            numbered: false,
        };
        self.face = Arc::new(face);
    }

    /// Goes to where what is wanted begins, where that can be found without reading all; of the
    /// rest only the last lines are kept.
    fn begin(&mut self) -> io::Result<()> {
        let window = &self.plan.window;
        if let Bytes::File(file) = &mut self.bytes {
            let bounded = window.since.is_some() || window.until.is_some();
            let place = match (window.since, self.plan.lines) {
                (Some(since), _) => seek::since(file.file(), self.form, since, self.clock.near)?,
                (None, Some(lines)) if !bounded && self.form == Form::Plain => {
                    seek::last_lines(file.file(), lines)?
                }
                _ => 0,
            };
            if place > 0 {
                (file.at, self.from, self.searched) = (place, 0, 0);
                self.buffer.clear();
                // The line before tells the time of one that has none.
                self.clock.last = seek::before(file.file(), self.form, place, self.clock.near)?
                    .unwrap_or(self.clock.last);
            }
        }
        let Some(lines) = self.plan.lines else { return Ok(()) };
        let mut last = VecDeque::new();
        loop {
            match self.next() {
                Ok(Some(message)) => last.push_back(message),
                Ok(None) => break,
                Err(error) => {
                    self.trouble = Some(error);
                    break;
                }
            }
            if last.len() > lines {
                last.pop_front();
            }
        }
        self.ready = last;
        // What comes later is shown from its beginning.
        self.plan.lines = None;
        Ok(())
    }

    /// A live stream does not wait for more where that would keep what is there from being shown.
    pub(super) fn do_not_wait(&mut self) {
        if let Bytes::Stream { waits, .. } = &mut self.bytes {
            *waits = false;
        }
    }

    /// What to wait on for more, where it is a stream.
    pub(super) fn stream(&self) -> Option<&std::fs::File> {
        match &self.bytes {
            Bytes::Stream { from, .. } if !self.over => Some(from),
            _ => None,
        }
    }

    /// Device and number of the file that is open.
    pub(super) fn inode(&self) -> Option<(u64, u64)> {
        match &self.bytes {
            Bytes::File(file) => Some(file.inode()),
            _ => None,
        }
    }

    /// Whether nothing more will come.
    pub(super) fn is_over(&self) -> bool {
        self.over && !self.has_more()
    }

    /// Whether there is more to show, whatever is written from now on.
    pub(super) fn has_more(&self) -> bool {
        self.behind || !self.ready.is_empty() || self.sieve.has_ready()
    }

    /// Whether lines are held that may become a traceback.
    pub(super) fn holds(&self) -> bool {
        self.sieve.holds()
    }

    /// It has been quiet for a while: what is held is all of it.
    pub(super) fn settle(&mut self) {
        self.sieve.flush();
    }

    fn sifted(&mut self, left: &mut usize) -> io::Result<Option<Entry>> {
        loop {
            if let Some(entry) = self.sieve.pop() {
                return Ok(Some(entry));
            }
            if self.sieve.is_over() {
                self.over = true;
                return Ok(None);
            }
            if *left == 0 {
                self.behind = true;
                return Ok(None);
            }
            *left -= 1;
            match self.next()? {
                Some(message) => {
                    self.sieve.push(Entry::line(Arc::clone(&self.face), 1, message));
                }
                None if self.over && self.sieve.holds() => self.sieve.finish(),
                None => return Ok(None),
            }
        }
    }

    fn next(&mut self) -> io::Result<Option<Message>> {
        match self.ready.pop_front() {
            Some(message) => Ok(Some(message)),
            None => self.message(),
        }
    }

    /// The next line that is looked at.
    fn message(&mut self) -> io::Result<Option<Message>> {
        loop {
            if let Some((line, whole)) = self.in_buffer() {
                if let Some(message) = self.take(line, whole) {
                    return Ok(Some(message));
                }
                continue;
            }
            if self.over {
                return Ok(self.rest());
            }
            if !self.fill()? {
                match self.over {
                    true => continue,
                    false => return Ok(None),
                }
            }
        }
    }

    /// A line of the buffer, or a part of one that is too long.
    fn in_buffer(&mut self) -> Option<(Range<usize>, bool)> {
        let from = self.from;
        match memchr::memchr(b'\n', &self.buffer[self.searched..]) {
            Some(at) => {
                let end = self.searched + at;
                (self.from, self.searched) = (end + 1, end + 1);
                Some((from..end, true))
            }
            None => {
                self.searched = self.buffer.len();
                let long = self.buffer.len() - from >= MAX_PART;
                long.then(|| self.rest_of_buffer())
            }
        }
    }

    fn rest_of_buffer(&mut self) -> (Range<usize>, bool) {
        let from = std::mem::replace(&mut self.from, self.buffer.len());
        self.searched = self.buffer.len();
        (from..self.buffer.len(), false)
    }

    /// What has no end and will get none.
    fn rest(&mut self) -> Option<Message> {
        if self.from < self.buffer.len() {
            let (line, whole) = self.rest_of_buffer();
            if let Some(message) = self.take(line, whole) {
                return Some(message);
            }
        }
        self.open = false;
        let mut cut = self.joiner.cut();
        let first = (!cut.is_empty()).then(|| cut.remove(0));
        self.ready.extend(cut);
        first
    }

    /// Reads more; answers whether there is any.
    fn fill(&mut self) -> io::Result<bool> {
        self.buffer.drain(..self.from);
        self.searched -= self.from;
        self.from = 0;
        if let Some(error) = self.trouble.take() {
            return Err(error);
        }
        let mut filled = self.bytes.fill(&mut self.buffer)?;
        if filled == Filled::Nothing && !matches!(self.bytes, Bytes::Stream { .. }) {
            filled = self.at_end()?;
        }
        if filled == Filled::More && self.clock.silent && self.met_end {
            self.clock.last = Timestamp::now().nanos();
        }
        self.over |= filled == Filled::End;
        Ok(!matches!(filled, Filled::Nothing | Filled::End))
    }

    /// What is behind the end of a file.
    fn at_end(&mut self) -> io::Result<Filled> {
        let Bytes::File(file) = &mut self.bytes else { return Ok(Filled::End) };
        if !self.how.follow {
            return Ok(Filled::End);
        }
        self.met_end = true;
        let filled = file.look(&mut self.buffer)?;
        if matches!(filled, Filled::Truncated | Filled::Replaced) {
            let rest = self.rest();
            self.ready.extend(rest);
        }
        if filled == Filled::Truncated {
            let path = self.path.display();
            let said = format!("'{path}': the file was truncated; reading it from its start");
            self.complaints.push(said);
        }
        Ok(filled)
    }

    /// Makes of a line, or a part of one, what is looked at.
    fn take(&mut self, line: Range<usize>, whole: bool) -> Option<Message> {
        let mut text = &self.buffer[line];
        if whole && !self.how.raw {
            text = text.strip_suffix(b"\r").unwrap_or(text);
        }
        let goes_on = std::mem::replace(&mut self.open, !whole);
        let piece = (whole && !goes_on).then(|| self.form.piece(text)).flatten();
        let piece = piece.unwrap_or_else(|| {
            if !goes_on {
                self.clock.look(text);
            }
            let stamp_nanos = self.clock.last;
            let text = Cow::Borrowed(text);
            Piece { stamp_nanos, stream: Stream::Stdout, partial: !whole, notice: false, text }
        });
        self.clock.last = piece.stamp_nanos;
        let Piece { stamp_nanos, stream, partial, notice, .. } = piece;
        let mut text = piece.text.as_ref();
        if !partial && !self.how.raw {
            text = text.strip_suffix(b"\r").unwrap_or(text);
        }
        let line = Line { stamp_nanos, stream, partial, notice, text };
        let told = self.form.has_streams() || self.plan.window.stream.is_none();
        let alone = !partial && !goes_on && !self.joiner.holds();
        let wanted = told && self.plan.window.takes(&line, 1);
        let worth = wanted && (!alone || !self.plan.by_line() || self.plan.filter.takes_text(text));
        worth.then(|| self.joiner.push(&line)).flatten()
    }
}

impl Clock {
    /// Takes the time of a plain line, if it has one.
    fn look(&mut self, text: &[u8]) {
        if let Some((nanos, _)) = fleet_logline::time_near(text, self.near) {
            (self.last, self.silent) = (nanos, false);
        }
    }
}

impl Source for LogFile {
    fn entries(&mut self, most: usize) -> impl Iterator<Item = (i64, io::Result<Entry>)> {
        let mut left = most;
        self.behind = false;
        std::iter::from_fn(move || {
            let entry = self.sifted(&mut left).transpose()?;
            if let Err(error) = entry {
                self.over = true;
                let path = self.path.display();
                let error = io::Error::new(error.kind(), format!("'{path}': {error}"));
                return Some((i64::MIN, Err(error)));
            }
            Some((entry.as_ref().map_or(i64::MIN, |e| e.message.stamp_nanos), entry))
        })
    }

    fn complaints(&mut self) -> Vec<String> {
        std::mem::take(&mut self.complaints)
    }
}

fn face(id: Id, path: &std::path::Path, near: Timestamp) -> Face {
    Face {
        key: RunKey { id, run: 1 },
        labels: Labels::new(),
        spawned_at: near,
        numbered: false,
        file: Some(path.to_string_lossy().into_owned()),
        streams: false,
    }
}
