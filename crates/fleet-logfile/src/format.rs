//! From bytes that a process printed to log lines.
//!
//! Formatting is a pure function of what was open, what arrived and the time: when a shim is
//! killed between reading and writing, its successor formats the same batch again, byte by byte
//! the same, and writes what is missing of it.

use std::sync::LazyLock;

use fleet_core::Timestamp;
use memchr::{memchr, memchr_iter, memrchr};

use crate::cri::Stream;

/// The longest text of one log line; a longer line is split into pieces tagged `P`, as
/// containerd does.
pub const MAX_PIECE: usize = 16 << 10;

/// Where the lines go. Infallible here: a destination that fails remembers it.
pub trait Output {
    /// Takes the next bytes.
    fn put(&mut self, bytes: &[u8]);
}

/// Takes the lines nowhere: what cannot be written is still counted.
impl Output for () {
    fn put(&mut self, _bytes: &[u8]) {}
}

impl Output for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }
}

/// Whether a line that is still open is a progress bar, which overwrites itself with carriage
/// returns.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Bar {
    /// No carriage return yet.
    #[default]
    No,
    /// One read ended within the line, with a carriage return in it.
    Perhaps,
    /// A later read brought more carriage returns to the same line: of its states only the
    /// latest is kept. Anything less may be data, and is kept whole.
    Yes,
}

/// A line that has no end yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Open {
    /// How much of it is not in the log yet; at most [`MAX_PIECE`].
    pub length: usize,
    /// When its first byte came, in nanoseconds since 1970.
    pub stamp: i64,
    /// Whether it is a progress bar.
    pub bar: Bar,
}

/// What arrived on one stream.
#[derive(Clone, Copy, Debug)]
pub struct Batch<'a> {
    /// The stream.
    pub stream: Stream,
    /// Its open line.
    pub open: Open,
    /// The text of the open line, `open.length` bytes.
    pub text: &'a [u8],
    /// The new bytes. None at all means: put the open line into the log as far as it goes.
    pub data: &'a [u8],
    /// When they came, in nanoseconds since 1970.
    pub now: i64,
}

/// What a batch was.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Bytes that the process printed.
    pub bytes: u64,
    /// Lines that it ended.
    pub lines: u64,
    /// Bytes of progress bars that a later state replaced.
    pub folded: u64,
}

/// Writes a batch as log lines. What remains open is put into `next`, at least [`MAX_PIECE`] long.
pub fn format(batch: Batch<'_>, next: &mut [u8], out: &mut impl Output) -> (Open, Counts) {
    let mut counts = Counts { bytes: batch.data.len() as u64, ..Counts::default() };
    let mut lines = Lines { stream: batch.stream, now: Stamp::new(batch.now), out };
    let head = [lines.now.as_bytes(), lines.tag(true)].concat();
    let mut open = batch.open;
    let mut text = batch.text;
    let mut rest = batch.data;
    if rest.is_empty() {
        lines.pieces(open.stamp, text, &[], false);
        return (Open { length: 0, ..open }, counts);
    }
    while let Some(end) = memchr(b'\n', rest) {
        let (line, after) = (&rest[..end], &rest[end + 1..]);
        if text.is_empty() && line.len() <= MAX_PIECE && open.bar != Bar::Yes {
            // The common case: head and text with its newline, two pieces in all.
            lines.out.put(&head);
            lines.out.put(&rest[..=end]);
        } else {
            let (text, line) = folded(open.bar, text, line, &mut counts.folded);
            let stamp = if are_moves(text) { batch.now } else { open.stamp };
            lines.pieces(stamp, text, line, true);
        }
        counts.lines += 1;
        open = Open::default();
        text = &[];
        rest = after;
    }
    (lines.left_open(open, text, rest, next, &mut counts), counts)
}

/// Writes a line of fleet's own among the process's: tagged so that readers can tell them apart.
pub fn notice(now: i64, message: &str, out: &mut impl Output) {
    out.put(Stamp::new(now).as_bytes());
    out.put(b" stderr F:fleet ");
    out.put(message.as_bytes());
    out.put(b"\n");
}

/// The text of a time, made once for all lines of a batch.
struct Stamp {
    nanos: i64,
    text: String,
}

impl Stamp {
    fn new(nanos: i64) -> Stamp {
        Stamp { nanos, text: Timestamp::from_nanos(nanos).to_nanos_text() }
    }

    fn as_bytes(&self) -> &[u8] {
        self.text.as_bytes()
    }
}

struct Lines<'a, O> {
    stream: Stream,
    now: Stamp,
    out: &'a mut O,
}

impl<O: Output> Lines<'_, O> {
    fn tag(&self, whole: bool) -> &'static [u8] {
        match (self.stream, whole) {
            (Stream::Stdout, true) => b" stdout F ",
            (Stream::Stdout, false) => b" stdout P ",
            (Stream::Stderr, true) => b" stderr F ",
            (Stream::Stderr, false) => b" stderr P ",
        }
    }

    /// One log line with the text `a` and `b`, stamped `stamp` or now.
    fn one(&mut self, stamp: Option<i64>, a: &[u8], b: &[u8], whole: bool) {
        match stamp.filter(|&s| s != self.now.nanos) {
            Some(earlier) => self.out.put(Stamp::new(earlier).as_bytes()),
            None => self.out.put(self.now.as_bytes()),
        }
        self.out.put(self.tag(whole));
        self.out.put(a);
        self.out.put(b);
        self.out.put(b"\n");
    }

    /// The text `a` and `b` in as many pieces as it needs; the last one ends the line if `whole`.
    /// A piece that begins in `a` is stamped `stamp`, a later one now. Nothing is no piece, but
    /// an empty line is a line.
    fn pieces(&mut self, stamp: i64, mut a: &[u8], mut b: &[u8], whole: bool) {
        while a.len() + b.len() > MAX_PIECE {
            let from_a = a.len().min(MAX_PIECE);
            let from_b = MAX_PIECE - from_a;
            self.one((from_a > 0).then_some(stamp), &a[..from_a], &b[..from_b], false);
            (a, b) = (&a[from_a..], &b[from_b..]);
        }
        if whole || a.len() + b.len() > 0 {
            self.one((!a.is_empty()).then_some(stamp), a, b, whole);
        }
    }

    /// Keeps what has no newline yet, and writes of it only what does not fit.
    fn left_open(
        &mut self,
        open: Open,
        text: &[u8],
        rest: &[u8],
        next: &mut [u8],
        counts: &mut Counts,
    ) -> Open {
        let bar = match open.bar {
            _ if rest.is_empty() => open.bar,
            Bar::Perhaps if has_return(rest) => Bar::Yes,
            Bar::No if has_return(text) || has_return(rest) => Bar::Perhaps,
            same => same,
        };
        let (mut a, mut b) = folded(bar, text, rest, &mut counts.folded);
        let mut stamp = if a.is_empty() || are_moves(a) { self.now.nanos } else { open.stamp };
        if a.len() + b.len() > MAX_PIECE {
            let keep = (a.len() + b.len()) % MAX_PIECE;
            let (written, kept) = b.split_at(b.len() - keep.min(b.len()));
            self.pieces(stamp, a, written, false);
            (a, b, stamp) = (&[], kept, self.now.nanos);
        }
        let length = a.len() + b.len();
        next[..a.len()].copy_from_slice(a);
        next[a.len()..length].copy_from_slice(b);
        Open { length, stamp, bar }
    }
}

fn has_return(text: &[u8]) -> bool {
    memchr(b'\r', text).is_some()
}

/// Of a progress bar the latest state, from the carriage return before it, with the moves upwards
/// before it: without them it would stand on another row. Of other text all.
fn folded<'a>(bar: Bar, a: &'a [u8], b: &'a [u8], folded: &mut u64) -> (&'a [u8], &'a [u8]) {
    if bar != Bar::Yes {
        return (a, b);
    }
    if let Some(at) = last_state(b) {
        let moves = moves(ups(a) + ups(&b[..at]));
        *folded += (a.len() + at).saturating_sub(moves.len()) as u64;
        return (moves, &b[at..]);
    }
    // No state begins within `b`: either `b` goes on with the last one of `a`, or it is nothing
    // but returns behind it.
    let more = b.iter().any(|&byte| byte != b'\r');
    let mut at = if more { memrchr(b'\r', a) } else { last_state(a) }.unwrap_or(0);
    while a[..at].ends_with(UP) {
        at -= UP.len();
    }
    if ups(&a[..at]) > 0 {
        return (a, b);
    }
    *folded += at as u64;
    (&a[at..], b)
}

/// Moves the cursor to the row above: nested bars do.
const UP: &[u8] = b"\x1b[A";

/// More rows than this no terminal has.
const MAX_UPS: usize = 48;

static UPS: LazyLock<Vec<u8>> = LazyLock::new(|| UP.repeat(MAX_UPS));

/// So many moves upwards.
fn moves(rows: usize) -> &'static [u8] {
    if rows == 0 { &[] } else { &UPS[..rows.min(MAX_UPS) * UP.len()] }
}

/// Whether these are such as stand for what was folded, and belong to what comes behind them.
fn are_moves(text: &[u8]) -> bool {
    std::ptr::eq(text.as_ptr(), UPS.as_ptr())
}

/// How many rows a text goes up: `ESC [ A`, `ESC [ 2 A`.
fn ups(text: &[u8]) -> usize {
    memchr_iter(b'\x1b', text).map(|at| rows_up(&text[at + 1..])).fold(0, usize::saturating_add)
}

fn rows_up(sequence: &[u8]) -> usize {
    let Some(rest) = sequence.strip_prefix(b"[") else { return 0 };
    let digits = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    if rest.get(digits) != Some(&b'A') {
        return 0;
    }
    let number = std::str::from_utf8(&rest[..digits]).ok().and_then(|digits| digits.parse().ok());
    if digits == 0 { 1 } else { number.unwrap_or(MAX_UPS).min(MAX_UPS) }
}

/// Where the last state begins: at the last carriage return that something follows.
fn last_state(text: &[u8]) -> Option<usize> {
    let end = text.iter().rposition(|&b| b != b'\r')?;
    memrchr(b'\r', &text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const NOW: i64 = 1_795_327_200_000_000_000;

    /// Formats reads one after the other, as a shim does, and ends.
    fn log_of(reads: &[&[u8]]) -> (String, Counts) {
        let (bytes, counts) = log_bytes(reads);
        (String::from_utf8(bytes).unwrap(), counts)
    }

    fn log_bytes(reads: &[&[u8]]) -> (Vec<u8>, Counts) {
        let mut out = Vec::new();
        let mut open = Open::default();
        let mut text = vec![0; MAX_PIECE];
        let mut total = Counts::default();
        for (at, data) in reads.iter().chain([&&b""[..]]).enumerate() {
            let mut next = vec![0; MAX_PIECE];
            let now = NOW + at as i64 * 1_000_000_000;
            let batch =
                Batch { stream: Stream::Stdout, open, text: &text[..open.length], data, now };
            let (left, counts) = format(batch, &mut next, &mut out);
            total.bytes += counts.bytes;
            total.lines += counts.lines;
            total.folded += counts.folded;
            (open, text) = (left, next);
        }
        (out, total)
    }

    /// What the process printed, joined from the log again.
    fn printed(log: &[u8]) -> Vec<u8> {
        let mut text = Vec::new();
        for line in log.split_inclusive(|&b| b == b'\n') {
            let (head, body) = line.split_at("2026-11-22T06:00:00.000000000Z stdout F ".len());
            text.extend_from_slice(&body[..body.len() - 1]);
            if head.ends_with(b" F ") {
                text.push(b'\n');
            }
        }
        text
    }

    #[test]
    fn a_line_is_stamped_when_its_first_byte_comes() {
        let (log, counts) = log_of(&[b"one\ntw", b"o\n\nthr", b"ee"]);
        let expected = "\
            2026-11-22T06:00:00.000000000Z stdout F one\n\
            2026-11-22T06:00:00.000000000Z stdout F two\n\
            2026-11-22T06:00:01.000000000Z stdout F \n\
            2026-11-22T06:00:01.000000000Z stdout P three\n";
        assert_eq!(log, expected);
        assert_eq!(counts, Counts { bytes: 14, lines: 3, folded: 0 });
    }

    #[test]
    fn a_long_line_is_split_into_pieces() {
        let long = vec![b'x'; 2 * MAX_PIECE + 5];
        for reads in [vec![[&long[..], b"\n"].concat()], vec![long.clone(), b"\n".to_vec()]] {
            let reads: Vec<&[u8]> = reads.iter().map(Vec::as_slice).collect();
            let (log, counts) = log_of(&reads);
            let tags: Vec<&str> = log.lines().map(|l| &l[38..39]).collect();
            assert_eq!(tags, ["P", "P", "F"]);
            assert_eq!(counts.lines, 1);
            assert_eq!(printed(log.as_bytes()), [&long[..], b"\n"].concat());
        }
    }

    #[test]
    fn of_a_progress_bar_the_latest_state_stays() {
        let (log, counts) = log_of(&[b"\r 10%", b"\r 20%", b"\r 30%\r 40%", b"\r100%\nend\n"]);
        let texts: Vec<&str> = log.split_terminator('\n').map(|l| &l[40..]).collect();
        assert_eq!(texts, ["\r100%", "end"]);
        assert_eq!(counts.folded, 20);
        // The other habit: the return at the end of each state.
        let (log, _) = log_of(&[b" 10%\r", b" 20%\r", b" 30%\r\n"]);
        assert_eq!(printed(log.as_bytes()), b"\r 30%\r\n");
    }

    #[test]
    fn a_state_that_left_its_row_leaves_its_move_behind() {
        let reads: [&[u8]; 4] = [b"\rin 1\x1b[A", b"\rout 1", b"\rout 2", b"\n\rin 2\x1b[A\n"];
        let (log, counts) = log_bytes(&reads);
        assert_eq!(printed(&log), b"\x1b[A\rout 2\n\rin 2\x1b[A\n");
        assert_eq!(counts.folded, 11);
        let (log, _) = log_bytes(&[b"\ra\x1b[2A", b"\rb\x1b[1A", b"\rc", b" d", b"\n"]);
        assert_eq!(printed(&log), b"\x1b[A\x1b[A\x1b[A\rc d\n");
    }

    #[test]
    fn returns_within_one_read_and_at_line_ends_are_data() {
        for text in [&b"a\rb\rc\nx\r\ny\r\n"[..], b"\r\r\n"] {
            assert_eq!(printed(&log_bytes(&[text]).0), text);
        }
        assert_eq!(printed(&log_bytes(&[b"a\r", b"\nb\r", b"\n"]).0), b"a\r\nb\r\n");
    }

    proptest! {
        #[test]
        fn every_byte_comes_back(
            reads in proptest::collection::vec(
                proptest::collection::vec(
                    prop_oneof![Just(b'\n'), any::<u8>().prop_filter("no bar", |&b| b != b'\r')],
                    1..200,
                ),
                0..20,
            ),
        ) {
            let reads: Vec<&[u8]> = reads.iter().map(Vec::as_slice).collect();
            let (log, counts) = log_bytes(&reads);
            let text = reads.concat();
            prop_assert_eq!(counts.bytes, text.len() as u64);
            prop_assert_eq!(counts.lines as usize, text.iter().filter(|&&b| b == b'\n').count());
            prop_assert_eq!(printed(&log), text);
        }

        #[test]
        fn bars_lose_only_states_that_were_overwritten(
            reads in proptest::collection::vec("[ab\r\n]{1,8}", 1..12),
        ) {
            let reads: Vec<&[u8]> = reads.iter().map(String::as_bytes).collect();
            let (log, counts) = log_bytes(&reads);
            let text = reads.concat();
            let back = printed(&log);
            prop_assert_eq!(back.len() as u64 + counts.folded, text.len() as u64);
            let shown = |text: &[u8]| -> Vec<Vec<u8>> {
                text.split(|&b| b == b'\n')
                    .map(|line| {
                        let line = line.strip_suffix(b"\r").unwrap_or(line);
                        let begin = last_state(line).map_or(0, |at| at + 1);
                        line[begin..].iter().copied().filter(|&b| b != b'\r').collect()
                    })
                    .collect()
            };
            prop_assert_eq!(shown(&back), shown(&text));
        }
    }
}
