//! Control groups: where one may be made for a run, and holding a tree to its limits by it.
//!
//! Version 2 is one hierarchy, and a run gets one folder in it. Version 1 has a hierarchy for each
//! controller, and a run gets a folder in each that it needs; a host may have some controllers in
//! one and some in the other. Afterwards nobody needs to remember which it was: each limit goes
//! into whichever of the folders has a file for it.

mod group;
mod mounts;
mod site;

use std::io;
use std::path::PathBuf;

pub use group::{Cgroup, CgroupUse, MemoryKills};
pub use site::make_cgroup;

/// Something about a cgroup that could not be done.
#[derive(Debug, thiserror::Error)]
#[error("cannot {what} '{}': {}", path.display(), words(source))]
pub struct CgroupError {
    what: &'static str,
    path: PathBuf,
    source: io::Error,
}

impl CgroupError {
    fn of(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> CgroupError {
        move |source| CgroupError { what, path: path.into(), source }
    }
}

/// The system's words without its number.
fn words(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error").next().unwrap_or_default().to_owned()
}
