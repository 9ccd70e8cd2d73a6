//! The `file` channel: JSON lines at the end of a file.
//!
//! # Theory of operation
//!
//! The file is opened for each notification, so that it may be moved away at any time (logrotate
//! needs no signal), and gets all lines of the notification with one `write(2)`, so that tools
//! that write at once do not tear each other's lines. A line that a full disk tore is ended before
//! the next one. It is synced before the notification counts as delivered.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use fleet_config::Fault;
use fleet_notify::{Carrier, Notification, Verdict};
use nix::fcntl::OFlag;

use crate::error::ChannelError;
use crate::keys::Keys;
use crate::records;

/// A file that grows.
#[derive(Clone, Debug)]
pub struct Append {
    path: PathBuf,
}

impl Append {
    pub(crate) fn load(keys: &mut Keys) -> Result<Append, Fault> {
        let path = keys.text("path")?.ok_or_else(|| {
            Fault::new(keys.at(), "a file channel needs a path")
                .hint("write path = \"/var/log/fleet-alerts.jsonl\"")
        })?;
        if !Path::new(path.get_ref()).is_absolute() {
            let fault = Fault::new(path.span().start, "the path does not begin with '/'");
            return Err(fault.hint("from cron or as a service it would be another file"));
        }
        Ok(Append { path: path.into_inner().into() })
    }

    /// Looks for the folder of the file, which itself is made when it is needed.
    pub(crate) fn look(&self) -> Result<(), ChannelError> {
        match self.path.parent() {
            Some(folder) if !folder.is_dir() => {
                Err(ChannelError::NoFolder { path: folder.to_owned() })
            }
            _ => Ok(()),
        }
    }

    pub(crate) fn carrier(&self) -> Writer {
        Writer { path: self.path.clone() }
    }
}

/// Appends to the file.
pub(crate) struct Writer {
    path: PathBuf,
}

impl Carrier for Writer {
    fn deliver(&mut self, notification: &Notification) -> Verdict {
        let written = records::lines(notification)
            .map_err(io::Error::from)
            .and_then(|lines| append(&self.path, lines));
        let path = self.path.display();
        match written {
            Ok(()) => Verdict::Delivered,
            Err(error) => {
                let why = format!("could not write '{path}': {error}");
                Verdict::Again { after: None, channel: true, why }
            }
        }
    }
}

fn append(path: &Path, mut lines: Vec<u8>) -> io::Result<()> {
    let mut options = OpenOptions::new();
    // A pipe that nobody reads, or reads too slowly, must not hold us.
    options.append(true).create(true).mode(0o600).custom_flags(OFlag::O_NONBLOCK.bits());
    let mut file = options.open(path)?;
    let is_file = file.metadata()?.is_file();
    if is_file && is_torn(path, &file)? {
        lines.insert(0, b'\n');
    }
    file.write_all(&lines)?;
    if is_file { file.sync_data() } else { Ok(()) }
}

/// Whether the last line of the file lacks its end.
fn is_torn(path: &Path, file: &File) -> io::Result<bool> {
    let Some(last) = file.metadata()?.len().checked_sub(1) else { return Ok(false) };
    let mut byte = [0];
    // A file that may be written but not read is taken as it is.
    let read = File::open(path).and_then(|file| file.read_exact_at(&mut byte, last));
    Ok(read.is_ok() && byte != *b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{alert, notification};
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    fn deliver(path: &Path) -> Verdict {
        Writer { path: path.to_owned() }.deliver(&notification([alert("r", "a"), alert("r", "b")]))
    }

    #[test]
    fn each_alert_is_a_line_of_a_file_that_only_its_owner_reads() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alerts.jsonl");
        assert_eq!(deliver(&path), Verdict::Delivered);
        fs::rename(&path, dir.path().join("alerts.jsonl.1")).unwrap();
        assert_eq!(deliver(&path), Verdict::Delivered, "rotated away");
        assert_eq!(deliver(&path), Verdict::Delivered);
        let text = fs::read_to_string(&path).unwrap();
        let ids: Vec<String> = text
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].to_string())
            .collect();
        assert_eq!(ids, ["\"a\"", "\"b\"", "\"a\"", "\"b\""]);
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn a_torn_line_is_ended() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("alerts.jsonl");
        fs::write(&path, "{\"kind\":\"al").unwrap();
        assert_eq!(deliver(&path), Verdict::Delivered);
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 3);
        assert!(text.starts_with("{\"kind\":\"al\n{"), "{text}");
    }

    #[test]
    fn what_cannot_be_written_is_tried_again() {
        let dir = tempfile::tempdir().unwrap();
        let Verdict::Again { channel: true, why, .. } = deliver(&dir.path().join("no/file")) else {
            panic!("it cannot be written")
        };
        assert!(why.starts_with("could not write '") && why.contains("No such file"), "{why}");
        let pipe = dir.path().join("pipe");
        nix::unistd::mkfifo(&pipe, nix::sys::stat::Mode::S_IRWXU).unwrap();
        assert!(matches!(deliver(&pipe), Verdict::Again { .. }), "nobody reads the pipe");
    }
}
