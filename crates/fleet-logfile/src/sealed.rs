//! Small files of JSON lines that are there whole or not at all.
//!
//! The last line is a hash of all before it, so that a file that was torn, mended by hand or is
//! somebody else's is known as such.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::files;

/// The last line.
#[derive(Serialize, Deserialize)]
struct Check {
    /// FNV-1a of all that is before.
    check: u64,
}

/// The lines of a sealed file, `None` where they are not those that were sealed.
pub fn unseal(bytes: &[u8]) -> Option<&[u8]> {
    let bytes = bytes.strip_suffix(b"\n")?;
    let (lines, check) = bytes.split_at(memchr::memrchr(b'\n', bytes)? + 1);
    let check: Check = serde_json::from_slice(check).ok()?;
    (check.check == files::hash(lines)).then_some(lines)
}

/// Seals these lines and puts them in their place, for their owner alone. With `durable` they
/// outlive a power failure; without, one may leave a file that is none.
///
/// # Errors
/// The folder cannot be written; what was there before is left.
pub fn write_sealed(path: &Path, mut lines: Vec<u8>, durable: bool) -> io::Result<()> {
    let check = Check { check: files::hash(&lines) };
    serde_json::to_writer(&mut lines, &check)?;
    lines.push(b'\n');
    let mut part = path.as_os_str().to_owned();
    part.push(format!(".{}.part", std::process::id()));
    let part = PathBuf::from(part);
    let placed = write(&part, &lines, durable).and_then(|()| fs::rename(&part, path));
    if placed.is_err() {
        let _ = fs::remove_file(&part);
    }
    placed
}

fn write(path: &Path, bytes: &[u8], durable: bool) -> io::Result<()> {
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    if durable { file.sync_all() } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_sealed_is_unsealed() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("x");
        for lines in ["", "{}\n", "{\"a\":1}\n{\"b\":2}\n"] {
            write_sealed(&path, lines.into(), true).unwrap();
            let bytes = fs::read(&path).unwrap();
            if !lines.is_empty() {
                assert_eq!(unseal(&bytes), Some(lines.as_bytes()));
            }
            for at in 0..bytes.len() {
                let mut other = bytes.clone();
                other[at] ^= 1;
                assert_eq!(unseal(&other), None, "{lines} {at}");
                assert_eq!(unseal(&bytes[..at]), None, "{lines} {at}");
            }
        }
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
        assert!(write_sealed(&dir.path().join("none/x"), Vec::new(), false).is_err());
    }
}
