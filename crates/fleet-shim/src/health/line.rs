//! Waiting for a line of the output that matches.

use fleet_core::Probe;
use fleet_logfile::Stream;

use crate::board::Word;
use crate::health::pattern::Pattern;
use crate::post::Post;

/// Of a line, so much is looked at.
const MAX_LINE: usize = 4 << 10;

/// The lines of both streams as they pass. A carriage return ends one, too: each state of a
/// progress bar is a line.
#[derive(Debug)]
pub(crate) struct LineWatch {
    pattern: Pattern,
    /// The open lines of stdout and stderr.
    open: [Vec<u8>; 2],
}

impl LineWatch {
    /// What is waited for in this run, if it is and was not seen yet.
    pub(crate) fn of(post: &Post) -> Option<LineWatch> {
        let Probe::Log { pattern } = &post.spec.health.as_ref()?.probe else { return None };
        if post.board.get(Word::LineSeen) != 0 {
            return None;
        }
        let open = [Stream::Stdout, Stream::Stderr].map(|stream| {
            // A predecessor may have seen the beginning of a line.
            let (_, text) = post.board.open_line(stream);
            let text = post.board.shared.bytes(text);
            text[..text.len().min(MAX_LINE)].to_vec()
        });
        Some(LineWatch { pattern: Pattern::new(pattern).ok()?, open })
    }

    /// Whether one of the lines that end in these bytes matches.
    pub(crate) fn sees(&mut self, stream: Stream, bytes: &[u8]) -> bool {
        let open = &mut self.open[stream as usize];
        let mut rest = bytes;
        while let Some(end) = memchr::memchr2(b'\n', b'\r', rest) {
            let line = &rest[..end.min(MAX_LINE)];
            let matches = if open.is_empty() {
                self.pattern.matches(line)
            } else {
                lengthen(open, line);
                let matches = self.pattern.matches(open);
                open.clear();
                matches
            };
            if matches {
                return true;
            }
            rest = &rest[end + 1..];
        }
        lengthen(open, rest);
        false
    }
}

/// Adds to a line as much as is looked at.
fn lengthen(line: &mut Vec<u8>, bytes: &[u8]) {
    let room = MAX_LINE.saturating_sub(line.len());
    line.extend_from_slice(&bytes[..bytes.len().min(room)]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn watch(pattern: &str) -> LineWatch {
        LineWatch { pattern: Pattern::new(pattern).unwrap(), open: Default::default() }
    }

    #[test]
    fn a_line_counts_when_it_is_whole() {
        let mut watch = watch("^ready on 80$");
        assert!(!watch.sees(Stream::Stdout, b"not ready on 80\nready "));
        assert!(!watch.sees(Stream::Stderr, b"on 80\n"));
        assert!(!watch.sees(Stream::Stdout, b"on 80"));
        assert!(watch.sees(Stream::Stdout, b"\nmore"));
    }

    #[test]
    fn states_of_a_bar_are_lines_and_long_lines_are_cut() {
        assert!(watch("^100%$").sees(Stream::Stdout, b" 50%\r100%\r"));
        let mut watch = watch("x{10}y");
        for _ in 0..1000 {
            assert!(!watch.sees(Stream::Stdout, b"xxxxxxxxxxxx"));
        }
        assert_eq!(watch.open[0].len(), MAX_LINE);
        assert!(!watch.sees(Stream::Stdout, b"y\n"));
        assert!(watch.sees(Stream::Stdout, b"xxxxxxxxxxy\n"));
    }
}
