//! What the process says of itself, and what follows.

use std::time::Duration;

use fleet_core::{Health, Signal, Timestamp, duration_text};
use fleet_os::monotonic_nanos;
use serde_json::json;

use crate::board::{Phase, Why, Word};
use crate::health::nanos;
use crate::notify::{self, Said};
use crate::supervise::{SECOND, Shim};

/// A status is published at most this often.
const STATUS: u64 = 10 * SECOND;

impl Shim<'_> {
    pub(crate) fn heard(&mut self) {
        let said = self.post.notify.as_ref().map(notify::read).unwrap_or_default();
        for word in said {
            match word {
                Said::Ready => self.says_ready(),
                Said::Status(status) => self.says_status(status),
                Said::Watchdog => self.pets_watchdog(),
                Said::Trigger => {
                    self.cries_for_help(
                        "it said that it is not well (WATCHDOG=trigger)".to_owned(),
                    );
                }
                Said::WatchdogEvery(nanos) => self.changes_watchdog(nanos),
                Said::Stopping => self.says_stopping(),
                Said::Reloading => self.says_reloading(),
                Said::Extend(nanos) => self.extends(nanos),
            }
        }
    }

    /// Where there is a check, that decides; to be ready then only ends the start period.
    fn says_ready(&mut self) {
        let now = monotonic_nanos();
        if self.post.board.get(Word::GraceEnds) > now {
            self.post.board.set(Word::GraceEnds, now);
        }
        if self.post.spec.health.is_some() {
            let asks = self.post.board.get(Word::AskAt) != 0 && self.asked.is_none();
            if asks && self.post.board.get(Word::WasHealthy) == 0 {
                self.post.board.set(Word::AskAt, now);
            }
        } else {
            self.well("it said that it is ready");
        }
        self.watchdog_begins();
    }

    fn says_status(&mut self, status: String) {
        self.record.status = Some(status);
        self.status_at.get_or_insert_with(|| {
            let last = self.record.ts.nanos();
            let ago = Timestamp::now().nanos().saturating_sub(last).max(0);
            monotonic_nanos() + STATUS.saturating_sub(ago as u64)
        });
    }

    /// From now on it has to report in time.
    fn watchdog_begins(&mut self) {
        let board = &self.post.board;
        let every = board.get(Word::WatchdogNanos);
        if every > 0 {
            board.set(Word::WatchdogAt, monotonic_nanos().saturating_add(every));
        }
    }

    fn pets_watchdog(&mut self) {
        self.watchdog_begins();
        let board = &self.post.board;
        if board.get(Word::WatchdogNanos) == 0 {
            return;
        }
        let missed = board.get(Word::WatchdogMissed) != 0;
        board.set(Word::WatchdogMissed, 0);
        if self.post.spec.health.is_none() {
            self.well("it says that it lives");
        } else if missed && board.get(Word::AskAt) != 0 {
            board.set(Word::AskAt, monotonic_nanos());
        } else if missed && board.get(Word::LineSeen) != 0 {
            self.well("it says again that it lives");
        }
    }

    fn changes_watchdog(&mut self, every: u64) {
        self.post.board.set(Word::WatchdogNanos, every);
        self.post.board.set(Word::WatchdogAt, 0);
        self.watchdog_begins();
    }

    /// It did not report in time.
    pub(crate) fn watchdog_missed(&mut self) {
        let every = Duration::from_nanos(self.post.board.get(Word::WatchdogNanos));
        self.cries_for_help(format!("it did not say WATCHDOG=1 for {}", duration_text(every)));
    }

    fn cries_for_help(&mut self, reason: String) {
        // Published before the board forgets that it is due, or a successor would never say it.
        self.unhealthy(reason);
        self.post.board.set(Word::WatchdogMissed, 1);
        self.post.board.set(Word::WatchdogAt, 0);
    }

    /// It ends by itself: whether it answers matters no more.
    fn says_stopping(&mut self) {
        if self.post.board.get(Word::SaysStopping) == 0 && self.post.board.why() == Why::Not {
            self.post.board.set(Word::SaysStopping, 1);
            self.record.status.get_or_insert_with(|| "it says that it is stopping".to_owned());
            self.publish();
            self.event("says_stopping", "it says that it is stopping", json!({}));
        }
    }

    /// For a start period, or until it is ready again, failures do not count.
    fn says_reloading(&mut self) {
        let grace = self.post.spec.health.as_ref().map_or(0.0, |check| check.start_period_seconds);
        let board = &self.post.board;
        board.set(Word::GraceEnds, monotonic_nanos().saturating_add(nanos(grace)));
        board.set(Word::Failures, 0);
        board.set(Word::WasHealthy, 0);
        self.event("reloading", "it says that it reads its configuration again", json!({}));
    }

    /// It needs more time for what it does: to end, to become healthy, or to go on at all.
    fn extends(&mut self, by: u64) {
        let board = &self.post.board;
        let until = monotonic_nanos().saturating_add(by);
        let killed = board.get(Word::KilledAt) != 0
            || board.get(Word::StopSignal) == Signal::KILL.number() as u64;
        let word = match (board.why(), self.record.health) {
            (Why::Not, _) if board.phase() != Phase::Alive => return,
            (Why::Not, Some(Health::Starting)) => Word::GraceEnds,
            (Why::Not, _) => Word::ExtendedUntil,
            _ if killed => return,
            _ => Word::StopDue,
        };
        board.set(word, until.max(board.get(word)));
        if let (Word::GraceEnds, Some(bark)) = (word, board.moment(Word::WatchdogAt)) {
            let late = until.saturating_add(board.get(Word::WatchdogNanos));
            board.set(Word::WatchdogAt, bark.max(late));
        }
    }
}
