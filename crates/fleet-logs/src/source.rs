//! What lines come from.

use std::io;

use crate::entry::Entry;

/// Gives the lines of one log, as far as they are there.
pub(crate) trait Source {
    /// What can be shown now, each with its stamp; no more than `most`, so that one who prints
    /// without end does not keep the others waiting.
    fn entries(&mut self, most: usize) -> impl Iterator<Item = (i64, io::Result<Entry>)>;

    /// What was found wrong since the last call.
    fn complaints(&mut self) -> Vec<String>;
}
