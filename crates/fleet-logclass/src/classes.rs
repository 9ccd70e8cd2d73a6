//! The classes that there are, and which of them a process has.

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use fleet_config::{Fault, Mistake, did_you_mean};
use fleet_core::Labels;

use crate::class::Class;
use crate::load;

/// The label that names the class of a process.
pub const LABEL: &str = "log_class";

/// The class of a process without one, which all others extend.
pub(crate) const GENERAL: &str = "general";

/// Those that are built in, in the form of a file of the user's own.
pub(crate) const BUILT_IN: &str = include_str!("built_in.toml");

/// All classes that are known.
#[derive(Clone, Debug, Default)]
pub struct Classes {
    general: Arc<Class>,
    named: BTreeMap<String, Arc<Class>>,
}

/// Why there are no classes.
#[derive(Debug, thiserror::Error)]
pub enum ClassesError {
    /// The file cannot be read.
    #[error("cannot read the log classes '{}'", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Something in it is wrong.
    #[error("the log classes are refused: {}", listed(.0))]
    Wrong(Vec<Mistake>),
}

fn listed(mistakes: &[Mistake]) -> String {
    let one = |mistake: &Mistake| match &mistake.hint {
        Some(hint) => format!("{mistake} ({hint})"),
        None => mistake.to_string(),
    };
    mistakes.iter().map(one).collect::<Vec<_>>().join("\n  ")
}

impl Classes {
    /// Those that are built in.
    pub fn built_in() -> Classes {
        // Tests hold that it is in order; nothing in it depends on the machine.
        Classes::beside(Vec::new()).unwrap_or_default()
    }

    /// Those that are built in, and those of a file.
    ///
    /// # Errors
    /// It cannot be read, or anything in it is wrong: then all that is, is said.
    pub fn load(path: &Path) -> Result<Classes, ClassesError> {
        let text = fs::read_to_string(path)
            .map_err(|source| ClassesError::Read { path: path.to_owned(), source })?;
        Classes::parse(path, &text)
    }

    /// The same with `logs.toml` in the folder of the user's configuration, if there is one.
    ///
    /// # Errors
    /// As [`Classes::load`].
    pub fn of_user() -> Result<Classes, ClassesError> {
        let from = |name: &str| env::var_os(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let folder =
            from("XDG_CONFIG_HOME").or_else(|| from("HOME").map(|home| home.join(".config")));
        let Some(folder) = folder else { return Ok(Classes::built_in()) };
        match Classes::load(&folder.join("fleet/logs.toml")) {
            Err(ClassesError::Read { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
                Ok(Classes::built_in())
            }
            loaded => loaded,
        }
    }

    /// Those that are built in, and those of a text; the path is for messages.
    ///
    /// # Errors
    /// Anything in it is wrong.
    pub fn parse(path: &Path, text: &str) -> Result<Classes, ClassesError> {
        load::read(text).and_then(Classes::beside).map_err(|mut faults: Vec<Fault>| {
            faults.sort();
            faults.dedup();
            ClassesError::Wrong(faults.into_iter().map(|f| f.locate(path, text)).collect())
        })
    }

    fn beside(own: Vec<load::Draft>) -> Result<Classes, Vec<Fault>> {
        let built_in = load::unchecked(BUILT_IN)?;
        let named: BTreeMap<String, Arc<Class>> = load::together(built_in, own)?
            .into_iter()
            .map(|(name, class)| (name, Arc::new(class)))
            .collect();
        let general = named.get(GENERAL).cloned().unwrap_or_default();
        Ok(Classes { general, named })
    }

    /// All categories that lines may have.
    pub fn categories(&self) -> BTreeSet<&str> {
        let classes = self.named.values().chain([&self.general]);
        let patterns = classes.flat_map(|class| class.patterns.iter());
        patterns.filter_map(|pattern| pattern.category.as_deref()).collect()
    }

    /// The class of a process by its labels; without one, or where nobody knows it, what any
    /// process can have.
    pub fn of(&self, labels: &Labels) -> &Arc<Class> {
        labels.get(LABEL).and_then(|name| self.named.get(name)).unwrap_or(&self.general)
    }

    /// What to say where the labels name a class that there is not.
    pub fn unknown(&self, labels: &Labels) -> Option<String> {
        let name = labels.get(LABEL).filter(|name| !self.named.contains_key(*name))?;
        let names = || self.named.keys().map(String::as_str);
        let hint = did_you_mean(name, names())
            .unwrap_or_else(|| format!("there are: {}", names().collect::<Vec<_>>().join(", ")));
        Some(format!("there is no log class '{name}' ({hint}); the general categories hold"))
    }
}

#[cfg(test)]
mod tests;
