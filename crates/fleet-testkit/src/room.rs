//! A mount namespace of the test's own, with a small file system that nobody else sees.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A mount namespace, held by a process that waits for its standard input to close. The kernel
/// takes the mounts away with the last process in it.
pub(crate) struct Room {
    holder: Child,
}

impl Room {
    /// Makes a namespace in which `folder` is a memory file system with these options; or says why
    /// this host does not let us.
    pub(crate) fn with_tmpfs(folder: &Path, options: &str) -> Result<Room, String> {
        let script = format!(
            "mount -t tmpfs -o {options} none '{}' && echo ready && read x",
            folder.display()
        );
        let mut holder = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", &script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|e| format!("cannot run unshare: {e}"))?;
        let mut line = String::new();
        let read = BufReader::new(holder.stdout.take().unwrap()).read_line(&mut line);
        if read.is_ok() && line == "ready\n" {
            return Ok(Room { holder });
        }
        let output = holder.wait_with_output().map_err(|e| e.to_string())?;
        Err(String::from_utf8_lossy(&output.stderr).trim().to_owned())
    }

    /// The words that run a program in the namespace.
    pub(crate) fn prefix(&self) -> Vec<String> {
        let holder = self.holder.id().to_string();
        ["nsenter", "--target", &holder, "--mount", "--"].map(str::to_owned).to_vec()
    }

    /// A path as it is seen from outside.
    pub(crate) fn outside(&self, path: &Path) -> PathBuf {
        let root = format!("/proc/{}/root", self.holder.id());
        Path::new(&root).join(path.strip_prefix("/").unwrap_or(path))
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        drop(self.holder.stdin.take());
        let _ = self.holder.wait();
    }
}
