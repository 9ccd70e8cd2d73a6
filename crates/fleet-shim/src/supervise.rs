//! The shim's loop: one thread around poll(2), asleep until something happens.

use std::fs::File;
use std::io::Write;
use std::thread;
use std::time::Duration;

use fleet_core::{Happening, Outcome, ProcessRecord};
use fleet_logfile::Stream;
use fleet_os::{PidFd, Signals, look, monotonic_nanos};
use serde_json::json;

use crate::board::{Phase, Why, Word};
use crate::care::Care;
use crate::health::Asked;
use crate::keeper;
use crate::output::{Capture, dropped_words};
use crate::post::Post;
use crate::queue::Waiting;
use crate::take_up::known_record;

pub(crate) const MILLI: u64 = 1_000_000;
pub(crate) const SECOND: u64 = 1000 * MILLI;

/// An open line goes into the log after this time.
const OPEN_LINE: u64 = SECOND;
/// Buffers are given back after this time without output.
pub(crate) const REST: u64 = 20 * MILLI;
/// How long init, or whoever reaps, may take until the kernel tells how a process ended.
const OUTCOME: u64 = 5 * SECOND;
/// A read below this size is a small one; after some of them in a row a nap lets more gather.
const SMALL_READ: usize = 4 << 10;
const NAP: Duration = Duration::from_micros(50);

/// Why a shim leaves its loop.
pub(crate) enum Leave {
    /// The run is over.
    Over,
    /// The keeper died: this process is to be the next keeper, with a fresh shim below it.
    KeeperDied,
}

/// A shim at work.
pub(crate) struct Shim<'a> {
    pub(crate) post: &'a mut Post,
    pub(crate) record: ProcessRecord,
    pub(crate) capture: Capture,
    /// The main process, while it is thought to live.
    pub(crate) main: Option<PidFd>,
    /// When the registry is tried again (all times: monotonic nanoseconds).
    pub(crate) registry_at: Option<u64>,
    /// Lines for the events file, not written yet.
    pub(crate) events: Vec<u8>,
    /// Tells when the keeper dies; absent where no descriptor is to be had for that.
    pub(crate) keeper: Option<PidFd>,
    keeper_died: bool,
    pub(crate) signals: Signals,
    report: Option<File>,
    pub(crate) flush_at: [Option<u64>; 2],
    pub(crate) rest_at: Option<u64>,
    pub(crate) status_at: Option<u64>,
    /// Until when the kernel is asked how the main process ended.
    pub(crate) outcome_until: Option<u64>,
    /// The question how the process is, while it is under way.
    pub(crate) asked: Option<Asked>,
    small_reads: u32,
    drop_said: bool,
    pub(crate) care: Care,
    pub(crate) waiting: Waiting,
    /// Whether this is the first shim after keeper and shim had both died.
    pub(crate) adopts: bool,
    pub(crate) leaving: bool,
}

pub(crate) const STREAMS: [Stream; 2] = [Stream::Stdout, Stream::Stderr];

/// Looks after the run until it is over or the keeper dies.
///
/// # Errors
/// No descriptor or memory to work with; the keeper tries again.
pub(crate) fn supervise(post: &mut Post, report: Option<File>) -> std::io::Result<Leave> {
    let signals = Signals::block_all()?;
    let _ = nix::sys::prctl::set_child_subreaper(true);
    let is_child = has_keeper(post);
    let keeper = is_child.then(|| PidFd::open(post.keeper).ok()).flatten();
    let capture = Capture::open(post)?;
    let record = known_record(post);
    let mut shim = Shim {
        record,
        capture,
        main: None,
        registry_at: None,
        events: Vec::new(),
        keeper,
        keeper_died: !is_child,
        signals,
        report,
        flush_at: [None; 2],
        rest_at: None,
        status_at: None,
        outcome_until: None,
        asked: None,
        small_reads: 0,
        drop_said: false,
        care: Care::default(),
        waiting: Waiting::default(),
        adopts: post.board.get(Word::Replaced) == 1 && post.board.get(Word::Stranger) != 0,
        leaving: false,
        post,
    };
    shim.take_up();
    shim.write_events();
    while !shim.leaving {
        if shim.keeper_died {
            return Ok(Leave::KeeperDied);
        }
        shim.turn();
        shim.write_events();
    }
    Ok(Leave::Over)
}

/// Whether the keeper is still this process's parent.
fn has_keeper(post: &Post) -> bool {
    nix::unistd::getppid().as_raw() == post.keeper
}

impl Shim<'_> {
    /// Waits for the next thing to happen and deals with it.
    fn turn(&mut self) {
        let ready = self.wait();
        for (at, stream) in STREAMS.into_iter().enumerate() {
            if ready.output[at] {
                self.output(stream);
            }
        }
        // Without its pidfd the keeper is asked after whenever something else happens: it must not
        // be taken for dead, or this process would fork another shim, and that one the next.
        self.keeper_died = ready.keeper || self.keeper.is_none() && !has_keeper(self.post);
        if self.keeper_died {
            return;
        }
        if ready.notify {
            self.heard();
        }
        if ready.answer {
            self.answer_comes();
        }
        if ready.bell {
            let _ = self.post.bell.read();
        }
        let mut called = false;
        if ready.news || self.outcome_until.is_some() {
            called = self.signals();
            if self.leaving {
                return;
            }
            self.children();
            self.look_at_command();
            self.look_at_main();
        }
        // Once, and after all that was asked for: a look may wait for a driver, and no stop is to wait
        // for two.
        if called {
            self.look_again();
        } else if ready.turn {
            self.look_at_line();
        }
        if !self.leaving {
            self.timers();
        }
    }

    fn output(&mut self, stream: Stream) {
        let length = self.capture.take(self.post, stream);
        if length == 0 {
            return;
        }
        self.rest_at = Some(monotonic_nanos() + REST);
        self.watch_open_line(stream);
        self.look_for_line();
        self.tell_of_drops();
        self.look_at_rotation();
        self.small_reads = if length < SMALL_READ { self.small_reads + 1 } else { 0 };
        if self.small_reads > 4 {
            thread::sleep(NAP);
        }
    }

    pub(crate) fn watch_open_line(&mut self, stream: Stream) {
        let open = self.post.board.open_line(stream).0.length > 0;
        let at = &mut self.flush_at[stream as usize];
        *at = open.then(|| at.unwrap_or_else(|| monotonic_nanos() + OPEN_LINE));
    }

    /// One event when dropping begins, one when it is over.
    fn tell_of_drops(&mut self) {
        let totals = self.post.board.totals();
        let dropping = totals.unsaid_bytes > 0;
        if dropping == self.drop_said {
            return;
        }
        self.drop_said = dropping;
        let why = self.capture.trouble.as_deref();
        let words = if dropping {
            dropped_words(&totals, totals.unsaid_since, why)
        } else {
            "the log can be written again".to_owned()
        };
        let log = serde_json::to_value(totals.log).unwrap_or_default();
        self.event("log_dropped", words, json!({"log": log}));
        self.publish();
    }

    fn signals(&mut self) -> bool {
        let mut called = false;
        while let Some(signal) = self.signals.next() {
            match signal.number {
                libc_signal::TERM => self.asked(Why::Asked, signal),
                libc_signal::HUP => self.asked(Why::Restart, signal),
                libc_signal::USR1 => self.report_status(),
                libc_signal::USR2 => called = true,
                _ => {}
            }
            if self.leaving {
                break;
            }
        }
        called
    }

    /// Something that is waited for, or that lies beside the run, may have changed.
    fn look_again(&mut self) {
        self.look_for_limits();
        self.rotate_if_asked();
        self.look_at_line();
        self.ask_now();
    }

    /// Reaps, and notes what became of the main process. Children of the keeper it notes itself.
    fn children(&mut self) {
        while let Ok(Some(change)) = look(false) {
            keeper::note(&self.post.board, change);
        }
        self.look_at_care();
        self.look_at_suspension();
    }

    /// Whether the main process ended, and then whether anything of its tree is left.
    fn look_at_main(&mut self) {
        match self.post.board.phase() {
            Phase::Alive if self.knows_outcome() => {
                self.outcome_until = None;
                self.main_gone();
            }
            Phase::MainGone if self.is_empty() => self.attempt_over(),
            _ => {}
        }
    }

    /// Whether the main process ended and it is known, or can no longer be known, how.
    fn knows_outcome(&mut self) -> bool {
        if self.post.board.outcome().is_some() {
            return true;
        }
        let lives = match &self.main {
            Some(main) => !main.has_exited(),
            // No descriptor was to be had for it.
            None => self.record.main().is_some_and(|main| self.post.proc.is_living(main)),
        };
        if lives {
            return false;
        }
        let told = self.main.as_ref().and_then(PidFd::outcome);
        if let Some(outcome) = told.filter(|o| *o != Outcome::Unknown) {
            self.post.board.set_outcome(outcome);
            return true;
        }
        let now = monotonic_nanos();
        if self.outcome_until.is_none() {
            self.outcome_until = Some(now + OUTCOME);
            // A keeper tells within microseconds; init may take its time to reap a stranger.
            if self.post.board.get(Word::Stranger) != 0 {
                self.record.status = Some("it has ended; how is not told yet".to_owned());
                self.publish();
            }
        }
        self.outcome_until.is_some_and(|until| now >= until)
    }

    /// Applies the transition table. A change that it refuses shows a mistake of ours; the
    /// process must not suffer from it, so it is said and no more.
    pub(crate) fn happened(&mut self, happening: Happening) {
        match self.record.state.after(happening) {
            Ok(state) => self.record.state = state,
            Err(refused) => self.event("refused", refused.to_string(), json!({})),
        }
    }

    /// Tells fleet-spawn, which waits for the first attempt.
    pub(crate) fn tell_spawner(&mut self, words: String) {
        if let Some(mut report) = self.report.take() {
            let _ = report.write_all(format!("{words}\n").as_bytes());
        }
    }

    /// The run is over: nothing of it must be left but its record and its logs.
    pub(crate) fn leave(&mut self) {
        self.care_at_last();
        self.post.board.set(Word::Over, 1);
        self.post.clear();
        self.leaving = true;
    }
}

/// The signals that mean something to a shim.
mod libc_signal {
    use nix::sys::signal::Signal;

    pub(super) const TERM: i32 = Signal::SIGTERM as i32;
    pub(super) const HUP: i32 = Signal::SIGHUP as i32;
    pub(super) const USR1: i32 = Signal::SIGUSR1 as i32;
    /// Look again: something that is waited for, or beside the run, may have changed.
    pub(super) const USR2: i32 = Signal::SIGUSR2 as i32;
}
