//! Which files are read, and what each is called.

use std::collections::HashSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use fleet_cli::{Exit, talk};
use fleet_core::Id;

/// Endings that are no part of a log's name.
const ENDINGS: [&str; 7] = [".gz", ".zst", ".log", ".txt", ".jsonl", ".json", ".out"];

/// The files that these paths mean: a folder means the files in it, in the order of their names.
/// What cannot be read is said.
pub(super) fn files(paths: &[PathBuf], exit: &mut Exit) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for path in paths {
        if !path.is_dir() {
            files.push(path.clone());
            continue;
        }
        match inside(path) {
            Ok(found) => files.extend(found),
            Err(error) => {
                talk(format_args!("cannot read folder '{}': {error}", path.display()));
                *exit = Exit::CouldNot;
            }
        }
    }
    files
}

fn inside(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let hidden = path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(b"."));
        if !hidden && path.is_file() {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Gives each file a name of its own.
#[derive(Default)]
pub(super) struct Names(HashSet<Id>);

impl Names {
    /// The name of the file without its endings, with a number where another has it.
    pub(super) fn of(&mut self, path: &Path) -> Id {
        let first = near(path);
        let numbered = (2..).map(|number| first.numbered(number));
        let mut names = std::iter::once(first.clone()).chain(numbered);
        let name = names.find(|name| !self.0.contains(name)).unwrap_or(first);
        self.0.insert(name.clone());
        name
    }
}

fn near(path: &Path) -> Id {
    if path.as_os_str() == "-" {
        return Id::near("stdin");
    }
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy();
    let mut name = name.as_ref();
    for ending in ENDINGS {
        name = name.strip_suffix(ending).filter(|rest| !rest.is_empty()).unwrap_or(name);
    }
    Id::near(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_file_has_a_name_of_its_own() {
        let mut names = Names::default();
        for (path, name) in [
            ("/var/log/app.log", "app"),
            ("/var/log/old/app.log.gz", "app-2"),
            ("app.log.1", "app.log.1"),
            ("-", "stdin"),
            (".log", "log"),
            ("out put.txt", "out-put"),
            ("é", "job"),
        ] {
            assert_eq!(names.of(Path::new(path)).as_str(), name, "{path}");
        }
    }
}
