//! Going on where the board says that a run is.

use std::fs;
use std::thread;
use std::time::Duration;

use fleet_core::{Happening, ProcessRecord, Shim as ShimRecord, State};
use fleet_os::{PidFd, host_name, incarnation, monotonic_nanos};
use serde_json::json;

use crate::board::{Phase, Why, Word};
use crate::post::Post;
use crate::supervise::{REST, STREAMS, Shim};

/// The newest record of the run, or its first one.
pub(crate) fn known_record(post: &Post) -> ProcessRecord {
    fleet_registry::read_record(&post.dir)
        .unwrap_or_else(|_| ProcessRecord::wanted(&post.spec, post.boot.clone(), host_name()))
}

impl Shim<'_> {
    /// Goes on where the board says that the run is.
    pub(crate) fn take_up(&mut self) {
        let me = incarnation(std::process::id() as i32).ok();
        self.record.shim = me.map(|who| ShimRecord { who, keeper: Some(self.post.keeper) });
        if self.record.state.has_ended() {
            return self.leave();
        }
        // They may have changed since the keeper, whose copy this is, read the spec.
        self.post.spec.limits.clone_from(&self.record.limits);
        self.look_for_limits();
        let replaces = self.post.board.get(Word::Replaced) > 0;
        match self.post.board.phase() {
            Phase::Ready if self.record.state == State::Queued => return self.queue_up(replaces),
            Phase::Ready => {
                // A predecessor may have died right after it took its turn.
                if self.post.spec.waits() {
                    self.leave_queue();
                }
                self.event("spawned", "its supervisor starts it", json!({}));
                return self.start_attempt();
            }
            Phase::Launching => self.settle_launch(),
            phase => self.catch_up(phase),
        }
        if self.leaving {
            return;
        }
        self.look_for_parent();
        self.look_at_suspension();
        self.take_up_health();
        if self.adopts && self.record.state == State::Stopping {
            // When the grace began is not known any more, nor whether the signal was sent.
            let restart = self.record.stop.as_ref().is_some_and(|stop| stop.restart);
            let why = if restart { Why::Restart } else { Why::Asked };
            self.begin_stop(why, None, None, None);
        }
        for stream in STREAMS {
            self.watch_open_line(stream);
        }
        self.rest_at = Some(monotonic_nanos() + REST);
        self.take_up_care();
        self.publish();
        if self.adopts {
            self.event("adopted", "keeper and shim had died; a new shim took over", json!({}));
        } else if replaces {
            self.event("shim_replaced", "the shim had died; a new one goes on", json!({}));
        }
    }

    /// The predecessor may have died after it had told the board where the run is and before it
    /// told the record, or in the middle of beginning the next attempt.
    fn catch_up(&mut self, phase: Phase) {
        let board = &self.post.board;
        let unrecorded = self.record.state == State::Starting;
        let has_child = board.get(Word::ChildPid) != 0;
        match phase {
            Phase::Alive if unrecorded && has_child => self.runs(),
            Phase::MainGone if unrecorded && board.report().failure().is_some() => {
                self.launched(Ok(()));
            }
            Phase::Alive | Phase::MainGone | Phase::Pausing if unrecorded => self.start_attempt(),
            Phase::Alive => self.main = self.hold_main(),
            Phase::Pausing => {
                if board.get(Word::RetryAt) == 0 {
                    board.set(Word::RetryAt, monotonic_nanos());
                }
                if self.record.state != State::Backoff {
                    self.happened(Happening::DiedWillRetry);
                    self.record.set_main(None);
                }
            }
            _ => {}
        }
    }

    /// The main process that a predecessor started, if it is still the same one.
    fn hold_main(&self) -> Option<PidFd> {
        match self.record.main() {
            Some(main) => PidFd::of(main).ok().flatten(),
            None => PidFd::open(self.post.board.get(Word::ChildPid) as i32).ok(),
        }
    }

    /// When a keeper dies soon after a shim, the main process that had become the keeper's child is
    /// nobody's here any more: its tree and its end must then be found as a stranger's are.
    fn look_for_parent(&self) {
        let main = self.post.board.get(Word::ChildPid) as i32;
        let ours = [std::process::id() as i32, self.post.keeper];
        if self.main.is_some()
            && self.post.proc.stat(main).is_ok_and(|stat| !ours.contains(&stat.ppid))
        {
            self.post.board.set(Word::Stranger, 1);
        }
    }

    /// The predecessor died between fork and exec: waits until the child is either gone on to the
    /// command or gone. It takes microseconds; without a child, the start is made again.
    fn settle_launch(&mut self) {
        for _ in 0..2000 {
            let pid = self.post.board.get(Word::ChildPid) as i32;
            let failed = self.post.board.report().failure().is_some();
            let told = self.post.board.outcome().is_some();
            // Until it is another program, it has the name of the shim that it was forked from.
            let name = fs::read(self.post.proc.path(pid, "comm"));
            let executed = name.is_ok_and(|name| name != b"fleet-shim\n");
            if pid != 0 && (failed || told || executed) {
                return self.launched(Ok(()));
            }
            if pid == 0 && self.members().is_empty() {
                break;
            }
            thread::sleep(Duration::from_millis(1));
        }
        self.start_attempt();
    }
}
