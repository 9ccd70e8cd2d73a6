//! Why a rules file is refused.

use std::io;
use std::path::PathBuf;

use fleet_config::Mistake;

/// A rules file that cannot be used. Nothing of it is.
#[derive(Debug, thiserror::Error)]
pub enum RulesError {
    /// It cannot be read.
    #[error("cannot read the rules '{}'", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something in it is wrong.
    #[error(transparent)]
    Wrong(#[from] Mistake),
}

impl RulesError {
    /// What would be right, where that can be said.
    pub fn hint(&self) -> Option<&str> {
        match self {
            RulesError::Wrong(mistake) => mistake.hint.as_deref(),
            RulesError::Read { .. } => None,
        }
    }
}
