//! A line of the registry, without a copy of its own.

use std::ops::{Deref, Range};
use std::sync::Arc;

/// The bytes of one record, where they lie in the text that they were read with: a thousand
/// records need not be copied to be shown.
#[derive(Clone, Debug)]
pub struct Line {
    text: Arc<Vec<u8>>,
    place: Range<usize>,
}

impl Line {
    pub(crate) fn of(text: &Arc<Vec<u8>>, place: Range<usize>) -> Line {
        Line { text: Arc::clone(text), place }
    }
}

impl From<Vec<u8>> for Line {
    fn from(text: Vec<u8>) -> Line {
        let place = 0..text.len();
        Line { text: Arc::new(text), place }
    }
}

impl Deref for Line {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        &self.text[self.place.clone()]
    }
}
