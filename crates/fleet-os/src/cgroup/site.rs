//! Finding a place where a cgroup may be made, and making it.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use fleet_core::{Controller, Limits, size_text};
use nix::fcntl::{AT_FDCWD, AtFlags};
use nix::unistd::{AccessFlags, faccessat};

use super::group::{Cgroup, limit_files};
use super::mounts::{Hierarchy, hierarchies};
use super::words;

/// A name is tried with so many numbers behind it.
const NAMES: u32 = 100;

/// Makes a cgroup of this name for what these limits ask of one, if they do, and notes in them
/// where it is, and what it cannot hold the tree to with what is done instead.
///
/// The hierarchies are looked for below the file system root `root`. The name is made longer where
/// a living cgroup has it.
pub fn make_cgroup(root: &Path, name: &str, limits: &mut Limits) {
    (limits.cgroups, limits.weaker) = (Vec::new(), BTreeMap::new());
    let wanted: Vec<Controller> = limits.asked().collect();
    if wanted.is_empty() {
        return;
    }
    let made = make(root, name, &wanted);
    // A path that is no text is none that a hierarchy is mounted at.
    let text = |path: PathBuf| path.to_string_lossy().into_owned();
    limits.cgroups = made.folders.into_iter().map(text).collect();
    for (controller, why) in made.refused {
        let words = format!("{} ({why})", instead_of(controller, limits));
        limits.weaker.insert(controller, words);
    }
}

/// What holds a process where no cgroup does; see `Terms::new`.
fn instead_of(controller: Controller, limits: &Limits) -> String {
    let size = size_text(limits.memory_bytes.unwrap_or(0));
    let pids = limits.pids.unwrap_or(0);
    match controller {
        Controller::Memory => format!(
            "no cgroup holds the tree to {size}; each process gets {size} of data (RLIMIT_DATA) and \
             no more, all of them together may use more, and none is killed for it"
        ),
        Controller::Cpu => "nothing limits its processor time".to_owned(),
        Controller::Pids if is_root() => {
            format!("nothing holds it to {pids} processes: no rlimit on them holds root")
        }
        Controller::Pids => format!(
            "no cgroup holds the tree to {pids} processes; this user may have {pids} more than now, \
             in all that runs (RLIMIT_NPROC)"
        ),
    }
}

fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}

/// A cgroup that was made, or what kept it from being made.
#[derive(Debug, Default)]
struct Made {
    folders: Vec<PathBuf>,
    refused: Vec<(Controller, String)>,
}

/// Whether a cgroup may be made is only known when it is: access rights, read-only mounts,
/// namespaces, a kernel without a controller's file and a limit on cgroups all have a say.
fn make(root: &Path, name: &str, wanted: &[Controller]) -> Made {
    let mut made = Made::default();
    for Place { parent, controllers, why } in places(root, wanted) {
        let folder = match parent {
            Some(parent) => make_in(&parent, name, &controllers),
            None => Err(why),
        };
        match folder {
            Ok(folder) => made.folders.push(folder),
            Err(why) => made.refused.extend(controllers.iter().map(|&c| (c, why.clone()))),
        }
    }
    made
}

/// Where some controllers are to be had, or why they are not.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    parent: Option<PathBuf>,
    controllers: Vec<Controller>,
    why: String,
}

/// A controller is in a hierarchy of version 1, or else it can only be in the unified one.
fn places(root: &Path, wanted: &[Controller]) -> Vec<Place> {
    let all = match hierarchies(root) {
        Ok(all) => all,
        Err(e) => return vec![nowhere(wanted.to_vec(), words(&e))],
    };
    let mut left = wanted.to_vec();
    let mut places = Vec::new();
    for old in all.iter().filter(|one| !one.unified) {
        let (here, others) = left.into_iter().partition(|c| old.controllers.contains(c));
        left = others;
        let here: Vec<Controller> = here;
        if !here.is_empty() {
            let (parent, why) = (Some(old.own.clone()), String::new());
            places.push(Place { parent, controllers: here, why });
        }
    }
    if left.is_empty() {
        return places;
    }
    match all.iter().find(|one| one.unified) {
        Some(unified) => places.extend(in_unified(unified, &left)),
        None => places.push(nowhere(left, "no cgroup hierarchy is mounted".to_owned())),
    }
    places
}

fn nowhere(controllers: Vec<Controller>, why: String) -> Place {
    Place { parent: None, controllers, why }
}

/// Walks from the own cgroup up to the mount, to the first one that can pass on all that is
/// wanted, or else to the first of those that can pass on most of it.
///
/// A cgroup with processes of its own passes nothing on, unless it is the root of all (the rule of
/// no internal processes, cgroups(7)); and who moves a process must be allowed to write to
/// `cgroup.procs` of the nearest common ancestor, which is where the new one is made.
fn in_unified(unified: &Hierarchy, wanted: &[Controller]) -> Vec<Place> {
    let mut best: Option<(PathBuf, Vec<Controller>)> = None;
    let mut why = None;
    let below_top = |folder: &&Path| folder.starts_with(&unified.top);
    for folder in unified.own.ancestors().take_while(below_top) {
        let got = match passed_on(folder, wanted) {
            Ok(got) => got,
            Err(reason) => {
                why.get_or_insert(reason);
                continue;
            }
        };
        if got.len() > best.as_ref().map_or(0, |(_, controllers)| controllers.len()) {
            best = Some((folder.to_owned(), got));
        }
        if best.as_ref().is_some_and(|(_, controllers)| controllers.len() == wanted.len()) {
            break;
        }
    }
    let (parent, controllers) = best.map_or((None, Vec::new()), |(p, c)| (Some(p), c));
    let missing: Vec<Controller> =
        wanted.iter().copied().filter(|c| !controllers.contains(c)).collect();
    let mut places = Vec::new();
    if !controllers.is_empty() {
        places.push(Place { parent, controllers, why: String::new() });
    }
    if !missing.is_empty() {
        let why = why.unwrap_or_else(|| {
            format!("'{}' and what is above it cannot pass it on", unified.own.display())
        });
        places.push(nowhere(missing, why));
    }
    places
}

/// Which of the wanted controllers a new child of this cgroup would have.
fn passed_on(folder: &Path, wanted: &[Controller]) -> Result<Vec<Controller>, String> {
    for path in [folder, &folder.join("cgroup.procs")] {
        let flags = AccessFlags::W_OK;
        if let Err(e) = faccessat(AT_FDCWD, path, flags, AtFlags::AT_EACCESS) {
            return Err(format!("'{}' may not be written ({})", path.display(), e.desc()));
        }
    }
    let listed = |file: &str| fs::read_to_string(folder.join(file)).unwrap_or_default();
    let (there, enabled) = (listed("cgroup.controllers"), listed("cgroup.subtree_control"));
    let has = |list: &str, one: Controller| list.split_whitespace().any(|c| c == one.word());
    let gives = |one: &Controller| {
        has(&there, *one) && (has(&enabled, *one) || enable(folder, *one).is_ok())
    };
    Ok(wanted.iter().copied().filter(gives).collect())
}

fn enable(folder: &Path, controller: Controller) -> io::Result<()> {
    fs::write(folder.join("cgroup.subtree_control"), format!("+{controller}"))
}

/// Makes the folder and sees that it has what limits are written to.
fn make_in(parent: &Path, name: &str, controllers: &[Controller]) -> Result<PathBuf, String> {
    let folder = make_new(parent, name)
        .map_err(|e| format!("no cgroup can be made in '{}': {}", parent.display(), words(&e)))?;
    let holds = |one: Controller| limit_files(one).iter().any(|file| folder.join(file).exists());
    // Below a threaded cgroup of version 2 there is no place for a process.
    let kind = fs::read_to_string(folder.join("cgroup.type")).unwrap_or_else(|_| "domain".into());
    let missing = controllers.iter().find(|&&one| !holds(one));
    if missing.is_none() && kind.trim_end() == "domain" {
        return Ok(folder);
    }
    let _ = fs::remove_dir(&folder);
    Err(match missing {
        Some(one) => format!("this kernel sets no limit on {one} by cgroup"),
        None => format!("a cgroup in '{}' takes no process ({kind})", parent.display()),
    })
}

/// A folder that nothing lives in. One of that name may be left of a run that was cut short; or of
/// one whose home was removed and that lives on.
fn make_new(parent: &Path, name: &str) -> io::Result<PathBuf> {
    for number in 0..NAMES {
        let tail = if number == 0 { String::new() } else { format!(".{number}") };
        let folder = parent.join(format!("{name}{tail}"));
        match fs::create_dir(&folder) {
            Ok(()) => return Ok(folder),
            Err(e) if e.kind() != io::ErrorKind::AlreadyExists => return Err(e),
            Err(_) => {}
        }
        // An old one goes with what it counted; whether anything lives in it the kernel knows.
        if Cgroup::at([&folder]).remove().is_ok() && fs::create_dir(&folder).is_ok() {
            return Ok(folder);
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Controller; 3] = Controller::ALL;

    /// A tree with a unified hierarchy; each folder with what it has and what it passes on. One
    /// that passes on `!` refuses to pass on anything else.
    fn unified(own: &str, folders: &[(&str, &str, &str)]) -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path();
        fs::create_dir_all(root.join("proc/self")).unwrap();
        let mounts = "31 23 0:28 / /cg rw - cgroup2 cgroup2 rw\n";
        fs::write(root.join("proc/self/mountinfo"), mounts).unwrap();
        fs::write(root.join("proc/self/cgroup"), format!("0::{own}\n")).unwrap();
        for (path, has, passes) in folders {
            let folder = root.join("cg").join(path);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("cgroup.procs"), "").unwrap();
            fs::write(folder.join("cgroup.controllers"), has).unwrap();
            match *passes {
                "!" => fs::create_dir(folder.join("cgroup.subtree_control")).unwrap(),
                list => fs::write(folder.join("cgroup.subtree_control"), list).unwrap(),
            }
        }
        dir
    }

    fn place(dir: &tempfile::TempDir) -> Vec<(Option<String>, Vec<Controller>)> {
        let short = |path: PathBuf| {
            path.strip_prefix(dir.path().join("cg")).unwrap().to_str().unwrap().to_owned()
        };
        let found = places(dir.path(), &ALL);
        found.into_iter().map(|p| (p.parent.map(short), p.controllers)).collect()
    }

    #[test]
    fn the_first_ancestor_that_passes_all_on_is_it() {
        let all = "cpu memory pids";
        let dir = unified("/a/b", &[("", all, "memory"), ("a", all, all), ("a/b", all, "!")]);
        assert_eq!(place(&dir), [(Some("a".to_owned()), ALL.to_vec())]);
    }

    #[test]
    fn what_is_not_passed_on_yet_is_enabled() {
        let all = "cpu memory pids";
        let dir = unified("/a", &[("", all, ""), ("a", "", "!")]);
        assert_eq!(place(&dir), [(Some(String::new()), ALL.to_vec())]);
        let written = fs::read_to_string(dir.path().join("cg/cgroup.subtree_control")).unwrap();
        assert_eq!(written, "+pids", "one at a time, so that one that is refused costs no other");
    }

    #[test]
    fn a_part_is_better_than_nothing() {
        let dir = unified(
            "/a/b",
            &[
                ("", "cpu io", "!"),
                ("a", "memory pids", "pids memory"),
                ("a/b", "memory pids", "!"),
            ],
        );
        let expected = vec![
            (Some("a".to_owned()), vec![Controller::Memory, Controller::Pids]),
            (None, vec![Controller::Cpu]),
        ];
        assert_eq!(place(&dir), expected);
    }

    #[test]
    fn nothing_is_to_be_had_without_delegation() {
        let dir = unified("/a", &[("", "cpu memory pids", "!"), ("a", "", "!")]);
        let made = make(dir.path(), "x", &ALL);
        assert_eq!((made.folders.len(), made.refused.len()), (0, 3));
        assert!(made.refused[0].1.contains("cannot pass it on"), "{made:?}");
        let gone = unified("/a", &[]);
        fs::write(gone.path().join("proc/self/mountinfo"), "").unwrap();
        let made = make(gone.path(), "x", &ALL);
        assert!(made.refused[0].1.contains("mounted"), "{made:?}");
    }

    #[test]
    fn a_controller_of_version_1_has_its_own_place() {
        let dir = unified("/", &[("", "pids", "pids")]);
        let mounts = "31 23 0:28 / /cg rw - cgroup2 cgroup2 rw\n\
            32 23 0:29 / /mem rw - cgroup cgroup rw,memory\n";
        fs::write(dir.path().join("proc/self/mountinfo"), mounts).unwrap();
        fs::write(dir.path().join("proc/self/cgroup"), "4:memory:/m\n0::/\n").unwrap();
        let found = places(dir.path(), &[Controller::Memory, Controller::Pids]);
        let parents: Vec<_> = found.iter().map(|p| p.parent.clone().unwrap()).collect();
        assert_eq!(parents, [dir.path().join("mem/m"), dir.path().join("cg")]);
    }

    #[test]
    fn a_folder_without_files_for_limits_is_taken_away_again() {
        let dir = unified("/", &[("", "memory", "memory")]);
        let made = make(dir.path(), "x", &[Controller::Memory]);
        assert!(made.refused[0].1.contains("sets no limit on memory"), "{made:?}");
        assert!(!dir.path().join("cg/x").exists());
    }

    #[test]
    fn a_name_that_something_lives_in_is_passed_over() {
        let dir = tempfile::tempdir().unwrap();
        // Here a file plays the process that keeps the kernel from removing it.
        fs::create_dir(dir.path().join("a")).unwrap();
        fs::write(dir.path().join("a/lives"), "").unwrap();
        fs::create_dir(dir.path().join("a.1")).unwrap();
        assert_eq!(make_new(dir.path(), "a").unwrap(), dir.path().join("a.1"));
    }
}
