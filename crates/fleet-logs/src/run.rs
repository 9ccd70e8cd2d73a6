//! The log of one run as a source of lines.

use std::collections::VecDeque;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use fleet_core::{ProcessRecord, Timestamp};
use fleet_logfile::{Attempts, Joiner, Line, Message, Position, Reader, Skip, Start};
use fleet_logfile::{seek, tail};
use fleet_registry::{Home, RunDir};

use crate::Plan;
use crate::cursor::{Held, Place};
use crate::entry::{Entry, Face};
use crate::filter::Window;
use crate::sieve::Sieve;
use crate::source::Source;

/// A traceback is printed in no longer than this.
const TRACEBACK_TAKES: Duration = Duration::from_secs(1);

/// The log of one run, read as far as it was shown.
pub(crate) struct Run {
    pub(crate) face: Arc<Face>,
    pub(crate) log: PathBuf,
    reader: Reader,
    lines: Lines,
    sieve: Sieve,
    /// Nothing more will come: what has no end yet is handed out, too.
    closing: bool,
    /// Lines that may become a traceback are given out where the newest line is older than this.
    settled_before: i64,
    /// It could not be read on.
    pub(crate) failed: bool,
    behind: bool,
    told: Told,
}

/// What was said of the files so far.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
struct Told {
    garbage: u64,
    truncations: u64,
    taken_back: u64,
    damaged: usize,
    lost: bool,
}

/// From pieces to lines.
struct Lines {
    window: Window,
    attempts: AttemptsFile,
    /// The attempt of the newest line.
    attempt: u32,
    /// The stamp of the newest line.
    newest: i64,
    joiner: Joiner,
    skip: Skip,
    ready: VecDeque<(u32, Message)>,
}

impl Run {
    /// From where the plan wants it on.
    pub(crate) fn open(
        home: &Home,
        record: &ProcessRecord,
        plan: &Plan,
        numbered: bool,
    ) -> io::Result<Run> {
        let dir = home.run_of(&record.key());
        let attempts = AttemptsFile::open(&dir)?;
        let place = plan.cursor.as_ref().and_then(|cursor| cursor.place(&record.key()));
        let (reader, skip) = match &place {
            Some(place) => (reader_at(dir.log(), place.position, None)?, Skip::default()),
            None => begin(dir.log(), &plan.window, &attempts.attempts, plan.lines)?,
        };
        let mut run = Run {
            face: Arc::new(Face::of(record, numbered)),
            log: dir.log(),
            reader,
            lines: Lines {
                window: plan.window,
                attempts,
                attempt: 1,
                newest: i64::MIN,
                joiner: Joiner::default(),
                skip,
                ready: VecDeque::new(),
            },
            sieve: Sieve::new(plan),
            closing: false,
            settled_before: i64::MIN,
            failed: false,
            behind: false,
            told: Told::default(),
        };
        if let Some(place) = place {
            run.go_on(&place);
        }
        Ok(run)
    }

    /// Takes up what was held when this place was noted.
    fn go_on(&mut self, place: &Place) {
        self.lines.attempt = place.attempt.max(1);
        for (_, piece) in place.pieces.iter().filter_map(Held::message) {
            self.lines.joiner.go_on_with(piece);
        }
        for (attempt, message) in place.lines.iter().filter_map(Held::message) {
            self.lines.newest = message.stamp_nanos;
            self.sieve.push(Entry::line(Arc::clone(&self.face), attempt, message));
        }
    }

    /// How far it was shown, once all was that could be.
    pub(crate) fn place(&mut self) -> Place {
        let lines = &mut self.lines;
        let attempt = lines.attempt;
        let pieces = lines.joiner.held();
        let waiting = lines.ready.iter().map(|(attempt, message)| Held::new(*attempt, message));
        let mut held: Vec<Held> = self.sieve.held();
        held.extend(waiting);
        Place {
            position: self.reader.position(),
            attempt,
            pieces: pieces.iter().map(|message| Held::new(attempt, message)).collect(),
            lines: held,
            complete: self.closing && !self.behind && !self.failed,
        }
    }

    /// Says that what has been quiet for a while will not go on with a traceback.
    pub(crate) fn settle(&mut self) {
        self.settled_before = Timestamp::now().minus(TRACEBACK_TAKES).nanos();
    }

    /// Says that nothing more will come.
    pub(crate) fn close(&mut self) {
        self.closing = true;
    }

    /// Whether it holds the beginning of a line.
    pub(crate) fn holds(&self) -> bool {
        self.lines.joiner.holds()
    }

    /// Whether it holds lines that may become a traceback.
    pub(crate) fn holds_lines(&self) -> bool {
        self.sieve.holds()
    }

    /// Hands those out: nothing came for a while.
    pub(crate) fn release_lines(&mut self) {
        self.sieve.flush();
    }

    /// Whether there is more to show, whatever is written from now on.
    pub(crate) fn has_more(&self) -> bool {
        self.behind || !self.lines.ready.is_empty() || self.sieve.has_ready()
    }

    /// Hands out the beginning of a line that it holds.
    pub(crate) fn release(&mut self) {
        let attempt = self.lines.attempt;
        self.lines.give(attempt, Joiner::flush);
    }

    /// The next of all that is to be shown.
    pub(crate) fn next_shown(&mut self) -> io::Result<Option<Entry>> {
        let mut left = usize::MAX;
        self.sifted(&mut left)
    }

    /// The next that is to be shown, `None` after so many lines, or where there is no more now.
    fn sifted(&mut self, left: &mut usize) -> io::Result<Option<Entry>> {
        loop {
            if let Some(entry) = self.sieve.pop() {
                return Ok(Some(entry));
            }
            if self.sieve.is_over() {
                return Ok(None);
            }
            if *left == 0 {
                self.behind = true;
                return Ok(None);
            }
            *left -= 1;
            match self.next()? {
                Some(entry) => self.sieve.push(entry),
                None if self.sieve.holds() && self.closing => self.sieve.finish(),
                None if self.sieve.holds() && self.is_settled() => self.sieve.flush(),
                None => return Ok(None),
            }
        }
    }

    fn is_settled(&self) -> bool {
        self.lines.newest < self.settled_before
    }

    fn next(&mut self) -> io::Result<Option<Entry>> {
        loop {
            if let Some((attempt, message)) = self.lines.ready.pop_front() {
                return Ok(Some(Entry::line(Arc::clone(&self.face), attempt, message)));
            }
            if self.failed {
                return Ok(None);
            }
            if let Some(line) = self.reader.next_line()? {
                self.lines.take(&line)?;
            } else if !self.closing {
                return Ok(None);
            } else if let Some(line) = self.reader.unfinished() {
                self.lines.take(&line)?;
            } else if self.holds() {
                let attempt = self.lines.attempt;
                self.lines.give(attempt, Joiner::cut);
            } else {
                return Ok(None);
            }
        }
    }
}

impl Source for Run {
    fn entries(&mut self, most: usize) -> impl Iterator<Item = (i64, io::Result<Entry>)> {
        let mut left = most;
        self.behind = false;
        // The clock may have been set back: one look for each batch, whatever the stamps say.
        self.lines.attempts.known_to = i64::MIN;
        std::iter::from_fn(move || {
            let entry = self.sifted(&mut left).transpose()?;
            self.failed |= entry.is_err();
            Some((entry.as_ref().map_or(i64::MIN, |e| e.message.stamp_nanos), entry))
        })
    }

    fn complaints(&mut self) -> Vec<String> {
        let reader = &self.reader;
        let now = Told {
            garbage: reader.garbage(),
            truncations: reader.truncations(),
            taken_back: reader.taken_back(),
            damaged: reader.damaged().len(),
            lost: reader.lost_files(),
        };
        let before = std::mem::replace(&mut self.told, now);
        let garbage = now.garbage - before.garbage;
        let truncated = now.truncations > before.truncations;
        let mut said = complaints(&self.log, garbage, truncated, now.lost && !before.lost);
        if now.taken_back > before.taken_back {
            said.push(format!(
                "'{}': the end of the file was taken back after it was shown; the disk may be full",
                self.log.display()
            ));
        }
        said.extend(reader.damaged()[before.damaged..].iter().cloned());
        said
    }
}

/// What is to be said of the files of a log: lines that are none, a file cut short, files that
/// were missed.
pub(crate) fn complaints(log: &Path, garbage: u64, truncated: bool, lost: bool) -> Vec<String> {
    let log = log.display();
    let mut said = Vec::new();
    if garbage > 0 {
        said.push(format!("'{log}': lines that are no log lines, shown as they are: {garbage}"));
    }
    if truncated {
        said.push(format!("'{log}': the file was truncated; reading it from its start"));
    }
    if lost {
        said.push(format!(
            "'{log}': files were removed before they were read; lines may be missing"
        ));
    }
    said
}

impl Lines {
    fn take(&mut self, line: &Line<'_>) -> io::Result<()> {
        // Stamps can fall back when the clock is set; attempts cannot.
        let attempt = self.attempts.of(line.stamp_nanos)?.max(self.attempt);
        if attempt > self.attempt {
            let ended = std::mem::replace(&mut self.attempt, attempt);
            self.give(ended, Joiner::cut);
        }
        self.newest = line.stamp_nanos;
        if self.window.takes(line, attempt) {
            let message = self.joiner.push(line);
            self.give(attempt, |_| message);
        }
        Ok(())
    }

    fn give<I: IntoIterator<Item = Message>>(
        &mut self,
        attempt: u32,
        from: impl FnOnce(&mut Joiner) -> I,
    ) {
        for message in from(&mut self.joiner) {
            if !self.skip.passes_over(&message) {
                self.ready.push_back((attempt, message));
            }
        }
    }
}

/// Finds where to begin, without reading what is not wanted.
fn begin(
    log: PathBuf,
    window: &Window,
    attempts: &Attempts,
    lines: Option<usize>,
) -> io::Result<(Reader, Skip)> {
    let (first, last) = window.attempt.map_or((i64::MIN, i64::MAX), |a| attempts.span(a));
    let since = window.since.map_or(first, |since| since.max(first));
    let until = window.until.map_or(last, |until| until.min(last));
    let from = if since > i64::MIN { seek(&log, since)? } else { None };
    let to = if until < i64::MAX { seek(&log, until + 1)? } else { None };
    // States of bars below others are lines, too, of which people see one: they do not count.
    let shown = |line: &Line<'_>| !window.notices || !fleet_progress::leaves_upwards(line.text);
    let takes = |line: &Line<'_>| window.takes(line, attempts.of(line.stamp_nanos)) && shown(line);
    // Where all is too old, only what comes from now on can be wanted.
    let lines = if since > i64::MIN && from.is_none() { Some(0) } else { lines };
    let start = match lines {
        Some(count) => tail(&log, count, from, to, takes)?,
        None => Start { place: from, skip: Skip::default() },
    };
    Ok((reader_at(log, start.place, to)?, start.skip))
}

fn reader_at(log: PathBuf, from: Option<Position>, to: Option<Position>) -> io::Result<Reader> {
    let reader = match from {
        Some(place) => Reader::at(log, place)?,
        None => Reader::new(log),
    };
    Ok(match to {
        Some(place) => reader.until(place),
        None => reader,
    })
}

/// The attempts of a run, read anew when there may be more of them.
struct AttemptsFile {
    path: PathBuf,
    attempts: Attempts,
    /// Up to this stamp what was read is complete.
    known_to: i64,
    seen: Option<(u64, SystemTime)>,
}

impl AttemptsFile {
    fn open(dir: &RunDir) -> io::Result<AttemptsFile> {
        let mut file = AttemptsFile {
            path: dir.attempts(),
            attempts: Attempts::default(),
            known_to: i64::MIN,
            seen: None,
        };
        file.look()?;
        Ok(file)
    }

    fn of(&mut self, stamp: i64) -> io::Result<u32> {
        if stamp > self.known_to {
            self.look()?;
        }
        Ok(self.attempts.of(stamp))
    }

    fn look(&mut self) -> io::Result<()> {
        // Before the file is looked at: an attempt that begins meanwhile has a later stamp.
        self.known_to = Timestamp::now().nanos();
        let seen = fs::metadata(&self.path).ok().and_then(|m| Some((m.len(), m.modified().ok()?)));
        if seen != self.seen {
            self.attempts = Attempts::read(&self.path)?;
            self.seen = seen;
        }
        Ok(())
    }
}
