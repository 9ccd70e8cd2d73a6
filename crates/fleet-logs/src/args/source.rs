//! From where lines are read.

use std::path::PathBuf;

use clap::Args;

/// From where lines are read.
#[derive(Args, Clone, Debug, Default)]
pub struct SourceArgs {
    /// Read these files, the files of these folders, or standard input (-) instead of a fleet's
    /// logs: plain, CRI or Docker's json-file, as they are or packed by gzip or zstd
    #[arg(long = "file", value_name = "PATH", num_args = 1.., conflicts_with_all = ["selectors", "attempt"])]
    pub files: Vec<PathBuf>,

    /// Go on where the last run with this file left off, and note there how far it came
    #[arg(long, value_name = "FILE", conflicts_with_all = ["lines", "files"])]
    pub cursor: Option<PathBuf>,
}
