//! The process tree of a run: who belongs to it, and signals to all of them.

use std::collections::HashSet;
use std::fs;
use std::io;

use fleet_core::Signal;
use fleet_os::{PidFd, descendants, look, marked, unsupervised};
use nix::sys::signal::kill;
use nix::unistd::Pid;

use crate::board::Word;
use crate::supervise::Shim;

/// The end of the command line of what asks the drivers of the GPUs.
const ASKER: &[u8] = b"fleet-gpus\0--serve\0";

impl Shim<'_> {
    /// All living processes of the tree. The shim and its keeper are subreapers, so that nothing
    /// that the command starts can leave them; the tree of an adopted process is found by
    /// descent and by the marks in its environment.
    pub(crate) fn members(&self) -> Vec<i32> {
        let me = std::process::id() as i32;
        let mut found = descendants(&self.post.proc, self.post.keeper);
        found.retain(|&pid| pid != me);
        if self.post.board.get(Word::Stranger) != 0 {
            found.extend(self.strangers());
        }
        let mut found = unsupervised(&self.post.proc, found);
        let mut seen = HashSet::new();
        found.retain(|&pid| seen.insert(pid) && self.is_living(pid));
        let asked = self.command_members();
        found.retain(|&pid| !asked.contains(&pid) && !self.asks_driver(pid));
        found
    }

    /// Whether it is what this shim asked for the GPUs: one that hangs in their driver cannot be
    /// killed, and must not pass for a part of the tree.
    fn asks_driver(&self, pid: i32) -> bool {
        let proc = &self.post.proc;
        self.post.spec.gpu_wish.is_some()
            && proc
                .stat(pid)
                .is_ok_and(|s| [std::process::id() as i32, self.post.keeper].contains(&s.ppid))
            && fs::read(proc.path(pid, "cmdline")).is_ok_and(|line| line.ends_with(ASKER))
    }

    fn strangers(&self) -> Vec<i32> {
        let main = self.post.board.get(Word::ChildPid) as i32;
        let mut found = marked(&self.post.proc, &self.post.home.marks(&self.record.key()));
        found.extend(self.post.cgroup().map(|own| own.members()).unwrap_or_default());
        if self.main.as_ref().is_some_and(|main| !main.has_exited()) {
            found.push(main);
        }
        let below: Vec<i32> =
            found.iter().flat_map(|&pid| descendants(&self.post.proc, pid)).collect();
        found.extend(below);
        found.retain(|&pid| pid != std::process::id() as i32 && pid != self.post.keeper);
        found
    }

    /// A zombie is dead, whoever is to reap it.
    pub(crate) fn is_living(&self, pid: i32) -> bool {
        self.post.proc.stat(pid).is_ok_and(|stat| !stat.is_dead())
    }

    /// Whether nothing of the tree lives.
    pub(crate) fn is_empty(&self) -> bool {
        let alone = self.post.board.get(Word::Replaced) == 0
            && self.post.board.get(Word::Stranger) == 0
            && look(false).is_err();
        alone || self.members().is_empty()
    }

    /// Sends a signal to the whole tree, the main process first.
    pub(crate) fn signal_tree(&self, signal: Signal) {
        self.signal_all(&self.members(), signal);
    }

    /// Sends a signal to each. It is taken hold of first and then looked at again, so that a pid
    /// that is used anew meanwhile is not hit.
    pub(crate) fn signal_all(&self, members: &[i32], signal: Signal) {
        let family: HashSet<i32> =
            members.iter().copied().chain([std::process::id() as i32, self.post.keeper]).collect();
        let stranger = self.post.board.get(Word::Stranger) != 0;
        for &pid in members {
            let held = match PidFd::open(pid) {
                Err(e) if e.kind() == io::ErrorKind::NotFound => continue,
                held => held.ok(),
            };
            let parent = self.post.proc.stat(pid).map(|stat| stat.ppid);
            if parent.is_ok_and(|parent| stranger || family.contains(&parent)) {
                // A suspended process would never see it.
                send(pid, held.as_ref(), signal);
                send(pid, held.as_ref(), Signal::CONT);
            }
        }
    }
}

/// Sends a signal, by pid where no descriptor is to be had: a stop must not wait for one.
fn send(pid: i32, held: Option<&PidFd>, signal: Signal) {
    let _ = match held {
        Some(held) => held.signal(signal),
        None => kill(Pid::from_raw(pid), Some(signal.into())).map_err(io::Error::from),
    };
}
