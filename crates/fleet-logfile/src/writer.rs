//! The file that a shim appends to.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use fleet_core::{LogLimits, Timestamp};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

use crate::format::Output;

/// Ending of a file that was set aside.
const SET_ASIDE: &str = ".log";

/// The log of a run, open for appending at `log/current`.
#[derive(Debug)]
pub struct LogFile {
    folder: PathBuf,
    file: File,
    limits: LogLimits,
}

impl LogFile {
    /// Opens the log, made anew if it is not there.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn open(folder: &Path, limits: LogLimits) -> io::Result<LogFile> {
        let file = match open_current(folder) {
            Err(e) if e.kind() == ErrorKind::NotFound => {
                DirBuilder::new().mode(0o700).create(folder)?;
                open_current(folder)?
            }
            opened => opened?,
        };
        Ok(LogFile { folder: folder.to_owned(), file, limits })
    }

    /// Inode and size of the current file: where the next line will stand.
    ///
    /// # Errors
    /// The file system fails.
    pub fn position(&self) -> io::Result<(u64, u64)> {
        let meta = self.file.metadata()?;
        Ok((meta.ino(), meta.size()))
    }

    /// Makes the log anew if somebody removed it: what is appended to a file without a name is
    /// read by nobody and fills the disk all the same.
    ///
    /// # Errors
    /// The folder cannot be written.
    pub fn make_anew_if_removed(&mut self) -> io::Result<()> {
        if self.file.metadata()?.nlink() == 0 {
            self.file = LogFile::open(&self.folder, self.limits)?.file;
        }
        Ok(())
    }

    /// Ends a line that a writer left torn, so that the next one does not join it.
    ///
    /// # Errors
    /// The file cannot be read or written.
    pub fn end_torn_line(&self) -> io::Result<()> {
        let mut last = [b'\n'];
        let (_, size) = self.position()?;
        if size > 0 {
            self.file.read_exact_at(&mut last, size - 1)?;
        }
        if last == [b'\n'] { Ok(()) } else { (&self.file).write_all(b"\n") }
    }

    /// Takes back what was written behind this size.
    pub fn truncate(&self, size: u64) {
        let _ = self.file.set_len(size);
    }

    /// Sets the current file aside if it has reached its size, under the time of its first line,
    /// says whether it did, and removes the oldest beyond the number that is kept. Whole lines only: call it between
    /// batches. A crash at any step leaves every line in one file or another.
    ///
    /// # Errors
    /// The folder cannot be written; the log goes on in the current file.
    pub fn rotate_if_full(&mut self, size: u64) -> io::Result<bool> {
        if size < self.limits.max_bytes {
            return Ok(false);
        }
        let mut kept = set_aside_files(&self.folder)?;
        let name = self.name_after(kept.last())?;
        self.set_aside(name.clone())?;
        self.file = open_current(&self.folder)?;
        kept.push(name);
        let surplus = kept.len().saturating_sub(self.limits.keep as usize);
        for old in &kept[..surplus] {
            fs::remove_file(self.folder.join(old))?;
        }
        Ok(true)
    }

    /// The time of the first line, or a moment after the file that was set aside last: names sort
    /// in the order of writing even when the clock was set back.
    fn name_after(&self, last: Option<&String>) -> io::Result<String> {
        let mut head = [0; 64];
        let length = self.file.read_at(&mut head, 0)?;
        let first = std::str::from_utf8(&head[..length]).ok().and_then(|h| h.split(' ').next());
        let first = first.and_then(parse_nanos).unwrap_or_else(|| Timestamp::now().nanos());
        let last = last.and_then(|n| n.strip_suffix(SET_ASIDE)).and_then(parse_nanos);
        let nanos = last.map_or(first, |last| first.max(last + 1));
        Ok(Timestamp::from_nanos(nanos).to_nanos_text() + SET_ASIDE)
    }

    fn set_aside(&self, name: String) -> io::Result<()> {
        let (from, to) = (self.folder.join("current"), self.folder.join(name));
        match renameat2(AT_FDCWD, &from, AT_FDCWD, &to, RenameFlags::RENAME_NOREPLACE) {
            // Not every file system can refuse to replace; names are unique all the same.
            Err(Errno::EINVAL) => fs::rename(from, to),
            done => Ok(done?),
        }
    }
}

fn parse_nanos(text: &str) -> Option<i64> {
    Timestamp::parse(text, Timestamp::from_nanos(0)).ok().map(Timestamp::nanos)
}

fn open_current(folder: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(folder.join("current"))
}

/// Names of the files that were set aside, oldest first.
fn set_aside_files(folder: &Path) -> io::Result<Vec<String>> {
    let mut names: Vec<String> = fs::read_dir(folder)?
        .flatten()
        .filter_map(|entry| entry.file_name().into_string().ok())
        .filter(|name| name.ends_with(SET_ASIDE))
        .collect();
    names.sort_unstable();
    Ok(names)
}

/// Collects log lines in a buffer and appends them to the log.
///
/// The first `skip` bytes are thought to be in the file already: a batch that a predecessor had
/// written in part. After an error nothing more is written.
pub struct LogOutput<'a> {
    log: &'a LogFile,
    buffer: &'a mut [u8],
    filled: usize,
    skip: u64,
    error: Option<io::Error>,
}

impl<'a> LogOutput<'a> {
    /// Appends to `log` by way of `buffer`.
    pub fn new(log: &'a LogFile, buffer: &'a mut [u8], skip: u64) -> LogOutput<'a> {
        LogOutput { log, buffer, filled: 0, skip, error: None }
    }

    /// Writes what is still in the buffer.
    ///
    /// # Errors
    /// The first one that any write met.
    pub fn finish(mut self) -> io::Result<()> {
        self.flush();
        self.error.map_or(Ok(()), Err)
    }

    /// When the buffer is full, or a predecessor wrote these bytes already.
    #[cold]
    fn put_slowly(&mut self, bytes: &[u8]) {
        let known = (bytes.len() as u64).min(self.skip);
        self.skip -= known;
        let bytes = &bytes[known as usize..];
        if bytes.len() > self.buffer.len() - self.filled {
            self.flush();
        }
        // A piece with its stamp is far smaller than any buffer that a shim uses.
        let Some(room) = self.buffer.get_mut(self.filled..self.filled + bytes.len()) else {
            self.error.get_or_insert_with(|| ErrorKind::FileTooLarge.into());
            return;
        };
        room.copy_from_slice(bytes);
        self.filled += bytes.len();
    }

    fn flush(&mut self) {
        if self.error.is_none() {
            self.error = (&self.log.file).write_all(&self.buffer[..self.filled]).err();
        }
        self.filled = 0;
    }
}

impl Output for LogOutput<'_> {
    #[inline]
    fn put(&mut self, bytes: &[u8]) {
        let end = self.filled + bytes.len();
        match self.buffer.get_mut(self.filled..end) {
            Some(room) if self.skip == 0 => {
                room.copy_from_slice(bytes);
                self.filled = end;
            }
            _ => self.put_slowly(bytes),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(log: &LogFile, skip: u64, text: &str) {
        let mut buffer = [0; 128];
        let mut out = LogOutput::new(log, &mut buffer, skip);
        for part in text.as_bytes().chunks(7) {
            out.put(part);
        }
        out.finish().unwrap();
    }

    fn all(folder: &Path) -> String {
        let mut names = set_aside_files(folder).unwrap();
        names.push("current".into());
        names.iter().map(|n| fs::read_to_string(folder.join(n)).unwrap()).collect()
    }

    #[test]
    fn a_batch_that_was_written_in_part_is_finished() {
        let dir = tempfile::tempdir().unwrap();
        let log = LogFile::open(&dir.path().join("log"), LogLimits::default()).unwrap();
        let text = "0123456789".repeat(40);
        write(&log, 0, &text[..123]);
        write(&log, 123, &text);
        assert_eq!(all(&dir.path().join("log")), text);
    }

    #[test]
    fn a_torn_line_is_ended_once() {
        let dir = tempfile::tempdir().unwrap();
        let log = LogFile::open(dir.path(), LogLimits::default()).unwrap();
        for text in ["", "whole\n", "torn"] {
            write(&log, 0, text);
            log.end_torn_line().unwrap();
        }
        assert_eq!(all(dir.path()), "whole\ntorn\n");
    }

    #[test]
    fn rotation_keeps_order_even_when_the_clock_is_set_back() {
        let dir = tempfile::tempdir().unwrap();
        let limits = LogLimits { max_bytes: 10, keep: 2 };
        let mut log = LogFile::open(dir.path(), limits).unwrap();
        let lines: Vec<String> = ["12", "13", "09", "14"]
            .iter()
            .map(|hour| format!("2026-11-22T{hour}:00:00.000000000Z stdout F {hour}\n"))
            .collect();
        for line in &lines {
            write(&log, 0, line);
            let (_, size) = log.position().unwrap();
            log.rotate_if_full(size).unwrap();
        }
        assert_eq!(set_aside_files(dir.path()).unwrap().len(), 2);
        assert_eq!(all(dir.path()), lines[2..].concat());
    }
}
