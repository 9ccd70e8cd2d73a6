//! Waiting for children.

use std::io;

use fleet_core::Outcome;
use nix::errno::Errno;

/// What happened to a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It ended, having used this.
    Ended(i32, Outcome, Usage),
    /// It was suspended.
    Stopped(i32),
    /// It was continued.
    Continued(i32),
}

impl Change {
    /// The child.
    pub fn pid(self) -> i32 {
        match self {
            Change::Ended(pid, ..) | Change::Stopped(pid) | Change::Continued(pid) => pid,
        }
    }
}

/// What a child used (getrusage(2)).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// CPU time of it and the children that it waited for.
    pub cpu_micros: u64,
    /// Largest resident size of one of them.
    pub max_resident_bytes: u64,
}

/// Looks at the next change of any child without taking it: whoever is killed between looking
/// and [`take`]-ing leaves it for its successor.
///
/// `Ok(None)`: there are children, and nothing happened (only when not told to `block`).
///
/// # Errors
/// `NotFound` when there are no children, `Interrupted` by a signal.
pub fn look(block: bool) -> io::Result<Option<Change>> {
    let mut flags = libc::WEXITED | libc::WSTOPPED | libc::WCONTINUED | libc::WNOWAIT;
    if !block {
        flags |= libc::WNOHANG;
    }
    // SAFETY: both structures are integers and pointers, for which zero is a value.
    let (mut info, mut usage): (libc::siginfo_t, libc::rusage) = unsafe { std::mem::zeroed() };
    // The system call, unlike the library's function, tells the resource use as well.
    // SAFETY: the kernel fills the two structures that we own.
    let waited = unsafe {
        libc::syscall(libc::SYS_waitid, libc::P_ALL, 0, &raw mut info, flags, &raw mut usage)
    };
    match Errno::result(waited) {
        Ok(_) => {}
        Err(Errno::ECHILD) => return Err(io::ErrorKind::NotFound.into()),
        Err(errno) => return Err(errno.into()),
    }
    // SAFETY: waitid(2) fills these fields of the union, or leaves the pid zero.
    let (pid, status) = unsafe { (info.si_pid(), info.si_status()) };
    let outcome = match info.si_code {
        _ if pid == 0 => return Ok(None),
        libc::CLD_EXITED => Outcome::Code(status),
        libc::CLD_KILLED => Outcome::Signal { signal: status, core: false },
        libc::CLD_DUMPED => Outcome::Signal { signal: status, core: true },
        libc::CLD_STOPPED | libc::CLD_TRAPPED => return Ok(Some(Change::Stopped(pid))),
        _ => return Ok(Some(Change::Continued(pid))),
    };
    Ok(Some(Change::Ended(pid, outcome, usage_of(&usage))))
}

fn usage_of(usage: &libc::rusage) -> Usage {
    let micros = |t: libc::timeval| t.tv_sec as u64 * 1_000_000 + t.tv_usec as u64;
    Usage {
        cpu_micros: micros(usage.ru_utime) + micros(usage.ru_stime),
        // getrusage(2): in kilobytes.
        max_resident_bytes: usage.ru_maxrss as u64 * 1024,
    }
}

/// Takes the change that [`look`] showed, and no later one: a process that was suspended may have
/// gone on or died since, which is for the next look.
pub fn take(change: Change) {
    let kind = match change {
        Change::Ended(..) => libc::WEXITED,
        Change::Stopped(_) => libc::WSTOPPED,
        Change::Continued(_) => libc::WCONTINUED,
    };
    let pid = change.pid() as libc::id_t;
    // SAFETY: waitid(2) with a null pointer takes the status and writes nothing.
    unsafe { libc::waitid(libc::P_PID, pid, std::ptr::null_mut(), kind | libc::WNOHANG) };
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    /// Who was suspended dies before that is taken: how it died must not be lost.
    fn a_late_take_leaves_the_end() {
        #[expect(clippy::zombie_processes, reason = "reaped by the functions under test")]
        let child = Command::new("sh").args(["-c", "kill -STOP $$"]).spawn().unwrap();
        let pid = child.id() as i32;
        assert_eq!(look(true).unwrap(), Some(Change::Stopped(pid)));
        crate::PidFd::open(pid).unwrap().signal(fleet_core::Signal::KILL).unwrap();
        let ended = loop {
            match look(true).unwrap() {
                Some(ended @ Change::Ended(..)) => break ended,
                _ => std::thread::yield_now(),
            }
        };
        take(Change::Stopped(pid));
        assert_eq!(look(false).unwrap(), Some(ended));
        take(ended);
    }

    #[test]
    fn a_look_leaves_the_change_to_be_taken() {
        // The only test of this crate that waits for *any* child runs in a child of its own.
        let Some(child) = crate::fork().unwrap() else {
            let passed = std::panic::catch_unwind(|| {
                assert_eq!(look(false).unwrap_err().kind(), io::ErrorKind::NotFound);
                #[expect(clippy::zombie_processes, reason = "reaped by the functions under test")]
                let child = Command::new("sh").args(["-c", "exit 3"]).spawn().unwrap();
                let change = look(true).unwrap().unwrap();
                let Change::Ended(pid, Outcome::Code(3), usage) = change else {
                    panic!("{change:?}");
                };
                assert_eq!(pid, child.id() as i32);
                assert!(usage.max_resident_bytes > 0);
                assert_eq!(look(false).unwrap(), Some(change));
                take(change);
                assert_eq!(look(false).unwrap_err().kind(), io::ErrorKind::NotFound);
                a_late_take_leaves_the_end();
            });
            // SAFETY: the child of a test leaves without running the parent's exit handlers.
            unsafe { libc::_exit(i32::from(passed.is_err())) }
        };
        let status = nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(child), None).unwrap();
        assert!(matches!(status, nix::sys::wait::WaitStatus::Exited(_, 0)), "{status:?}");
    }
}
