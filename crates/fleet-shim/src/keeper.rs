//! The keeper: a shim's parent, asleep until the shim dies.

use std::io;
use std::thread;
use std::time::{Duration, Instant};

use fleet_os::{Change, fork, look, take};

use crate::board::{Board, Word};
use crate::post::Post;

/// A shim that dies sooner than this did nothing of use.
const SHORT_LIFE: Duration = Duration::from_secs(1);
/// So many short lives in a row are no accident: whatever ends them, no memory or a mistake of
/// ours, must not cost a processor for the months that the process runs.
const SHORT_LIVES: u32 = 20;
/// Then each successor waits so long; the kernel's pipes hold what is printed meanwhile.
const REST: Duration = Duration::from_millis(100);

/// How a keeper's watch ends.
pub(crate) enum Watch {
    /// The run is over.
    Over,
    /// This process is the new shim, forked when the old one had died.
    Replaced,
}

/// Sleeps in waitid(2) beside the shim. When the shim dies, its children become the keeper's
/// (PR_SET_CHILD_SUBREAPER, prctl(2)), so that their true exit status comes here, and a new shim
/// is forked at once; it goes on from the board.
pub(crate) fn keep_watch(post: &Post, mut shim: i32) -> Watch {
    let mut born = Instant::now();
    let mut short_lives = 0;
    loop {
        let change = match look(true) {
            Ok(Some(change)) => change,
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Watch::Over,
            _ => continue,
        };
        note(&post.board, change);
        if matches!(change, Change::Ended(pid, ..) if pid == shim) {
            if post.board.get(Word::Over) != 0 {
                return Watch::Over;
            }
            short_lives = if born.elapsed() < SHORT_LIFE { short_lives + 1 } else { 0 };
            if short_lives >= SHORT_LIVES {
                thread::sleep(REST);
            }
            born = Instant::now();
            match fork_at_last() {
                Some(pid) => shim = pid,
                None => return Watch::Replaced,
            }
        }
        let _ = post.bell.write(1);
    }
}

/// Puts what happened to a child on the board, then takes it from the kernel: in this order, so
/// that whoever dies in between leaves the status with one of them.
pub(crate) fn note(board: &Board, change: Change) {
    if change.pid() as u64 == board.get(Word::ChildPid) {
        match change {
            Change::Ended(_, outcome, usage) => {
                board.set_usage(usage);
                board.set_outcome(outcome);
            }
            Change::Stopped(_) => board.set(Word::MainSuspended, 1),
            Change::Continued(_) => board.set(Word::MainSuspended, 0),
        }
    }
    if let Change::Ended(pid, outcome, _) = change {
        if pid as u64 == board.get(Word::ProbePid) {
            board.set_probe_outcome(outcome);
        }
        if pid as u64 == board.get(Word::CarePid) {
            board.set_care_outcome(outcome);
        }
    }
    take(change);
}

/// Forks, however long it takes until a process can be had; the workload runs on meanwhile.
fn fork_at_last() -> Option<i32> {
    loop {
        match fork() {
            Ok(child) => return child,
            Err(_) => thread::sleep(Duration::from_millis(100)),
        }
    }
}
