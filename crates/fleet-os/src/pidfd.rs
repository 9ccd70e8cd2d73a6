//! Processes held by a descriptor, so that a pid that is used again cannot deceive.

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::thread;

use fleet_core::{Incarnation, Outcome, Signal};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::proc::Proc;

/// File system type of pidfds on kernels where their inodes are unique (linux/magic.h).
const PID_FS_MAGIC: i64 = 0x5049_4446;

/// A process, held by a pidfd (pidfd_open(2)).
#[derive(Debug)]
pub struct PidFd(OwnedFd);

impl PidFd {
    /// Takes hold of whichever process has this pid now.
    ///
    /// # Errors
    /// `NotFound` when there is none.
    pub fn open(pid: i32) -> io::Result<PidFd> {
        // SAFETY: pidfd_open takes two integers and touches no memory of ours.
        let fd = unsafe { libc::syscall(libc::SYS_pidfd_open, pid, 0) };
        match Errno::result(fd) {
            // SAFETY: the kernel has just made this descriptor for us, close-on-exec.
            Ok(fd) => Ok(PidFd(unsafe { OwnedFd::from_raw_fd(fd as RawFd) })),
            Err(Errno::ESRCH) => Err(io::ErrorKind::NotFound.into()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// Takes hold of exactly this process, or says that it is gone: first the descriptor, then the
    /// comparison, so that nothing can change hands in between.
    ///
    /// # Errors
    /// Out of descriptors, or /proc cannot be read.
    pub fn of(who: Incarnation) -> io::Result<Option<PidFd>> {
        let fd = match PidFd::open(who.pid) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened?,
        };
        let same = match (who.inode, fd.inode()) {
            (Some(recorded), Some(now)) => recorded == now,
            _ => match Proc::default().stat(who.pid) {
                Ok(stat) => stat.start == who.start,
                Err(e) if gone(&e) => false,
                Err(e) => return Err(e),
            },
        };
        Ok(same.then_some(fd))
    }

    /// The inode number, where the kernel makes it unique among all processes of a boot.
    pub fn inode(&self) -> Option<u64> {
        let stat = nix::sys::stat::fstat(&self.0).ok()?;
        // An older kernel gives all pidfds one inode of the anonymous file system.
        pid_fs(&self.0).then_some(stat.st_ino)
    }

    /// Whether it is dead. A zombie that nobody has reaped yet is.
    pub fn has_exited(&self) -> bool {
        let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        poll(&mut fds, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
    }

    /// Waits until it is dead or the time is over.
    pub fn wait(&self, limit: std::time::Duration) {
        let mut fds = [PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        let ms = i32::try_from(limit.as_millis()).unwrap_or(i32::MAX);
        let _ = poll(&mut fds, PollTimeout::try_from(ms).unwrap_or(PollTimeout::MAX));
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// `NotFound` when it is gone, `PermissionDenied` when it is another user's.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        // SAFETY: the descriptor is open, and a null siginfo asks for what kill(2) would send.
        let sent = unsafe {
            libc::syscall(
                libc::SYS_pidfd_send_signal,
                self.0.as_raw_fd(),
                signal.number(),
                std::ptr::null::<libc::siginfo_t>(),
                0,
            )
        };
        match Errno::result(sent) {
            Ok(_) => Ok(()),
            Err(Errno::ESRCH) => Err(io::ErrorKind::NotFound.into()),
            Err(errno) => Err(errno.into()),
        }
    }

    /// How it ended, for who is not its parent: kernels from 6.15 on answer once it was reaped
    /// (`PIDFD_GET_INFO`, include/uapi/linux/pidfd.h). `None` until then, and on older kernels.
    pub fn outcome(&self) -> Option<Outcome> {
        // SAFETY: the structure is integers alone, for which zero is a value.
        let mut info: libc::pidfd_info = unsafe { std::mem::zeroed() };
        info.mask = libc::PIDFD_INFO_EXIT as u64;
        // SAFETY: the request's number carries the size of the structure it fills.
        let answer =
            unsafe { libc::ioctl(self.0.as_raw_fd(), libc::PIDFD_GET_INFO as _, &raw mut info) };
        let known = answer == 0 && info.mask & libc::PIDFD_INFO_EXIT as u64 != 0;
        known.then(|| Outcome::from_wait_status(info.exit_code))
    }
}

impl AsFd for PidFd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn pid_fs(fd: &OwnedFd) -> bool {
    use std::sync::OnceLock;
    // One kernel answers alike for all pidfds.
    static ANSWER: OnceLock<bool> = OnceLock::new();
    *ANSWER.get_or_init(|| {
        nix::sys::statfs::fstatfs(fd).is_ok_and(|fs| fs.filesystem_type().0 == PID_FS_MAGIC)
    })
}

fn gone(e: &io::Error) -> bool {
    e.kind() == io::ErrorKind::NotFound || e.raw_os_error() == Some(libc::ESRCH)
}

/// What tells this process from every other of this boot.
///
/// # Errors
/// `NotFound` when there is no such process.
pub fn incarnation(pid: i32) -> io::Result<Incarnation> {
    // Without a descriptor the start time alone has to do.
    let fd = PidFd::open(pid).ok();
    let start = Proc::default().stat(pid)?.start;
    Ok(Incarnation { pid, start, inode: fd.and_then(|fd| fd.inode()) })
}

/// Below this many processes, a second thread costs more than it saves.
const WORTH_A_THREAD: usize = 400;
/// Descriptors that a thread holds at once. All together stay below 64, the size of a fresh table:
/// to grow one that threads share, the kernel waits 30 ms for all processors (RCU).
const HELD_AT_ONCE: usize = 12;

/// Which of these processes live, as far as this kernel's pids go: dead is dead, reaped or not.
///
/// Three system calls for each where the kernel has pidfs, and one poll(2) for a dozen; two
/// threads share the work when there is much of it.
///
/// # Errors
/// Out of descriptors, or /proc cannot be read.
pub fn living(who: &[Incarnation]) -> io::Result<Vec<bool>> {
    if who.len() < WORTH_A_THREAD {
        return ask(who);
    }
    let (first, second) = who.split_at(who.len() / 2);
    thread::scope(|scope| {
        let other = scope.spawn(|| ask(second));
        let mut alive = ask(first)?;
        alive.extend(other.join().unwrap_or_else(|_| Err(io::ErrorKind::Other.into()))?);
        Ok(alive)
    })
}

fn ask(who: &[Incarnation]) -> io::Result<Vec<bool>> {
    let mut alive = Vec::with_capacity(who.len());
    for group in who.chunks(HELD_AT_ONCE) {
        let held: Vec<Option<PidFd>> =
            group.iter().map(|&one| PidFd::of(one)).collect::<io::Result<_>>()?;
        let mut polled: Vec<PollFd<'_>> =
            held.iter().flatten().map(|fd| PollFd::new(fd.as_fd(), PollFlags::POLLIN)).collect();
        poll(&mut polled, PollTimeout::ZERO)?;
        let mut ended = polled.iter().map(|p| p.any().unwrap_or(true));
        alive.extend(held.iter().map(|fd| fd.is_some() && !ended.next().unwrap_or(true)));
    }
    Ok(alive)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn a_reused_pid_is_a_stranger() {
        let me = incarnation(std::process::id() as i32).unwrap();
        assert!(PidFd::of(me).unwrap().is_some());
        let stranger = Incarnation { start: me.start + 1, inode: None, ..me };
        assert!(PidFd::of(stranger).unwrap().is_none());
        if let Some(inode) = me.inode {
            let stranger = Incarnation { inode: Some(inode + 1), ..me };
            assert!(PidFd::of(stranger).unwrap().is_none());
        }
    }

    #[test]
    fn a_zombie_is_dead() {
        let mut child = Command::new("sleep").arg("60").spawn().unwrap();
        let who = incarnation(child.id() as i32).unwrap();
        let me = incarnation(std::process::id() as i32).unwrap();
        assert_eq!(living(&[who, me]).unwrap(), [true, true]);
        let fd = PidFd::of(who).unwrap().unwrap();
        fd.signal(Signal::KILL).unwrap();
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while !fd.has_exited() {
            assert!(std::time::Instant::now() < deadline, "KILL had no effect");
        }
        assert_eq!(living(&[who, me]).unwrap(), [false, true]);
        assert_eq!(Proc::default().stat(who.pid).unwrap().state, 'Z');
        child.wait().unwrap();
        assert_eq!(living(&[who]).unwrap(), [false]);
        let many: Vec<Incarnation> = [me, who].into_iter().cycle().take(1001).collect();
        let expected: Vec<bool> = [true, false].into_iter().cycle().take(1001).collect();
        assert_eq!(living(&many).unwrap(), expected);
        // Kernels that tell strangers how a process ended tell it now, after the reap.
        let told = fd.outcome();
        assert!(told.is_none() || told == Some(Outcome::Signal { signal: 9, core: false }));
    }
}
