//! The log of a run.

use std::io;
use std::path::PathBuf;

use fleet_logfile::{Attempts, Line, MAX_PIECE, Reader};
use fleet_registry::RunDir;
use memchr::{memchr, memrchr};

use crate::extract::{Extractor, Mark, Sink};
use crate::feed::{Feed, of_line};
use crate::patterns::Patterns;
use crate::point::Point;

/// What is longer without an end is handed out as it is.
const MAX_OPEN: usize = 1 << 20;

/// The points of what a run printed, across rotations and attempts.
pub struct LogFeed {
    reader: Reader,
    attempts: (PathBuf, Attempts),
    extractor: Extractor,
    open: [Open; 2],
    told: (u64, bool),
}

/// A line of one stream that has no end yet.
#[derive(Debug, Default)]
struct Open {
    text: Vec<u8>,
    mark: Mark,
    /// It was handed out as the drawing of a bar.
    drawn: bool,
}

impl LogFeed {
    /// From the oldest line that is kept on.
    pub fn new(run: &RunDir, patterns: Patterns, wanted: Vec<String>) -> LogFeed {
        LogFeed {
            reader: Reader::new(run.log()),
            attempts: (run.attempts(), Attempts::default()),
            extractor: Extractor::new(patterns, wanted),
            open: Default::default(),
            told: (0, false),
        }
    }
}

impl Feed for LogFeed {
    fn poll(&mut self, sink: &mut dyn FnMut(Point)) -> io::Result<()> {
        let mut sink = |mark, found| sink(of_line(mark, found));
        self.attempts.1 = Attempts::read(&self.attempts.0)?;
        while let Some(line) = self.reader.next_line()? {
            if line.notice {
                continue;
            }
            let attempt = Some(self.attempts.1.of(line.stamp_nanos));
            let mark = Mark { stamp_nanos: line.stamp_nanos, attempt };
            let open = &mut self.open[line.stream as usize];
            if !line.partial && open.text.is_empty() {
                self.extractor.line(line.stream as usize, mark, line.text, &mut sink);
            } else {
                open.take(&line, mark, &mut self.extractor, &mut sink);
            }
        }
        self.extractor.settle(&mut sink);
        Ok(())
    }

    fn finish(&mut self, sink: &mut dyn FnMut(Point)) {
        let mut sink = |mark, found| sink(of_line(mark, found));
        for (stream, open) in self.open.iter_mut().enumerate() {
            open.hand_out(stream, &mut self.extractor, &mut sink);
        }
        self.extractor.finish(&mut sink);
    }

    fn problems(&mut self) -> Vec<String> {
        let now = (self.reader.truncations(), self.reader.lost_files());
        let before = std::mem::replace(&mut self.told, now);
        let log = self.reader.dir().display();
        let mut said = Vec::new();
        if now.0 > before.0 {
            said.push(format!("'{log}': the file was truncated; reading it from its start"));
        }
        if now.1 && !before.1 {
            said.push(format!(
                "'{log}': files were removed before they were read; points may be missing"
            ));
        }
        said
    }
}

impl Open {
    /// Takes a piece. The shim puts a bar that goes on into the log as it is drawn at the moment: a
    /// short piece without an end is such a drawing, and the next one begins with a return.
    fn take(&mut self, line: &Line<'_>, mark: Mark, extractor: &mut Extractor, sink: Sink<'_>) {
        let stream = line.stream as usize;
        if self.drawn {
            let redrawn = line.text.first() == Some(&b'\r');
            let last = memrchr(b'\r', &self.text).unwrap_or(0);
            self.text.drain(..if redrawn { self.text.len() } else { last });
            self.drawn = false;
        }
        if self.text.is_empty() {
            self.mark = mark;
        }
        self.text.extend_from_slice(line.text);
        if !line.partial || self.text.len() > MAX_OPEN {
            self.hand_out(stream, extractor, sink);
        } else if line.text.len() < MAX_PIECE && memchr(b'\r', &self.text).is_some() {
            extractor.line(stream, self.mark, &self.text, sink);
            self.drawn = true;
        }
    }

    fn hand_out(&mut self, stream: usize, extractor: &mut Extractor, sink: Sink<'_>) {
        if !self.text.is_empty() && !self.drawn {
            extractor.line(stream, self.mark, &self.text, sink);
        }
        *self = Open::default();
    }
}
