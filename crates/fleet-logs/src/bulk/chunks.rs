//! The chunks of one run's log, looked through ahead of their use.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use fleet_logfile::Part;

use super::pool::{Pending, Pool, Scanned};
use super::scan::Scanner;

/// The chunks of one run's log in their order, so many of them looked through ahead.
pub(super) struct Chunks {
    scanner: Arc<Scanner>,
    /// Not asked for so far.
    parts: VecDeque<Arc<Part>>,
    /// What of the first part was asked for.
    offset: u64,
    pending: VecDeque<Pending>,
    spare: Vec<Vec<u8>>,
    size: u64,
}

impl Chunks {
    pub(super) fn new(scanner: Arc<Scanner>, parts: Vec<Part>, size: u64) -> Chunks {
        let parts: VecDeque<Arc<Part>> = parts.into_iter().map(Arc::new).collect();
        let offset = parts.front().map_or(0, |part| part.range().start);
        Chunks { scanner, parts, offset, pending: VecDeque::new(), spare: Vec::new(), size }
    }

    /// Asks for chunks until so many are on their way.
    pub(super) fn look_ahead(&mut self, pool: &Pool, ahead: usize) {
        while self.pending.len() < ahead {
            let Some((part, chunk)) = self.next_chunk() else { return };
            let buffer = self.spare.pop().unwrap_or_default();
            self.pending.push_back(pool.ask(&part, chunk, &self.scanner, buffer));
        }
    }

    fn next_chunk(&mut self) -> Option<(Arc<Part>, Range<u64>)> {
        loop {
            let part = self.parts.front()?;
            let (start, last) = (self.offset, part.range().end);
            if start < last {
                self.offset = (start + self.size).min(last);
                return Some((Arc::clone(part), start..self.offset));
            }
            self.parts.pop_front();
            self.offset = self.parts.front().map_or(0, |part| part.range().start);
        }
    }

    /// The next chunk, waited for.
    pub(super) fn next(&mut self, pool: &Pool, ahead: usize) -> io::Result<Option<Scanned>> {
        self.look_ahead(pool, ahead);
        let Some(pending) = self.pending.pop_front() else { return Ok(None) };
        let ended = |_| io::Error::other("a thread of the search ended");
        pending.recv().map_err(ended)?.map(Some)
    }

    /// Gives back a buffer that is no longer needed.
    pub(super) fn recycle(&mut self, buffer: Vec<u8>) {
        self.spare.push(buffer);
    }
}
