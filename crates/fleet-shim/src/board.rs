//! The live state of a run in shared memory: what a successor must know to go on.

use std::sync::atomic::{AtomicU64, Ordering};

use fleet_core::{CrashLimit, LogTotals, Outcome};
use fleet_logfile::{Bar, Batch, MAX_PIECE, Open, Stream};
use fleet_os::{Report, Shared, Tally, Usage};

/// How far the current attempt has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// The command is to be started.
    Ready,
    /// Between fork and exec.
    Launching,
    /// The main process runs.
    Alive,
    /// The main process ended; what is left of its tree may live.
    MainGone,
    /// The pause before the next attempt.
    Pausing,
}

/// Why the tree is being ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    /// It is not.
    Not,
    /// Somebody asked for a stop.
    Asked,
    /// Somebody asked for a restart.
    Restart,
    /// It ran longer than it may.
    TimedOut,
    /// The main process failed and left others behind.
    Leftovers,
    /// It is unhealthy, and another attempt is to follow.
    Unhealthy,
}

/// Names of the words. A word is written by one process at a time.
#[derive(Clone, Copy)]
#[repr(usize)]
pub(crate) enum Word {
    /// Bit 0: a batch is in flight; bits 1 and 2: which slot holds the open line of stdout and
    /// stderr; bit 3: which slot holds the totals. One store commits a batch.
    Commit,
    /// Written by the kernel: how far it moved output (see `Shared::take_from_pipe`).
    Taken,
    /// Stream of the batch in flight.
    BatchStream,
    /// Whether the batch in flight brings nothing new, but puts an open line into the log.
    BatchFlush,
    /// Time stamp of the batch in flight; zero before anything of it was written.
    BatchStamp,
    /// Inode of the log file before the batch.
    LogInode,
    /// Size of the log file before the batch.
    LogSize,
    Phase,
    ChildPid,
    ChildError,
    /// Bit 32: the main process ended; below it the wait status.
    MainStatus,
    MainCpuMicros,
    MainMaxResident,
    MainSuspended,
    /// Monotonic nanoseconds.
    StartedAt,
    /// How long the attempt has run, pauses left out: see `Board::count`.
    Counted,
    StopWhy,
    /// Monotonic nanoseconds of the next step of a stop.
    StopDue,
    /// Monotonic nanoseconds of the first kill; zero before.
    KilledAt,
    /// Signal that was asked for, zero for the one of the spec.
    StopSignal,
    /// Monotonic nanoseconds of the next attempt.
    RetryAt,
    DeathsInARow,
    Deaths,
    OomKills,
    /// One more than the kills of this cgroup; zero where no cgroup counts them.
    OomKillsHere,
    Leftovers,
    /// Whether the main process is nobody's child here: adopted after keeper and shim had died.
    Stranger,
    /// Set when the run is over: the keeper then leaves too.
    Over,
    Replaced,
    EventNumber,
    /// The command that asks how the process is, as [`Word::ChildPid`] and the words after it.
    ProbePid,
    ProbeError,
    ProbeStatus,
    /// What cares for the log files that were set aside, as [`Word::ChildPid`] and the words after it.
    CarePid,
    CareError,
    CareStatus,
    /// Monotonic nanoseconds of the next question; in the past while one is under way.
    AskAt,
    /// Nanoseconds from the last question to the next, while it was not healthy yet.
    AskPause,
    /// Monotonic nanoseconds of the end of the start period.
    GraceEnds,
    /// Failures of the check in a row.
    Failures,
    /// Monotonic nanoseconds of the last failure that counted.
    FailedAt,
    /// Whether a check of this attempt succeeded.
    WasHealthy,
    /// Whether somebody waits for the next verdict.
    LookAsked,
    /// Whether the line that is waited for came.
    LineSeen,
    /// Nanoseconds within which the process has to report; zero for ever.
    WatchdogNanos,
    /// Monotonic nanoseconds by when it has to report next.
    WatchdogAt,
    /// Whether it did not, and has not reported since.
    WatchdogMissed,
    /// Whether it said that it is stopping.
    SaysStopping,
    /// Monotonic nanoseconds up to which it asked for a longer run than it has.
    ExtendedUntil,
    /// Monotonic nanoseconds since when its health is not looked at, because it is suspended.
    HealthPausedAt,
    /// Two slots of [`TOTALS`] words.
    Totals,
    /// Two slots for each of two streams of [`OPEN`] words.
    OpenLines = Word::Totals as usize + 2 * TOTALS,
    /// The ring of times of death.
    DeathRing = Word::OpenLines as usize + 4 * OPEN,
}

const TOTALS: usize = 8;
const OPEN: usize = 3;
const ENDED: u64 = 1 << 32;
/// Marks a count that stands still.
const RESTS: u64 = 1 << 63;

/// Size of one batch.
pub(crate) const BATCH: usize = 64 << 10;
/// Where new output lands in the shared bytes; the open lines lie before it.
pub(crate) const BATCH_AT: usize = 4 * MAX_PIECE;
/// All shared bytes.
pub(crate) const BYTES: usize = BATCH_AT + BATCH;

/// Totals of the output, with what was dropped and not said yet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    pub(crate) log: LogTotals,
    pub(crate) unsaid_bytes: u64,
    pub(crate) unsaid_lines: u64,
    pub(crate) unsaid_since: i64,
}

/// The words and bytes with their meaning.
#[derive(Debug)]
pub(crate) struct Board {
    pub(crate) shared: Shared,
}

impl Board {
    pub(crate) fn new() -> std::io::Result<Board> {
        let board = Board { shared: Shared::new(BYTES)? };
        board.shared.tell(Tally::default());
        Ok(board)
    }

    fn at(&self, index: usize) -> &AtomicU64 {
        &self.shared.words()[index]
    }

    pub(crate) fn get(&self, word: Word) -> u64 {
        self.at(word as usize).load(Ordering::Acquire)
    }

    /// A moment on the board, if one is set.
    pub(crate) fn moment(&self, word: Word) -> Option<u64> {
        Some(self.get(word)).filter(|&at| at > 0)
    }

    pub(crate) fn set(&self, word: Word, value: u64) {
        self.at(word as usize).store(value, Ordering::Release);
    }

    pub(crate) fn add(&self, word: Word) -> u64 {
        self.at(word as usize).fetch_add(1, Ordering::AcqRel)
    }

    pub(crate) fn phase(&self) -> Phase {
        match self.get(Word::Phase) {
            0 => Phase::Ready,
            1 => Phase::Launching,
            2 => Phase::Alive,
            3 => Phase::MainGone,
            _ => Phase::Pausing,
        }
    }

    pub(crate) fn set_phase(&self, phase: Phase) {
        self.set(Word::Phase, phase as u64);
    }

    pub(crate) fn why(&self) -> Why {
        match self.get(Word::StopWhy) {
            0 => Why::Not,
            1 => Why::Asked,
            2 => Why::Restart,
            3 => Why::TimedOut,
            4 => Why::Leftovers,
            _ => Why::Unhealthy,
        }
    }

    pub(crate) fn set_why(&self, why: Why) {
        self.set(Word::StopWhy, why as u64);
    }

    /// Forgets the attempt before this one.
    pub(crate) fn begin_attempt(&self) {
        for word in [
            Word::ChildPid,
            Word::ChildError,
            Word::MainStatus,
            Word::MainCpuMicros,
            Word::MainMaxResident,
            Word::MainSuspended,
            Word::StopWhy,
            Word::StopDue,
            Word::KilledAt,
            Word::StopSignal,
            Word::RetryAt,
            Word::Leftovers,
            Word::Stranger,
        ] {
            self.set(word, 0);
        }
        self.set_phase(Phase::Launching);
    }

    /// Begins to count the time of an attempt that began at `start` (monotonic nanoseconds).
    pub(crate) fn count_from(&self, start: u64) {
        self.set(Word::Counted, start);
    }

    /// Stops the count when the main process is suspended and goes on when it is continued;
    /// whether that changed anything. While it counts, the word holds the moment from which to
    /// count; while it does not, the time that was counted, marked. One store changes over, so
    /// that a shim that dies in between counts nothing twice.
    pub(crate) fn count(&self, suspended: bool, now: u64) -> bool {
        let word = self.get(Word::Counted);
        let resting = word & RESTS != 0;
        if suspended != resting {
            let other = now.saturating_sub(word & !RESTS);
            self.set(Word::Counted, if suspended { other | RESTS } else { other });
        }
        suspended != resting
    }

    /// How long the attempt has run without its pauses, in nanoseconds.
    pub(crate) fn counted(&self, now: u64) -> u64 {
        let word = self.get(Word::Counted);
        if word & RESTS != 0 { word & !RESTS } else { now.saturating_sub(word) }
    }

    /// Whether the count stands still.
    pub(crate) fn rests(&self) -> bool {
        self.get(Word::Counted) & RESTS != 0
    }

    /// Where the child tells how far it came.
    pub(crate) fn report(&self) -> Report<'_> {
        Report { pid: self.at(Word::ChildPid as usize), error: self.at(Word::ChildError as usize) }
    }

    /// Where the command that asks how the process is tells how far it came.
    pub(crate) fn probe_report(&self) -> Report<'_> {
        Report { pid: self.at(Word::ProbePid as usize), error: self.at(Word::ProbeError as usize) }
    }

    /// Where what cares for the log files tells how far it came.
    pub(crate) fn care_report(&self) -> Report<'_> {
        Report { pid: self.at(Word::CarePid as usize), error: self.at(Word::CareError as usize) }
    }

    /// How the main process ended, if it did and somebody was told.
    pub(crate) fn outcome(&self) -> Option<Outcome> {
        self.ended(Word::MainStatus)
    }

    /// How the command that asked how the process is ended.
    pub(crate) fn probe_outcome(&self) -> Option<Outcome> {
        self.ended(Word::ProbeStatus)
    }

    /// How what cares for the log files ended.
    pub(crate) fn care_outcome(&self) -> Option<Outcome> {
        self.ended(Word::CareStatus)
    }

    fn ended(&self, status: Word) -> Option<Outcome> {
        let word = self.get(status);
        (word & ENDED != 0).then(|| Outcome::from_wait_status((word & 0xffff) as i32))
    }

    pub(crate) fn set_outcome(&self, outcome: Outcome) {
        self.set_ended(Word::MainStatus, outcome);
    }

    pub(crate) fn set_probe_outcome(&self, outcome: Outcome) {
        self.set_ended(Word::ProbeStatus, outcome);
    }

    pub(crate) fn set_care_outcome(&self, outcome: Outcome) {
        self.set_ended(Word::CareStatus, outcome);
    }

    fn set_ended(&self, word: Word, outcome: Outcome) {
        let status = match outcome {
            Outcome::Code(code) => (code & 0xff) << 8,
            Outcome::Signal { signal, core } => signal | if core { 0x80 } else { 0 },
            Outcome::Unknown => return,
        };
        self.set(word, ENDED | status as u64);
    }

    pub(crate) fn set_usage(&self, usage: Usage) {
        self.set(Word::MainCpuMicros, usage.cpu_micros);
        self.set(Word::MainMaxResident, usage.max_resident_bytes);
    }

    /// Notes a death and returns how many there were since `since` (monotonic nanoseconds).
    pub(crate) fn died(&self, now: u64, since: u64) -> u32 {
        let number = self.add(Word::Deaths) as usize % CrashLimit::MOST as usize;
        self.at(Word::DeathRing as usize + number).store(now, Ordering::Release);
        let known = (self.get(Word::Deaths) as usize).min(CrashLimit::MOST as usize);
        let ring = (0..known).map(|at| self.at(Word::DeathRing as usize + at));
        ring.filter(|death| death.load(Ordering::Acquire) >= since).count() as u32
    }

    // The output: what is open and the totals lie twice; a batch writes the slot that is not in
    // use, and one store of `Commit` makes it the one in use.

    /// The open line of a stream, and where its text lies in the shared bytes.
    pub(crate) fn open_line(&self, stream: Stream) -> (Open, std::ops::Range<usize>) {
        let slot = self.slot(stream);
        let base = Word::OpenLines as usize + slot * OPEN;
        let word = |at: usize| self.at(base + at).load(Ordering::Acquire);
        let open = Open {
            length: (word(0) as usize).min(MAX_PIECE),
            stamp: word(1) as i64,
            bar: match word(2) {
                0 => Bar::No,
                1 => Bar::Perhaps,
                _ => Bar::Yes,
            },
        };
        (open, slot * MAX_PIECE..slot * MAX_PIECE + open.length)
    }

    /// Where the text of the open line goes that this batch leaves.
    pub(crate) fn next_text(&self, stream: Stream) -> std::ops::Range<usize> {
        let slot = self.slot(stream) ^ 1;
        slot * MAX_PIECE..(slot + 1) * MAX_PIECE
    }

    /// The batch in flight with `length` new bytes, and where the text goes that it leaves open.
    pub(crate) fn batch(
        &mut self,
        stream: Stream,
        length: usize,
        now: i64,
    ) -> (Batch<'_>, &mut [u8]) {
        let (open, text) = self.open_line(stream);
        let (texts, data) = self.shared.bytes_mut(0..BYTES).split_at_mut(BATCH_AT);
        let pair = stream as usize * 2 * MAX_PIECE;
        let (even, odd) = texts[pair..pair + 2 * MAX_PIECE].split_at_mut(MAX_PIECE);
        let (text, next) = if text.start == pair { (even, odd) } else { (odd, even) };
        let text = &text[..open.length];
        (Batch { stream, open, text, data: &data[..length], now }, next)
    }

    /// Slots 0 and 1 are stdout's, 2 and 3 are stderr's.
    fn slot(&self, stream: Stream) -> usize {
        let commit = self.get(Word::Commit);
        stream as usize * 2 + (commit >> (1 + stream as u64) & 1) as usize
    }

    pub(crate) fn totals(&self) -> Totals {
        let base = self.totals_base(0);
        let word = |at: usize| self.at(base + at).load(Ordering::Acquire);
        Totals {
            log: LogTotals {
                bytes: word(0),
                lines: word(1),
                dropped_bytes: word(2),
                dropped_lines: word(3),
                folded_bytes: word(4),
            },
            unsaid_bytes: word(5),
            unsaid_lines: word(6),
            unsaid_since: word(7) as i64,
        }
    }

    fn totals_base(&self, other: usize) -> usize {
        let slot = (self.get(Word::Commit) >> 3 & 1) as usize ^ other;
        Word::Totals as usize + slot * TOTALS
    }

    /// A batch of this stream begins.
    pub(crate) fn begin_batch(&self, stream: Stream, flush: bool, log: (u64, u64)) {
        self.set(Word::BatchStream, stream as u64);
        self.set(Word::BatchFlush, u64::from(flush));
        self.set(Word::BatchStamp, 0);
        self.set(Word::LogInode, log.0);
        self.set(Word::LogSize, log.1);
        self.set(Word::Taken, 0);
        self.set(Word::Commit, self.get(Word::Commit) | 1);
    }

    /// The batch is in the log: with one store, what it left open and the totals are in force.
    pub(crate) fn commit(&self, stream: Stream, open: Open, totals: Totals) {
        let base = Word::OpenLines as usize + (self.slot(stream) ^ 1) * OPEN;
        for (at, value) in
            [open.length as u64, open.stamp as u64, open.bar as u64].iter().enumerate()
        {
            self.at(base + at).store(*value, Ordering::Release);
        }
        let base = self.totals_base(1);
        let words = [
            totals.log.bytes,
            totals.log.lines,
            totals.log.dropped_bytes,
            totals.log.dropped_lines,
            totals.log.folded_bytes,
            totals.unsaid_bytes,
            totals.unsaid_lines,
            totals.unsaid_since as u64,
        ];
        for (at, value) in words.iter().enumerate() {
            self.at(base + at).store(*value, Ordering::Release);
        }
        let commit = self.get(Word::Commit) & !1;
        self.set(Word::Commit, commit ^ (1 << (1 + stream as u64)) ^ (1 << 3));
    }

    /// The batch brought nothing.
    pub(crate) fn abandon(&self) {
        self.set(Word::Commit, self.get(Word::Commit) & !1);
    }

    /// The batch that a predecessor had in flight.
    pub(crate) fn in_flight(&self) -> Option<Stream> {
        let stream = if self.get(Word::BatchStream) == 0 { Stream::Stdout } else { Stream::Stderr };
        (self.get(Word::Commit) & 1 == 1).then_some(stream)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_commit_changes_one_stream_and_the_totals() {
        let board = Board::new().unwrap();
        let open = Open { length: 3, stamp: -1, bar: Bar::Yes };
        let mut totals = Totals { unsaid_since: -5, ..Totals::default() };
        totals.log.bytes = 9;
        board.begin_batch(Stream::Stderr, false, (1, 2));
        assert_eq!(board.in_flight(), Some(Stream::Stderr));
        assert_eq!(board.totals(), Totals::default());
        let next = board.next_text(Stream::Stderr);
        board.commit(Stream::Stderr, open, totals);
        assert_eq!(board.in_flight(), None);
        assert_eq!(board.totals(), totals);
        assert_eq!(board.open_line(Stream::Stderr), (open, next.start..next.start + 3));
        assert_eq!(board.open_line(Stream::Stdout).0, Open::default());
    }

    #[test]
    fn pauses_are_not_counted() {
        let board = Board::new().unwrap();
        board.count_from(100);
        assert!(!board.count(false, 110));
        assert!(board.count(true, 130) && board.rests());
        assert!(!board.count(true, 500));
        assert_eq!(board.counted(900), 30);
        assert!(board.count(false, 1000) && !board.rests());
        assert_eq!(board.counted(1005), 35);
        assert!(board.count(true, 1010));
        assert_eq!(board.counted(2000), 40);
    }

    #[test]
    fn deaths_are_counted_within_a_window() {
        let board = Board::new().unwrap();
        assert_eq!(board.died(10, 0), 1);
        assert_eq!(board.died(20, 15), 1);
        assert_eq!(board.died(30, 15), 2);
        for now in 100..200 {
            board.died(now, 0);
        }
        assert_eq!(board.died(200, 0), CrashLimit::MOST);
    }

    #[test]
    fn outcomes_survive_the_board() {
        let board = Board::new().unwrap();
        assert_eq!(board.outcome(), None);
        for outcome in
            [Outcome::Code(0), Outcome::Code(255), Outcome::Signal { signal: 11, core: true }]
        {
            board.set_outcome(outcome);
            assert_eq!(board.outcome(), Some(outcome));
        }
    }
}
