//! Something to do before a signal ends this process.

use std::io::{self, Read};
use std::os::fd::IntoRawFd;
use std::sync::atomic::{AtomicI32, Ordering};
use std::thread;

use libc::{c_int, c_void};
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, raise, sigaction};

/// Where the handler writes which signal came.
static TOLD: AtomicI32 = AtomicI32::new(-1);

extern "C" fn tell(signal: c_int) {
    let byte = signal as u8;
    // SAFETY: write(2) may be called from a handler, `byte` lives until it returns, and what it does
    // to the errno of whoever was interrupted is undone.
    unsafe {
        let errno = libc::__errno_location();
        let before = *errno;
        libc::write(TOLD.load(Ordering::Relaxed), (&raw const byte).cast::<c_void>(), 1);
        *errno = before;
    }
}

/// Does this when INT, TERM or HUP comes, in a thread of its own, and then lets the signal end the
/// process, as it would have. The second one of a kind ends it at once. A signal that is ignored, as
/// under nohup, stays so. Commands that are started later get these signals as new.
///
/// # Errors
/// Out of descriptors.
pub fn before_end(work: impl FnOnce() + Send + 'static) -> io::Result<()> {
    let (mut told, tells) = io::pipe()?;
    // Open as long as the process: a handler may run at any time.
    TOLD.store(tells.into_raw_fd(), Ordering::Relaxed);
    thread::spawn(move || {
        let mut signal = [0];
        if told.read_exact(&mut signal).is_err() {
            return;
        }
        work();
        let Ok(signal) = Signal::try_from(c_int::from(signal[0])) else { return };
        // Its action is the default again, which is to end the process.
        let _ = raise(signal);
    });
    let flags = SaFlags::SA_RESETHAND | SaFlags::SA_RESTART;
    let action = SigAction::new(SigHandler::Handler(tell), flags, SigSet::empty());
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        // SAFETY: the handler makes only calls that a handler may make.
        let before = unsafe { sigaction(signal, &action) }?;
        if matches!(before.handler(), SigHandler::SigIgn) {
            // SAFETY: no handler is set.
            unsafe { sigaction(signal, &before) }?;
        }
    }
    Ok(())
}
