//! Which lines begin a traceback.

use std::sync::LazyLock;

use aho_corasick::{AhoCorasick, AhoCorasickKind};
use fleet_logline::plain;

use crate::shape::{Begun, Step};
use crate::text::trimmed;
use crate::{go, java, named, native, node, python, rust};

/// One of these stands in most lines that begin a traceback, and in few others.
const SIGNS: [&str; 34] = [
    "Traceback (most recent call last)",
    "(most recent call first)",
    "RemoteTraceback",
    "Exception in thread ",
    "Exception ignored in",
    "  File \"",
    "Fatal Python error: ",
    "------------------------------------------------------------",
    " panicked at ",
    " has overflowed its stack",
    "panic: ",
    "panic serving ",
    "fatal error: ",
    "runtime: goroutine stack exceeds ",
    "SIGQUIT: quit",
    "Error: ",
    "Exception: ",
    "Error]: ",
    "Error [",
    "terminate called ",
    " detected ***",
    "*** Error in",
    "): ",
    "double free or corruption",
    "corrupted ",
    "Assertion `",
    "Segmentation fault",
    "Aborted",
    "Sanitizer: ",
    "Sanitizer:DEADLYSIGNAL",
    "==================",
    ": runtime error: ",
    "Bus error",
    "Illegal instruction",
];

static SEARCHER: LazyLock<Option<AhoCorasick>> =
    LazyLock::new(|| AhoCorasick::builder().kind(Some(AhoCorasickKind::DFA)).build(SIGNS).ok());

/// Whether a line may begin a traceback; asked of every line, so that it must be quick. May say
/// yes too often.
pub(crate) fn may_begin(text: &[u8]) -> bool {
    let is_bare = text.first() != Some(&b'[') && memchr::memchr(b'\x1b', text).is_none();
    if is_bare { may_begin_plain(text) } else { may_begin_plain(&plain(text).text) }
}

fn may_begin_plain(text: &[u8]) -> bool {
    match text.first() {
        None | Some(b'\r') => return true,
        Some(b'/' | b'<' | b'n' | b'f') if node::is_place(trimmed(text)) => return true,
        Some(_) if named::is_bare(text) => return true,
        Some(_) => {}
    }
    SEARCHER.as_ref().is_none_or(|searcher| searcher.is_match(text))
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
