//! Who belongs to the tree of one process.

use std::collections::{HashMap, HashSet, VecDeque};

use fleet_core::{Incarnation, ProcessRecord};
use fleet_os::{Reader, Stat};

use crate::connections::SocketTables;
use crate::member::{Count, TreeUsage, Wish};
use crate::memo::TreeMemo;

/// Who of the kernel's pids belongs to which run, so that a fleet started from within a fleet is
/// counted once: the walk of the outer tree stops where the inner one begins.
#[derive(Debug, Default)]
pub(crate) struct Claims(HashMap<i32, (usize, Option<u64>)>);

impl Claims {
    /// Notes the processes that the living run number `run` has by name.
    pub(crate) fn add(&mut self, run: usize, record: &ProcessRecord) {
        let mut claim = |pid, start| self.0.insert(pid, (run, start));
        if let Some(shim) = record.shim {
            if let Some(keeper) = shim.keeper {
                claim(keeper, None);
            }
            claim(shim.who.pid, Some(shim.who.start));
        }
        if let Some(main) = record.main() {
            claim(main.pid, Some(main.start));
        }
    }

    fn is_of_another(&self, run: usize, stat: &Stat) -> bool {
        self.0.get(&stat.pid).is_some_and(|(owner, start)| {
            *owner != run && start.is_none_or(|start| start == stat.start)
        })
    }
}

/// How a process is known to be of the tree.
#[derive(Clone, Copy)]
enum Expected {
    /// It started at this tick.
    Main { start: u64 },
    /// Its parent is.
    Child,
}

/// Walks one tree.
pub(crate) struct Walker<'a> {
    reader: &'a mut Reader,
    claims: &'a Claims,
    sockets: &'a mut SocketTables,
    memo: &'a mut TreeMemo,
    wish: Wish,
    run: usize,
    /// Shim and keeper: what their children counted ends with them.
    supervisors: [Option<i32>; 2],
    /// Processes that were found to be of this tree.
    ours: HashSet<i32>,
    /// Pids that were queued once.
    seen: HashSet<i32>,
    queue: VecDeque<i32>,
    children: Vec<i32>,
    usage: TreeUsage,
}

impl<'a> Walker<'a> {
    pub(crate) fn new(
        reader: &'a mut Reader,
        claims: &'a Claims,
        sockets: &'a mut SocketTables,
        memo: &'a mut TreeMemo,
        wish: Wish,
    ) -> Walker<'a> {
        Walker {
            reader,
            claims,
            sockets,
            memo,
            wish,
            run: 0,
            supervisors: [None; 2],
            ours: HashSet::new(),
            seen: HashSet::new(),
            queue: VecDeque::new(),
            children: Vec::new(),
            usage: TreeUsage::default(),
        }
    }

    /// The usage of the tree of a record of this boot.
    ///
    /// The tree is the main process, all below it, and the orphans that the kernel gave to the
    /// shim or the keeper; these two are not counted. Each is trusted only when it is the recorded
    /// one: main process and shim by pid and start time, the keeper, of which no start time is
    /// recorded, because it is the parent of one of these.
    pub(crate) fn walk(mut self, run: usize, record: &ProcessRecord) -> TreeUsage {
        self.run = run;
        self.supervisors = record.shim.map_or([None; 2], |s| [Some(s.who.pid), s.keeper]);
        let keeper = record.shim.and_then(|s| s.keeper);
        let mut keeper_seen = false;
        if let Some(shim) = record.shim {
            self.usage.shim = self.shim(shim.who);
            keeper_seen = self.keeper(keeper, self.usage.shim);
        }
        if let Some(main) = record.main() {
            self.main(main);
        }
        if !keeper_seen {
            self.keeper(keeper, self.usage.main);
        }
        while let Some(pid) = self.queue.pop_front() {
            self.member(pid, Expected::Child);
        }
        self.usage.departed = self.memo.end_round();
        self.usage
    }

    /// Follows the keeper when it is the parent of `child`, and says whether it was.
    ///
    /// Orphans come to it only while there is no shim: where it had none beside a shim that lives
    /// on, it still has none and need not be asked.
    fn keeper(&mut self, keeper: Option<i32>, child: Option<Stat>) -> bool {
        let (Some(keeper), Some(child)) = (keeper, child) else { return false };
        if child.ppid != keeper {
            return false;
        }
        let shim = self.usage.shim.map(|shim| (shim.pid, shim.start));
        self.children.clear();
        if shim.is_none() || self.memo.alone_with_keeper != shim {
            // It has one thread.
            let read = self.reader.process(keeper);
            let Ok(()) = read.and_then(|mut files| files.children(1, &mut self.children)) else {
                return true;
            };
        }
        let alone = self.children.iter().all(|pid| Some(*pid) == shim.map(|(pid, _)| pid));
        self.memo.alone_with_keeper = shim.filter(|_| alone);
        self.follow(keeper);
        true
    }

    /// Follows the children of the shim without counting it.
    fn shim(&mut self, shim: Incarnation) -> Option<Stat> {
        let mut files = self.reader.process(shim.pid).ok()?;
        let stat = files.stat().ok().filter(|stat| stat.start == shim.start)?;
        self.children.clear();
        let _ = files.children(stat.threads, &mut self.children);
        self.usage.output = files.tally().ok().flatten();
        self.follow(shim.pid);
        Some(stat)
    }

    /// Takes up the children of a supervisor.
    fn follow(&mut self, pid: i32) {
        self.ours.insert(pid);
        self.seen.insert(pid);
        self.enqueue();
    }

    fn main(&mut self, main: Incarnation) {
        self.queue.retain(|pid| *pid != main.pid);
        self.seen.insert(main.pid);
        self.usage.main = self.member(main.pid, Expected::Main { start: main.start });
    }

    /// Counts a process if it is of this tree, and queues its children.
    fn member(&mut self, pid: i32, expected: Expected) -> Option<Stat> {
        let mut files = self.reader.process(pid).ok()?;
        let (stat, name) = match self.wish.members {
            true => files.named_stat().ok().map(|(stat, name)| (stat, Some(name)))?,
            false => (files.stat().ok()?, None),
        };
        let is_ours = match expected {
            Expected::Main { start } => stat.start == start,
            // Between the list of children and now it may have ended, and a stranger may have its
            // pid.
            Expected::Child => {
                self.ours.contains(&stat.ppid) && !self.claims.is_of_another(self.run, &stat)
            }
        };
        if !is_ours {
            return None;
        }
        self.ours.insert(pid);
        self.children.clear();
        let count = Count {
            many: self.usage.members > 0 || !self.queue.is_empty(),
            orphan: self.supervisors.contains(&Some(stat.ppid)),
            main: matches!(expected, Expected::Main { .. }),
            usage: &mut self.usage,
            sockets: self.sockets,
            memo: self.memo,
            children: &mut self.children,
            wish: self.wish,
        };
        count.member(&mut files, stat, name);
        self.enqueue();
        Some(stat)
    }

    fn enqueue(&mut self) {
        for pid in self.children.drain(..) {
            if self.seen.insert(pid) {
                self.queue.push_back(pid);
            }
        }
    }
}
