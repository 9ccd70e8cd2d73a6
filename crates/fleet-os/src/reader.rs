//! Waiting on the other end of a pipe: that its reader leaves, or its writer writes.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;

/// Sleeps, and ends the sleep early when nobody can read any more what is written to `output`: the
/// pipe's other end is closed, or the terminal hung up. A tool that follows something quiet would
/// otherwise find that out at its next line only, which may never come.
///
/// `true` says that the reader left. Of a file, nobody ever leaves.
///
/// # Errors
/// The kernel refuses to watch the output.
pub fn sleep_unless_left(output: impl AsFd, duration: Duration) -> io::Result<bool> {
    let started = Instant::now();
    loop {
        let left = duration.saturating_sub(started.elapsed());
        // Nothing is asked for: errors and hang-ups are told anyway.
        let mut watched = [PollFd::new(output.as_fd(), PollFlags::empty())];
        match ppoll(&mut watched, Some(TimeSpec::from_duration(left)), None) {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(Errno::EINTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
}

/// Waits until there is something to read from `input`, its end included; `false` when the deadline
/// passed first.
///
/// # Errors
/// The kernel refuses to watch the input.
pub fn readable_until(input: impl AsFd, deadline: Instant) -> io::Result<bool> {
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let mut watched = [PollFd::new(input.as_fd(), PollFlags::POLLIN)];
        match ppoll(&mut watched, Some(TimeSpec::from_duration(left)), None) {
            Ok(0) => return Ok(false),
            Ok(_) => return Ok(true),
            Err(Errno::EINTR) => {}
            Err(e) => return Err(e.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    const LONG: Duration = Duration::from_secs(60);

    #[test]
    fn a_reader_that_leaves_ends_the_sleep() {
        let (reader, writer) = io::pipe().unwrap();
        assert!(!sleep_unless_left(&writer, Duration::from_millis(1)).unwrap());
        drop(reader);
        assert!(sleep_unless_left(&writer, LONG).unwrap());
    }

    #[test]
    fn what_is_written_is_there_to_read_and_so_is_the_end() {
        let (reader, mut writer) = io::pipe().unwrap();
        let soon = || Instant::now() + Duration::from_millis(1);
        assert!(!readable_until(&reader, soon()).unwrap());
        writer.write_all(b"x").unwrap();
        assert!(readable_until(&reader, Instant::now()).unwrap());
        drop(writer);
        assert!(readable_until(&reader, Instant::now() + LONG).unwrap());
    }

    #[test]
    fn a_file_has_no_reader_to_leave() {
        let file = tempfile::tempfile().unwrap();
        assert!(!sleep_unless_left(&file, Duration::from_millis(1)).unwrap());
    }
}
