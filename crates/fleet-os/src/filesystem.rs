//! How full a file system is: statvfs(3), which for a server's answer may wait for ever.

use std::ffi::CString;
use std::io::{self, ErrorKind};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::signal::{Signal, kill};
use nix::sys::statvfs::statvfs;
use nix::sys::time::TimeSpec;
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, pipe2, read};

use crate::launch::{close_from, fork};

/// Room in a file system.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Space {
    /// Bytes.
    pub total_bytes: u64,
    /// Bytes that nothing is in.
    pub free_bytes: u64,
    /// Bytes that an ordinary user may still use.
    pub available_bytes: u64,
    /// Files that it can hold; 0 where it sets no number.
    pub inodes: u64,
    /// Files that it can hold beside those that it holds.
    pub free_inodes: u64,
}

/// The numbers of an answer on its way: an errno, then the fields of [`Space`].
const ANSWER: usize = 6;

impl Space {
    /// Asks at once, of a file system of this machine.
    ///
    /// # Errors
    /// It is not there, or may not be reached.
    pub fn of(point: &Path) -> io::Result<Space> {
        let point = CString::new(point.as_os_str().as_bytes())?;
        Space::from_words(ask(&point))
    }

    fn from_words([errno, numbers @ ..]: [u64; ANSWER]) -> io::Result<Space> {
        if errno != 0 {
            return Err(io::Error::from_raw_os_error(errno as i32));
        }
        let [total_bytes, free_bytes, available_bytes, inodes, free_inodes] = numbers;
        Ok(Space { total_bytes, free_bytes, available_bytes, inodes, free_inodes })
    }
}

/// Allocates nothing: it also runs in a child whose parent may have other threads.
fn ask(point: &CString) -> [u64; ANSWER] {
    match statvfs(point.as_c_str()) {
        Err(errno) => [errno as u64, 0, 0, 0, 0, 0],
        Ok(found) => {
            let bytes = |blocks: u64| blocks.saturating_mul(found.fragment_size());
            [
                0,
                bytes(found.blocks()),
                bytes(found.blocks_free()),
                bytes(found.blocks_available()),
                found.files(),
                found.files_free(),
            ]
        }
    }
}

/// A question after a file system whose server may be gone, put by a process of its own.
///
/// A thread would not do: once a request is with its server, not even SIGKILL ends the wait, and a
/// program one of whose threads waits so cannot end. The process is left behind instead. It has
/// nothing open but the pipe to us, so that nobody waits for an end of file because of it.
#[derive(Debug)]
pub struct SpaceQuestion {
    child: Pid,
    answer: OwnedFd,
    /// The process has nothing left to wait for.
    answered: bool,
}

/// What came of a question.
#[derive(Debug)]
pub enum SpaceAnswer {
    /// Nothing yet.
    None,
    /// This.
    Given(io::Result<Space>),
}

impl SpaceQuestion {
    /// Asks.
    ///
    /// # Errors
    /// Out of processes or descriptors.
    pub fn ask(point: &Path) -> io::Result<SpaceQuestion> {
        let point = CString::new(point.as_os_str().as_bytes())?;
        let (answer, theirs) = pipe2(OFlag::O_CLOEXEC)?;
        match fork()? {
            Some(child) => {
                Ok(SpaceQuestion { child: Pid::from_raw(child), answer, answered: false })
            }
            None => answer_and_end(&point, theirs.as_raw_fd()),
        }
    }

    /// The answer, once it is there. Waits for it until `deadline`.
    pub fn answer(&mut self, deadline: Instant) -> SpaceAnswer {
        let left = deadline.saturating_duration_since(Instant::now());
        if !self.is_there(left) {
            return SpaceAnswer::None;
        }
        let mut bytes = [0; ANSWER * 8];
        let mut words = [0; ANSWER];
        self.answered = true;
        match read(&self.answer, &mut bytes) {
            Err(errno) => SpaceAnswer::Given(Err(errno.into())),
            // It was killed.
            Ok(n) if n < bytes.len() => SpaceAnswer::Given(Err(ErrorKind::UnexpectedEof.into())),
            Ok(_) => {
                for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
                    *word = u64::from_ne_bytes(*bytes);
                }
                SpaceAnswer::Given(Space::from_words(words))
            }
        }
    }

    fn is_there(&self, left: Duration) -> bool {
        let mut watched = [PollFd::new(self.answer.as_fd(), PollFlags::POLLIN)];
        loop {
            match ppoll(&mut watched, Some(TimeSpec::from_duration(left)), None) {
                Err(Errno::EINTR) => {}
                other => return other.is_ok_and(|ready| ready > 0),
            }
        }
    }

    /// Gives up: ends the process if that can be, and says whether it has ended.
    pub fn give_up(&mut self) -> bool {
        let _ = kill(self.child, Signal::SIGKILL);
        let wait = (!self.answered).then_some(WaitPidFlag::WNOHANG);
        !matches!(waitpid(self.child, wait), Ok(WaitStatus::StillAlive))
    }
}

impl Drop for SpaceQuestion {
    /// Takes the process away once it answered; one that never will goes to init when we end.
    fn drop(&mut self) {
        self.give_up();
    }
}

/// The child's part. Only what may be done after the fork of a program with threads.
fn answer_and_end(point: &CString, pipe: RawFd) -> ! {
    // SAFETY: system calls with numbers and with memory of this frame; `_exit` runs nothing of the
    // parent's.
    unsafe {
        libc::dup2(pipe, 0);
        close_from(1);
        let words = ask(point);
        libc::write(0, words.as_ptr().cast(), ANSWER * 8);
        libc::_exit(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(20)
    }

    #[test]
    fn both_ways_of_asking_agree() {
        let root = Path::new("/");
        let direct = Space::of(root).unwrap();
        assert!(direct.total_bytes >= direct.free_bytes && direct.total_bytes > 0);
        let SpaceAnswer::Given(asked) = SpaceQuestion::ask(root).unwrap().answer(soon()) else {
            panic!("no answer");
        };
        assert_eq!(asked.unwrap().total_bytes, direct.total_bytes);
    }

    #[test]
    fn what_is_wrong_is_passed_on() {
        let nowhere = Path::new("/no/such/place");
        let SpaceAnswer::Given(asked) = SpaceQuestion::ask(nowhere).unwrap().answer(soon()) else {
            panic!("no answer");
        };
        assert_eq!(asked.unwrap_err().kind(), ErrorKind::NotFound);
        assert_eq!(Space::of(nowhere).unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn a_process_that_answered_is_taken_away() {
        let mut question = SpaceQuestion::ask(Path::new("/")).unwrap();
        question.answer(soon());
        assert!(question.give_up());
    }
}
