//! Which lines begin a traceback.

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
pub(crate) fn may_begin(text: &[u8]) -> bool {
    let is_bare = text.first() != Some(&b'[') && memchr::memchr(b'\x1b', text).is_none();
    if is_bare { may_begin_plain(text) } else { may_begin_plain(&plain(text).text) }
}

fn may_begin_plain(text: &[u8]) -> bool {
    let Some(&first) = text.first() else { return true };
    first == b'\r'
        || heads(first).iter().any(|head| begins(text, head))
        || matches!(first, b'/' | b'<' | b'n' | b'f') && node::is_place(trimmed(text))
        || named::is_bare(text)
        || SEARCHER.as_ref().is_none_or(|searcher| searcher.find(text).is_some())
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
