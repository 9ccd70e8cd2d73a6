//! Why a channel cannot be used.

use std::io;
use std::path::PathBuf;

/// A channel cannot be used. What it says holds no secret.
#[derive(Debug, thiserror::Error)]
pub enum ChannelError {
    /// The environment lacks a secret.
    #[error("the environment has no variable '{variable}', in which its secret should be")]
    NoVariable {
        /// Its name.
        variable: String,
    },
    /// A file cannot be read.
    #[error("cannot read '{}'", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// What is named is no file, or too long a one.
    #[error("'{}' is no file with a secret of at most 16 KiB", path.display())]
    NoSecret {
        /// The file.
        path: PathBuf,
    },
    /// A file with a secret may be read by others.
    #[error("everybody may read the secret in '{path}'; run: chmod 600 '{path}'", path = path.display())]
    Open {
        /// The file.
        path: PathBuf,
    },
    /// There is no secret where it should be.
    #[error("there is no secret in {place}, it is empty")]
    Empty {
        /// Where.
        place: String,
    },
    /// There is no such command.
    #[error("there is no command '{command}' here that may be run")]
    NoCommand {
        /// What was looked for.
        command: String,
    },
    /// There is no folder for a file.
    #[error("there is no folder '{}'", path.display())]
    NoFolder {
        /// The folder.
        path: PathBuf,
    },
    /// A secret is not of the form that it should have.
    #[error("the secret '{key}' is {what}")]
    Form {
        /// The key of the channel.
        key: &'static str,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A file of certificates holds none.
    #[error("'{}' holds no certificate in PEM form", path.display())]
    NoCertificate {
        /// The file.
        path: PathBuf,
    },
}
