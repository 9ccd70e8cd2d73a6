//! Where a fleet's files lie.

use std::env;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use fleet_core::{Id, RunKey, Timestamp};

/// Longest path that a socket can have (unix(7)), without its final zero.
const MAX_SOCKET_PATH: usize = 107;

/// The folder of a fleet.
///
/// `$FLEET_HOME`, else `$XDG_STATE_HOME/fleet`, else `~/.local/state/fleet`. Folders are made with
/// mode 0700 and files with 0600, because commands and environments hold secrets.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home(PathBuf);

/// Why a home cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum HomeError {
    /// No variable says where it is.
    #[error(
        "cannot tell where the fleet's home is: none of FLEET_HOME, XDG_STATE_HOME and HOME is set; name it with --home"
    )]
    Unknown,
    /// It is not there and cannot be made, or is no folder.
    #[error("cannot use the fleet's home '{}'", path.display())]
    Unusable {
        /// The folder.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Home {
    /// The home that `given` or else the environment names, as an absolute path; nothing is made.
    ///
    /// # Errors
    /// No variable names one, or the current folder is gone.
    pub fn locate(given: Option<&Path>) -> Result<Home, HomeError> {
        let from = |name: &str| env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let path = given
            .map(Path::to_path_buf)
            .or_else(|| from("FLEET_HOME"))
            .or_else(|| from("XDG_STATE_HOME").map(|p| p.join("fleet")))
            .or_else(|| from("HOME").map(|p| p.join(".local/state/fleet")))
            .ok_or(HomeError::Unknown)?;
        let path =
            std::path::absolute(&path).map_err(|source| HomeError::Unusable { path, source })?;
        Ok(Home(path))
    }

    /// A home at a path known to be absolute, as the shim is told it.
    pub fn at(path: impl Into<PathBuf>) -> Home {
        Home(path.into())
    }

    /// Makes the folders that every tool that writes needs.
    ///
    /// # Errors
    /// A folder cannot be made.
    pub fn create(&self) -> Result<(), HomeError> {
        let processes = self.processes();
        if processes.is_dir() {
            return Ok(());
        }
        make_dir(&processes).map_err(|source| HomeError::Unusable { path: self.0.clone(), source })
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The index of all runs.
    pub fn registry(&self) -> PathBuf {
        self.0.join("registry.jsonl")
    }

    /// Locked while the registry is written.
    pub fn registry_lock(&self) -> PathBuf {
        self.0.join("registry.lock")
    }

    /// Parent of all processes' folders.
    pub fn processes(&self) -> PathBuf {
        self.0.join("processes")
    }

    /// Parent of all runs' folders of one process.
    pub fn process(&self, id: &Id) -> PathBuf {
        self.0.join("processes").join(id.as_str())
    }

    /// The process's own folder, kept from run to run.
    pub fn data(&self, id: &Id) -> PathBuf {
        self.process(id).join("data")
    }

    /// The folder of one run.
    pub fn run(&self, id: &Id, run: u32) -> RunDir {
        RunDir(self.process(id).join(run.to_string()))
    }

    /// The folder of one run.
    pub fn run_of(&self, key: &RunKey) -> RunDir {
        self.run(&key.id, key.run)
    }

    /// What the environment of every process of a run holds, unless it took it away: how a tree is
    /// found that is nobody's child any more.
    pub fn marks(&self, run: &RunKey) -> [String; 3] {
        [
            format!("FLEET_HOME={}", self.0.display()),
            format!("FLEET_ID={}", run.id),
            format!("FLEET_RUN={}", run.run),
        ]
    }

    /// The numbers of the runs of a process that have a folder, oldest first.
    pub fn runs(&self, id: &Id) -> Vec<u32> {
        let Ok(entries) = fs::read_dir(self.process(id)) else { return Vec::new() };
        let mut runs: Vec<u32> =
            entries.flatten().filter_map(|e| e.file_name().to_str()?.parse().ok()).collect();
        runs.sort_unstable();
        runs
    }

    /// The file that events of this moment's day are appended to.
    pub fn events(&self, at: Timestamp) -> PathBuf {
        self.0.join("events").join(format!("{}.jsonl", at.day()))
    }

    /// Folder of stored samples, with `last.json`.
    pub fn metrics(&self) -> PathBuf {
        self.0.join("metrics")
    }

    /// Samples that were emitted outside of any process.
    pub fn emitted(&self) -> PathBuf {
        self.metrics().join("emitted.jsonl")
    }

    /// Folder of what the alerts remember.
    pub fn alerts(&self) -> PathBuf {
        self.0.join("alerts")
    }
}

/// The folder of one run and the names in it.
#[derive(Clone, Debug)]
pub struct RunDir(PathBuf);

impl RunDir {
    /// Its path.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// What was wanted.
    pub fn spec(&self) -> PathBuf {
        self.0.join("spec.json")
    }

    /// The newest record of the run.
    pub fn record(&self) -> PathBuf {
        self.0.join("record.json")
    }

    /// The pipe that the command's standard output is.
    pub fn stdout_fifo(&self) -> PathBuf {
        self.0.join("stdout.fifo")
    }

    /// The pipe that the command's standard error is.
    pub fn stderr_fifo(&self) -> PathBuf {
        self.0.join("stderr.fifo")
    }

    /// Where the process may say sd_notify(3); nowhere when the path is too long for a socket.
    pub fn notify_socket(&self) -> Option<PathBuf> {
        let path = self.0.join("notify.sock");
        (path.as_os_str().len() <= MAX_SOCKET_PATH).then_some(path)
    }

    /// Removes what only a living run needs: its pipes and its socket.
    pub fn remove_channels(&self) {
        let pipes = [self.stdout_fifo(), self.stderr_fifo()];
        for path in pipes.into_iter().chain(self.notify_socket()) {
            let _ = fs::remove_file(path);
        }
    }

    /// Locked as long as a shim or a keeper of the run lives. It is the spec itself, which is
    /// written once and never replaced.
    pub fn shim_lock(&self) -> PathBuf {
        self.spec()
    }

    /// Whether a shim or a keeper of the run lives.
    pub fn is_supervised(&self) -> bool {
        File::open(self.shim_lock()).is_ok_and(|lock| lock.try_lock_shared().is_err())
    }

    /// How a stop is to go, for the shim to read when it is asked.
    pub fn stop_request(&self) -> PathBuf {
        self.0.join("stop.json")
    }

    /// Asks the shim to set the log file aside: empty until it has, or holds why it could not.
    pub fn rotate_request(&self) -> PathBuf {
        self.0.join("rotate")
    }

    /// Limits that were changed after the spawn: those of the spec no longer hold.
    pub fn amended(&self) -> PathBuf {
        self.0.join("amended.json")
    }

    /// One JSON line for each attempt after the first: which, and when it began. Tells log
    /// readers which attempt a line is of, and a shim that takes over how often it died.
    pub fn attempts(&self) -> PathBuf {
        self.0.join("attempts.jsonl")
    }

    /// The Jupyter connection file, where one is wanted.
    pub fn connection_file(&self) -> PathBuf {
        self.0.join("connection.json")
    }

    /// What its processes emitted of themselves, as samples.
    pub fn emitted(&self) -> PathBuf {
        self.0.join("metrics.jsonl")
    }

    /// Folder of its log files.
    pub fn log(&self) -> PathBuf {
        self.0.join("log")
    }
}

/// Makes a folder and its parents with mode 0700; one that exists is left as it is.
///
/// # Errors
/// It cannot be made, or something else has the name.
pub fn make_dir(path: &Path) -> io::Result<()> {
    DirBuilder::new().recursive(true).mode(0o700).create(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_home_is_made_private() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::locate(Some(&dir.path().join("a/b"))).unwrap();
        home.create().unwrap();
        let mode = fs::metadata(home.path()).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        home.create().unwrap();
    }

    #[test]
    fn runs_are_numbered_folders() {
        let dir = tempfile::tempdir().unwrap();
        let home = Home::at(dir.path());
        let id: Id = "a".parse().unwrap();
        for name in ["2", "10", "data", "1"] {
            make_dir(&home.process(&id).join(name)).unwrap();
        }
        assert_eq!(home.runs(&id), [1, 2, 10]);
        assert!(home.runs(&"b".parse().unwrap()).is_empty());
    }
}
