//! Taking over a run whose keeper and shim are both dead.

use std::io;

use fleet_core::{ProcessRecord, State};
use fleet_logfile::LogFile;
use fleet_os::{Proc, boot_clock, marked, monotonic_nanos, ticks_per_second, unsupervised};
use fleet_registry::read_record;

use crate::board::{Phase, Totals, Word};
use crate::post::Post;
use crate::supervise::SECOND;

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
            let started = started_at(&post.proc, main);
            board.set(Word::StartedAt, started);
            board.count_from(counts_from(&record, started));
            if main.is_some_and(|pid| post.proc.stat(pid).is_ok_and(|stat| stat.is_stopped())) {
                board.set(Word::MainSuspended, 1);
            }
            board.set(Word::OomKills, u64::MAX);
            board.set(Word::OomKillsHere, u64::MAX);
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

/// From when the time of the attempt counts, so that what was counted before the last pause and
/// the pauses before it are as recorded.
fn counts_from(record: &ProcessRecord, started: u64) -> u64 {
    let nanos = |seconds: f64| (seconds.max(0.0) * SECOND as f64) as u64;
    let paused = nanos(record.paused_seconds.unwrap_or_default());
    match (record.paused_at, record.started_at) {
        (Some(at), Some(start)) => {
            let ran = nanos(at.seconds_since(start)).saturating_sub(paused);
            monotonic_nanos().saturating_sub(ran)
        }
        _ => started.saturating_add(paused),
    }
}
