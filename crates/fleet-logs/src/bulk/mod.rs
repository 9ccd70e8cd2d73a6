//! All that is written now, read at once: by as many threads as there are cores, in large blocks.
//!
//! # Theory of operation
//!
//! Each log is cut into chunks (`chunks`), which threads (`pool`) look through ahead of their use
//! and without what came before them (`scan`): for a pattern, a whole block is searched for what
//! must occur in each line that matches, and only lines around such places are looked at. A source
//! (`source`) puts the log of one run together again: it makes entries of what was found alone,
//! and goes through a block line by line only where a line or a traceback comes in several pieces.
//! Of each run no more than a few chunks are held, whatever the size of its log.
//!
//! Memory and other threads are what a search waits for. A thread reads into one small buffer over
//! and over, hands on no more of it than is needed (`excerpt`), and does so for many chunks at once.
//!
//! What reads by lines ([`Run`]) gives the same entries, and is used where only the end of a log
//! is wanted, or one attempt.

mod chunks;
mod excerpt;
mod pool;
mod scan;
mod source;
#[cfg(test)]
mod tests;

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::collections::binary_heap::PeekMut;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fleet_cli::{Exit, talk};
use fleet_core::ProcessRecord;
use fleet_logfile::{Attempts, Part, parts, seek};
use fleet_registry::Home;

use crate::Plan;
use crate::Shown;
use crate::cursor::Cursor;
use crate::entry::{Entry, Face};
use crate::run::Run;
use crate::sieve::Sieve;
use crate::sink::Sink;
use crate::source::Source as _;
use chunks::{Ahead, Chunks};
use pool::{Pool, threads};
use scan::Scanner;
use source::Source;

/// Chunks are of this size, unless there are many sources: it fits into a core's own cache.
const CHUNK: u64 = 256 << 10;

/// A thread takes so much at a time where few lines of it are needed.
const REGION: u64 = 2 << 20;

/// No chunk is smaller.
const LEAST_CHUNK: u64 = 32 << 10;

/// All that is held together takes about so much.
const ROOM: u64 = 64 << 20;

/// One run's entries, by either way of reading.
enum Feed {
    Lines(Box<Run>, Option<Entry>),
    Blocks(Box<Source>),
}

/// A run whose log is going to be read.
pub(crate) enum Opened {
    /// Line by line.
    Lines(Box<Run>),
    /// In blocks.
    Blocks(Box<Log>),
}

/// A log that is read in blocks.
pub(crate) struct Log {
    face: Arc<Face>,
    dir: PathBuf,
    attempts: Attempts,
    parts: Vec<Part>,
    lost: bool,
}

impl Opened {
    /// Opens the log of a run; `whole` says that what has no end yet is shown, too.
    ///
    /// # Errors
    /// Its files cannot be read.
    pub(crate) fn open(
        home: &Home,
        record: &ProcessRecord,
        plan: &Plan,
        numbered: bool,
        whole: bool,
    ) -> io::Result<Opened> {
        let run = home.run_of(&record.key());
        let dir = run.log();
        let by_lines =
            plan.lines.is_some() || plan.window.attempt.is_some() || plan.cursor.is_some();
        let blocks = if by_lines { None } else { wanted(&dir, plan)? };
        let Some((parts, lost)) = blocks else {
            let mut run = Run::open(home, record, plan, numbered)?;
            if whole {
                run.close();
            } else {
                run.settle();
            }
            return Ok(Opened::Lines(Box::new(run)));
        };
        // Behind the listing: an attempt that begins meanwhile has written nothing of it.
        let attempts = Attempts::read(&run.attempts())?;
        let face = Arc::new(Face::of(record, numbered));
        Ok(Opened::Blocks(Box::new(Log { face, dir, attempts, parts, lost })))
    }

    pub(crate) fn face(&self) -> &Arc<Face> {
        match self {
            Opened::Lines(run) => &run.face,
            Opened::Blocks(log) => &log.face,
        }
    }

    fn bytes(&self) -> u64 {
        match self {
            Opened::Lines(_) => 0,
            Opened::Blocks(log) => log.parts.iter().map(|p| p.range().end - p.range().start).sum(),
        }
    }
}

/// The files that hold what is wanted, as far as their times tell; `None` where they are read by
/// lines, because some are compressed.
fn wanted(dir: &Path, plan: &Plan) -> io::Result<Option<(Vec<Part>, bool)>> {
    let from = match plan.window.since {
        Some(since) => match seek(dir, since)? {
            Some(place) => Some(place),
            None => return Ok(Some((Vec::new(), false))),
        },
        None => None,
    };
    let to = match plan.window.until {
        Some(until) => seek(dir, until.saturating_add(1))?,
        None => None,
    };
    parts(dir, from, to)
}

/// Reads all of these logs.
pub(crate) struct Bulk {
    pool: Pool,
    feeds: Vec<Feed>,
}

impl Bulk {
    /// Begins to read; with `counted` only numbers are wanted.
    pub(crate) fn new(opened: Vec<Opened>, plan: &Plan, counted: bool) -> Bulk {
        let sources = opened.len().max(1);
        let scanner = Scanner::new(plan, counted);
        let regions = (2 * threads()).div_ceil(sources).max(2);
        let most = if scanner.is_selective() { REGION } else { CHUNK };
        let region = (ROOM / (sources * regions) as u64).clamp(LEAST_CHUNK, most);
        Bulk::reading(opened, plan, scanner, Ahead { regions, region, chunk: region.min(CHUNK) })
    }

    /// Reads so much ahead of each log.
    fn reading(opened: Vec<Opened>, plan: &Plan, scanner: Scanner, ahead: Ahead) -> Bulk {
        let pool = Pool::new(opened.iter().map(Opened::bytes).sum());
        let scanner = Arc::new(scanner);
        let feeds = opened.into_iter().map(|opened| match opened {
            Opened::Lines(run) => Feed::Lines(run, None),
            Opened::Blocks(log) => {
                let Log { face, dir, attempts, parts, lost } = *log;
                let chunks = Chunks::new(Arc::clone(&scanner), parts, ahead);
                let sieve = Sieve::new(plan);
                let source = Source::new(face, dir, plan.window, attempts, chunks, sieve, lost);
                Feed::Blocks(Box::new(source))
            }
        });
        let mut bulk = Bulk { feeds: feeds.collect(), pool };
        for feed in &mut bulk.feeds {
            if let Feed::Blocks(source) = feed {
                source.look_ahead(&bulk.pool);
            }
        }
        bulk
    }

    /// Shows all entries, in order of time.
    ///
    /// # Errors
    /// The output does not take them.
    pub(crate) fn show(&mut self, sink: &mut dyn Sink) -> io::Result<Shown> {
        let mut shown = Shown { exit: Exit::Yes, any: false };
        let mut heap = BinaryHeap::new();
        for at in 0..self.feeds.len() {
            heap.extend(self.advance(at, &mut shown).map(|stamp| Reverse((stamp, at))));
        }
        while let Some(mut first) = heap.peek_mut() {
            let Reverse((stamp, at)) = *first;
            if let Some(entry) = self.feeds[at].head() {
                sink.take(entry)?;
                shown.any = true;
            }
            match self.advance(at, &mut shown) {
                // Where a clock was set back, the order within a run is kept.
                Some(following) => *first = Reverse((stamp.max(following), at)),
                None => drop(PeekMut::pop(first)),
            }
        }
        self.complain();
        Ok(shown)
    }

    /// Counts the entries of each, all in turns: no thread has to wait for the end of one log.
    pub(crate) fn count(&mut self, mut add: impl FnMut(&Arc<Face>, u64)) -> Shown {
        let mut shown = Shown { exit: Exit::Yes, any: false };
        let mut counts = vec![0; self.feeds.len()];
        let mut going: Vec<usize> = (0..self.feeds.len()).collect();
        while !going.is_empty() {
            going.retain(|&at| match self.feeds[at].count_some(&self.pool) {
                Ok(lines) => {
                    counts[at] += lines.unwrap_or(0);
                    lines.is_some()
                }
                Err(error) => {
                    counts[at] = cannot_read(&error, &mut shown);
                    false
                }
            });
        }
        for (feed, lines) in self.feeds.iter().zip(counts) {
            add(feed.face(), lines);
            shown.any |= lines > 0;
        }
        self.complain();
        shown
    }

    /// Notes how far each run was shown.
    pub(crate) fn note(&mut self, cursor: &Cursor) {
        for feed in &mut self.feeds {
            if let Feed::Lines(run, _) = feed {
                let place = run.place();
                cursor.note(&run.face.key, place);
            }
        }
    }

    /// The stamp of a run's next entry; one whose log cannot be read has none.
    fn advance(&mut self, at: usize, shown: &mut Shown) -> Option<i64> {
        let advanced = match &mut self.feeds[at] {
            Feed::Blocks(source) => source.advance(&self.pool),
            Feed::Lines(run, head) => run.next_shown().map(|entry| {
                *head = entry;
                head.is_some()
            }),
        };
        let more = advanced.unwrap_or_else(|error| cannot_read(&error, shown));
        self.feeds[at].head().filter(|_| more).map(|entry| entry.message.stamp_nanos)
    }

    fn complain(&mut self) {
        self.feeds.iter_mut().flat_map(Feed::complaints).for_each(talk);
    }
}

fn cannot_read<T: Default>(error: &io::Error, shown: &mut Shown) -> T {
    talk(format_args!("cannot read a log: {error}"));
    shown.exit = Exit::CouldNot;
    T::default()
}

impl Feed {
    fn face(&self) -> &Arc<Face> {
        match self {
            Feed::Lines(run, _) => &run.face,
            Feed::Blocks(source) => source.face(),
        }
    }

    fn head(&self) -> Option<&Entry> {
        match self {
            Feed::Lines(_, head) => head.as_ref(),
            Feed::Blocks(source) => Some(source.head()),
        }
    }

    /// Counts some of what is wanted; `None` where there is no more.
    fn count_some(&mut self, pool: &Pool) -> io::Result<Option<u64>> {
        match self {
            Feed::Lines(run, _) => Ok(run.next_shown()?.map(|entry| u64::from(!entry.around))),
            Feed::Blocks(source) => source.count_some(pool),
        }
    }

    fn complaints(&mut self) -> Vec<String> {
        match self {
            Feed::Lines(run, _) => run.complaints(),
            Feed::Blocks(source) => source.complaints(),
        }
    }
}
