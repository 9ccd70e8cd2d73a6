//! The last words of a process: the end of its standard error.

use std::path::Path;

use crate::backward::Backward;
use crate::content::PlainFile;
use crate::cri::{Line, Stream};
use crate::frame::last_frame;

/// How far back from the end is looked.
const WINDOW: u64 = 128 << 10;

/// Of a longer line only the beginning is kept.
const MAX_TEXT: usize = 2 << 10;

const TRACEBACK: &str = "Traceback (most recent call last):";

/// What stands between the tracebacks of a chain of Python exceptions.
const CHAIN: [&str; 2] = [
    "The above exception was the direct cause of the following exception:",
    "During handling of the above exception, another exception occurred:",
];

/// The last lines that a process wrote to standard error at `since_nanos` or later, at most
/// `max_lines` of them and `max_bytes` together. A Python traceback is begun with, and kept whole
/// even where it has more lines; where it has too many bytes, its head and its end are kept.
///
/// Of a progress bar only its latest state is kept, of a long line the first 2 KiB. What cannot be
/// read is left out: this is asked when a process has just ended, and its record must be written.
pub fn stderr_tail(
    log_dir: &Path,
    since_nanos: i64,
    max_lines: usize,
    max_bytes: usize,
) -> Vec<String> {
    let lines = joined(pieces(log_dir, since_nanos));
    let from = lines.len().saturating_sub(max_lines);
    match traceback(&lines) {
        Some((start, end)) if end > from => trim(lines[start..].to_vec(), max_bytes, true),
        _ => trim(lines[from..].to_vec(), max_bytes, false),
    }
}

/// Pieces of standard error, the last first, and whether each is partial. The last files are not
/// compressed yet, and a shim has no room for what unpacks them.
fn pieces(log_dir: &Path, since_nanos: i64) -> Vec<(bool, Vec<u8>)> {
    let mut pieces = Vec::new();
    let Ok(mut lines) = Backward::<PlainFile>::over(log_dir, None) else { return pieces };
    let mut lower = WINDOW;
    while let Ok(Some((_, line))) = lines.next_line() {
        // Counted by line, not by block read, so that it is the same whatever blocks there are.
        let Some(left) = lower.checked_sub(line.text.len() as u64 + 40) else { break };
        lower = left;
        if line.stamp_nanos < since_nanos {
            break;
        }
        if is_last_words(&line) {
            pieces.push((line.partial, line.text.to_vec()));
        }
    }
    pieces
}

fn is_last_words(line: &Line<'_>) -> bool {
    line.stream == Stream::Stderr && !line.notice
}

fn joined(pieces: Vec<(bool, Vec<u8>)>) -> Vec<String> {
    let mut lines = Vec::new();
    let mut open: Option<Vec<u8>> = None;
    for (partial, text) in pieces.into_iter().rev() {
        let line = open.get_or_insert_default();
        line.extend_from_slice(&text);
        if !partial {
            lines.extend(open.take().map(|text| shown(&text)));
        }
    }
    lines.extend(open.map(|text| shown(&text)));
    lines
}

fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(last_frame(text)).into_owned();
    match text.char_indices().find(|(at, c)| at + c.len_utf8() > MAX_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// Where the last traceback, or chain of them, begins and where it ends.
fn traceback(lines: &[String]) -> Option<(usize, usize)> {
    let last = lines.iter().rposition(|l| l.contains(TRACEBACK))?;
    let mut first = last;
    while let Some(before) = lines[..first].iter().rposition(|l| l.contains(TRACEBACK)) {
        if !lines[before..first].iter().any(|l| CHAIN.iter().any(|c| l.contains(c))) {
            break;
        }
        first = before;
    }
    let indent = |line: &str| line.len() - line.trim_start().len();
    let header = indent(&lines[last]);
    // Frames are indented deeper than the header; the first line that is not names the error.
    let frames = lines[last + 1..].iter().take_while(|l| indent(l) > header || l.is_empty());
    Some((first, last + 1 + frames.count() + 1))
}

/// Drops lines from the front until the rest fits; with `head` behind the first line.
fn trim(mut lines: Vec<String>, max_bytes: usize, head: bool) -> Vec<String> {
    let mut bytes: usize = lines.iter().map(String::len).sum();
    let from = usize::from(head && lines.len() > 1);
    let mut dropped = 0;
    while bytes > max_bytes && from + dropped + 1 < lines.len() {
        bytes -= lines[from + dropped].len();
        dropped += 1;
    }
    let note = (head && dropped > 0).then(|| format!("  … {dropped} lines left out …"));
    lines.splice(from..from + dropped, note);
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{Log, line};
    use proptest::prelude::*;

    #[test]
    fn the_last_lines_of_standard_error_alone() {
        let log = Log::new();
        assert_eq!(stderr_tail(log.dir(), 0, 5, 4096), [""; 0]);
        log.write(1, "stderr F", "an earlier attempt");
        log.write(2, "stderr F", "one");
        log.rotate(1);
        log.write(3, "stdout F", "no");
        log.write(3, "stderr F:fleet", "no");
        log.write(4, "stderr P", "t\rtw");
        log.write(4, "stdout F", "no");
        log.write(5, "stderr F", "o\r");
        log.append(&line(6, "stderr P", b"open \xff"));
        assert_eq!(stderr_tail(log.dir(), 2_000_000_000, 5, 4096), ["one", "two", "open \u{fffd}"]);
        assert_eq!(stderr_tail(log.dir(), 0, 2, 4096), ["two", "open \u{fffd}"]);
        assert_eq!(stderr_tail(log.dir(), 0, 5, 9), ["open \u{fffd}"]);
    }

    #[test]
    fn a_traceback_is_kept_whole() {
        let log = Log::new();
        log.write(1, "stderr F", "before");
        let frames = (0..20).map(|n| format!("  File \"x.py\", line {n}"));
        let all: Vec<String> = ["Traceback (most recent call last):".to_owned()]
            .into_iter()
            .chain(frames)
            .chain(["ValueError: no".to_owned(), String::new(), CHAIN[1].to_owned(), String::new()])
            .chain([TRACEBACK.to_owned(), "  File \"y.py\"".to_owned(), "KeyError: 'a'".to_owned()])
            .collect();
        for text in &all {
            log.write(1, "stderr F", text);
        }
        assert_eq!(stderr_tail(log.dir(), 0, 4, 4096), all);
        let short = stderr_tail(log.dir(), 0, 4, 100);
        assert_eq!(
            (short[0].as_str(), short.last().unwrap().as_str()),
            (TRACEBACK, "KeyError: 'a'")
        );
        assert!(short[1].contains("left out"), "{short:?}");
        for n in 0..9 {
            log.write(2, "stderr F", &n.to_string());
        }
        assert_eq!(stderr_tail(log.dir(), 0, 3, 4096), ["6", "7", "8"]);
    }

    #[test]
    fn it_reads_a_bounded_part_and_cuts_long_lines() {
        let log = Log::new();
        log.write(1, "stderr F", "too far back");
        for _ in 0..200 {
            log.write(1, "stdout F", &"x".repeat(1000));
        }
        log.write(1, "stderr F", &"é".repeat(3000));
        let tail = stderr_tail(log.dir(), 0, 10, 10_000);
        assert_eq!(tail, ["é".repeat(1024) + "…"]);
    }

    proptest! {
        #[test]
        fn nothing_panics(texts in proptest::collection::vec(".{0,40}", 0..20), lines in 0usize..9, bytes in 0usize..99) {
            let log = Log::new();
            for text in texts {
                log.write(1, "stderr F", &text);
            }
            stderr_tail(log.dir(), 0, lines, bytes);
        }
    }
}
