//! Taking over a run whose keeper and shim are both dead.

use std::io;

use fleet_core::State;
use fleet_logfile::LogFile;
use fleet_os::{Proc, boot_clock, marked, monotonic_nanos, ticks_per_second, unsupervised};
use fleet_registry::read_record;

use crate::board::{Phase, Totals, Word};
use crate::post::Post;

/// Puts on the board what the run's record says of it.
///
/// The process is nobody's child here: its end is seen through a pidfd, and how it ended is what
/// the kernel tells strangers, or unknown.
pub(crate) fn put_on_board(post: &mut Post) -> io::Result<()> {
    let record = read_record(&post.dir)?;
    // Without the board of the dead, what they had in flight is unknown; a line may be torn.
    LogFile::open(&post.dir.log(), post.spec.log)?.end_torn_line()?;
    let board = &post.board;
    board.set(Word::Replaced, 1);
    board.set(Word::Stranger, 1);
    board.set(Word::DeathsInARow, u64::from(record.restarts));
    if let Some(log) = record.log {
        board.begin_batch(fleet_logfile::Stream::Stdout, true, (0, 0));
        let open = fleet_logfile::Open::default();
        board.commit(fleet_logfile::Stream::Stdout, open, Totals { log, ..Totals::default() });
    }
    match record.state {
        State::Backoff => {
            board.set_phase(Phase::Pausing);
            board.set(Word::RetryAt, monotonic_nanos());
        }
        _ => {
            let main = record.pid.or_else(|| unrecorded_main(post));
            board.set(Word::ChildPid, main.unwrap_or(0) as u64);
            board.set(Word::StartedAt, started_at(&post.proc, main));
            board.set(Word::OomKills, u64::MAX);
            // A cgroup of its own counts from the beginning of the attempt.
            let own = post.memory_cgroup().map_or(u64::MAX, |_| 1);
            board.set(Word::OomKillsHere, own);
            board.set_phase(Phase::Alive);
        }
    }
    Ok(())
}

/// A main process that was started in the very moment when its supervisors died.
fn unrecorded_main(post: &Post) -> Option<i32> {
    let found = marked(&post.proc, &post.home.marks(&post.spec.key()));
    unsupervised(&post.proc, found).into_iter().min()
}

/// When a process started, on the monotonic clock as far as the machine did not sleep; now if it
/// is gone.
fn started_at(proc: &Proc, pid: Option<i32>) -> u64 {
    let start = pid.and_then(|pid| proc.stat(pid).ok()).map(|stat| stat.start);
    let since_boot = start.map(|ticks| ticks * 1_000_000_000 / ticks_per_second());
    let age = since_boot.map_or(0, |then| (boot_clock().as_nanos() as u64).saturating_sub(then));
    monotonic_nanos().saturating_sub(age)
}
