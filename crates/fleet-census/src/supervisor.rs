//! Starting shims that adopt.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::{File, OpenOptions};
use std::io;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::path::PathBuf;

use fleet_core::RunKey;
use fleet_os::{Launch, Shared};
use fleet_registry::{Home, RunDir};

/// Name of the program.
const SHIM: &str = "fleet-shim";

/// The program that supervises, found beside the program that runs or in the PATH.
#[derive(Clone, Debug)]
pub struct Supervisor {
    program: PathBuf,
}

/// Why no shim could be started.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// It is not installed.
    #[error("cannot find '{SHIM}' beside this program or in the PATH; install it there")]
    Missing,
    /// It is there and cannot be executed.
    #[error("cannot execute '{}'", program.display())]
    Exec {
        /// The program.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

impl Supervisor {
    /// Finds the program.
    ///
    /// # Errors
    /// It is not there.
    pub fn find() -> Result<Supervisor, StartError> {
        let program = fleet_os::program(SHIM).ok_or(StartError::Missing)?;
        Ok(Supervisor { program })
    }

    /// Starts a shim that adopts a run, in a session of its own, and gives it the run's lock.
    ///
    /// # Errors
    /// It cannot be executed.
    pub fn adopt(&self, home: &Home, run: &RunKey, lock: &File) -> Result<(), StartError> {
        let failed = |source| StartError::Exec { program: self.program.clone(), source };
        let command: Vec<OsString> = vec![
            self.program.clone().into(),
            home.path().into(),
            run.id.as_str().into(),
            run.run.to_string().into(),
        ];
        let launch = Launch::new(&command, &environment(), "/".as_ref()).map_err(failed)?;
        let null = OpenOptions::new().read(true).write(true).open("/dev/null").map_err(failed)?;
        let null = null.as_fd();
        let told = Shared::new(0).map_err(failed)?;
        let words = fleet_os::Report { pid: &told.words()[0], error: &told.words()[1] };
        launch.start(&[null, null, null, lock.as_fd()], words).map_err(failed)?;
        match words.failure() {
            None => Ok(()),
            Some((_, source)) => Err(failed(source)),
        }
    }
}

/// What the command gets is in its spec; its supervisor needs to know no more than where the drivers
/// of GPUs are in an odd installation. What marks the processes of a run is not passed on.
fn environment() -> Vec<OsString> {
    let of_run = ["FLEET_HOME", "FLEET_ID", "FLEET_RUN"];
    let kept = |name: &OsStr| {
        name.as_bytes().starts_with(b"FLEET_") && of_run.iter().all(|mark| name != *mark)
    };
    let variables = env::vars_os().filter(|(name, _)| kept(name));
    variables.map(|(name, value)| [name, value].join("=".as_ref())).collect()
}

/// Opens the lock of a run's supervisor; nothing is locked yet.
///
/// # Errors
/// The run's folder is gone.
pub fn open_shim_lock(dir: &RunDir) -> io::Result<File> {
    File::open(dir.shim_lock())
}

/// Whether a shim or a keeper of this run lives.
pub fn holds_lock(dir: &RunDir) -> bool {
    dir.is_supervised()
}
