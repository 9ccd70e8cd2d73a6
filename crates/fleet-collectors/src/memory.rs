//! What collectors said last: known to a team while it works, and from one-shot to one-shot in
//! `metrics/collectors.json`.

use std::collections::BTreeMap;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use fleet_registry::make_dir;
use serde::{Deserialize, Serialize};
use tempfile::NamedTempFile;

use crate::collector::Collector;
use crate::output::Reading;

/// Version of the file's form; another one is not read.
const VERSION: u32 = 1;

/// Why the memory is not there.
#[derive(Debug, thiserror::Error)]
pub enum MemoryError {
    /// The file cannot be read.
    #[error("cannot read what collectors said last, '{}'", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// The file is torn or no memory at all.
    #[error(
        "'{}' does not hold what collectors said last; it is ignored and will be replaced",
        path.display()
    )]
    Torn {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The file cannot be written.
    #[error("cannot keep what collectors said in '{}': the next one-shot asks anew", path.display())]
    Write {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
}

/// What is known of a collector.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Standing {
    /// When it was asked last, in seconds since boot.
    pub(crate) asked: f64,
    /// How long that took.
    pub(crate) seconds: f64,
    /// Why it failed then, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<String>,
    /// What it said last that was good.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) good: Option<Good>,
}

/// Values, and when they were true.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Good {
    /// In seconds since boot.
    pub(crate) at: f64,
    pub(crate) readings: Vec<Reading>,
}

/// The file.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Memory {
    v: u32,
    /// Within which times count.
    boot: String,
    collectors: BTreeMap<String, Remembered>,
}

#[derive(Debug, Serialize, Deserialize)]
struct Remembered {
    /// Which question it answered: one that was changed is asked anew.
    question: u64,
    #[serde(flatten)]
    standing: Standing,
}

impl Memory {
    /// What the file holds, if it is of this boot.
    pub(crate) fn load(path: &Path, boot: &str) -> Result<Memory, MemoryError> {
        let text = match fs::read(path) {
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Ok(Memory::default()),
            other => other.map_err(|source| MemoryError::Read { path: path.to_owned(), source })?,
        };
        let memory: Memory = serde_json::from_slice(&text)
            .map_err(|source| MemoryError::Torn { path: path.to_owned(), source })?;
        let counts = memory.v == VERSION && memory.boot == boot;
        Ok(if counts { memory } else { Memory::default() })
    }

    /// What is remembered of a collector, unless it asks something else by now.
    pub(crate) fn take(&mut self, collector: &Collector) -> Option<Standing> {
        let known = self.collectors.remove(&collector.name)?;
        (known.question == question(collector)).then_some(known.standing)
    }

    /// Writes the file by renaming, with mode 0600.
    pub(crate) fn save<'a>(
        path: &Path,
        boot: &str,
        known: impl Iterator<Item = (&'a Collector, Standing)>,
    ) -> Result<(), MemoryError> {
        let remembered = |(collector, standing): (&Collector, Standing)| {
            let question = question(collector);
            (collector.name.clone(), Remembered { question, standing })
        };
        let collectors = known.map(remembered).collect();
        let memory = Memory { v: VERSION, boot: boot.to_owned(), collectors };
        memory.replace(path).map_err(|e| {
            // Without the random name of the temporary file: who follows says each sentence once.
            let source = if e.raw_os_error().is_some() { e } else { e.kind().into() };
            MemoryError::Write { path: path.to_owned(), source }
        })
    }

    fn replace(&self, path: &Path) -> io::Result<()> {
        let folder = path.parent().unwrap_or(Path::new("."));
        make_dir(folder)?;
        let mut file = NamedTempFile::with_prefix_in("collectors.", folder)?;
        file.write_all(&serde_json::to_vec(self)?)?;
        file.persist(path).map_err(|e| e.error)?;
        Ok(())
    }
}

/// What a collector asks, as a number: all that changes the answer.
fn question(collector: &Collector) -> u64 {
    let Collector { source, format, metric, only, .. } = collector;
    let mut hasher = DefaultHasher::new();
    format!("{source:?} {format:?} {metric} {only:?}").hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::CollectorFile;
    use std::os::unix::fs::PermissionsExt;

    fn collector(command: &str) -> Collector {
        let text = format!("[collector.a]\ncommand = '{command}'\n");
        let file = CollectorFile::parse("c".as_ref(), "/".as_ref(), &text).unwrap();
        file.collectors.into_iter().next().unwrap()
    }

    #[test]
    fn what_was_said_is_remembered_within_a_boot_and_for_the_same_question() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("metrics/collectors.json");
        let standing = Standing { asked: 5.0, error: Some("no".into()), ..Standing::default() };
        let one = collector("x");
        Memory::save(&path, "b", [(&one, standing.clone())].into_iter()).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        let take = |boot: &str, one: &Collector| Memory::load(&path, boot).unwrap().take(one);
        assert_eq!(take("b", &one), Some(standing));
        assert_eq!(take("b", &collector("y")), None);
        assert_eq!(take("c", &one), None);
    }

    #[test]
    fn a_torn_file_is_said_and_one_that_is_not_there_is_none() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("collectors.json");
        assert!(Memory::load(&path, "b").unwrap().take(&collector("x")).is_none());
        fs::write(&path, "{\"v\":1,").unwrap();
        assert!(matches!(Memory::load(&path, "b"), Err(MemoryError::Torn { .. })));
    }
}
