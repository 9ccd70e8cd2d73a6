//! Threads that look through blocks.

use std::io;
use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use fleet_logfile::{Chunk, Part, Tail};

use super::excerpt::Excerpt;
use super::scan::{Found, Scanner};

/// Less than this is looked through sooner than threads are started.
const LITTLE: u64 = 256 << 10;

/// As many threads as there are cores, which do what is asked in the order of asking.
pub(super) struct Pool {
    /// `None`: who asks does it itself.
    jobs: Option<Sender<Job>>,
    buffers: Arc<Buffers>,
}

/// Buffers that nobody uses now.
#[derive(Default)]
struct Buffers(Mutex<Vec<Vec<u8>>>);

/// A region to be looked through, chunk by chunk.
struct Job {
    part: Arc<Part>,
    region: Range<u64>,
    chunk: u64,
    scanner: Arc<Scanner>,
    done: SyncSender<Vec<io::Result<Scanned>>>,
}

/// A chunk that was looked through.
#[derive(Debug)]
pub(super) struct Scanned {
    pub(super) part: Arc<Part>,
    pub(super) chunk: Range<u64>,
    pub(super) buffer: Vec<u8>,
    /// `None`: the file was removed.
    pub(super) block: Option<Chunk>,
    /// Where in the buffer lines of the block were left out that are not needed.
    pub(super) cuts: Vec<usize>,
    pub(super) found: Found,
}

/// A region that was asked for.
pub(super) type Pending = Receiver<Vec<io::Result<Scanned>>>;

impl Pool {
    /// For so many bytes.
    pub(super) fn new(bytes: u64) -> Pool {
        let buffers = Arc::new(Buffers::default());
        if bytes <= LITTLE {
            return Pool { jobs: None, buffers };
        }
        let (jobs, queue) = channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..threads() {
            let (queue, buffers) = (Arc::clone(&queue), Arc::clone(&buffers));
            thread::spawn(move || work(&queue, &buffers));
        }
        Pool { jobs: Some(jobs), buffers }
    }

    /// Asks for a region, which is read in chunks.
    pub(super) fn ask(
        &self,
        part: &Arc<Part>,
        region: Range<u64>,
        chunk: u64,
        scanner: &Arc<Scanner>,
    ) -> Pending {
        let (done, pending) = sync_channel(1);
        let (part, scanner) = (Arc::clone(part), Arc::clone(scanner));
        let job = Job { part, region, chunk, scanner, done };
        match &self.jobs {
            // Where no thread is left the receiver says so.
            Some(jobs) => drop(jobs.send(job)),
            None => job.run(&self.buffers),
        }
        pending
    }

    /// Takes back the buffer of a chunk that is no longer needed, unless it holds an excerpt.
    pub(super) fn recycle(&self, buffer: Vec<u8>, cuts: &[usize]) {
        if cuts.is_empty() {
            self.buffers.give(buffer);
        }
    }
}

/// How many chunks are looked through at once.
pub(super) fn threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Until nobody asks for more.
fn work(queue: &Mutex<Receiver<Job>>, buffers: &Buffers) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match next {
            Ok(job) => job.run(buffers),
            Err(_) => return,
        }
    }
}

impl Buffers {
    fn take(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn give(&self, buffer: Vec<u8>) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(buffer);
    }
}

impl Job {
    /// Looks through the region, up to what cannot be read.
    fn run(self, buffers: &Buffers) {
        let Job { part, region, chunk, scanner, done } = self;
        let (mut all, mut spare) = (Vec::new(), None);
        let mut start = region.start;
        while start < region.end {
            let end = (start + chunk).min(region.end);
            let buffer = spare.take().unwrap_or_else(|| buffers.take());
            let mut scanned = scan(&part, start..end, &scanner, buffer);
            match &mut scanned {
                Ok(scanned) => (start, spare) = (end, scanned.shorten(&scanner)),
                Err(_) => start = region.end,
            }
            all.push(scanned);
        }
        spare.into_iter().for_each(|buffer| buffers.give(buffer));
        // Who asked may have gone.
        let _ = done.send(all);
    }
}

fn scan(
    part: &Arc<Part>,
    chunk: Range<u64>,
    scanner: &Scanner,
    mut buffer: Vec<u8>,
) -> io::Result<Scanned> {
    let block = part.read(chunk.clone(), &mut buffer)?;
    let found = match &block {
        Some(block) => scanner.scan(&buffer, block.lines.clone(), block.tail),
        None => Found::Odd,
    };
    Ok(Scanned { part: Arc::clone(part), chunk, buffer, block, cuts: Vec::new(), found })
}

impl Scanned {
    /// Keeps only what is needed, and gives back the buffer; `None` where that would be most of it.
    fn shorten(&mut self, scanner: &Scanner) -> Option<Vec<u8>> {
        let lines = self.block.as_ref()?.lines.clone();
        let Excerpt { bytes, cuts, marks } = scanner.excerpt(&self.buffer, lines, &self.found)?;
        if let Found::Lines(found) = &mut self.found {
            *found = marks;
        }
        self.block = Some(Chunk { lines: 0..bytes.len(), tail: Tail::Whole });
        self.cuts = cuts;
        Some(std::mem::replace(&mut self.buffer, bytes))
    }

    /// With all of its lines, to be looked at one by one.
    pub(super) fn whole(self) -> io::Result<Scanned> {
        if self.cuts.is_empty() {
            return Ok(self);
        }
        let Scanned { part, chunk, .. } = self;
        let mut buffer = Vec::new();
        let block = part.read(chunk.clone(), &mut buffer)?;
        Ok(Scanned { part, chunk, buffer, block, cuts: Vec::new(), found: Found::Odd })
    }
}
