//! The names of files that were set aside.
//!
//! A file is named for the stamp of its first line. Under one stamp may lie the file as it was
//! written, the same packed, what of that is being made, and an index; where plain and packed lie
//! beside each other, the plain one counts.

use std::fs;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::time::SystemTime;

use crate::cri;

/// Ending of a file as it was written.
pub(crate) const PLAIN: &str = ".log";
/// Ending of one that is packed with zstd.
pub(crate) const ZSTD: &str = ".log.zst";
/// Ending of one that is packed with gzip.
pub(crate) const GZIP: &str = ".log.gz";
/// What comes behind the ending of a packed file that is being made.
pub(crate) const PART: &str = ".part";

/// Ending of a side index.
pub(crate) const INDEX: &str = ".idx";

/// Endings of all that may lie under one stamp, in the order in which it is removed: what is
/// nothing by itself goes first, so that a kill in between leaves nothing that nobody looks for.
const ALL: [&str; 6] = [".log.zst.part", ".log.gz.part", INDEX, ZSTD, GZIP, PLAIN];

/// The stamp that a file is named for, if it is one that was set aside.
pub(crate) fn stamp_of(name: &str) -> Option<&str> {
    let stamp = [PLAIN, ZSTD, GZIP].iter().find_map(|ending| name.strip_suffix(ending))?;
    cri::parse_stamp(stamp.as_bytes()).map(|_| stamp)
}

/// Whether this is a packed file or a side index whose maker has not finished it.
pub(crate) fn is_part(name: &str) -> bool {
    let Some(made) = name.strip_suffix(PART) else { return false };
    // The part of an index has the number of its maker, too: any reader may make one.
    let index = made.rsplit_once('.').and_then(|(index, _maker)| index_stamp(index));
    stamp_of(made).or(index).is_some()
}

/// The stamp of the file that a side index belongs to, if it is one.
pub(crate) fn index_stamp(name: &str) -> Option<&str> {
    let stamp = name.strip_suffix(INDEX)?;
    cri::parse_stamp(stamp.as_bytes()).map(|_| stamp)
}

/// The stamps of all files that were set aside, oldest first.
pub(crate) fn stamps(folder: &Path) -> io::Result<Vec<String>> {
    let mut stamps = Vec::new();
    for entry in fs::read_dir(folder)? {
        if let Some(stamp) = entry?.file_name().to_str().and_then(stamp_of) {
            stamps.push(stamp.to_owned());
        }
    }
    stamps.sort_unstable();
    stamps.dedup();
    Ok(stamps)
}

/// When the last line of the oldest file was written.
///
/// # Errors
/// The folder cannot be read.
pub fn oldest(folder: &Path) -> io::Result<Option<SystemTime>> {
    let stamps = stamps(folder)?;
    let Some(stamp) = stamps.first() else { return Ok(None) };
    let files = [PLAIN, ZSTD, GZIP].map(|ending| folder.join(format!("{stamp}{ending}")));
    Ok(files.iter().find_map(|file| fs::metadata(file).ok()?.modified().ok()))
}

/// Removes everything under a stamp.
pub(crate) fn remove(folder: &Path, stamp: &str) -> io::Result<()> {
    for ending in ALL {
        match fs::remove_file(folder.join(format!("{stamp}{ending}"))) {
            Err(e) if e.kind() != ErrorKind::NotFound => return Err(e),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_and_indexes_are_known_by_their_names() {
        let stamp = "2026-11-22T06:00:00.000000000Z";
        for (ending, part) in [
            (".log.zst.part", true),
            (".log.gz.part", true),
            (".idx.4711.part", true),
            (".idx.part", false),
            (".log.zst", false),
            (".part", false),
        ] {
            assert_eq!(is_part(&format!("{stamp}{ending}")), part, "{ending}");
        }
        assert!(!is_part("notes.log.zst.part") && !is_part("notes.idx.4711.part"));
        assert_eq!(index_stamp(&format!("{stamp}.idx")), Some(stamp));
        assert_eq!(index_stamp("notes.idx"), None);
    }

    #[test]
    fn a_stamp_counts_once_and_goes_with_all_that_lies_under_it() {
        let dir = tempfile::tempdir().unwrap();
        let stamps_of = |hour: u32| format!("2026-11-22T{hour:02}:00:00.000000000Z");
        for ending in ALL {
            fs::write(dir.path().join(stamps_of(6) + ending), "").unwrap();
        }
        for name in [stamps_of(7) + ZSTD, stamps_of(5) + GZIP, stamps_of(4) + ".log.part"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        for name in ["current", "x.log", ".log"] {
            fs::write(dir.path().join(name), "").unwrap();
        }
        assert_eq!(stamps(dir.path()).unwrap(), [5, 6, 7].map(stamps_of));
        remove(dir.path(), &stamps_of(6)).unwrap();
        assert_eq!(stamps(dir.path()).unwrap(), [5, 7].map(stamps_of));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 6);
    }
}
