//! What can go wrong with the files of this crate.

use std::io;
use std::path::{Path, PathBuf};

/// A file of the alerts' folder cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// The file system refused.
    #[error("cannot {what} '{}'", path.display())]
    File {
        /// What was to be done, as a verb.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why it was refused.
        source: io::Error,
    },
    /// A silence would hold back everything or nothing, or no silence has this name.
    #[error("{0}")]
    Silence(String),
}

impl NotifyError {
    /// The file system refused this to be done with this file.
    pub(crate) fn file(what: &'static str, path: &Path, source: io::Error) -> NotifyError {
        NotifyError::File { what, path: path.to_owned(), source }
    }
}
