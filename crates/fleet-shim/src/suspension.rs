//! A main process that is suspended and goes on, and what of its time counts.
//!
//! What the main process does decides: others of its tree may be stopped without any word here.

use fleet_core::{Happening, State, Timestamp};
use fleet_os::monotonic_nanos;
use serde_json::json;

use crate::board::{Phase, Word};
use crate::supervise::{SECOND, Shim};

impl Shim<'_> {
    /// Records that the main process was suspended or went on, if it did.
    pub(crate) fn look_at_suspension(&mut self) {
        if self.post.board.phase() != Phase::Alive {
            return;
        }
        if self.post.board.get(Word::Stranger) != 0 {
            self.look_at_stranger();
        }
        let suspended = self.post.board.get(Word::MainSuspended) != 0;
        self.count(suspended);
        let happening = match self.record.state {
            State::Running if suspended => Happening::Suspended,
            State::Paused if !suspended => Happening::Continued,
            _ => return,
        };
        self.happened(happening);
        self.publish();
        let event = if suspended { "paused" } else { "resumed" };
        let paused = self.record.paused_seconds.unwrap_or_default();
        let words = format!("is {}", self.record.state);
        self.event(event, words, json!({"paused_seconds": paused}));
    }

    /// The attempt is over, and with it the pause in which its main process died.
    pub(crate) fn end_of_suspension(&mut self) {
        self.count(false);
    }

    /// On the board first, for a successor of this shim; then in the record, for one that adopts.
    fn count(&mut self, suspended: bool) {
        let (board, now) = (&self.post.board, monotonic_nanos());
        board.count(suspended, now);
        if suspended {
            self.record.paused_at.get_or_insert_with(Timestamp::now);
        } else if self.record.paused_at.take().is_some() {
            let age = now.saturating_sub(board.get(Word::StartedAt));
            let paused = age.saturating_sub(board.counted(now));
            self.record.paused_seconds = Some(paused as f64 / SECOND as f64);
        }
    }

    /// The kernel tells a parent alone that a process was stopped; of a stranger, /proc is asked
    /// whenever the shim is awake, and fleet-signal wakes it by SIGCHLD.
    fn look_at_stranger(&self) {
        let main = self.main.as_ref().filter(|main| !main.has_exited());
        let pid = self.post.board.get(Word::ChildPid) as i32;
        if let (Some(_), Ok(stat)) = (main, self.post.proc.stat(pid)) {
            self.post.board.set(Word::MainSuspended, u64::from(stat.is_stopped()));
        }
    }
}
