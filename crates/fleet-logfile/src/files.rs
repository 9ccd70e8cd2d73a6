//! The files of a log folder, in the order in which they were written.

use std::fs::{self, DirEntry, File};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::cri;

/// Name of the file that is being written.
pub const CURRENT: &str = "current";

/// Endings of files that were set aside; before them stands the stamp of their first line. Where
/// one stands under several, the first counts: a plain file is removed only after its compressed
/// form is complete.
const ENDINGS: [(&str, Packing); 3] =
    [(".log", Packing::Plain), (".log.zst", Packing::Zstd), (".log.gz", Packing::Gzip)];

/// Ending of a side index.
const INDEX: &str = ".idx";

/// How often a listing is repeated when files are renamed under it. It takes some ten
/// microseconds, a file lasts for seconds at the least.
const TRIES: usize = 64;

/// So many bytes tell a file from one that took its place: they hold the first line's stamp.
pub(crate) const HEAD: usize = 64;

/// How the bytes of a file are packed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Packing {
    /// As they are.
    Plain,
    /// As frames of zstd.
    Zstd,
    /// As members of gzip.
    Gzip,
}

impl Packing {
    /// What a file is packed in, as its first bytes tell.
    pub fn of(head: &[u8]) -> Packing {
        match head {
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Packing::Zstd,
            [0x1f, 0x8b, ..] => Packing::Gzip,
            _ => Packing::Plain,
        }
    }
}

/// A file of a log folder.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listed {
    /// Where it was when the folder was read.
    pub path: PathBuf,
    /// How it is packed.
    pub packing: Packing,
    /// The stamp that is its name, of its first line as a rule; the file being written has none.
    pub first: Option<i64>,
    /// Of the file being written: its inode, and the name of the file before it.
    pub(crate) current: Option<(u64, Option<i64>)>,
}

impl Listed {
    /// Opens the plain form of it; `None` when it is gone or its name means another file by now.
    pub(crate) fn open_plain(&self) -> io::Result<Option<File>> {
        let Some(file) = open(&self.path)? else { return Ok(None) };
        let same = match self.current {
            Some((inode, _)) => file.metadata()?.ino() == inode,
            None => true,
        };
        Ok(same.then_some(file))
    }

    /// The same file under the other names that it may have.
    pub(crate) fn forms(&self) -> impl Iterator<Item = Listed> {
        let others = self.first.is_some().then(|| {
            let packings = ENDINGS.iter().filter(|(_, packing)| *packing != self.packing);
            packings.map(|&(ending, packing)| Listed {
                path: self.stem().with_extension(&ending[1..]),
                packing,
                ..self.clone()
            })
        });
        std::iter::once(self.clone()).chain(others.into_iter().flatten())
    }

    /// Whether it is still there, in whatever form.
    pub(crate) fn is_there(&self) -> bool {
        self.forms().any(|form| match (self.current, fs::metadata(&form.path)) {
            (Some((inode, _)), Ok(meta)) => meta.ino() == inode,
            (None, there) => there.is_ok(),
            _ => false,
        })
    }

    /// Where its side index lies; the file being written has none.
    pub fn index_path(&self) -> Option<PathBuf> {
        self.first.map(|_| self.stem().with_extension(&INDEX[1..]))
    }

    /// The path with an ending of one part in place of its own: stamps hold dots.
    fn stem(&self) -> PathBuf {
        let name = self.path.file_name().and_then(|n| n.to_str()).unwrap_or_default();
        let bare = ENDINGS.iter().find_map(|(ending, _)| name.strip_suffix(ending));
        self.path.with_file_name(format!("{}.x", bare.unwrap_or(name)))
    }
}

/// A place in the log of a run, which holds although files are renamed or compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// Inode of the file when the place was taken.
    pub inode: u64,
    /// The stamp that the file is named for, or will be as far as that can be told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first: Option<i64>,
    /// A hash of the file's first bytes, as soon as it has a whole line.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub head: Option<u64>,
    /// Plain bytes from its beginning.
    pub offset: u64,
}

impl Position {
    /// Whether both are in the same file.
    pub fn same_file(&self, other: &Position) -> bool {
        match (self.head, other.head) {
            (Some(ours), Some(theirs)) => ours == theirs,
            // Inodes are used again, heads are not.
            _ => self.inode == other.inode,
        }
    }
}

/// The files, oldest first, the one being written last. A folder that is not there has none.
///
/// A rename during the listing can hide a file from it, so that it counts only when two in a
/// row agree.
///
/// # Errors
/// The folder cannot be read.
pub fn list(dir: &Path) -> io::Result<Vec<Listed>> {
    let mut files = list_once(dir)?;
    for _ in 0..TRIES {
        let again = list_once(dir)?;
        let same = files == again;
        files = again;
        if same {
            break;
        }
    }
    Ok(files)
}

fn list_once(dir: &Path) -> io::Result<Vec<Listed>> {
    let entries = match fs::read_dir(dir) {
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let mut files = Vec::new();
    let mut current = None;
    for entry in entries {
        let entry = entry?;
        if entry.file_name() == CURRENT {
            current = inode_of(&entry)?;
        } else {
            files.extend(set_aside(&entry)?);
        }
    }
    // Set-aside files have names of one form, which sort by time.
    files.sort_by_key(|f| (f.first, f.packing));
    files.dedup_by_key(|f| f.first);
    let last = files.last().and_then(|f: &Listed| f.first);
    files.extend(current.map(|inode| Listed {
        path: dir.join(CURRENT),
        packing: Packing::Plain,
        first: None,
        current: Some((inode, last)),
    }));
    Ok(files)
}

/// The inode of the file being written; `None` when it was just renamed.
fn inode_of(entry: &DirEntry) -> io::Result<Option<u64>> {
    match fs::metadata(entry.path()) {
        Ok(meta) if meta.is_file() => Ok(Some(meta.ino())),
        Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
        _ => Ok(None),
    }
}

/// The log file of this name, unless it is something else. Its name says all that is needed: a
/// log may have thousands of files.
fn set_aside(entry: &DirEntry) -> io::Result<Option<Listed>> {
    let name = entry.file_name();
    let Some(name) = name.to_str() else { return Ok(None) };
    let parts = ENDINGS.iter().find_map(|&(ending, packing)| {
        Some((cri::parse_stamp(name.strip_suffix(ending)?.as_bytes())?, packing))
    });
    let Some((first, packing)) = parts else { return Ok(None) };
    let is_file = entry.file_type().is_ok_and(|kind| !kind.is_dir());
    let listed = Listed { path: entry.path(), packing, first: Some(first), current: None };
    Ok(is_file.then_some(listed))
}

/// Opens a file; `None` when it is not there.
pub(crate) fn open(path: &Path) -> io::Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
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

/// FNV-1a with 64 bits.
pub(crate) fn hash(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "2026-11-22T06:00:00.000000000Z";
    const NEW: &str = "2026-11-22T07:00:00.000000000Z";

    #[test]
    fn files_come_in_order_of_writing_and_strangers_are_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        let old = format!("{OLD}.log");
        let new = format!("{NEW}.log.zst");
        for name in [CURRENT, &new, "notes.txt", "x.log", &old, &format!("{OLD}.idx")] {
            fs::write(dir.path().join(name), name).unwrap();
        }
        fs::write(dir.path().join(format!("{NEW}.log.gz.part")), "half").unwrap();
        let names: Vec<_> = list(dir.path()).unwrap().into_iter().map(|f| f.path).collect();
        assert_eq!(names, [&old, &new, CURRENT].map(|n| dir.path().join(n)));
        assert!(list(&dir.path().join("none")).unwrap().is_empty());
    }

    #[test]
    fn the_plain_form_counts_while_both_are_there() {
        let dir = tempfile::tempdir().unwrap();
        let path = |ending: &str| dir.path().join(format!("{OLD}{ending}"));
        for ending in [".log.gz", ".log.zst", ".log"] {
            fs::write(path(ending), ending).unwrap();
        }
        let files = list(dir.path()).unwrap();
        assert_eq!(files.len(), 1);
        assert_eq!((&files[0].path, files[0].packing), (&path(".log"), Packing::Plain));
        assert_eq!(files[0].index_path(), Some(path(".idx")));
        let forms: Vec<_> = files[0].forms().map(|f| f.path).collect();
        assert_eq!(forms, [path(".log"), path(".log.zst"), path(".log.gz")]);
        fs::remove_file(path(".log")).unwrap();
        assert!(files[0].is_there());
        assert_eq!(list(dir.path()).unwrap()[0].packing, Packing::Zstd);
    }

    #[test]
    fn the_file_being_written_is_known_by_its_inode() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(CURRENT), "x").unwrap();
        let listed = list(dir.path()).unwrap().remove(0);
        assert!(listed.open_plain().unwrap().is_some());
        fs::rename(dir.path().join(CURRENT), dir.path().join(format!("{OLD}.log"))).unwrap();
        fs::write(dir.path().join(CURRENT), "y").unwrap();
        assert!(listed.open_plain().unwrap().is_none());
        assert!(!listed.is_there());
    }
}
