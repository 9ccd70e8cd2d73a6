//! Appending to a file that many write to and that has a bound.

use std::ffi::OsString;
use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use fleet_registry::make_dir;

/// A file that has grown to this is set aside under its name with `.1`, in the place of the one
/// that was set aside before.
const FULL: u64 = 16 << 20;

/// Who wants to set a file aside is waited for no longer: a writer never hangs.
const PATIENCE: Duration = Duration::from_secs(1);

/// So often a file is opened anew when it is set aside under the writer's hands.
const TRIES: usize = 16;

/// Appends a line with one write(2).
///
/// Writers share a lock on the file, and who sets it aside holds it alone, so that no line is
/// written to a file that its readers have left.
///
/// # Errors
/// The file cannot be made or written.
pub(crate) fn append(path: &Path, line: &[u8]) -> io::Result<()> {
    append_bounded(path, line, FULL)
}

fn append_bounded(path: &Path, line: &[u8], full: u64) -> io::Result<()> {
    let mut file = open(path)?;
    for _ in 0..TRIES {
        lock_shared(&file)?;
        if is_named(&file, path)? {
            break;
        }
        file = open(path)?;
    }
    file.write_all(line)?;
    let size = file.metadata()?.len();
    file.unlock()?;
    if size >= full { set_aside(&file, path, full) } else { Ok(()) }
}

fn open(path: &Path) -> io::Result<File> {
    let open = || OpenOptions::new().append(true).create(true).mode(0o600).open(path);
    match (open(), path.parent()) {
        (Err(e), Some(folder)) if e.kind() == ErrorKind::NotFound => {
            make_dir(folder)?;
            open()
        }
        (opened, _) => opened,
    }
}

/// Whether the name still means this file.
fn is_named(file: &File, path: &Path) -> io::Result<bool> {
    match fs::metadata(path) {
        Ok(meta) => Ok(meta.ino() == file.metadata()?.ino()),
        Err(e) if e.kind() == ErrorKind::NotFound => Ok(false),
        Err(e) => Err(e),
    }
}

fn lock_shared(file: &File) -> io::Result<()> {
    let begin = Instant::now();
    loop {
        match file.try_lock_shared() {
            Ok(()) => return Ok(()),
            Err(TryLockError::Error(e)) => return Err(e),
            // Somebody stopped while holding it: an append is whole without it, too.
            Err(TryLockError::WouldBlock) if begin.elapsed() > PATIENCE => return Ok(()),
            Err(TryLockError::WouldBlock) => thread::sleep(Duration::from_millis(1)),
        }
    }
}

/// Sets a full file aside, unless somebody else does. While others write, the next one tries.
fn set_aside(file: &File, path: &Path, full: u64) -> io::Result<()> {
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => return Ok(()),
        Err(TryLockError::Error(e)) => return Err(e),
    }
    if is_named(file, path)? && file.metadata()?.len() >= full {
        let mut aside = OsString::from(path);
        aside.push(".1");
        fs::rename(path, aside)?;
    }
    file.unlock()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writers_at_once_lose_nothing_while_files_are_set_aside() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("sub/metrics.jsonl");
        // One file is set aside in the whole course: 800 lines of 20 bytes, full at 12,000.
        thread::scope(|scope| {
            for writer in 0..8 {
                let path = &path;
                scope.spawn(move || {
                    for number in 0..100 {
                        let line = format!("{writer:09} {number:09}\n");
                        append_bounded(path, line.as_bytes(), 12_000).unwrap();
                    }
                });
            }
        });
        let aside = fs::read_to_string(dir.path().join("sub/metrics.jsonl.1")).unwrap();
        let text = aside + &fs::read_to_string(&path).unwrap();
        let mut lines: Vec<&str> = text.lines().collect();
        lines.sort_unstable();
        lines.dedup();
        assert_eq!(lines.len(), 800);
        assert!(lines.iter().all(|line| line.len() == 19));
        assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    }
}
