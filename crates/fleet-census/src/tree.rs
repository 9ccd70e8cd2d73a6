//! The processes of a run.

use std::collections::HashSet;
use std::fs;

use fleet_core::ProcessRecord;
use fleet_os::{PidFd, Proc, descendants, marked, unsupervised};
use fleet_registry::Home;

/// The tree of a run, seen from outside: all that descends from its supervisors but they
/// themselves; where they have died or adopted it, what descends from the main process or has the
/// run's marks in its environment. Other runs that were spawned from it are not of it.
#[derive(Debug)]
pub struct Tree<'a> {
    home: &'a Home,
    record: &'a ProcessRecord,
    proc: Proc,
}

impl<'a> Tree<'a> {
    /// The tree of the run that this record is of.
    pub fn of(home: &'a Home, record: &'a ProcessRecord) -> Tree<'a> {
        Tree { home, record, proc: Proc::default() }
    }

    /// All living processes, parents before their children. A fork can race the look.
    pub fn members(&self) -> Vec<i32> {
        let supervisors = self.supervisors();
        let mut found: Vec<i32> = match supervisors.first() {
            Some(&root) => descendants(&self.proc, root),
            None => Vec::new(),
        };
        if !self.record.pid.is_some_and(|main| found.contains(&main)) {
            found.extend(self.strangers());
        }
        let mut seen = HashSet::new();
        found.retain(|&pid| !supervisors.contains(&pid) && seen.insert(pid));
        let mut found = unsupervised(&self.proc, found);
        found.retain(|&pid| self.proc.stat(pid).is_ok_and(|stat| !stat.is_dead()));
        found
    }

    /// All living processes, held, so that a pid that is used anew meanwhile deceives nobody: each
    /// is taken hold of first, and then looked for in the tree again.
    pub fn hold(&self) -> Vec<(i32, PidFd)> {
        let held: Vec<(i32, PidFd)> = self
            .members()
            .into_iter()
            .filter_map(|pid| Some((pid, PidFd::open(pid).ok()?)))
            .collect();
        let still: HashSet<i32> = self.members().into_iter().collect();
        held.into_iter().filter(|(pid, _)| still.contains(pid)).collect()
    }

    /// Keeper and shim, as far as they live. The keeper is who the kernel says is the shim's
    /// parent: the record knows it by its pid alone.
    fn supervisors(&self) -> Vec<i32> {
        let shim = self.record.shim.map(|shim| shim.who);
        let held = shim.and_then(|who| PidFd::of(who).ok().flatten());
        let (Some(who), Some(_held)) = (shim, held.filter(|shim| !shim.has_exited())) else {
            return Vec::new();
        };
        let is_keeper = |pid: &i32| {
            fs::read(self.proc.path(*pid, "comm")).is_ok_and(|comm| comm == b"fleet-keeper\n")
        };
        let parent = self.proc.stat(who.pid).ok().map(|stat| stat.ppid);
        parent.filter(is_keeper).into_iter().chain([who.pid]).collect()
    }

    /// The main process and whoever has the marks of the run, with all that descend from them.
    fn strangers(&self) -> Vec<i32> {
        let main = self.record.main().and_then(|main| PidFd::of(main).ok().flatten());
        let lives = main.as_ref().is_some_and(|main| !main.has_exited());
        let mut found: Vec<i32> = self.record.pid.filter(|_| lives).into_iter().collect();
        found.extend(marked(&self.proc, &self.home.marks(&self.record.key())));
        let below: Vec<i32> = found.iter().flat_map(|&pid| descendants(&self.proc, pid)).collect();
        found.extend(below);
        found
    }
}
