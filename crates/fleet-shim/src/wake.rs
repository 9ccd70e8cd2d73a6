//! Sleeping until something happens or is due, and what is done when it is due.

use std::os::fd::AsFd;
use std::time::Duration;

use fleet_os::monotonic_nanos;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::board::{Phase, Why, Word};
use crate::health::Asked;
use crate::supervise::{MILLI, SECOND, STREAMS, Shim};

pub(crate) struct Ready {
    pub(crate) output: [bool; 2],
    pub(crate) bell: bool,
    pub(crate) keeper: bool,
    pub(crate) notify: bool,
    /// Something that a queued run looked at has ended.
    pub(crate) turn: bool,
    /// Something of the question how the process is.
    pub(crate) answer: bool,
    /// Something besides output: under a flood of that, the rest need not be asked each time.
    pub(crate) news: bool,
}

impl Shim<'_> {
    pub(crate) fn wait(&self) -> Ready {
        let post = &self.post;
        // Once it has ended, its descriptor would be ready for ever.
        let main = self.main.as_ref().filter(|_| self.outcome_until.is_none());
        let read = |fd| (fd, PollFlags::POLLIN);
        let watched = [
            Some(read(post.stdout.as_fd())),
            Some(read(post.stderr.as_fd())),
            Some(read(post.bell.as_fd())),
            self.keeper.as_ref().map(AsFd::as_fd).map(read),
            post.notify.as_ref().map(AsFd::as_fd).map(read),
            Some(read(self.signals.as_fd())),
            main.map(AsFd::as_fd).map(read),
            self.asked.as_ref().and_then(Asked::watched),
        ];
        let mut fds: Vec<PollFd<'_>> =
            watched.iter().flatten().map(|&(fd, flags)| PollFd::new(fd, flags)).collect();
        let others = self.waiting.watched.iter();
        fds.extend(others.map(|other| PollFd::new(other.as_fd(), PollFlags::POLLIN)));
        let _ = poll(&mut fds, self.timeout());
        let mut answers = fds.iter().map(|fd| fd.any().unwrap_or(true));
        let ready = watched.map(|fd| fd.is_some() && answers.next().unwrap_or(false));
        let [stdout, stderr, bell, keeper, notify, signals, main, answer] = ready;
        let turn = answers.any(|ended| ended);
        let news = bell || signals || main || !(stdout || stderr);
        Ready { output: [stdout, stderr], bell, keeper, notify, turn, answer, news }
    }

    /// Until the next timer, or without end.
    fn timeout(&self) -> PollTimeout {
        let now = monotonic_nanos();
        let next = self.due_times().into_iter().flatten().min();
        match next {
            None => PollTimeout::NONE,
            Some(at) => {
                let ms = at.saturating_sub(now).div_ceil(MILLI).min(1 << 30);
                PollTimeout::try_from(ms as i32).unwrap_or(PollTimeout::MAX)
            }
        }
    }

    fn due_times(&self) -> [Option<u64>; 13] {
        let board = &self.post.board;
        // Nobody tells when strangers end or go on: look again soon.
        let strangers = board.get(Word::Stranger) != 0;
        let waits = match board.phase() {
            Phase::Alive if self.outcome_until.is_some() => Some(5 * MILLI),
            Phase::Alive if strangers && board.rests() => Some(SECOND),
            Phase::MainGone if strangers => Some(100 * MILLI),
            _ => None,
        };
        let soon = waits.map(|pause| monotonic_nanos() + pause);
        [
            self.flush_at[0],
            self.flush_at[1],
            self.rest_at,
            self.registry_at,
            self.status_at,
            self.waiting.look_at,
            soon,
            board.moment(Word::StopDue),
            board.moment(Word::RetryAt),
            self.runtime_limit(),
            self.health_due(),
            self.capture.rotate_at,
            self.care_due(),
        ]
    }

    pub(crate) fn runtime_limit(&self) -> Option<u64> {
        let limit = (self.post.spec.max_runtime_seconds? * SECOND as f64) as u64;
        let board = &self.post.board;
        let counts = board.phase() == Phase::Alive && board.why() == Why::Not && !board.rests();
        let end = || board.get(Word::Counted).saturating_add(limit);
        counts.then(|| end().max(board.get(Word::ExtendedUntil)))
    }

    pub(crate) fn timers(&mut self) {
        let now = monotonic_nanos();
        let due = |at: Option<u64>| at.is_some_and(|at| at <= now);
        for (at, stream) in STREAMS.into_iter().enumerate() {
            if due(self.flush_at[at]) {
                self.capture.flush(self.post, stream);
                self.flush_at[at] = None;
            }
        }
        if due(self.rest_at) {
            self.capture.rest(self.post);
            self.rest_at = None;
        }
        if due(self.registry_at) {
            self.append_to_registry(Duration::from_millis(2));
        }
        if due(self.status_at) {
            self.status_at = None;
            self.publish();
        }
        if due(self.waiting.look_at) {
            self.look_at_line();
        }
        if due(self.health_due()) {
            self.mind_health();
        }
        if due(self.runtime_limit()) {
            self.begin_stop(Why::TimedOut, None, None, None);
        }
        if due(self.capture.rotate_at) {
            self.rotate_by_age();
        }
        if due(self.care_due()) {
            self.begin_care();
        }
        let board = &self.post.board;
        let (stop, retry) = (board.moment(Word::StopDue), board.moment(Word::RetryAt));
        if due(stop) {
            self.kill_due();
        }
        if due(retry) {
            self.post.board.set(Word::RetryAt, 0);
            self.start_again();
        }
    }
}
