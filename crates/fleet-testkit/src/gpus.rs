//! GPUs that are not there: a stand-in for NVIDIA's library whose state the test writes.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::Run;

/// See the head of this file for what its state can say.
const SOURCE: &str = include_str!("../standin/nvml.c");

/// A stand-in driver. What it says changes with every [`StandIn::says`], also for tools that run.
///
/// Numbers from it prove how answers are read and how faults are borne, and nothing about a GPU.
pub struct StandIn {
    folder: tempfile::TempDir,
    library: PathBuf,
}

impl StandIn {
    /// Compiles the library unless that is done, and starts with this state.
    ///
    /// # Panics
    /// There is no C compiler.
    #[track_caller]
    pub fn new(state: &str) -> StandIn {
        let stand_in = StandIn { folder: tempfile::tempdir().unwrap(), library: library() };
        stand_in.says(state);
        stand_in
    }

    /// Changes the state, in one moment.
    ///
    /// # Panics
    /// The temporary folder cannot be written.
    pub fn says(&self, state: &str) {
        let next = self.folder.path().join("next");
        fs::write(&next, state).unwrap();
        fs::rename(next, self.state()).unwrap();
    }

    /// UUID of the GPU with this number.
    pub fn uuid(gpu: u32) -> String {
        format!("GPU-fa4e0000-0000-0000-0000-{gpu:012}")
    }

    /// The variables that make tools ask it.
    pub fn variables(&self) -> [(&'static str, PathBuf); 2] {
        [("FLEET_NVML", self.library.clone()), ("FLEET_STANDIN_GPUS", self.state())]
    }

    /// The folder of its state.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn state(&self) -> PathBuf {
        self.folder.path().join("gpus")
    }
}

impl Run {
    /// Lets the tool see these GPUs.
    pub fn with_gpus(self, gpus: &StandIn) -> Run {
        gpus.variables().into_iter().fold(self, |run, (name, value)| run.env(name, value))
    }
}

/// The compiled library, beside the tests; made anew when its source changed.
fn library() -> PathBuf {
    let tests = env::current_exe().unwrap();
    let folder = tests.parent().unwrap();
    // FNV-1a: the name tells one source from another.
    let hash = SOURCE.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let library = folder.join(format!("standin-nvml-{hash:016x}.so"));
    if !library.is_file() {
        let made = tempfile::Builder::new().prefix("standin-").tempdir_in(folder).unwrap();
        compile(made.path(), &library);
    }
    library
}

fn compile(folder: &Path, library: &Path) {
    let (source, object) = (folder.join("nvml.c"), folder.join("nvml.so"));
    fs::write(&source, SOURCE).unwrap();
    let cc = Command::new("cc")
        .args(["-shared", "-fPIC", "-O1", "-o"])
        .args([&object, &source])
        .output();
    let output = cc.expect("a C compiler, `cc`, is there as the linker of Rust needs it");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    // Other tests may do the same at the same time: whoever is last wins, with the same bytes.
    fs::rename(object, library).unwrap();
}
