//! A file of JSON lines of which the last one of a name wins: read when others wrote it, appended
//! with one write, written anew when it is long.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use crate::error::NotifyError;

/// Lines beyond twice the living ones after which the file is written anew.
const SLACK: usize = 64;

/// Such a file. Whoever uses it holds `state.lock`.
#[derive(Debug)]
pub(crate) struct Journal {
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
    pub(crate) fn new(path: PathBuf) -> Journal {
        Journal { path, left: None, lines: 0, torn: false }
    }

    /// The whole file where others wrote it since this journal last did; nothing if nobody did.
    pub(crate) fn read(&mut self) -> Result<Option<Vec<u8>>, NotifyError> {
        let stamp = self.stamp()?;
        if self.left == Some(stamp) {
            return Ok(None);
        }
        let bytes = match fs::read(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
            read => read.map_err(|source| NotifyError::file("read", &self.path, source))?,
        };
        self.left = Some(stamp);
        self.torn = bytes.last().is_some_and(|byte| *byte != b'\n');
        self.lines = lines_of(&bytes).count();
        Ok(Some(bytes))
    }

    /// Appends whole lines with one write, and waits for the disk where asked.
    pub(crate) fn append(&mut self, lines: &[u8], sync: bool) -> Result<(), NotifyError> {
        let mut text = if self.torn { vec![b'\n'] } else { Vec::new() };
        text.extend_from_slice(lines);
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&self.path);
        file.and_then(|mut file| written(&mut file, &text, sync))
            .map_err(|source| NotifyError::file("write", &self.path, plain(source)))?;
        self.torn = false;
        self.lines += lines_of(lines).count();
        self.left = Some(self.stamp()?);
        Ok(())
    }

    /// Writes the file anew beside itself and puts it in its place.
    pub(crate) fn replace(&mut self, lines: &[u8]) -> Result<(), NotifyError> {
        self.renew(lines)
            .map_err(|source| NotifyError::file("write", &self.path, plain(source)))?;
        self.torn = false;
        self.lines = lines_of(lines).count();
        self.left = Some(self.stamp()?);
        Ok(())
    }

    /// Whether the file is worth being written anew for so many living lines.
    pub(crate) fn is_long(&self, living: usize) -> bool {
        self.lines > 2 * living + SLACK
    }

    fn renew(&self, text: &[u8]) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or_else(|| Path::new("."));
        let mut file = tempfile::NamedTempFile::new_in(folder)?;
        written(file.as_file_mut(), text, true)?;
        file.persist(&self.path).map(drop).map_err(|error| error.error)
    }

    fn stamp(&self) -> Result<Option<Stamp>, NotifyError> {
        match fs::metadata(&self.path) {
            Ok(data) => Ok(Some(Stamp {
                inode: data.ino(),
                length: data.len(),
                modified: (data.mtime(), data.mtime_nsec()),
            })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(NotifyError::file("read", &self.path, source)),
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
pub(crate) fn lines_of(bytes: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let all = bytes.split(|byte| *byte == b'\n').enumerate();
    all.map(|(at, line)| (at + 1, line)).filter(|(_, line)| !line.is_empty())
}
