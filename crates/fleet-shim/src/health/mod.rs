//! Whether the process is well: asking it, hearing what it says of itself, and what follows.
//!
//! A question never waits: its socket or pipe is one more descriptor in the shim's poll set, its
//! time one more timer. Memory is taken while it is under way and given back with its end. All
//! that a successor needs lies on the board; a question that was under way when a shim was killed
//! is due still, and so it is asked again.
//!
//! While the process is suspended nothing is asked, and what was due is due later by as much.

mod answer;
mod command;
mod connect;
mod http;
mod line;
mod pattern;
mod said;

use std::os::fd::{AsFd, BorrowedFd};
use std::time::Duration;

use fleet_core::{Health, HealthCheck, Probe, State, Timestamp, duration_text};
use fleet_os::monotonic_nanos;
use nix::poll::PollFlags;
use serde_json::json;

use crate::board::{Phase, Why, Word};
pub(crate) use crate::health::command::CHECK;
use crate::health::command::Command;
use crate::health::connect::Connecting;
use crate::health::http::Get;
pub(crate) use crate::health::line::LineWatch;
pub use crate::health::pattern::{BadPattern, Pattern};
use crate::supervise::{MILLI, SECOND, Shim};

/// From the start to the first question; then the pauses double until it is healthy once.
const FIRST: u64 = 100 * MILLI;
/// Where only a watchdog waits, how long its program may take before it begins to report, in
/// seconds: the default of a check's start period.
const START_PERIOD: f64 = 5.0;

/// What a question came to: well, or words for why not.
pub(crate) type Verdict = Result<(), String>;

/// A question under way.
#[derive(Debug)]
pub(crate) struct Asked {
    question: Question,
    /// When it is too late (monotonic nanoseconds).
    until: u64,
    /// Whether its verdict is known, and only the rest of the answer is taken for politeness.
    judged: bool,
}

#[derive(Debug)]
enum Question {
    Tcp(Connecting),
    Http(Box<Get>),
    Exec(Command),
}

impl Asked {
    /// What to wait for.
    pub(crate) fn watched(&self) -> Option<(BorrowedFd<'_>, PollFlags)> {
        match &self.question {
            Question::Tcp(connecting) => Some((connecting.stream.as_fd(), PollFlags::POLLOUT)),
            Question::Http(get) => Some(get.watched()),
            Question::Exec(command) => Some((command.watched()?, PollFlags::POLLIN)),
        }
    }
}

impl Shim<'_> {
    fn check(&self) -> Option<&HealthCheck> {
        self.post.spec.health.as_ref()
    }

    /// The check, if it is one that is asked and not one that listens.
    fn asks(&self) -> Option<&HealthCheck> {
        self.check().filter(|check| !matches!(check.probe, Probe::Log { .. }))
    }

    /// An attempt begins: nothing is known of how it is.
    pub(crate) fn begin_health(&mut self) {
        let now = monotonic_nanos();
        let grace = self.check().map_or(START_PERIOD, |check| check.start_period_seconds);
        let interval = self.asks().map(|check| nanos(check.interval_seconds));
        let watchdog = self.post.spec.watchdog_seconds.map_or(0, nanos);
        let grace_ends = now.saturating_add(nanos(grace));
        let first_bark = if watchdog > 0 { grace_ends.saturating_add(watchdog) } else { 0 };
        let first = interval.map_or(0, |interval| interval.min(FIRST));
        for (word, value) in [
            (Word::AskAt, interval.map_or(0, |_| now + first)),
            (Word::AskPause, first),
            (Word::GraceEnds, grace_ends),
            (Word::Failures, 0),
            (Word::FailedAt, 0),
            (Word::WasHealthy, 0),
            (Word::LineSeen, 0),
            (Word::WatchdogNanos, watchdog),
            (Word::WatchdogAt, first_bark),
            (Word::WatchdogMissed, 0),
            (Word::SaysStopping, 0),
            (Word::ExtendedUntil, 0),
            (Word::HealthPausedAt, 0),
        ] {
            self.post.board.set(word, value);
        }
        let is_watched = self.check().is_some() || watchdog > 0;
        self.record.health = is_watched.then_some(Health::Starting);
        (self.record.health_reason, self.record.checked_at) = (None, None);
        self.capture.watch = LineWatch::of(self.post);
    }

    /// The attempt is over, and how it was matters no more.
    pub(crate) fn end_health(&mut self) {
        self.drop_question();
        (self.record.health, self.record.health_reason) = (None, None);
        self.record.checked_at = None;
        self.capture.watch = None;
    }

    /// Goes on after a predecessor: what it was asking is asked again. One that adopts finds an
    /// empty board, and asks at once.
    pub(crate) fn take_up_health(&mut self) {
        self.end_command();
        if self.adopts && self.asks().is_some() {
            self.end_lost_command();
        }
        self.look_for_line();
        let board = &self.post.board;
        if board.phase() != Phase::Alive || !self.adopts {
            return;
        }
        let now = monotonic_nanos();
        let known = self.record.health;
        board.set(Word::WasHealthy, u64::from(known != Some(Health::Starting)));
        if let Some(check) = self.asks() {
            board.set(Word::AskPause, nanos(check.interval_seconds).min(FIRST));
            board.set(Word::AskAt, now);
        }
        if known == Some(Health::Healthy) {
            board.set(Word::LineSeen, 1);
            self.capture.watch = None;
        }
        let watchdog = self.post.spec.watchdog_seconds.map_or(0, nanos);
        board.set(Word::WatchdogNanos, watchdog);
        board.set(Word::WatchdogAt, if watchdog > 0 { now.saturating_add(watchdog) } else { 0 });
        if self.record.state == State::Paused {
            board.set(Word::HealthPausedAt, now);
        }
    }

    /// Whether it matters now how the process is.
    fn is_watched(&self) -> bool {
        let board = &self.post.board;
        board.phase() == Phase::Alive
            && board.why() == Why::Not
            && self.record.state == State::Running
            && self.outcome_until.is_none()
            && board.get(Word::SaysStopping) == 0
    }

    /// When there is something to do.
    pub(crate) fn health_due(&self) -> Option<u64> {
        if !self.is_watched() {
            // A question that is under way is dropped at once.
            return self.asked.as_ref().map(|_| 0);
        }
        let board = &self.post.board;
        let waits = self.asked.as_ref().is_some_and(|asked| !asked.judged);
        let next = board.moment(Word::AskAt).filter(|_| !waits);
        let late = self.asked.as_ref().map(|asked| asked.until);
        [next, late, board.moment(Word::WatchdogAt)].into_iter().flatten().min()
    }

    /// Does what is due.
    pub(crate) fn mind_health(&mut self) {
        if !self.is_watched() {
            return self.drop_question();
        }
        let now = monotonic_nanos();
        if self.asked.as_ref().is_some_and(|asked| asked.until <= now) {
            self.too_late();
        }
        let due = |at: Option<u64>| at.is_some_and(|at| at <= now);
        let waits = self.asked.as_ref().is_some_and(|asked| !asked.judged);
        if due(self.post.board.moment(Word::AskAt)) && !waits && self.is_watched() {
            self.ask();
        }
        if due(self.post.board.moment(Word::WatchdogAt)) && self.is_watched() {
            self.watchdog_missed();
        }
    }

    fn ask(&mut self) {
        self.drop_question();
        let Some(check) = self.asks() else { return };
        let until = monotonic_nanos().saturating_add(nanos(check.timeout_seconds));
        let question = match &check.probe {
            Probe::Tcp(address) => Connecting::begin(address).map(Question::Tcp),
            Probe::Exec { command } => self.begin_command(command).map(Question::Exec),
            http => match Get::begin(http) {
                Some(get) => get.map(|get| Question::Http(Box::new(get))),
                None => return,
            },
        };
        match question {
            Ok(question) => self.asked = Some(Asked { question, until, judged: false }),
            Err(why) => self.judged(Err(why)),
        }
    }

    /// The descriptor of the question is ready.
    pub(crate) fn answer_comes(&mut self) {
        let Some(asked) = &mut self.asked else { return };
        let (verdict, over) = match &mut asked.question {
            Question::Tcp(connecting) => match connecting.is_connected() {
                Ok(false) => (None, false),
                Ok(true) => (Some(Ok(())), true),
                Err(why) => (Some(Err(why)), true),
            },
            Question::Http(get) => {
                let verdict = get.go_on();
                let broken = matches!(verdict, Some(Err(_)));
                (verdict, broken || get.is_over())
            }
            // How it ends is told by the kernel, not by its output.
            Question::Exec(command) => return command.hear(),
        };
        let known = asked.judged;
        asked.judged |= verdict.is_some();
        if over {
            self.asked = None;
        }
        if let Some(verdict) = verdict.filter(|_| !known) {
            self.judged(verdict);
        }
    }

    /// Something ended: perhaps the command that was asked.
    pub(crate) fn look_at_command(&mut self) {
        let Some(mut asked) = self.asked.take() else { return };
        let verdict = match &mut asked.question {
            Question::Exec(command) => self.command_verdict(command),
            _ => None,
        };
        match verdict {
            Some(verdict) => self.judged(verdict),
            None => self.asked = Some(asked),
        }
    }

    fn too_late(&mut self) {
        let Some(asked) = self.asked.take() else { return };
        let late = self.check().map_or(0.0, |check| check.timeout_seconds);
        let within = duration_text(Duration::from_secs_f64(late));
        let why = match (&asked.question, self.check().map(|check| &check.probe)) {
            _ if asked.judged => return,
            (Question::Exec(_), _) => {
                self.end_command();
                format!("the health command did not end within {within}")
            }
            (Question::Http(get), Some(Probe::Http { host, path, .. })) => {
                format!("{} within {within} at http://{host}{path}", get.late())
            }
            (_, Some(Probe::Tcp(address))) => format!("no connection within {within} at {address}"),
            _ => format!("no answer within {within}"),
        };
        self.judged(Err(why));
    }

    /// Ends the question that is under way, without a verdict.
    pub(crate) fn drop_question(&mut self) {
        if let Some(Asked { question: Question::Exec(_), .. }) = self.asked.take() {
            self.end_command();
        }
    }

    /// A question is answered.
    fn judged(&mut self, verdict: Verdict) {
        if !self.is_watched() {
            return;
        }
        let before = (self.record.health, self.record.health_reason.clone());
        match verdict {
            Ok(()) => self.well("its check succeeds"),
            Err(why) => self.failed(why),
        }
        self.ask_later();
        let looked = self.post.board.get(Word::LookAsked) != 0;
        self.post.board.set(Word::LookAsked, 0);
        if looked || before.1 != self.record.health_reason && before.0 == self.record.health {
            self.record.checked_at = Some(Timestamp::now());
            self.publish_own();
        }
    }

    /// Until it is healthy once, it is asked in quick succession.
    fn ask_later(&mut self) {
        let Some(interval) = self.asks().map(|check| nanos(check.interval_seconds)) else { return };
        let board = &self.post.board;
        let pause = match board.get(Word::WasHealthy) {
            0 => board.get(Word::AskPause).saturating_mul(2).min(interval),
            _ => interval,
        };
        board.set(Word::AskPause, pause);
        board.set(Word::AskAt, monotonic_nanos().saturating_add(pause));
    }

    /// A sign of life that decides.
    fn well(&mut self, words: &str) {
        let board = &self.post.board;
        board.set(Word::Failures, 0);
        if board.get(Word::WatchdogMissed) != 0 {
            return;
        }
        self.record.health_reason = None;
        if self.record.health != Some(Health::Healthy) {
            self.record.health = Some(Health::Healthy);
            self.record.checked_at = Some(Timestamp::now());
            self.publish();
            self.event("healthy", words, json!({}));
        }
        self.post.board.set(Word::WasHealthy, 1);
    }

    fn failed(&mut self, why: String) {
        let retries = u64::from(self.check().map_or(1, |check| check.retries));
        let board = &self.post.board;
        let in_time = monotonic_nanos() < board.get(Word::GraceEnds);
        if in_time && board.get(Word::WasHealthy) == 0 || self.is_the_same_failure() {
            if self.record.health != Some(Health::Unhealthy) {
                self.record.health_reason = Some(why);
            }
            return;
        }
        board.set(Word::FailedAt, monotonic_nanos());
        let failures = board.add(Word::Failures) + 1;
        let words = if failures > 1 { format!("{why}, {failures} times in a row") } else { why };
        if failures >= retries {
            self.unhealthy(words);
        } else if self.record.health != Some(Health::Unhealthy) {
            self.record.health_reason = Some(words);
        }
    }

    /// Whether somebody who looks often saw what was counted already: that must not end a process
    /// sooner than its check would.
    fn is_the_same_failure(&self) -> bool {
        let interval = self.asks().map_or(0, |check| nanos(check.interval_seconds));
        let counted = self.post.board.moment(Word::FailedAt);
        self.post.board.get(Word::LookAsked) != 0
            && counted.is_some_and(|at| monotonic_nanos() < at.saturating_add(interval))
    }

    /// It is not well. Words for it are kept from the moment when it was found.
    pub(crate) fn unhealthy(&mut self, reason: String) {
        if self.record.health != Some(Health::Unhealthy) {
            self.record.health = Some(Health::Unhealthy);
            self.record.health_reason = Some(reason.clone());
            self.record.checked_at = Some(Timestamp::now());
            self.publish();
            self.event("unhealthy", &reason, json!({"reason": reason}));
        }
        // A predecessor may have died before it could.
        if self.post.spec.restart_unhealthy && self.is_watched() {
            self.begin_stop(Why::Unhealthy, None, None, None);
        }
    }

    /// A line that was waited for came.
    pub(crate) fn look_for_line(&mut self) {
        let board = &self.post.board;
        if board.get(Word::LineSeen) != 0 && board.get(Word::WasHealthy) == 0 {
            self.capture.watch = None;
            self.well("a line of its output matches");
        }
    }

    /// Somebody wants to know now (SIGUSR2).
    pub(crate) fn ask_now(&mut self) {
        if self.asks().is_some() && self.is_watched() {
            self.post.board.set(Word::LookAsked, 1);
            self.post.board.set(Word::AskAt, monotonic_nanos());
        } else if self.record.health.is_some() {
            self.record.checked_at = Some(Timestamp::now());
            self.publish_own();
        }
    }

    /// The process is suspended: it can answer nothing.
    pub(crate) fn health_pauses(&mut self) {
        self.drop_question();
        self.post.board.set(Word::HealthPausedAt, monotonic_nanos());
    }

    /// It goes on: all that was due is due later by as long as the pause was.
    pub(crate) fn health_goes_on(&mut self) {
        let board = &self.post.board;
        let Some(since) = board.moment(Word::HealthPausedAt) else { return };
        board.set(Word::HealthPausedAt, 0);
        let pause = monotonic_nanos().saturating_sub(since);
        for word in [Word::AskAt, Word::GraceEnds, Word::WatchdogAt] {
            if let Some(at) = board.moment(word) {
                board.set(word, at.saturating_add(pause));
            }
        }
    }
}

/// Nanoseconds in so many seconds.
fn nanos(seconds: f64) -> u64 {
    (seconds * SECOND as f64) as u64
}
