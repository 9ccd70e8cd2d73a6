//! What a shim tells those who look at it, without being asked: the count of its run's output.
//!
//! The count lies in the shim's shared memory, which other programs of the same user can read by
//! way of `/proc/<pid>/fd`. So it is up to date at any moment and costs the shim nothing.

use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl, openat, readlinkat};
use nix::sys::stat::Mode;

use crate::shared::PAGE;

/// What the memory is called, as its link shows.
pub(crate) const MEMORY: &std::ffi::CStr = c"fleet-shim";

/// The link that a descriptor of such memory is.
const LINK: &[u8] = b"/memfd:fleet-shim (deleted)";

/// Where a shim has it open, so that nobody has to search: above what else a shim opens, and below
/// 64, up to where the kernel's table of a process needs no more room.
const PLACE: i32 = 60;

/// "fleetout", and the version of the words that follow. A build with other words has another one.
const MARK: u64 = u64::from_be_bytes(*b"fleetou1");

/// Words at the end of the page of words: the mark, then the count.
const WORDS: usize = 5;

/// The output of a run so far, as its shim counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Bytes that the run printed.
    pub bytes: u64,
    /// Lines among them.
    pub lines: u64,
    /// Bytes that could not be stored.
    pub dropped_bytes: u64,
    /// When the last of it came: nanoseconds since boot (`CLOCK_BOOTTIME`); zero before any.
    pub last_at: u64,
}

/// Moves the descriptor to where it is looked for. Where that cannot be, it stays: the tally is
/// then not found, no more.
pub(crate) fn place(memory: OwnedFd) -> OwnedFd {
    let moved = fcntl(&memory, FcntlArg::F_DUPFD_CLOEXEC(PLACE));
    match moved {
        // SAFETY: the kernel has just made this descriptor, and nobody else knows of it.
        Ok(fd) => unsafe { std::os::fd::FromRawFd::from_raw_fd(fd) },
        Err(_) => memory,
    }
}

/// Puts the count where others read it. Each word is whole; who reads between two stores sees a
/// count that is newer in part, which none of its numbers shows.
pub(crate) fn write_tally(page: &[AtomicU64], tally: Tally) {
    let Some(words) = page.last_chunk::<WORDS>() else { return };
    let values = [MARK, tally.bytes, tally.lines, tally.dropped_bytes, tally.last_at];
    for (word, value) in words.iter().zip(values) {
        word.store(value, Ordering::Release);
    }
}

/// The count of the shim whose folder under /proc this is.
pub(crate) fn read_tally(folder: &OwnedFd) -> io::Result<Option<Tally>> {
    let path = format!("fd/{PLACE}");
    match readlinkat(folder, path.as_str()) {
        // Opening something else might wait, or be noticed.
        Ok(link) if link.as_encoded_bytes() == LINK => {}
        Ok(_) | Err(Errno::ENOENT) => return Ok(None),
        Err(e) => return Err(e.into()),
    }
    let flags = OFlag::O_RDONLY | OFlag::O_CLOEXEC | OFlag::O_NONBLOCK;
    let memory = File::from(openat(folder.as_fd(), path.as_str(), flags, Mode::empty())?);
    let mut bytes = [0; WORDS * 8];
    memory.read_exact_at(&mut bytes, (PAGE - WORDS * 8) as u64)?;
    let mut words = [0; WORDS];
    for (word, bytes) in words.iter_mut().zip(bytes.as_chunks::<8>().0) {
        *word = u64::from_ne_bytes(*bytes);
    }
    Ok(tally_of(words))
}

/// The count that this process's own memory shows others.
pub(crate) fn told(page: &[AtomicU64]) -> Option<Tally> {
    let words = page.last_chunk::<WORDS>()?;
    tally_of(words.each_ref().map(|word| word.load(Ordering::Acquire)))
}

fn tally_of([mark, bytes, lines, dropped_bytes, last_at]: [u64; WORDS]) -> Option<Tally> {
    (mark == MARK).then_some(Tally { bytes, lines, dropped_bytes, last_at })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Proc, Reader, Shared};

    #[test]
    fn what_is_told_is_read_by_others() {
        let shared = Shared::new(4096).unwrap();
        let mut reader = Reader::new(&Proc::default());
        let me = reader.process(std::process::id() as i32).unwrap();
        let tally = Tally { bytes: 7, lines: 2, dropped_bytes: 0, last_at: 5 };
        shared.tell(tally);
        assert_eq!((me.tally().unwrap(), shared.told()), (Some(tally), Some(tally)));
    }
}
