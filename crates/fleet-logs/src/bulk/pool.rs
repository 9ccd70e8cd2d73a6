//! Threads that look through blocks.

use std::io;
use std::ops::Range;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;

use fleet_logfile::{Chunk, Part};

use super::scan::{Found, Scanner};

/// Less than this is looked through sooner than threads are started.
const LITTLE: u64 = 256 << 10;

/// As many threads as there are cores, which do what is asked in the order of asking.
pub(super) struct Pool {
    /// `None`: who asks does it itself.
    jobs: Option<Sender<Job>>,
}

/// A chunk to be looked through.
struct Job {
    part: Arc<Part>,
    chunk: Range<u64>,
    scanner: Arc<Scanner>,
    buffer: Vec<u8>,
    done: SyncSender<io::Result<Scanned>>,
}

/// A chunk that was looked through.
#[derive(Debug)]
pub(super) struct Scanned {
    pub(super) part: Arc<Part>,
    pub(super) buffer: Vec<u8>,
    /// `None`: the file was removed.
    pub(super) block: Option<Chunk>,
    pub(super) found: Found,
}

/// A chunk that was asked for.
pub(super) type Pending = Receiver<io::Result<Scanned>>;

impl Pool {
    /// For so many bytes.
    pub(super) fn new(bytes: u64) -> Pool {
        if bytes <= LITTLE {
            return Pool { jobs: None };
        }
        let (jobs, queue) = channel::<Job>();
        let queue = Arc::new(Mutex::new(queue));
        for _ in 0..threads() {
            let queue = Arc::clone(&queue);
            thread::spawn(move || work(&queue));
        }
        Pool { jobs: Some(jobs) }
    }

    /// Asks for a chunk. Its buffer is used again.
    pub(super) fn ask(
        &self,
        part: &Arc<Part>,
        chunk: Range<u64>,
        scanner: &Arc<Scanner>,
        buffer: Vec<u8>,
    ) -> Pending {
        let (done, pending) = sync_channel(1);
        let (part, scanner) = (Arc::clone(part), Arc::clone(scanner));
        let job = Job { part, chunk, scanner, buffer, done };
        match &self.jobs {
            // Where no thread is left the receiver says so.
            Some(jobs) => drop(jobs.send(job)),
            None => job.run(),
        }
        pending
    }
}

/// How many chunks are looked through at once.
pub(super) fn threads() -> usize {
    thread::available_parallelism().map_or(1, usize::from)
}

/// Until nobody asks for more.
fn work(queue: &Mutex<Receiver<Job>>) {
    loop {
        let next = queue.lock().unwrap_or_else(PoisonError::into_inner).recv();
        match next {
            Ok(job) => job.run(),
            Err(_) => return,
        }
    }
}

impl Job {
    fn run(self) {
        let Job { part, chunk, scanner, buffer, done } = self;
        // Who asked may have gone.
        let _ = done.send(scan(part, chunk, &scanner, buffer));
    }
}

fn scan(
    part: Arc<Part>,
    chunk: Range<u64>,
    scanner: &Scanner,
    mut buffer: Vec<u8>,
) -> io::Result<Scanned> {
    let block = part.read(chunk, &mut buffer)?;
    let found = match &block {
        Some(block) => scanner.scan(&buffer, block.lines.clone(), block.tail),
        None => Found::Odd,
    };
    Ok(Scanned { part, buffer, block, found })
}
