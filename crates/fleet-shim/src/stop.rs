//! Ending a tree, and saying so honestly when that fails.

use std::fs;

use fleet_core::{Happening, Signal, StopAsked, StopRequest, Timestamp};
use fleet_os::{Received, monotonic_nanos};
use serde_json::json;

use crate::board::{Phase, Why, Word};
use crate::supervise::{MILLI, SECOND, Shim};

/// After so long of killing in vain, what is left is called unkillable.
const UNKILLABLE_AFTER: u64 = 5 * SECOND;

impl Shim<'_> {
    /// Somebody asked by a signal for a stop or a restart.
    pub(crate) fn asked(&mut self, why: Why, sender: Received) {
        let request = self.request();
        let by = request.as_ref().map_or_else(|| words_for(sender), |r| r.by.clone());
        match self.post.board.phase() {
            Phase::Ready if why == Why::Restart => {
                let words = format!("restart asked by {by}; nothing to end, it goes on waiting");
                self.event("queued", words, json!({"by": by}));
            }
            Phase::Pausing if why == Why::Restart => {
                self.post.board.set(Word::RetryAt, monotonic_nanos());
            }
            Phase::Pausing | Phase::Ready => {
                self.record.stop = Some(stop_by(by, false));
                self.end_of_pause_by_stop();
            }
            _ => {
                let grace = request.as_ref().and_then(|r| r.grace_seconds);
                let signal = request.and_then(|r| r.signal);
                self.begin_stop(why, Some(by), grace, signal);
            }
        }
    }

    /// The request that lies beside the run, taken away.
    fn request(&self) -> Option<StopRequest> {
        let path = self.post.dir.stop_request();
        let text = fs::read(&path).ok()?;
        let _ = fs::remove_file(path);
        serde_json::from_slice(&text).ok()
    }

    /// Begins to end the tree, or joins an end that has begun: the sooner of two deadlines holds,
    /// and a stop outweighs a restart. The intent is recorded before the first signal.
    pub(crate) fn begin_stop(
        &mut self,
        why: Why,
        by: Option<String>,
        grace_seconds: Option<f64>,
        signal: Option<Signal>,
    ) {
        let board = &self.post.board;
        let before = board.why();
        let grace = grace_seconds.unwrap_or(self.post.spec.grace_seconds).clamp(0.0, 1e9);
        let due = monotonic_nanos() + (grace * SECOND as f64) as u64;
        let joins = before != Why::Not && board.get(Word::StopDue) != 0;
        board.set(Word::StopDue, if joins { due.min(board.get(Word::StopDue)) } else { due });
        if before != Why::Asked {
            board.set_why(why);
        }
        let signal = signal.unwrap_or(self.post.spec.stop_signal);
        board.set(Word::StopSignal, signal.number() as u64);
        let outweighs = before != Why::Asked && why == Why::Asked;
        if let Some(by) = by.filter(|_| outweighs || self.record.stop.is_none()) {
            let restart = why == Why::Restart;
            self.record.stop = Some(stop_by(by.clone(), restart));
            self.happened(Happening::StopAsked);
            self.publish();
            let what = if restart { "restart" } else { "stop" };
            self.event("stopping", format!("{what} asked by {by}"), json!({"by": by}));
        }
        if !joins || why == Why::Asked {
            self.signal_tree(signal);
        }
    }

    /// The grace is over, or the last kill was a while ago: kill what is left.
    pub(crate) fn kill_due(&mut self) {
        let now = monotonic_nanos();
        let board = &self.post.board;
        let first = match board.get(Word::KilledAt) {
            0 => {
                board.set(Word::KilledAt, now);
                if let Some(cgroup) = self.post.cgroup() {
                    cgroup.unthrottle();
                }
                self.event("killing", "the grace period is over", json!({}));
                now
            }
            first => first,
        };
        self.signal_tree(Signal::KILL);
        let since = now - first;
        let again = if since < SECOND { 20 * MILLI } else { 500 * MILLI };
        let again = if since < UNKILLABLE_AFTER { again } else { 10 * SECOND };
        self.post.board.set(Word::StopDue, now + again);
        if since >= UNKILLABLE_AFTER {
            self.say_unkillable();
        }
    }

    fn say_unkillable(&mut self) {
        let left: Vec<String> = self
            .members()
            .iter()
            .filter_map(|&pid| Some(format!("{pid} {}", self.post.proc.stat(pid).ok()?.state)))
            .collect();
        let stop = self.record.stop.get_or_insert_with(|| stop_by("fleet-shim".to_owned(), false));
        if !left.is_empty() && stop.unkillable.is_empty() {
            stop.unkillable.clone_from(&left);
            self.publish();
            let words = format!("could not be killed: {}", left.join(", "));
            self.event("unkillable", words, json!({"pids": left}));
        }
    }
}

fn stop_by(by: String, restart: bool) -> StopAsked {
    StopAsked { at: Timestamp::now(), by, restart, unkillable: Vec::new() }
}

/// The sender of a signal, as far as the kernel tells and it still lives.
fn words_for(sender: Received) -> String {
    let name = fs::read_to_string(format!("/proc/{}/comm", sender.pid)).unwrap_or_default();
    match name.trim_end() {
        "" => format!("uid {}, pid {}", sender.uid, sender.pid),
        name => format!("uid {}, pid {} ({name})", sender.uid, sender.pid),
    }
}
