//! Whose a process is.

use std::collections::HashMap;
use std::fs;

use fleet_os::{Proc, Stat};

use crate::truth::Seen;

/// No tree is deeper; who is deeper has a parent that changed meanwhile.
const DEEPEST: usize = 1000;

/// Tells of a pid which run it belongs to, by looking from it upwards: quick where few pids are
/// asked for, however many processes the fleet has.
///
/// A run's processes descend from its main process, or were left behind by one that did, and then
/// the kernel gave them to the shim or the keeper. Of a fleet within a fleet the inner one is met
/// first, and so it is with [`crate::Tree`].
#[derive(Debug)]
pub struct Owners<'a> {
    proc: Proc,
    claims: HashMap<i32, Claim<'a>>,
}

#[derive(Debug)]
struct Claim<'a> {
    /// Unknown for a keeper.
    start: Option<u64>,
    seen: &'a Seen,
}

impl<'a> Owners<'a> {
    /// The owners among the runs that live in this boot.
    pub fn of(all: &'a [Seen], boot: &str) -> Owners<'a> {
        let mut claims = HashMap::new();
        for seen in all.iter().filter(|s| s.observed.is_living() && s.record.boot == boot) {
            let mut claim = |pid, start| claims.insert(pid, Claim { start, seen });
            if let Some(shim) = seen.record.shim {
                shim.keeper.map(|keeper| claim(keeper, None));
                claim(shim.who.pid, Some(shim.who.start));
            }
            if let Some(main) = seen.record.main() {
                claim(main.pid, Some(main.start));
            }
        }
        Owners { proc: Proc::default(), claims }
    }

    /// The run that this process belongs to.
    pub fn owner(&self, pid: i32) -> Option<&'a Seen> {
        let mut pid = pid;
        for _ in 0..DEEPEST {
            if pid <= 1 {
                return None;
            }
            let stat = self.proc.stat(pid).ok()?;
            if let Some(claim) = self.claims.get(&pid).filter(|claim| self.holds(claim, &stat)) {
                return Some(claim.seen);
            }
            pid = stat.ppid;
        }
        None
    }

    /// Whether the process is the one that was recorded, and not a stranger with its pid.
    fn holds(&self, claim: &Claim<'_>, stat: &Stat) -> bool {
        let is_keeper = || {
            let name = fs::read(self.proc.path(stat.pid, "comm"));
            name.is_ok_and(|name| name == b"fleet-keeper\n")
        };
        claim.start.map_or_else(is_keeper, |start| start == stat.start)
    }
}
