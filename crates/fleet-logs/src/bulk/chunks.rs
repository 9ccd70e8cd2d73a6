//! The chunks of one run's log, looked through ahead of their use.

use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use fleet_logfile::Part;

use super::pool::{Pending, Pool, Scanned};
use super::scan::Scanner;

/// How much of a log is read ahead of its use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ahead {
    /// So many regions.
    pub(super) regions: usize,
    /// Bytes that a thread takes at a time.
    pub(super) region: u64,
    /// Bytes that it reads at a time.
    pub(super) chunk: u64,
}

/// The chunks of one run's log in their order, some of them looked through ahead.
pub(super) struct Chunks {
    scanner: Arc<Scanner>,
    /// Not asked for so far.
    parts: VecDeque<Arc<Part>>,
    /// What of the first part was asked for.
    offset: u64,
    pending: VecDeque<Pending>,
    /// Of the region that came last.
    ready: std::vec::IntoIter<io::Result<Scanned>>,
    ahead: Ahead,
}

impl Chunks {
    pub(super) fn new(scanner: Arc<Scanner>, parts: Vec<Part>, ahead: Ahead) -> Chunks {
        let parts: VecDeque<Arc<Part>> = parts.into_iter().map(Arc::new).collect();
        let offset = parts.front().map_or(0, |part| part.range().start);
        let ready = Vec::new().into_iter();
        Chunks { scanner, parts, offset, pending: VecDeque::new(), ready, ahead }
    }

    /// Asks for regions until enough are on their way.
    pub(super) fn look_ahead(&mut self, pool: &Pool) {
        while self.pending.len() < self.ahead.regions {
            let Some((part, region)) = self.next_region() else { return };
            self.pending.push_back(pool.ask(&part, region, self.ahead.chunk, &self.scanner));
        }
    }

    fn next_region(&mut self) -> Option<(Arc<Part>, Range<u64>)> {
        loop {
            let part = self.parts.front()?;
            let (start, last) = (self.offset, part.range().end);
            if start < last {
                self.offset = (start + self.ahead.region).min(last);
                return Some((Arc::clone(part), start..self.offset));
            }
            self.parts.pop_front();
            self.offset = self.parts.front().map_or(0, |part| part.range().start);
        }
    }

    /// The next chunk, waited for.
    pub(super) fn next(&mut self, pool: &Pool) -> io::Result<Option<Scanned>> {
        loop {
            if let Some(scanned) = self.ready.next() {
                return scanned.map(Some);
            }
            self.look_ahead(pool);
            let Some(pending) = self.pending.pop_front() else { return Ok(None) };
            let ended = |_| io::Error::other("a thread of the search ended");
            self.ready = pending.recv().map_err(ended)?.into_iter();
        }
    }
}
