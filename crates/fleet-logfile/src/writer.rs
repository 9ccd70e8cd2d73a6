//! The file that a shim appends to.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use fleet_core::{LogLimits, Timestamp};
use nix::errno::Errno;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

use crate::aside::{self, PLAIN};
use crate::cri;
use crate::files::CURRENT;
use crate::format::Output;

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

    /// Sets the current file aside, under the time of its first line, says whether there was
    /// anything in it, and removes the oldest beyond the number that is kept. Whole lines only:
    /// call it between batches. A crash at any step leaves every line in one file or another.
    ///
    /// # Errors
    /// The folder cannot be written. Nothing more may be written here then: the file may have
    /// another name already. Who opens the log anew goes on wherever that can be done.
    pub fn set_aside(&mut self) -> io::Result<bool> {
        if self.position()?.1 == 0 {
            return Ok(false);
        }
        let kept = aside::stamps(&self.folder)?;
        let stamp = self.stamp_after(kept.last());
        self.rename(stamp + PLAIN)?;
        self.file = open_current(&self.folder)?;
        let surplus = (kept.len() + 1).saturating_sub(self.limits.keep as usize);
        for old in &kept[..surplus.min(kept.len())] {
            // One that is in the way now may not be next time.
            let _ = aside::remove(&self.folder, old);
        }
        Ok(true)
    }

    /// When the current file will have reached its age, in nanoseconds since 1970: never while it
    /// is empty, and never where age does not matter.
    pub fn too_old_at(&self) -> Option<i64> {
        let age = (self.limits.max_age_seconds? * 1e9) as i64;
        Some(self.first_stamp()?.saturating_add(age))
    }

    /// The time of the first line.
    fn first_stamp(&self) -> Option<i64> {
        let mut head = [0; 64];
        let length = self.file.read_at(&mut head, 0).ok()?;
        let stamp = head[..length].split(|&b| b == b' ').next()?;
        cri::parse_stamp(stamp)
    }

    /// The time of the first line, or a moment after the file that was set aside last: names sort
    /// in the order of writing even when the clock was set back.
    fn stamp_after(&self, last: Option<&String>) -> String {
        let first = self.first_stamp().unwrap_or_else(|| Timestamp::now().nanos());
        let last = last.and_then(|stamp| cri::parse_stamp(stamp.as_bytes()));
        let nanos = last.map_or(first, |last| first.max(last + 1));
        Timestamp::from_nanos(nanos).to_nanos_text()
    }

    fn rename(&self, name: String) -> io::Result<()> {
        let (from, to) = (self.folder.join(CURRENT), self.folder.join(name));
        match renameat2(AT_FDCWD, &from, AT_FDCWD, &to, RenameFlags::RENAME_NOREPLACE) {
            // Not every file system can refuse to replace; names are unique all the same.
            Err(Errno::EINVAL) => fs::rename(from, to),
            done => Ok(done?),
        }
    }
}

fn open_current(folder: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).append(true).create(true).mode(0o600).open(folder.join(CURRENT))
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
        let mut names: Vec<String> =
            aside::stamps(folder).unwrap().into_iter().map(|stamp| stamp + PLAIN).collect();
        names.push(CURRENT.to_owned());
        names.iter().map(|n| fs::read_to_string(folder.join(n)).unwrap_or_default()).collect()
    }

    fn line(hour: &str) -> String {
        format!("2026-11-22T{hour}:00:00.000000000Z stdout F {hour}\n")
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
        let limits = LogLimits { keep: 2, ..LogLimits::default() };
        let mut log = LogFile::open(dir.path(), limits).unwrap();
        let lines = ["12", "13", "09", "14"].map(line);
        for line in &lines {
            write(&log, 0, line);
            assert!(log.set_aside().unwrap());
        }
        assert_eq!(aside::stamps(dir.path()).unwrap().len(), 2);
        assert_eq!(all(dir.path()), lines[2..].concat());
    }

    #[test]
    fn packed_files_count_among_those_that_are_kept_and_in_the_order() {
        let dir = tempfile::tempdir().unwrap();
        let limits = LogLimits { keep: 2, ..LogLimits::default() };
        let mut log = LogFile::open(dir.path(), limits).unwrap();
        for name in
            ["2026-11-22T11:00:00.000000000Z.log.zst", "2026-11-22T12:00:00.000000000Z.log.gz"]
        {
            fs::write(dir.path().join(name), "").unwrap();
        }
        fs::write(dir.path().join("2026-11-22T11:00:00.000000000Z.idx"), "").unwrap();
        write(&log, 0, &line("12"));
        assert!(log.set_aside().unwrap());
        let kept = ["2026-11-22T12:00:00.000000000Z", "2026-11-22T12:00:00.000000001Z"];
        assert_eq!(aside::stamps(dir.path()).unwrap(), kept);
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3);
        assert!(!log.set_aside().unwrap(), "there was nothing in it");
    }

    #[test]
    fn a_file_is_too_old_by_its_first_line() {
        let dir = tempfile::tempdir().unwrap();
        let limits = LogLimits { max_age_seconds: Some(60.0), ..LogLimits::default() };
        let mut log = LogFile::open(dir.path(), limits).unwrap();
        assert_eq!(log.too_old_at(), None);
        for hour in ["12", "13"] {
            write(&log, 0, &line(hour));
        }
        let due = Timestamp::from_nanos(log.too_old_at().unwrap());
        assert_eq!(due.to_nanos_text(), "2026-11-22T12:01:00.000000000Z");
        log.set_aside().unwrap();
        assert_eq!(log.too_old_at(), None);
    }

    #[test]
    fn a_writer_that_died_at_any_step_of_a_rotation_is_followed_by_one_that_loses_nothing() {
        let limits = LogLimits { keep: 1, ..LogLimits::default() };
        let before = "2026-11-22T11:00:00.000000000Z.log";
        // Before the rename; before the new file was made; before the surplus was removed.
        for steps in 0..3 {
            let dir = tempfile::tempdir().unwrap();
            let log = LogFile::open(dir.path(), limits).unwrap();
            fs::write(dir.path().join(before), line("11")).unwrap();
            write(&log, 0, &line("12"));
            if steps > 0 {
                log.rename("2026-11-22T12:00:00.000000000Z.log".to_owned()).unwrap();
            }
            if steps > 1 {
                open_current(dir.path()).unwrap();
            }
            drop(log);
            let mut next = LogFile::open(dir.path(), limits).unwrap();
            write(&next, 0, &line("13"));
            assert_eq!(all(dir.path()), ["11", "12", "13"].map(line).concat(), "{steps} steps");
            next.set_aside().unwrap();
            assert!(all(dir.path()).ends_with(&line("13")), "{steps} steps");
            assert_eq!(aside::stamps(dir.path()).unwrap().len(), 1, "{steps} steps");
        }
    }
}
