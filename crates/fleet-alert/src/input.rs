//! Standard input, as whole lines, as they come.

use std::fs::File;
use std::io::{self, IsTerminal, Read, Write};
use std::os::fd::AsFd;
use std::time::Duration;

use fleet_cli::{Out, Paint};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::waker::Waker;

/// Read at once: enough lines that locking and unlocking the memory costs nothing beside them.
const CHUNK: usize = 1 << 20;

/// A line longer than this is no record.
const LONGEST: usize = 16 << 20;

/// What came.
pub(crate) enum Came {
    /// Whole lines; the last may lack its end when it was the last of all.
    Lines(Vec<u8>),
    /// Nothing, for as long as was asked, or something else is to be looked at.
    Nothing,
    /// The end.
    End,
}

pub(crate) struct Input {
    file: File,
    partial: Vec<u8>,
    ended: bool,
    /// Where all of it goes, too.
    tee: Option<Out>,
    /// Lines that were too long to keep.
    pub(crate) too_long: u64,
    skipping: bool,
}

impl Input {
    /// Standard input; with `tee`, whatever is read goes to standard output as it is.
    pub(crate) fn stdin(tee: bool) -> io::Result<Input> {
        let stdin = io::stdin();
        if stdin.is_terminal() {
            fleet_cli::talk("reads JSON lines, as fleet-metrics prints them, from standard input");
        }
        let file = File::from(stdin.as_fd().try_clone_to_owned()?);
        let tee = tee.then(|| Out::stdout(false, Paint(false)));
        Ok(Input { file, partial: Vec::new(), ended: false, tee, too_long: 0, skipping: false })
    }

    /// Waits for lines, at most so long, and no longer than until the waker rings.
    pub(crate) fn next(&mut self, limit: Option<Duration>, waker: &mut Waker) -> io::Result<Came> {
        if self.ended || waker.is_ending() {
            return Ok(Came::End);
        }
        if !self.is_ready(limit, waker)? {
            return Ok(Came::Nothing);
        }
        let before = self.partial.len();
        self.partial.resize(before + CHUNK, 0);
        let read = self.file.read(&mut self.partial[before..]);
        self.partial.truncate(before + read.as_ref().copied().unwrap_or(0));
        match read {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => Ok(Came::Nothing),
            Err(error) => Err(error),
            Ok(0) => Ok(self.end()),
            Ok(_) => {
                self.pass_on(before)?;
                Ok(self.whole_lines(before))
            }
        }
    }

    /// Whether there is input. The waker is listened to first: a stream that never pauses must not
    /// drown out a signal.
    fn is_ready(&self, limit: Option<Duration>, waker: &mut Waker) -> io::Result<bool> {
        let limit = limit.map_or(PollTimeout::NONE, |limit| {
            // Rounded up, lest it wake a moment early and turn in circles.
            let ms = limit.as_nanos().div_ceil(1_000_000).min(i32::MAX as u128);
            PollTimeout::try_from(ms as i32).unwrap_or(PollTimeout::MAX)
        });
        let watch = |fd| PollFd::new(fd, PollFlags::POLLIN);
        let mut both = [watch(self.file.as_fd()), watch(waker.as_fd())];
        match poll(&mut both, limit) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error.into()),
        }
        let [input, rung] = both.map(|fd| fd.any().unwrap_or(false));
        if rung {
            waker.heard()?;
        }
        Ok(input && !waker.is_ending())
    }

    /// What was read last goes to standard output.
    fn pass_on(&mut self, before: usize) -> io::Result<()> {
        let Some(tee) = &mut self.tee else { return Ok(()) };
        tee.write_all(&self.partial[before..])?;
        tee.flush()
    }

    fn end(&mut self) -> Came {
        self.ended = true;
        let rest = std::mem::take(&mut self.partial);
        if rest.is_empty() || self.skipping { Came::End } else { Came::Lines(rest) }
    }

    /// What has arrived up to the last end of a line; `before` bytes were searched already.
    fn whole_lines(&mut self, before: usize) -> Came {
        let Some(end) = memchr::memrchr(b'\n', &self.partial[before..]) else {
            if self.partial.len() > LONGEST {
                self.partial.clear();
                self.too_long += u64::from(!self.skipping);
                self.skipping = true;
            }
            return Came::Nothing;
        };
        let rest = self.partial.split_off(before + end + 1);
        let mut lines = std::mem::replace(&mut self.partial, rest);
        if std::mem::take(&mut self.skipping) {
            let first = memchr::memchr(b'\n', &lines).map_or(lines.len(), |at| at + 1);
            lines.drain(..first);
        }
        Came::Lines(lines)
    }
}
