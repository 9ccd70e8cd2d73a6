//! A file of JSON lines of which the last one of a name wins: read when others wrote it, appended
//! with one write, written anew when it is long.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

/// Lines beyond twice the living ones after which the file is written anew.
const SLACK: usize = 64;

/// A file of the alerts' memory cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} the alerts' memory '{}'", path.display())]
pub struct StoreError {
    what: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl StoreError {
    /// The file system refused this to be done with this file.
    pub(crate) fn new(what: &'static str, path: &Path, source: io::Error) -> StoreError {
        StoreError { what, path: path.to_owned(), source }
    }
}

/// Such a file. Whoever uses it holds the lock of the alerts' folder.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    /// How the file was left, if this journal has read or written it.
    left: Option<Option<Stamp>>,
    lines: usize,
    torn: bool,
}

/// By what a file is known to be as it was left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stamp {
    inode: u64,
    length: u64,
    modified: (i64, i64),
}

impl Journal {
    /// The file of this name, whether or not it is there yet.
    pub fn new(path: PathBuf) -> Journal {
        Journal { path, left: None, lines: 0, torn: false }
    }

    /// The whole file where others wrote it since this journal last did; nothing if nobody did.
    ///
    /// # Errors
    /// The file is there and cannot be read.
    pub fn read(&mut self) -> Result<Option<Vec<u8>>, StoreError> {
        let stamp = self.stamp()?;
        if self.left == Some(stamp) {
            return Ok(None);
        }
        let bytes = match fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read.map_err(|source| self.error("read", source))?,
        };
        self.left = Some(stamp);
        self.torn = bytes.last().is_some_and(|byte| *byte != b'\n');
        self.lines = lines_of(&bytes).count();
        Ok(Some(bytes))
    }

    /// Appends whole lines with one write, and waits for the disk where asked.
    ///
    /// # Errors
    /// The file does not take them.
    pub fn append(&mut self, lines: &[u8], sync: bool) -> Result<(), StoreError> {
        let mut text = if self.torn { vec![b'\n'] } else { Vec::new() };
        text.extend_from_slice(lines);
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path);
        file.and_then(|mut file| written(&mut file, &text, sync))
            .map_err(|source| self.error("write", plain(source)))?;
        self.torn = false;
        self.lines += lines_of(lines).count();
        self.left = Some(self.stamp()?);
        Ok(())
    }

    /// Writes the file anew beside itself and puts it in its place.
    ///
    /// # Errors
    /// It cannot be written or renamed.
    pub fn replace(&mut self, lines: &[u8]) -> Result<(), StoreError> {
        self.renew(lines).map_err(|source| self.error("write", plain(source)))?;
        self.torn = false;
        self.lines = lines_of(lines).count();
        self.left = Some(self.stamp()?);
        Ok(())
    }

    /// Whether the file is worth being written anew for so many living lines.
    pub fn is_long(&self, living: usize) -> bool {
        self.lines > 2 * living + SLACK
    }

    /// Whether any line of the file is superfluous where so many are living.
    pub fn has_slack(&self, living: usize) -> bool {
        self.torn || self.lines > living
    }

    /// A failure to do something with this file.
    pub(crate) fn error(&self, what: &'static str, source: io::Error) -> StoreError {
        StoreError::new(what, &self.path, source)
    }

    fn renew(&self, text: &[u8]) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or_else(|| Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        written(file.as_file_mut(), text, true)?;
        file.persist(&self.path).map(drop).map_err(|error| error.error)
    }

    fn stamp(&self) -> Result<Option<Stamp>, StoreError> {
        match fs::metadata(&self.path) {
            Ok(data) => Ok(Some(Stamp {
                inode: data.ino(),
                length: data.len(),
                modified: (data.mtime(), data.mtime_nsec()),
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(self.error("read", source)),
        }
    }
}

/// The error by its kind alone. That of a temporary file names it, so that each failure would look
/// like another one.
fn plain(error: io::Error) -> io::Error {
    error.kind().into()
}

fn written(file: &mut File, text: &[u8], sync: bool) -> io::Result<()> {
    file.write_all(text)?;
    if sync { file.sync_data() } else { Ok(()) }
}

/// The lines that hold anything, with their numbers from 1.
pub fn lines_of(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let all = bytes.split(|byte| *byte == b'\n').enumerate();
    all.map(|(at, line)| (at + 1, line)).filter(|(_, line)| !line.is_empty())
}
