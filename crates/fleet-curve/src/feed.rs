//! What all feeds have in common.

use std::io;
use std::path::Path;

use fleet_core::Timestamp;

use crate::events::{self, EventFeed};
use crate::extract::Mark;
use crate::lines::LineFeed;
use crate::patterns::Patterns;
use crate::point::{Found, Point, Source};
use crate::table::TableFeed;

/// A file, or a folder of them, whose points are handed out as they come.
pub trait Feed {
    /// Hands out every point that came since the last call, each once.
    ///
    /// # Errors
    /// A file is there and cannot be read. Asked again, the feed goes on.
    fn poll(&mut self, sink: &mut dyn FnMut(Point)) -> io::Result<()>;

    /// Hands out what is held back in the hope of more, when nothing more will come.
    fn finish(&mut self, sink: &mut dyn FnMut(Point));

    /// What was found wrong since the last call.
    fn problems(&mut self) -> Vec<String>;
}

/// The feed for a file of any kind, by its name: tfevents, `.csv`, else lines of text.
pub(crate) fn for_file(path: &Path, patterns: &Patterns, wanted: &[String]) -> Box<dyn Feed> {
    if events::is_event_file(path) {
        return Box::new(EventFeed::new(path));
    }
    if path.extension().is_some_and(|end| end == "csv") {
        return Box::new(TableFeed::new(path));
    }
    Box::new(LineFeed::new(path, patterns.clone(), wanted.to_vec()))
}

/// A point of a line.
pub(crate) fn of_line(mark: Mark, found: Found) -> Point {
    let ts = Timestamp::from_nanos(mark.stamp_nanos);
    Point { attempt: mark.attempt, ..Point::new(ts, Source::Log, found) }
}
