//! The files of a log folder, in the order in which they were written.

use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use crate::cri;

/// Name of the file that is being written.
pub const CURRENT: &str = "current";

/// Ending of files that were set aside; before it stands the stamp of their first line.
const ASIDE: &str = ".log";

/// How often a listing is repeated when files are renamed under it. It takes some ten
/// microseconds, a file lasts for seconds at the least.
const TRIES: usize = 64;

/// A file of a log folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct LogFile {
    pub(crate) path: PathBuf,
    pub(crate) inode: u64,
    pub(crate) len: u64,
    /// Stamp of its first line as its name tells it; the file being written has no such name.
    pub(crate) first: Option<i64>,
}

impl LogFile {
    /// Whether it still has its name.
    pub(crate) fn is_there(&self) -> bool {
        fs::metadata(&self.path).is_ok_and(|meta| meta.ino() == self.inode)
    }
}

/// A place in the log of a run, which holds although files are renamed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// Inode of the file.
    pub inode: u64,
    /// Bytes from its beginning.
    pub offset: u64,
}

/// The files, oldest first, the one being written last. A folder that is not there has none.
///
/// A rename during the listing can hide a file from it, so that it counts only when two in a
/// row agree.
pub(crate) fn list(dir: &Path) -> io::Result<Vec<LogFile>> {
    let mut files = list_once(dir)?;
    for _ in 0..TRIES {
        let again = list_once(dir)?;
        let same = files.iter().map(key).eq(again.iter().map(key));
        files = again;
        if same {
            break;
        }
    }
    Ok(files)
}

fn key(file: &LogFile) -> (&Path, u64) {
    (&file.path, file.inode)
}

fn list_once(dir: &Path) -> io::Result<Vec<LogFile>> {
    let entries = match fs::read_dir(dir) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        if let Some(file) = look(path)? {
            files.push(file);
        }
    }
    // Set-aside files have names of one form, which sort by time; `current` is the newest.
    files.sort_by(|a, b| (a.first.is_none(), &a.path).cmp(&(b.first.is_none(), &b.path)));
    Ok(files)
}

/// The log file at this path, unless it is something else or was just renamed.
fn look(path: PathBuf) -> io::Result<Option<LogFile>> {
    let Some(name) = path.file_name().and_then(|n| n.to_str()) else { return Ok(None) };
    let first = name.strip_suffix(ASIDE).and_then(|stamp| cri::parse_stamp(stamp.as_bytes()));
    if first.is_none() && name != CURRENT {
        return Ok(None);
    }
    match fs::metadata(&path) {
        Ok(meta) if meta.is_file() => {
            Ok(Some(LogFile { inode: meta.ino(), len: meta.len(), first, path }))
        }
        Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
        _ => Ok(None),
    }
}

/// Opens a listed file, even where it was set aside since; `None` when it is gone.
pub(crate) fn open(dir: &Path, inode: u64) -> io::Result<Option<File>> {
    for _ in 0..TRIES {
        let files = list(dir)?;
        let Some(listed) = files.iter().find(|f| f.inode == inode) else { return Ok(None) };
        match open_listed(listed)? {
            Some(file) => return Ok(Some(file)),
            None => continue,
        }
    }
    Ok(None)
}

/// Opens a listed file; `None` when the name means another file by now.
pub(crate) fn open_listed(listed: &LogFile) -> io::Result<Option<File>> {
    match File::open(&listed.path) {
        Ok(file) => Ok((file.metadata()?.ino() == listed.inode).then_some(file)),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(None),
        Err(e) => Err(e),
    }
}

/// Reads at an offset until the buffer is full or the file ends, and says how much it got.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match file.read_at(&mut buffer[filled..], offset + filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(filled)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_come_in_order_of_writing_and_strangers_are_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let old = "2026-11-22T06:00:00.000000000Z.log";
        let new = "2026-11-22T07:00:00.000000000Z.log";
        for name in [CURRENT, new, "notes.txt", "x.log", old] {
            fs::write(dir.path().join(name), name).unwrap();
        }
        let names: Vec<_> = list(dir.path()).unwrap().into_iter().map(|f| f.path).collect();
        assert_eq!(names, [old, new, CURRENT].map(|n| dir.path().join(n)));
        assert!(list(&dir.path().join("none")).unwrap().is_empty());
    }

    #[test]
    fn a_file_is_found_under_its_new_name() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(CURRENT), "x").unwrap();
        let listed = list(dir.path()).unwrap().remove(0);
        let aside = dir.path().join("2026-11-22T06:00:00.000000000Z.log");
        fs::rename(dir.path().join(CURRENT), &aside).unwrap();
        fs::write(dir.path().join(CURRENT), "y").unwrap();
        assert!(open_listed(&listed).unwrap().is_none());
        assert!(open(dir.path(), listed.inode).unwrap().is_some());
        fs::remove_file(aside).unwrap();
        assert!(open(dir.path(), listed.inode).unwrap().is_none());
    }
}
