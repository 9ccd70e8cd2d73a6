//! Process trees.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::io;

use crate::proc::Proc;

/// All descendants of a process, parents before their children; the process itself is left out.
///
/// A fork can race a pass over a tree, so who wants to end all of it asks again until the answer
/// is empty. Bounded by the number of processes: no pid is visited twice.
pub fn descendants(proc: &Proc, root: i32) -> Vec<i32> {
    match by_children(proc, root) {
        Ok(found) => found,
        Err(e) if e.kind() == io::ErrorKind::NotFound && proc.path(root, "stat").exists() => {
            by_parents(proc, root)
        }
        Err(_) => Vec::new(),
    }
}

/// The end of the command line of what a shim starts to care for the log files of its run.
const HELPER: &[u8] = b"\0--helper\0";

/// Those of `found` that are no supervisor's and looked after by no other one: a process of the
/// fleet may itself spawn processes of the fleet, whose keepers then descend from it, but they are
/// runs of their own; and what cares for log files belongs to the supervisor that started it.
pub fn unsupervised(proc: &Proc, mut found: Vec<i32>) -> Vec<i32> {
    let heads_others = |pid: i32| match fs::read(proc.path(pid, "comm")).as_deref() {
        Ok(b"fleet-keeper\n") => true,
        Ok(b"fleet-logs\n") => {
            fs::read(proc.path(pid, "cmdline")).is_ok_and(|line| line.ends_with(HELPER))
        }
        _ => false,
    };
    let heads: Vec<i32> = found.iter().copied().filter(|&pid| heads_others(pid)).collect();
    let theirs: HashSet<i32> =
        heads.iter().flat_map(|&head| descendants(proc, head)).chain(heads.clone()).collect();
    found.retain(|pid| !theirs.contains(pid));
    found
}

/// All processes whose environment at their start held all of these `KEY=value`.
///
/// Reads all of /proc: only for trees that are nobody's children any more. Another user's
/// processes cannot be read and are not among them.
pub fn marked(proc: &Proc, marks: &[String]) -> Vec<i32> {
    let Ok(entries) = fs::read_dir(proc.root()) else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|e| e.file_name().to_str()?.parse::<i32>().ok())
        .filter(|&pid| has_marks(proc, pid, marks))
        .collect()
}

/// Whether the environment of a process at its start held all of these `KEY=value`.
pub fn has_marks(proc: &Proc, pid: i32, marks: &[String]) -> bool {
    let env = fs::read(proc.path(pid, "environ")).unwrap_or_default();
    let has = |mark: &String| env.split(|&b| b == 0).any(|entry| entry == mark.as_bytes());
    !env.is_empty() && marks.iter().all(has)
}

/// Follows the `children` files from the root down.
fn by_children(proc: &Proc, root: i32) -> io::Result<Vec<i32>> {
    let mut found = proc.children(root)?;
    let mut seen: HashSet<i32> = found.iter().copied().collect();
    let mut next = 0;
    while let Some(&pid) = found.get(next) {
        next += 1;
        // One that ended meanwhile has no children any more: they went to its subreaper.
        for child in proc.children(pid).unwrap_or_default() {
            if seen.insert(child) {
                found.push(child);
            }
        }
    }
    Ok(found)
}

/// For kernels without `children` files: one pass over all of /proc.
fn by_parents(proc: &Proc, root: i32) -> Vec<i32> {
    let Ok(entries) = fs::read_dir(proc.root()) else { return Vec::new() };
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    for pid in entries.flatten().filter_map(|e| e.file_name().to_str()?.parse::<i32>().ok()) {
        if let Ok(stat) = proc.stat(pid) {
            children.entry(stat.ppid).or_default().push(pid);
        }
    }
    let mut found = children.remove(&root).unwrap_or_default();
    let mut next = 0;
    while let Some(pid) = found.get(next) {
        found.extend(children.remove(pid).unwrap_or_default());
        next += 1;
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::{Command, Stdio};

    #[test]
    fn both_ways_find_grandchildren() {
        let mut shell = Command::new("sh")
            .args(["-c", "(sleep 60 & wait) & echo ready; wait"])
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let proc = Proc::default();
        let pid = shell.id() as i32;
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
        while descendants(&proc, pid).len() < 2 {
            assert!(std::time::Instant::now() < deadline, "no grandchild turned up");
            std::thread::yield_now();
        }
        let mut fast = by_children(&proc, pid).unwrap();
        let mut slow = by_parents(&proc, pid);
        for pid in &fast {
            nix::sys::signal::kill(
                nix::unistd::Pid::from_raw(*pid),
                nix::sys::signal::Signal::SIGKILL,
            )
            .unwrap();
        }
        shell.wait().unwrap();
        fast.sort_unstable();
        slow.sort_unstable();
        assert_eq!(fast, slow);
    }
}
