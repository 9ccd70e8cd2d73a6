//! What can go wrong with the files of this crate.

use fleet_rules::StoreError;

/// A file of the alerts' folder cannot be used, or what was asked of it makes no sense.
#[derive(Debug, thiserror::Error)]
pub enum NotifyError {
    /// The file system refused.
    #[error(transparent)]
    File(#[from] StoreError),
    /// A silence would hold back everything or nothing, or no silence has this name.
    #[error("{0}")]
    Silence(String),
}
