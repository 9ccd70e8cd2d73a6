//! Finding the programs that belong to the one that runs.

use std::env;
use std::path::PathBuf;

/// A program of ours by its name: beside the program that runs, else in the PATH, so that a folder
/// of tools works from wherever it is put.
pub fn program(name: &str) -> Option<PathBuf> {
    let beside = env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join(name)));
    let path = env::var_os("PATH").unwrap_or_default();
    let mut places = beside.into_iter().chain(env::split_paths(&path).map(|dir| dir.join(name)));
    places.find(|program| program.is_file())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_is_found_in_the_path_and_a_missing_one_is_not() {
        assert!(program("sh").unwrap().is_absolute());
        assert_eq!(program("no such program"), None);
    }
}
