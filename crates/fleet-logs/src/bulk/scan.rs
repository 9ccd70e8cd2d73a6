//! Looking through one block of a log file, on any thread and without what came before it.

use std::ops::Range;
use std::sync::Arc;

use fleet_logfile::{Heads, Line, Stream, Tail, cri, whole};
use fleet_progress::Folder;
use fleet_traceback::Beginnings;
use grep_matcher::{LineMatchKind, Matcher};
use grep_regex::RegexMatcher;

use super::excerpt::Excerpt;
use crate::Plan;
use crate::context::Around;
use crate::filter::{Filter, Window};
use crate::print::is_clean;

/// What is looked for in a block.
#[derive(Debug)]
pub(super) struct Scanner {
    window: Window,
    filter: Arc<Filter>,
    around: Around,
    /// Lines that may begin a traceback are looked for, too.
    grouped: bool,
    /// Only how many lines were found is wanted.
    counted: bool,
}

/// What was found in a block.
#[derive(Debug)]
pub(super) enum Found {
    /// Lines in pieces, or one without an end: what is said there depends on other blocks.
    Odd,
    /// So many lines.
    Count(u64),
    /// These lines, in their order.
    Lines(Vec<Mark>),
}

/// A line that is wanted, or that may begin a traceback.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    /// Where it begins in the buffer.
    pub(super) start: u32,
    /// Where its text begins.
    pub(super) text: u32,
    /// Where its text ends.
    pub(super) end: u32,
    pub(super) stream: Stream,
    pub(super) notice: bool,
    /// It may begin a traceback.
    pub(super) begins: bool,
    /// It is no log line, and has the stamp of the line before.
    pub(super) garbage: bool,
    /// It can be shown as it is.
    pub(super) plain: bool,
    pub(super) stamp_nanos: i64,
}

impl Scanner {
    pub(super) fn new(plan: &Plan, counted: bool) -> Scanner {
        Scanner {
            window: plan.window,
            filter: Arc::clone(&plan.filter),
            around: plan.around,
            grouped: plan.grouped,
            counted: counted && !plan.grouped,
        }
    }

    /// Looks through the lines of a block.
    pub(super) fn scan(&self, buffer: &[u8], lines: Range<usize>, tail: Tail) -> Found {
        if tail != Tail::Whole {
            return Found::Odd;
        }
        let beginnings = self.grouped.then(|| Beginnings::of(&buffer[..lines.end]));
        let mut hits = Hits { counted: self.counted, beginnings, ..Hits::default() };
        let clean = match self.candidates() {
            Some(relaxed) => {
                !self.has_pieces(&buffer[lines.clone()])
                    && self.search(buffer, lines, relaxed, &mut hits)
            }
            None if self.counts_all() => {
                hits.count = count_lines(&buffer[lines.clone()]);
                !self.has_pieces(&buffer[lines])
            }
            None => {
                hits.plain = !self.counted && is_plain(&buffer[lines.clone()]);
                self.look(buffer, lines, &mut hits)
            }
        };
        match clean {
            false => Found::Odd,
            true if self.counted => Found::Count(hits.count),
            true => Found::Lines(hits.marks),
        }
    }

    /// What finds candidates without a look at each line.
    fn candidates(&self) -> Option<&RegexMatcher> {
        let pattern = self.filter.pattern.as_ref().filter(|p| !p.is_inverted() && !self.grouped);
        pattern?.relaxed()
    }

    /// Whether every line counts.
    fn counts_all(&self) -> bool {
        self.counted && self.window.takes_all() && !self.filter.asks()
    }

    /// Whether of most blocks no more than an excerpt is needed.
    pub(super) fn is_selective(&self) -> bool {
        let near = !self.around.is_some() || self.window.takes_all();
        self.counted || (!self.grouped && self.filter.asks() && near)
    }

    /// What is needed of a block in which this was found, where that is little.
    pub(super) fn excerpt(
        &self,
        buffer: &[u8],
        lines: Range<usize>,
        found: &Found,
    ) -> Option<Excerpt> {
        match found {
            Found::Count(_) => Excerpt::of(buffer, lines, &[], Around::default()),
            Found::Lines(marks) if self.is_selective() => {
                Excerpt::of(buffer, lines, marks, self.around)
            }
            _ => None,
        }
    }

    /// Whether a line stands there in pieces.
    fn has_pieces(&self, lines: &[u8]) -> bool {
        memchr::memchr_iter(b'P', lines).any(|at| {
            if !matches!(&lines[at.saturating_sub(7)..at], b"stdout " | b"stderr ") {
                return false;
            }
            let start = memchr::memrchr(b'\n', &lines[..at]).map_or(0, |at| at + 1);
            let end = memchr::memchr(b'\n', &lines[at..]).map_or(lines.len(), |end| at + end);
            cri::parse(&lines[start..end]).is_some_and(|line| line.partial)
        })
    }

    /// Looks only at lines around what a search of the whole block finds.
    fn search(
        &self,
        buffer: &[u8],
        lines: Range<usize>,
        relaxed: &RegexMatcher,
        hits: &mut Hits<'_>,
    ) -> bool {
        let mut from = lines.start;
        while from < lines.end {
            let Ok(Some(kind)) = relaxed.find_candidate_line(&buffer[from..lines.end]) else {
                return true;
            };
            let (LineMatchKind::Candidate(at) | LineMatchKind::Confirmed(at)) = kind;
            let (start, end) = line_at(buffer, from..lines.end, from + at);
            if !self.line(buffer, start..end, hits) {
                return false;
            }
            from = end + 1;
        }
        true
    }

    /// Looks at each line.
    fn look(&self, buffer: &[u8], lines: Range<usize>, hits: &mut Hits<'_>) -> bool {
        let mut start = lines.start;
        for end in memchr::memchr_iter(b'\n', &buffer[lines.clone()]) {
            let end = lines.start + end;
            if !self.line(buffer, start..end, hits) {
                return false;
            }
            start = end + 1;
        }
        // The last of a file whose writer died has no newline.
        start >= lines.end || self.line(buffer, start..lines.end, hits)
    }

    /// Notes a line if it is wanted; `false` where it is a piece of one.
    fn line(&self, buffer: &[u8], at: Range<usize>, hits: &mut Hits<'_>) -> bool {
        let bytes = &buffer[at.clone()];
        let parsed = match whole(bytes) {
            // Most lines are not wanted: their text is looked at before their stamp.
            Some((stream, _)) if self.window.stream.is_some_and(|wanted| wanted != stream) => {
                return true;
            }
            Some((_, text)) if !self.filter.takes_text(text) && !hits.may_begin(&at, text) => {
                return true;
            }
            Some((stream, text)) => hits.heads.stamped(bytes, stream, text),
            None => cri::parse(bytes),
        };
        let garbage = parsed.is_none();
        let line = parsed.unwrap_or(Line {
            stamp_nanos: i64::MIN,
            stream: Stream::Stdout,
            partial: false,
            notice: false,
            text: bytes,
        });
        if line.partial {
            return false;
        }
        // The stamp of a line that has none is known only where lines before are.
        if garbage && self.window.has_span() {
            return false;
        }
        if self.window.takes_head(&line) {
            let begins = hits.may_begin(&at, line.text);
            if begins || self.filter.takes_text(line.text) {
                hits.note(at, &line, begins, garbage);
            }
        }
        true
    }
}

/// What was found so far.
#[derive(Default)]
struct Hits<'a> {
    counted: bool,
    /// All lines can be shown as they are.
    plain: bool,
    count: u64,
    marks: Vec<Mark>,
    heads: Heads,
    /// Where lines that may begin a traceback are looked for.
    beginnings: Option<Beginnings<'a>>,
}

impl Hits<'_> {
    /// Whether the line that stands there, with this text at its end, may begin a traceback.
    fn may_begin(&mut self, at: &Range<usize>, text: &[u8]) -> bool {
        let place = at.end - text.len()..at.end;
        self.beginnings.as_mut().is_some_and(|beginnings| beginnings.may_begin(place))
    }

    fn note(&mut self, at: Range<usize>, line: &Line<'_>, begins: bool, garbage: bool) {
        self.count += 1;
        if self.counted {
            return;
        }
        self.marks.push(Mark {
            start: at.start as u32,
            text: (at.end - line.text.len()) as u32,
            end: at.end as u32,
            stream: line.stream,
            notice: line.notice,
            begins,
            garbage,
            plain: !line.notice && (self.plain || is_plain(line.text)),
            stamp_nanos: line.stamp_nanos,
        });
    }
}

/// Whether nothing in lines must be changed to show them, and none is of a progress bar.
fn is_plain(lines: &[u8]) -> bool {
    is_clean(lines) && !Folder::<()>::needed(lines)
}

/// Where the line begins and ends that holds this place.
pub(super) fn line_at(buffer: &[u8], within: Range<usize>, at: usize) -> (usize, usize) {
    let start = memchr::memrchr(b'\n', &buffer[within.start..at]);
    let end = memchr::memchr(b'\n', &buffer[at..within.end]);
    (
        start.map_or(within.start, |start| within.start + start + 1),
        end.map_or(within.end, |end| at + end),
    )
}

fn count_lines(lines: &[u8]) -> u64 {
    let ends = memchr::memchr_iter(b'\n', lines).count() as u64;
    ends + u64::from(lines.last().is_some_and(|last| *last != b'\n'))
}
