//! Memory that outlives a process because its family shares it.

use std::io;
use std::ops::Range;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::AtomicU64;

use nix::errno::Errno;
use nix::sys::memfd::{MFdFlags, memfd_create};
use nix::unistd::ftruncate;

use crate::tally::{MEMORY, Tally, place, told, write_tally};

/// Size of a page on every machine that fleet is built for; larger pages are multiples of it.
pub(crate) const PAGE: usize = 4096;

/// One page of 64-bit words and some pages of bytes in a memfd. A process made by fork(2) sees
/// the same memory, and finds in it what its predecessor was doing when it was killed.
///
/// At any time one process writes: the shim, or for a few words its keeper or its child, which
/// is why words are atomic and bytes are not.
#[derive(Debug)]
pub struct Shared {
    start: NonNull<u8>,
    bytes: usize,
    file: OwnedFd,
}

impl Shared {
    /// Makes shared memory with so many bytes beside the words, all zero.
    ///
    /// # Errors
    /// Out of memory or descriptors.
    pub fn new(bytes: usize) -> io::Result<Shared> {
        let file = place(memfd_create(MEMORY, MFdFlags::MFD_CLOEXEC)?);
        ftruncate(&file, (PAGE + bytes) as i64)?;
        // SAFETY: a fresh mapping at an address that the kernel chooses.
        let start = unsafe {
            nix::sys::mman::mmap(
                None,
                std::num::NonZero::new(PAGE + bytes).ok_or(Errno::EINVAL)?,
                nix::sys::mman::ProtFlags::PROT_READ | nix::sys::mman::ProtFlags::PROT_WRITE,
                nix::sys::mman::MapFlags::MAP_SHARED,
                &file,
                0,
            )
        }?;
        Ok(Shared { start: start.cast(), bytes, file })
    }

    /// The words.
    pub fn words(&self) -> &[AtomicU64] {
        // SAFETY: the first page of a mapping that lives as long as `self`; zero is a value.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr().cast(), PAGE / 8) }
    }

    /// Puts the count of a run's output at the end of the words, where others read it:
    /// [`crate::ProcessFiles::tally`].
    pub fn tell(&self, tally: Tally) {
        write_tally(self.words(), tally);
    }

    /// The count that was put there last.
    pub fn told(&self) -> Option<Tally> {
        told(self.words())
    }

    /// Some of the bytes.
    pub fn bytes(&self, range: Range<usize>) -> &[u8] {
        let range = self.checked(range);
        // SAFETY: within the mapping; they are written through `&mut self` alone.
        unsafe {
            std::slice::from_raw_parts(self.start.as_ptr().add(PAGE + range.start), range.len())
        }
    }

    /// Some of the bytes, to be written.
    pub fn bytes_mut(&mut self, range: Range<usize>) -> &mut [u8] {
        let range = self.checked(range);
        // SAFETY: within the mapping, and `&mut self` says that nobody else reads them.
        unsafe {
            std::slice::from_raw_parts_mut(self.start.as_ptr().add(PAGE + range.start), range.len())
        }
    }

    fn checked(&self, range: Range<usize>) -> Range<usize> {
        range.start.min(self.bytes)..range.end.clamp(range.start.min(self.bytes), self.bytes)
    }

    /// Moves what a pipe holds into `range` of the bytes, without waiting, and returns how much.
    ///
    /// The kernel itself stores in `words[taken]` how much it moved, in the same system call: a
    /// process that is killed at any moment leaves a true count behind (splice(2), `off_out`).
    ///
    /// # Errors
    /// `WouldBlock` when the pipe is empty.
    pub fn take_from_pipe(
        &mut self,
        pipe: impl AsFd,
        range: Range<usize>,
        taken: usize,
    ) -> io::Result<usize> {
        let range = self.checked(range);
        let begin = (PAGE + range.start) as i64;
        let word = self.words()[taken].as_ptr();
        // SAFETY: the word is within the mapping and 8 bytes wide, as an offset is.
        unsafe { word.write(begin as u64) };
        // SAFETY: both descriptors are open; the kernel writes the word and the file alone.
        let moved = unsafe {
            libc::splice(
                pipe.as_fd().as_raw_fd(),
                std::ptr::null_mut(),
                self.file.as_raw_fd(),
                word.cast(),
                range.len(),
                libc::SPLICE_F_NONBLOCK,
            )
        };
        Ok(Errno::result(moved)? as usize)
    }

    /// How much [`Shared::take_from_pipe`] moved into a range that begins at `begin`, by the word
    /// that the kernel wrote.
    pub fn moved(&self, begin: usize, taken: usize) -> usize {
        let end = self.words()[taken].load(std::sync::atomic::Ordering::Acquire) as usize;
        end.saturating_sub(PAGE + begin).min(self.bytes.saturating_sub(begin))
    }

    /// Gives the memory of whole pages within `range` back to the kernel; they read as zero then.
    pub fn give_back(&mut self, range: Range<usize>) {
        let range = self.checked(range);
        let begin = (PAGE + range.start).next_multiple_of(PAGE);
        let end = (PAGE + range.end) / PAGE * PAGE;
        if begin < end {
            let (offset, length) = (begin as i64, (end - begin) as i64);
            let flags = nix::fcntl::FallocateFlags::FALLOC_FL_PUNCH_HOLE
                | nix::fcntl::FallocateFlags::FALLOC_FL_KEEP_SIZE;
            // A kernel that cannot do it keeps the memory, no more.
            let _ = nix::fcntl::fallocate(&self.file, flags, offset, length);
        }
    }
}

/// A buffer of whole pages whose memory can be given back when it rests.
#[derive(Debug)]
pub struct Pages {
    start: NonNull<u8>,
    length: usize,
}

impl Pages {
    /// A buffer of this length, of which no page is used yet.
    ///
    /// # Errors
    /// Out of memory.
    pub fn new(length: usize) -> io::Result<Pages> {
        let length = length.next_multiple_of(PAGE);
        // SAFETY: a fresh mapping at an address that the kernel chooses.
        let start = unsafe {
            nix::sys::mman::mmap_anonymous(
                None,
                std::num::NonZero::new(length).ok_or(Errno::EINVAL)?,
                nix::sys::mman::ProtFlags::PROT_READ | nix::sys::mman::ProtFlags::PROT_WRITE,
                nix::sys::mman::MapFlags::MAP_PRIVATE,
            )
        }?;
        Ok(Pages { start: start.cast(), length })
    }

    /// The buffer.
    pub fn as_slice(&self) -> &[u8] {
        // SAFETY: the whole mapping, which lives as long as `self`.
        unsafe { std::slice::from_raw_parts(self.start.as_ptr(), self.length) }
    }

    /// The buffer, to be written.
    pub fn as_mut_slice(&mut self) -> &mut [u8] {
        // SAFETY: the whole mapping, which lives as long as `self` and is ours alone.
        unsafe { std::slice::from_raw_parts_mut(self.start.as_ptr(), self.length) }
    }

    /// Gives the memory back to the kernel; the buffer then reads as zero.
    pub fn give_back(&mut self) {
        // SAFETY: the mapping is private and anonymous, so its pages are zero again afterwards.
        unsafe { libc::madvise(self.start.as_ptr().cast(), self.length, libc::MADV_DONTNEED) };
    }
}

impl Drop for Pages {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours, whole, and nobody can hold a part of it any more.
        unsafe { libc::munmap(self.start.as_ptr().cast(), self.length) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use std::sync::atomic::Ordering;

    #[test]
    fn the_kernel_counts_what_it_moves() {
        let (read, write) = std::io::pipe().unwrap();
        let mut shared = Shared::new(3 * PAGE).unwrap();
        std::fs::File::from(OwnedFd::from(write)).write_all(b"hello").unwrap();
        assert_eq!(shared.take_from_pipe(&read, PAGE..2 * PAGE, 7).unwrap(), 5);
        assert_eq!(shared.moved(PAGE, 7), 5);
        assert_eq!(shared.bytes(PAGE..PAGE + 5), b"hello");
        shared.give_back(PAGE..2 * PAGE);
        assert_eq!(shared.bytes(PAGE..PAGE + 1), [0]);
    }

    #[test]
    fn an_empty_pipe_is_not_waited_for() {
        let (read, _write) = std::io::pipe().unwrap();
        let mut shared = Shared::new(PAGE).unwrap();
        let error = shared.take_from_pipe(&read, 0..PAGE, 0).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        assert_eq!(shared.moved(0, 0), 0);
    }

    #[test]
    fn a_child_sees_the_same_words() {
        let shared = Shared::new(PAGE).unwrap();
        match crate::fork().unwrap() {
            Some(child) => {
                nix::sys::wait::waitpid(nix::unistd::Pid::from_raw(child), None).unwrap();
                assert_eq!(shared.words()[3].load(Ordering::Acquire), 42);
            }
            None => {
                shared.words()[3].store(42, Ordering::Release);
                // SAFETY: the child of a test leaves without running the parent's exit handlers.
                unsafe { libc::_exit(0) }
            }
        }
    }
}
