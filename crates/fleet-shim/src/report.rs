//! The status report: all that a shim knows, written into the events when SIGUSR1 asks for it.

use fleet_os::monotonic_nanos;
use serde_json::{Map, Value, json};

use crate::board::{Phase, Why, Word};
use crate::supervise::{SECOND, Shim};

impl Shim<'_> {
    /// Writes the event `status`.
    pub(crate) fn report_status(&mut self) {
        self.record.log = Some(self.post.board.totals().log);
        let (board, now) = (&self.post.board, monotonic_nanos());
        let waits_for = self.waits_for();
        let mut data = json!({
            "version": env!("CARGO_PKG_VERSION"),
            "waits_for": waits_for,
            "timers": self.timers_due(now),
            "health": self.record.health,
            "log": self.record.log,
            "pids": self.members(),
            "replaced": board.get(Word::Replaced),
            "adopted": board.get(Word::Stranger) != 0,
            "process": self.record,
        });
        if matches!(board.phase(), Phase::Alive | Phase::MainGone) {
            let age = now.saturating_sub(board.get(Word::StartedAt));
            let counted = board.counted(now).min(age);
            data["counted_seconds"] = seconds(counted);
            data["paused_seconds"] = seconds(age - counted);
        }
        self.event("status", format!("is {}; waits for {waits_for}", self.record.state), data);
    }

    /// What has to happen next, in words.
    fn waits_for(&self) -> String {
        let board = &self.post.board;
        match (board.phase(), board.why()) {
            (Phase::Ready | Phase::Launching, _) => {
                self.record.waiting.clone().unwrap_or_else(|| "the start of its command".to_owned())
            }
            (Phase::Pausing, _) => "the end of the pause before its next attempt".to_owned(),
            (Phase::Alive, Why::Not) if board.rests() => {
                format!("its main process (pid {}) to be resumed", board.get(Word::ChildPid))
            }
            (Phase::Alive, Why::Not) => {
                format!("its main process (pid {}) to end", board.get(Word::ChildPid))
            }
            (Phase::MainGone, Why::Not) => "what is left of its tree to end".to_owned(),
            (_, Why::Restart) => "its tree to end, so that it can be started again".to_owned(),
            (_, Why::Unhealthy) => "its tree to end, for it is unhealthy".to_owned(),
            (_, Why::TimedOut) => "its tree to end, for it ran too long".to_owned(),
            (_, _) => "its tree to end".to_owned(),
        }
    }

    /// The timers that are set, in seconds from now.
    fn timers_due(&self, now: u64) -> Map<String, Value> {
        let board = &self.post.board;
        let kill = if board.get(Word::KilledAt) == 0 { "kill" } else { "kill_again" };
        let timers = [
            ("max_runtime", self.runtime_limit()),
            ("health", self.health_due()),
            ("look", self.waiting.look_at),
            ("next_attempt", board.moment(Word::RetryAt)),
            (kill, board.moment(Word::StopDue)),
            ("rotate_log", self.capture.rotate_at),
            ("care_for_logs", self.care_due()),
            ("registry", self.registry_at),
            ("status", self.status_at),
            ("open_line", self.flush_at.into_iter().flatten().min()),
        ];
        let due = timers.into_iter().filter_map(|(name, at)| Some((name, at?)));
        due.map(|(name, at)| (format!("{name}_seconds"), seconds(at.saturating_sub(now)))).collect()
    }
}

/// Nanoseconds as seconds with three digits.
fn seconds(nanos: u64) -> Value {
    json!((nanos / (SECOND / 1000)) as f64 / 1e3)
}
