//! A file of text, or a stream of it.

use std::io::{self, Read};
use std::path::Path;

use fleet_core::Timestamp;
use fleet_logfile::cri;

use crate::extract::{Extractor, Mark};
use crate::feed::{Feed, of_line};
use crate::files::{BLOCK, Cutter, Growing, cut_all};
use crate::patterns::Patterns;
use crate::point::Point;

/// The points of a log file of any program, followed as `tail -F` does.
///
/// Its lines have no times that all programs write alike, so that a point has that of the file's
/// last change. Lines in the form of container logs (see [`cri`]) are known by the first one.
pub struct LineFeed {
    file: Growing,
    cutter: Cutter,
    lines: Lines,
    block: Vec<u8>,
    told_cuts: u64,
}

/// From lines to points.
struct Lines {
    extractor: Extractor,
    /// Whether they are in the form of container logs, once there was one.
    is_cri: Option<bool>,
}

impl Lines {
    fn new(patterns: Patterns, wanted: Vec<String>) -> Lines {
        Lines { extractor: Extractor::new(patterns, wanted), is_cri: None }
    }

    fn take(&mut self, changed: i64, line: &[u8], sink: &mut dyn FnMut(Point)) {
        let mut sink = |mark, found| sink(of_line(mark, found));
        let mark = Mark { stamp_nanos: changed, attempt: None };
        if *self.is_cri.get_or_insert_with(|| cri::parse(line).is_some())
            && let Some(parsed) = cri::parse(line)
        {
            let mark = Mark { stamp_nanos: parsed.stamp_nanos, ..mark };
            return self.extractor.line(parsed.stream as usize, mark, parsed.text, &mut sink);
        }
        self.extractor.line(0, mark, line, &mut sink);
    }
}

impl LineFeed {
    /// From the beginning of the file on.
    pub fn new(path: &Path, patterns: Patterns, wanted: Vec<String>) -> LineFeed {
        LineFeed {
            file: Growing::new(path),
            cutter: Cutter::default(),
            lines: Lines::new(patterns, wanted),
            block: Vec::new(),
            told_cuts: 0,
        }
    }

    fn changed(&self) -> i64 {
        let modified = self.file.metadata().and_then(|meta| meta.modified().ok());
        let since = modified.and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
        since.and_then(|since| i64::try_from(since.as_nanos()).ok()).unwrap_or_default()
    }
}

impl Feed for LineFeed {
    fn poll(&mut self, sink: &mut dyn FnMut(Point)) -> io::Result<()> {
        self.file.attend()?;
        self.block.resize(BLOCK, 0);
        loop {
            let (count, fresh) = self.file.read(&mut self.block)?;
            let changed = self.changed();
            let lines = &mut self.lines;
            let mut take = |line: &[u8]| lines.take(changed, line, sink);
            if fresh {
                self.cutter.unfinished(&mut take);
            }
            if count == 0 {
                break;
            }
            self.cutter.cut(&self.block[..count], &mut take);
        }
        // A follower may have a thousand of these.
        self.block = Vec::new();
        self.lines.extractor.settle(&mut |mark, found| sink(of_line(mark, found)));
        Ok(())
    }

    fn finish(&mut self, sink: &mut dyn FnMut(Point)) {
        let changed = self.changed();
        let lines = &mut self.lines;
        self.cutter.unfinished(&mut |line| lines.take(changed, line, sink));
        lines.extractor.finish(&mut |mark, found| sink(of_line(mark, found)));
    }

    fn problems(&mut self) -> Vec<String> {
        if std::mem::replace(&mut self.told_cuts, self.file.cuts) == self.file.cuts {
            return Vec::new();
        }
        vec![format!("'{}' was cut short; reading it from its start", self.file.path().display())]
    }
}

/// Hands out the points of all lines of a stream, with the moment at which they are read.
///
/// # Errors
/// It cannot be read.
pub fn of_stream(
    from: &mut dyn Read,
    patterns: Patterns,
    wanted: Vec<String>,
    sink: &mut dyn FnMut(Point),
) -> io::Result<()> {
    let mut lines = Lines::new(patterns, wanted);
    cut_all(from, &mut |line| lines.take(Timestamp::now().nanos(), line, sink))?;
    lines.extractor.finish(&mut |mark, found| sink(of_line(mark, found)));
    Ok(())
}
