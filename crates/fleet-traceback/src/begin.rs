//! Which lines begin a traceback.

use std::ops::Range;
use std::sync::LazyLock;

use aho_corasick::packed::Searcher;
use fleet_logline::plain;

use crate::shape::{Begun, Step};
use crate::text::{begins, trimmed};
use crate::{go, java, named, native, node, python, rust};

/// These may stand anywhere in a line that begins a traceback, behind what a logger, a shell or a
/// progress bar put before them.
const SIGNS: [&str; 8] = [
    "Traceback (most",
    "Error: ",
    "Exception: ",
    "Error [",
    "http: panic serving ",
    ": line ",
    ": Assertion `",
    ": runtime error: ",
];

/// All at once by vectors; where the processor has none, every line is looked at.
static SEARCHER: LazyLock<Option<Searcher>> = LazyLock::new(|| Searcher::new(SIGNS));

/// What other tracebacks begin with, by the first byte.
fn heads(first: u8) -> &'static [&'static str] {
    match first {
        b' ' => &["  File \""],
        b'*' => &["*** "],
        b'-' => &["-----------------------------------------------"],
        b'=' => &["=="],
        b'A' => &["Aborted", "AddressSanitizer:"],
        b'B' => &["Bus error"],
        b'C' => &["Current thread "],
        b'E' => &["Exception in", "Exception ignored"],
        b'F' => &["Fatal Python error: ", "Floating point exception", "FATAL: Thread"],
        b'I' => &["Illegal instruction"],
        b'L' => &["LeakSanitizer:"],
        b'M' => &["MemorySanitizer:"],
        b'S' => &["Segmentation fault", "SIGQUIT: quit", "Stack "],
        b'T' => &["Thread 0x", "ThreadSanitizer:"],
        b'U' => &["UndefinedBehaviorSanitizer:"],
        b'W' => &["WARNING: Thread"],
        b'c' => &["concurrent.futures.process._Remote", "corrupted "],
        b'd' => &["double free or corruption"],
        b'f' => &["fatal error: ", "free(): "],
        b'm' => &[
            "malloc(): ",
            "malloc_consolidate(): ",
            "multiprocessing.pool.Remote",
            "munmap_chunk(): ",
        ],
        b'p' => &["panic: "],
        b'r' => &["realloc(): ", "runtime: goroutine stack exceeds "],
        b't' => &["thread '", "terminate called "],
        b'u' => &["unexpected fault address "],
        _ => &[],
    }
}

/// Whether a line may begin a traceback; asked of every line, so that it must be quick. May say
/// yes too often.
pub fn may_begin(text: &[u8]) -> bool {
    let is_bare = text.first() != Some(&b'[') && memchr::memchr(b'\x1b', text).is_none();
    if is_bare { may_begin_plain(text) } else { may_begin_plain(&plain(text).text) }
}

fn may_begin_plain(text: &[u8]) -> bool {
    has_head(text) || first_sign(text).is_some()
}

/// Whether a line begins as a traceback's first line does.
fn has_head(text: &[u8]) -> bool {
    let Some(&first) = text.first() else { return true };
    first == b'\r'
        || heads(first).iter().any(|head| begins(text, head))
        || matches!(first, b'/' | b'<' | b'n' | b'f') && node::is_place(trimmed(text))
        || named::is_bare(text)
}

/// Where a sign stands, or may stand.
fn first_sign(text: &[u8]) -> Option<usize> {
    match SEARCHER.as_ref() {
        Some(searcher) => searcher.find(text).map(|found| found.start()),
        None => Some(0),
    }
}

/// Asks the lines of a block, in their order, whether they may begin a traceback. All of the block
/// is searched at once, which is quicker than [`may_begin`] of each line and says the same.
#[derive(Debug)]
pub struct Beginnings<'a> {
    block: &'a [u8],
    /// The first sign at or behind the beginning of the line that was asked last.
    sign: Option<usize>,
    /// Escape sequences may stand within a sign.
    escapes: bool,
}

impl<'a> Beginnings<'a> {
    /// Of these lines.
    pub fn of(block: &'a [u8]) -> Beginnings<'a> {
        let escapes = memchr::memchr(b'\x1b', block).is_some();
        Beginnings { block, sign: first_sign(block), escapes }
    }

    /// Whether the line with its text in this place of the block may begin a traceback. No line
    /// may be asked before one that stands before it.
    pub fn may_begin(&mut self, place: Range<usize>) -> bool {
        let Some(text) = self.block.get(place.clone()) else { return true };
        if self.escapes {
            return may_begin(text);
        }
        if self.sign.is_some_and(|sign| sign < place.start) {
            let behind = self.block.get(place.start..).and_then(first_sign);
            self.sign = behind.map(|sign| place.start + sign);
        }
        self.sign.is_some_and(|sign| sign < place.end)
            || if text.first() == Some(&b'[') {
                has_head(&plain(text).text)
            } else {
                has_head(text)
            }
    }
}

/// What a line begins, if anything.
pub(crate) fn begin(text: &[u8]) -> Option<Begun> {
    python::begin(text)
        .or_else(|| rust::begin(text))
        .or_else(|| go::begin(text))
        .or_else(|| native::begin(text))
        .or_else(|| java::begin(text))
        .or_else(|| node::begin(text))
        .or_else(|| named::begin(text))
}

/// Whether a line begins a traceback whatever follows.
pub(crate) fn begins_surely(text: &[u8]) -> bool {
    may_begin_plain(text) && begin(text).is_some_and(|(_, step)| step != Step::Perhaps)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_block_tells_of_each_line_what_the_line_tells(
            lines in proptest::collection::vec(
                "(\\[rank0\\]: |x )?(\x1b\\[1m)?(Traceback|ValueError: |: line |panic: |a b|Error)?( \\(most)?\r?", 0..9,
            ),
        ) {
            let block = lines.join("\n");
            let mut beginnings = Beginnings::of(block.as_bytes());
            let mut start = 0;
            for line in &lines {
                let end = start + line.len();
                prop_assert_eq!(beginnings.may_begin(start..end), may_begin(line.as_bytes()));
                start = end + 1;
            }
        }
    }
}
