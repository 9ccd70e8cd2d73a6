//! Named pipes that output goes through.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::{AsFd, AsRawFd};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use nix::errno::Errno;
use nix::fcntl::{FcntlArg, fcntl};
use nix::sys::stat::Mode;

/// Makes the pipe unless it is there, and opens it to read without waiting.
///
/// It is opened for writing as well (fifo(7)), so that it never ends and never reports a hang-up
/// when all who write to it have closed it.
///
/// # Errors
/// The folder cannot be written, or something else has the name.
pub fn open_fifo(path: &Path) -> io::Result<File> {
    match nix::unistd::mkfifo(path, Mode::S_IRUSR | Mode::S_IWUSR) {
        Ok(()) | Err(Errno::EEXIST) => {}
        Err(errno) => return Err(errno.into()),
    }
    OpenOptions::new().read(true).write(true).custom_flags(libc::O_NONBLOCK).open(path)
}

/// Opens the same pipe again as a process's output: for reading too, so that it never lacks a
/// reader, and waiting, as programs expect.
///
/// # Errors
/// /proc is not mounted, or the pipe's mode was changed.
pub fn output_end(fifo: &File) -> io::Result<File> {
    let path = format!("/proc/self/fd/{}", fifo.as_raw_fd());
    OpenOptions::new().read(true).write(true).open(path)
}

/// How many bytes wait in a pipe; none if it cannot be asked.
pub fn waiting(pipe: impl AsFd) -> usize {
    let mut bytes: libc::c_int = 0;
    // SAFETY: the kernel writes the integer that we own (ioctl_pipe(2), FIONREAD).
    let asked = unsafe { libc::ioctl(pipe.as_fd().as_raw_fd(), libc::FIONREAD, &raw mut bytes) };
    if asked == 0 { usize::try_from(bytes).unwrap_or(0) } else { 0 }
}

/// Asks for a pipe of this size. Not getting it (pipe(7): `pipe-user-pages-soft`) is no error.
pub fn resize_pipe(pipe: impl AsFd, bytes: i32) {
    let _ = fcntl(pipe.as_fd(), FcntlArg::F_SETPIPE_SZ(bytes));
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};

    #[test]
    fn what_is_written_waits_for_the_reader() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("fifo");
        let mut reader = open_fifo(&path).unwrap();
        let mut output = output_end(&reader).unwrap();
        assert_eq!(waiting(&reader), 0);
        output.write_all(b"line\n").unwrap();
        assert_eq!(waiting(&reader), 5);
        let mut again = open_fifo(&path).unwrap();
        let mut text = [0; 5];
        again.read_exact(&mut text).unwrap();
        assert_eq!(&text, b"line\n");
        let error = reader.read(&mut text).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    }
}
