//! One folder of entries.

use std::collections::BTreeSet;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use crate::spool::entry::{Entry, Unreadable};
use crate::spool::names::id_of;

/// Most entries that a folder holds.
pub(super) const MOST_ENTRIES: usize = 10_000;

/// Most bytes that the entries of a folder hold together.
pub(super) const MOST_BYTES: u64 = 64 << 20;

/// Below so many entries their bytes are not counted: none of them is a hundredth of the bound.
const FEW: usize = 100;

/// What is left of a write that was killed is removed after this time, when nobody can be at it.
const LEFT_OVER: Duration = Duration::from_secs(3600);

/// A folder of entries, as it was when it was looked at.
pub(super) struct Shelf {
    pub(super) folder: PathBuf,
    /// Names of entries, the oldest first.
    pub(super) names: BTreeSet<String>,
    /// Names of files that are no entries.
    pub(super) strange: Vec<String>,
}

impl Shelf {
    /// Looks at a folder; one that is not there is empty.
    pub(super) fn look(folder: &Path) -> io::Result<Shelf> {
        let mut shelf =
            Shelf { folder: folder.to_owned(), names: BTreeSet::new(), strange: Vec::new() };
        let files = match fs::read_dir(folder) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(shelf),
            read => read?,
        };
        for file in files {
            let file = file?;
            match file.file_name().into_string() {
                Ok(name) if id_of(&name).is_some() => drop(shelf.names.insert(name)),
                Ok(name) if name.starts_with('.') => remove_left_over(&file),
                Ok(name) if name == "sent" => {}
                Ok(name) => shelf.strange.push(name),
                Err(name) => shelf.strange.push(name.to_string_lossy().into_owned()),
            }
        }
        Ok(shelf)
    }

    /// Whether it holds a notification of this id.
    pub(super) fn has(&self, id: &str) -> bool {
        self.names.iter().any(|name| id_of(name) == Some(id))
    }

    /// The oldest entries, of which there are more than the bounds permit.
    pub(super) fn surplus(&self) -> Vec<String> {
        let many = self.names.len().saturating_sub(MOST_ENTRIES);
        let mut names = self.names.iter();
        let mut surplus: Vec<String> = names.by_ref().take(many).cloned().collect();
        if self.names.len() < FEW {
            return surplus;
        }
        let rest: Vec<(&String, u64)> = names.map(|name| (name, self.bytes(name))).collect();
        let mut bytes: u64 = rest.iter().map(|(_, bytes)| bytes).sum();
        for (name, its) in rest {
            if bytes <= MOST_BYTES {
                break;
            }
            bytes -= its;
            surplus.push(name.clone());
        }
        surplus
    }

    fn bytes(&self, name: &str) -> u64 {
        fs::metadata(self.folder.join(name)).map_or(0, |data| data.len())
    }
}

/// Removes what a killed writer left.
fn remove_left_over(file: &fs::DirEntry) {
    let is_lock = file.file_name() == super::LOCK;
    let old = |data: fs::Metadata| {
        let age = data.modified().ok().and_then(|at| SystemTime::now().duration_since(at).ok());
        age.is_some_and(|age| age > LEFT_OVER)
    };
    if !is_lock && file.metadata().is_ok_and(old) {
        // Another may have been quicker.
        let _ = fs::remove_file(file.path());
    }
}

/// Makes a folder for this user alone.
pub(super) fn make(folder: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)
}

/// Writes an entry under its name, all of it or nothing, so that a power cut does not take it.
pub(super) fn write(folder: &Path, entry: &Entry) -> io::Result<()> {
    make(folder)?;
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(&entry.text())?;
    file.as_file().sync_data()?;
    file.persist(folder.join(&entry.name)).map_err(|error| error.error)?;
    sync_folder(folder)
}

/// Sees to it that names which came or went stay so.
pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Reads an entry.
pub(super) fn read(folder: &Path, name: &str) -> io::Result<Result<Entry, Unreadable>> {
    match fs::read(folder.join(name)) {
        Ok(bytes) => Ok(Entry::parse(name, &bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(Err(Unreadable::Gone)),
        Err(error) => Err(error),
    }
}

/// Moves a file from one folder to another; one that is gone already is no error.
pub(super) fn pass(from: &Path, to: &Path, name: &str) -> io::Result<()> {
    make(to)?;
    unless_gone(fs::rename(from.join(name), to.join(name)))
}

/// What was done to a file, where its being gone is as good.
pub(super) fn unless_gone(result: io::Result<()>) -> io::Result<()> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Opens a lock file.
pub(super) fn lock_file(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)
}
