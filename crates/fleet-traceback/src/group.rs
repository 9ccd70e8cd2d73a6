//! From lines to groups.

use std::collections::VecDeque;

use fleet_logline::plain;

use crate::begin::{begin, may_begin};
use crate::fingerprint::fingerprint;
use crate::shape::{Line, Shape, Step};
use crate::text::trimmed;
use crate::traceback::Traceback;

/// A group has no more lines.
const MAX_LINES: usize = 1000;

/// A group has no more bytes, unless its first line alone has.
const MAX_BYTES: usize = 256 << 10;

/// So many lines are held for what may turn out to be nothing.
const MAX_PERHAPS: usize = 32;

/// So many groups are open at once: the ranks of a job each have one.
const MAX_OPEN: usize = 256;

/// All open groups together have no more bytes.
const MAX_HELD: usize = 8 << 20;

/// What is written later than this after a message is no part of it.
const PAUSE_NANOS: i64 = 50_000_000;

/// A line as the grouper looks at it.
pub trait Said {
    /// Its bytes, without the newline.
    fn text(&self) -> &[u8];

    /// What it was written to: lines of different lanes are never of one traceback.
    fn lane(&self) -> usize;

    /// When it was written, in nanoseconds since 1970, if that is known: a pause tells what a
    /// program prints next from the last lines of a message.
    fn at_nanos(&self) -> Option<i64> {
        None
    }
}

/// What comes out of a grouper.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Grouped<T> {
    /// A line that belongs to no traceback.
    Line(T),
    /// A whole traceback: what is known of it, and its lines as they came.
    Traceback(Box<Traceback>, Vec<T>),
}

/// Puts the lines of tracebacks together, for one process.
#[derive(Debug)]
pub struct Grouper<T> {
    /// In the order of beginning.
    open: Vec<Open<T>>,
    /// Of all that is held.
    bytes: usize,
}

/// A traceback whose end has not come.
#[derive(Debug)]
struct Open<T> {
    lane: usize,
    rank: Option<Box<[u8]>>,
    shape: Box<dyn Shape>,
    held: Vec<T>,
    /// So many of what is held are part of it for certain.
    sure: usize,
    bytes: usize,
    /// When the last line was written.
    last_nanos: Option<i64>,
    /// It was given out because it is too long: what else belongs to it is let through.
    spilling: bool,
}

impl<T> Default for Grouper<T> {
    fn default() -> Grouper<T> {
        Grouper { open: Vec::new(), bytes: 0 }
    }
}

impl<T: Said> Grouper<T> {
    /// Whether this line is none of the grouper's business: it holds nothing of its lane, and the
    /// line begins nothing. Such a line need not be pushed.
    pub fn passes(&self, lane: usize, text: &[u8]) -> bool {
        !self.open.iter().any(|open| open.lane == lane) && !may_begin(text)
    }

    /// Takes the next line and gives out what is complete by it.
    pub fn push(&mut self, line: T, give: &mut impl FnMut(Grouped<T>)) {
        let mut waiting = VecDeque::from([line]);
        while let Some(line) = waiting.pop_front() {
            self.place(line, &mut waiting, give);
        }
        while self.open.len() > MAX_OPEN || self.bytes > MAX_HELD {
            self.close(0, give);
        }
    }

    /// Gives out all that is held, because the program has ended: what it said last after an error
    /// is the rest of its message.
    pub fn finish(&mut self, give: &mut impl FnMut(Grouped<T>)) {
        self.open.iter_mut().for_each(Open::believe);
        self.flush(give);
    }

    /// Gives out all that is held, because it has been quiet for a while.
    pub fn flush(&mut self, give: &mut impl FnMut(Grouped<T>)) {
        while !self.open.is_empty() {
            self.close(0, give);
        }
    }

    /// Whether lines are held.
    pub fn holds(&self) -> bool {
        self.open.iter().any(|open| !open.held.is_empty())
    }

    /// Ends a group; what was held on suspicion is looked at anew.
    fn close(&mut self, at: usize, give: &mut impl FnMut(Grouped<T>)) {
        let mut waiting = VecDeque::new();
        self.end(at, &mut waiting, give);
        while let Some(line) = waiting.pop_front() {
            self.place(line, &mut waiting, give);
        }
    }

    /// Puts a line where it belongs; what must be looked at anew is put before `waiting`.
    fn place(&mut self, line: T, waiting: &mut VecDeque<T>, give: &mut impl FnMut(Grouped<T>)) {
        let bare = plain(line.text());
        let text = trimmed(&bare.text);
        let (lane, rank) = (line.lane(), bare.rank);
        let is_its = |open: &Open<T>| open.lane == lane && open.rank.as_deref() == rank;
        let Some(at) = self.open.iter().position(is_its) else {
            // The quick look is the rule, so that it is the same whether or not it was asked before.
            let begun = if may_begin(line.text()) { begin(text) } else { None };
            let Some((shape, step)) = begun else { return give(Grouped::Line(line)) };
            self.open.push(Open::new(lane, rank.map(Box::from), shape));
            return self.take(self.open.len() - 1, line, step, waiting, give);
        };
        let Some(open) = self.open.get_mut(at) else { return };
        let late = open.is_late(&line);
        let step = open.shape.step(&Line { text, late });
        self.take(at, line, step, waiting, give);
    }

    fn take(
        &mut self,
        at: usize,
        line: T,
        step: Step,
        waiting: &mut VecDeque<T>,
        give: &mut impl FnMut(Grouped<T>),
    ) {
        let Some(open) = self.open.get_mut(at) else { return };
        if step == Step::Not || open.is_full_of_doubt(step) {
            waiting.push_front(line);
            return self.end(at, waiting, give);
        }
        if open.spilling {
            give(Grouped::Line(line));
        } else {
            self.bytes += line.text().len();
            open.hold(line, step);
        }
        if step == Step::Last {
            self.end(at, waiting, give);
        } else if open.is_full() {
            self.bytes -= open.bytes;
            open.give(true, give);
            open.spilling = true;
        }
    }

    /// Ends a group before what is held on suspicion, which is put before `waiting`; gives out one
    /// line at least if any is held.
    fn end(&mut self, at: usize, waiting: &mut VecDeque<T>, give: &mut impl FnMut(Grouped<T>)) {
        let mut open = self.open.remove(at);
        self.bytes -= open.bytes;
        if open.held.is_empty() {
            return;
        }
        let rest = open.held.split_off(open.sure.max(1));
        rest.into_iter().rev().for_each(|line| waiting.push_front(line));
        if open.sure > 0 {
            open.give(false, give);
        } else {
            open.held.drain(..).for_each(|line| give(Grouped::Line(line)));
        }
    }
}

impl<T: Said> Open<T> {
    fn new(lane: usize, rank: Option<Box<[u8]>>, shape: Box<dyn Shape>) -> Open<T> {
        let (held, sure, bytes) = (Vec::new(), 0, 0);
        Open { lane, rank, shape, held, sure, bytes, last_nanos: None, spilling: false }
    }

    fn is_late(&self, line: &T) -> bool {
        let since = line.at_nanos().zip(self.last_nanos);
        since.is_some_and(|(now, before)| now.saturating_sub(before) > PAUSE_NANOS)
    }

    fn is_full(&self) -> bool {
        self.sure > 0 && (self.held.len() >= MAX_LINES || self.bytes >= MAX_BYTES)
    }

    /// Whether one more line on suspicion would be too many.
    fn is_full_of_doubt(&self, step: Step) -> bool {
        let doubtful = self.held.len() - self.sure;
        step == Step::Perhaps
            && doubtful > 0
            && (doubtful >= MAX_PERHAPS || self.bytes >= MAX_BYTES)
    }

    fn hold(&mut self, line: T, step: Step) {
        self.last_nanos = line.at_nanos();
        self.bytes += line.text().len();
        self.held.push(line);
        if step != Step::Perhaps {
            self.sure = self.held.len();
        }
    }

    /// Takes what is held on suspicion for part of it, up to a blank line.
    fn believe(&mut self) {
        let doubtful = self.held.iter().skip(self.sure);
        let more = doubtful.take_while(|line| !trimmed(line.text()).is_empty()).count();
        self.sure += if self.sure > 0 { more } else { 0 };
    }

    /// Gives out all that is held as a traceback.
    fn give(&mut self, cut: bool, give: &mut impl FnMut(Grouped<T>)) {
        let lines = std::mem::take(&mut self.held);
        (self.sure, self.bytes) = (0, 0);
        let text =
            |line: &T| String::from_utf8_lossy(trimmed(&plain(line.text()).text)).into_owned();
        let texts: Vec<String> = lines.iter().map(text).collect();
        let (language, told) = (self.shape.language(), self.shape.read(&texts));
        let rank = self.rank.as_deref().map(|rank| String::from_utf8_lossy(rank).into_owned());
        let traceback = Traceback {
            language,
            fingerprint: fingerprint(language, &told),
            kind: told.kind,
            message: told.message,
            frames: told.frames,
            rank,
            cut,
        };
        give(Grouped::Traceback(Box::new(traceback), lines));
    }
}
