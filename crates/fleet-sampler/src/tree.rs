//! What the tree of one process uses.

use std::collections::{HashMap, HashSet, VecDeque};
use std::io;

use fleet_core::{Incarnation, ProcessRecord};
use fleet_os::{ProcessFiles, Reader, Stat, has_gone};

use crate::Basis;

/// The usage of a tree, added up. What could not be read of one living member is unknown for all.
#[derive(Clone, Debug, Default)]
pub(crate) struct TreeUsage {
    /// Members that were found, zombies included.
    pub(crate) members: u64,
    pub(crate) threads: u64,
    /// Of the living members, with the children that each of them waited for.
    pub(crate) cpu_ticks: u64,
    pub(crate) resident_pages: Sum,
    pub(crate) proportional_bytes: Sum,
    /// Swap in proportion, where the proportional size was read.
    pub(crate) swap_bytes: Sum,
    pub(crate) descriptors: Sum,
    pub(crate) read_bytes: Sum,
    pub(crate) write_bytes: Sum,
    /// The main process, when it lives and is the recorded one.
    pub(crate) main: Option<Stat>,
    /// The shim, when it lives and is the recorded one: it waits for the orphans of the tree.
    pub(crate) shim: Option<Stat>,
}

/// A sum that is known only when nothing in it was withheld.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sum {
    total: u64,
    known: bool,
    withheld: bool,
}

impl Sum {
    fn add(&mut self, value: &io::Result<u64>) {
        match value {
            Ok(value) => {
                self.total = self.total.saturating_add(*value);
                self.known = true;
            }
            // It ended while we looked, or this kernel has no such file: nothing is known of it.
            Err(e) if has_gone(e) => {}
            Err(_) => self.withheld = true,
        }
    }

    fn withhold(&mut self) {
        self.withheld = true;
    }

    pub(crate) fn get(self) -> Option<u64> {
        (self.known && !self.withheld).then_some(self.total)
    }
}

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

/// What to read of a member's memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct MemoryWish {
    pub(crate) basis: Basis,
    /// While the host has nothing swapped out, no process has either, and it need not be asked.
    pub(crate) swap_in_use: bool,
}

/// Walks the trees of one round.
pub(crate) struct Walker<'a> {
    pub(crate) reader: &'a mut Reader,
    pub(crate) claims: &'a Claims,
    pub(crate) memory: MemoryWish,
    run: usize,
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
        memory: MemoryWish,
    ) -> Walker<'a> {
        Walker {
            reader,
            claims,
            memory,
            run: 0,
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
    pub(crate) fn walk(&mut self, run: usize, record: &ProcessRecord) -> TreeUsage {
        self.run = run;
        self.ours.clear();
        self.seen.clear();
        self.queue.clear();
        self.usage = TreeUsage::default();
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
            self.descendant(pid);
        }
        std::mem::take(&mut self.usage)
    }

    /// Follows the keeper when it is the parent of `child`, and says whether it was.
    fn keeper(&mut self, keeper: Option<i32>, child: Option<Stat>) -> bool {
        let (Some(keeper), Some(child)) = (keeper, child) else { return false };
        if child.ppid != keeper {
            return false;
        }
        if let Ok(mut files) = self.reader.process(keeper) {
            self.children.clear();
            // It has one thread.
            let _ = files.children(1, &mut self.children);
            self.follow(keeper);
        }
        true
    }

    /// Follows the children of the shim without counting it.
    fn shim(&mut self, shim: Incarnation) -> Option<Stat> {
        let mut files = self.reader.process(shim.pid).ok()?;
        let stat = files.stat().ok().filter(|stat| stat.start == shim.start)?;
        self.children.clear();
        let _ = files.children(stat.threads, &mut self.children);
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
        let Ok(mut files) = self.reader.process(main.pid) else { return };
        let Some(stat) = files.stat().ok().filter(|stat| stat.start == main.start) else { return };
        self.ours.insert(main.pid);
        self.seen.insert(main.pid);
        self.queue.retain(|pid| *pid != main.pid);
        self.children.clear();
        let many = !self.queue.is_empty();
        count(&mut self.usage, &mut files, &stat, self.memory, many, &mut self.children);
        self.usage.main = Some(stat);
        self.enqueue();
    }

    fn descendant(&mut self, pid: i32) {
        let Ok(mut files) = self.reader.process(pid) else { return };
        let Ok(stat) = files.stat() else { return };
        // Between the list of children and now it may have ended, and a stranger may have its pid.
        let ours = self.ours.contains(&stat.ppid) && !self.claims.is_of_another(self.run, &stat);
        if !ours {
            return;
        }
        self.ours.insert(pid);
        self.children.clear();
        let many = self.usage.members > 0 || !self.queue.is_empty();
        count(&mut self.usage, &mut files, &stat, self.memory, many, &mut self.children);
        self.enqueue();
    }

    fn enqueue(&mut self) {
        for pid in self.children.drain(..) {
            if self.seen.insert(pid) {
                self.queue.push_back(pid);
            }
        }
    }
}

/// Adds one member to the usage and its children to `children`.
fn count(
    usage: &mut TreeUsage,
    files: &mut ProcessFiles<'_>,
    stat: &Stat,
    memory: MemoryWish,
    many: bool,
    children: &mut Vec<i32>,
) {
    usage.members += 1;
    usage.cpu_ticks =
        [stat.user_ticks, stat.system_ticks, stat.children_user_ticks, stat.children_system_ticks]
            .into_iter()
            .fold(usage.cpu_ticks, u64::saturating_add);
    // A zombie holds nothing any more, and the kernel hides what is left of it from its own user.
    let first_thread_ended = stat.is_dead();
    if first_thread_ended && stat.threads <= 1 {
        return;
    }
    usage.threads = usage.threads.saturating_add(stat.threads);
    let _ = files.children(stat.threads, children);
    let io = files.io();
    usage.read_bytes.add(&part(&io, |io| io.read_bytes));
    usage.write_bytes.add(&part(&io, |io| io.write_bytes));
    if first_thread_ended {
        // Other threads work on, but these files show the first one's, which is nothing.
        usage.resident_pages.withhold();
        usage.proportional_bytes.withhold();
        usage.swap_bytes.withhold();
        usage.descriptors.withhold();
        return;
    }
    usage.resident_pages.add(&files.resident_pages());
    usage.descriptors.add(&files.descriptors());
    sizes(usage, files, memory, many || !children.is_empty());
}

fn sizes(usage: &mut TreeUsage, files: &mut ProcessFiles<'_>, memory: MemoryWish, many: bool) {
    let rollup = match memory.basis.is_proportional(many) {
        true => files.rollup(),
        // One member without it, and the sum would be no proportional size.
        false => Err(io::ErrorKind::PermissionDenied.into()),
    };
    usage.proportional_bytes.add(&part(&rollup, |r| r.proportional_bytes));
    match rollup {
        Ok(rollup) => usage.swap_bytes.add(&Ok(rollup.swap_bytes)),
        Err(_) if memory.swap_in_use => usage.swap_bytes.add(&files.swap_bytes()),
        Err(_) => usage.swap_bytes.add(&Ok(0)),
    }
}

fn part<T>(whole: &io::Result<T>, take: impl Fn(&T) -> u64) -> io::Result<u64> {
    match whole {
        Ok(whole) => Ok(take(whole)),
        Err(e) => {
            Err(e.raw_os_error().map_or_else(|| e.kind().into(), io::Error::from_raw_os_error))
        }
    }
}
