//! Which rules file, and what to say when it is refused.

use std::env;
use std::path::{Path, PathBuf};

use fleet_cli::{Exit, Failure};
use fleet_rules::{RuleSet, RulesError};

/// The file that was named, or the user's own.
pub(crate) fn locate(given: Option<&Path>) -> Result<PathBuf, Failure> {
    let from = |name: &str| env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
    let user = || {
        from("XDG_CONFIG_HOME")
            .or_else(|| from("HOME").map(|home| home.join(".config")))
            .map(|folder| folder.join("fleet/alerts.toml"))
    };
    given.map(Path::to_path_buf).or_else(user).ok_or_else(|| {
        let message = "cannot tell where the rules are: neither XDG_CONFIG_HOME nor HOME is set";
        Failure::new(Exit::CouldNot, message).hint("name a file with --rules")
    })
}

/// The rules in it, or why it is refused as a whole.
pub(crate) fn load(path: &Path) -> Result<RuleSet, Failure> {
    RuleSet::load(path).map_err(|error| {
        let message = match &error {
            RulesError::Read { source, .. } => format!("{error}: {source}"),
            RulesError::Wrong(_) => error.to_string(),
        };
        let failure = Failure::new(Exit::CouldNot, message);
        match (&error, error.hint()) {
            (_, Some(hint)) => failure.hint(hint),
            (RulesError::Read { .. }, _) => {
                failure.hint("name a file with --rules; configs/alerts.toml is one to begin with")
            }
            _ => failure,
        }
    })
}
