//! Signals as something to read.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::sys::signal::{SigSet, SigmaskHow, sigprocmask};
use nix::sys::signalfd::{SfdFlags, SignalFd};

/// A signal that was sent to this process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Received {
    /// Which.
    pub number: i32,
    /// Pid of the sender, 0 when it was the kernel.
    pub pid: i32,
    /// Its user.
    pub uid: u32,
}

/// All signals that can be blocked, blocked and read from a descriptor instead (signalfd(2)).
#[derive(Debug)]
pub struct Signals(SignalFd);

impl Signals {
    /// Blocks all signals and opens the descriptor.
    ///
    /// # Errors
    /// Out of descriptors.
    pub fn block_all() -> io::Result<Signals> {
        let all = SigSet::all();
        sigprocmask(SigmaskHow::SIG_SETMASK, Some(&all), None)?;
        let flags = SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK;
        Ok(Signals(SignalFd::with_flags(&all, flags)?))
    }

    /// The next signal, if one came.
    pub fn next(&self) -> Option<Received> {
        let info = self.0.read_signal().ok().flatten()?;
        Some(Received {
            number: info.ssi_signo as i32,
            pid: info.ssi_pid as i32,
            uid: info.ssi_uid,
        })
    }
}

impl AsFd for Signals {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
