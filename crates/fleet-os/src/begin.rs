//! The beginning of a program, without the start-up of the Rust runtime.
//!
//! That start-up reads /proc/self/maps and makes a stack for a handler of stack overflows: a third
//! of what a small tool does before its work, and pages that a supervisor would carry for months.

use std::backtrace::Backtrace;
use std::env;
use std::os::fd::RawFd;

/// Defines `main`: calls `$main`, which returns the exit status. Signal dispositions and
/// descriptors stay as they were inherited.
#[macro_export]
macro_rules! bare_main {
    ($main:expr) => {
        // SAFETY: the C runtime looks for exactly this symbol and signature.
        #[cfg(not(test))]
        #[unsafe(no_mangle)]
        extern "C" fn main(_count: i32, _arguments: *const *const u8) -> i32 {
            $main()
        }
    };
}

/// What of the runtime's start-up a tool does need: a pipe whose reader left is an error and not
/// the end (SIGPIPE), and what it opens is never taken for a standard descriptor that its caller
/// had closed.
pub fn begin() {
    refuse_backtraces();
    // SAFETY: to ignore a signal calls nothing of ours.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_IGN) };
    let is_open = |fd: RawFd| {
        // SAFETY: asks about a number that may be no descriptor.
        unsafe { libc::fcntl(fd, libc::F_GETFD) != -1 }
    };
    while !(0..=2).all(is_open) {
        // SAFETY: opening takes the lowest free number, which is one of the three.
        if unsafe { libc::open(c"/dev/null".as_ptr(), libc::O_RDWR) } < 0 {
            return;
        }
    }
}

/// Sees to it that errors carry no backtrace, whatever the environment says: release programs have no
/// tables to walk a stack by, and the attempt would abort them instead of telling the error.
fn refuse_backtraces() {
    const WANTED: &str = "RUST_LIB_BACKTRACE";
    let before = env::var_os(WANTED);
    if before.is_none() && env::var_os("RUST_BACKTRACE").is_none() {
        return;
    }
    // SAFETY: the program has just begun and has one thread.
    unsafe { env::set_var(WANTED, "0") };
    // The standard library looks at the environment once and remembers.
    let _ = Backtrace::capture();
    match before {
        // SAFETY: as above.
        Some(value) => unsafe { env::set_var(WANTED, value) },
        // SAFETY: as above.
        None => unsafe { env::remove_var(WANTED) },
    }
}
