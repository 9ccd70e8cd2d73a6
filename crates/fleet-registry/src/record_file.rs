//! The newest record of a run in its own folder.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use fleet_core::{ProcessRecord, Spec};

use crate::home::RunDir;

/// Puts `contents` in the place of the file: whoever reads it sees the old or the new one, whole.
///
/// There is no sync to disk: what a power loss takes is the state of processes that it ended too.
///
/// # Errors
/// The folder cannot be written, or is full; the old file is then untouched.
pub fn replace_file(path: &Path, contents: &[u8]) -> io::Result<()> {
    let mut temporary = path.as_os_str().to_owned();
    temporary.push(".new");
    let written = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&temporary)
        .and_then(|mut file| file.write_all(contents))
        .and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        let _ = fs::remove_file(&temporary);
    }
    written
}

/// Makes `record` the newest one of its run.
///
/// # Errors
/// As [`replace_file`].
pub fn write_record(dir: &RunDir, record: &ProcessRecord) -> io::Result<()> {
    let mut json = serde_json::to_vec(record)?;
    json.push(b'\n');
    // The first record has nothing to take the place of; who reads it half written finds no record
    // there yet, as before.
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(dir.record()) {
        Ok(mut file) => file.write_all(&json),
        Err(_) => replace_file(&dir.record(), &json),
    }
}

/// What was wanted of a run.
///
/// # Errors
/// Its folder is gone, or the file holds something else.
pub fn read_spec(dir: &RunDir) -> io::Result<Spec> {
    Ok(serde_json::from_slice(&fs::read(dir.spec())?)?)
}

/// The newest record of a run.
///
/// # Errors
/// There is none, or the file holds something else.
pub fn read_record(dir: &RunDir) -> io::Result<ProcessRecord> {
    Ok(serde_json::from_slice(&fs::read(dir.record())?)?)
}
