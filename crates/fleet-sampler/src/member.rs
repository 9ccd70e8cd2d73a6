//! What one member of a tree uses, and the sum of all.

use fleet_core::MemoryBasis;
use fleet_os::{Io, ProcessFiles, Rollup, Stat, Status, Tally};

use crate::Basis;
use crate::connections::{Connections, SocketTables, Sockets};
use crate::memo::{Departed, Memo, Rest, SizeRead, TreeMemo};
use crate::sum::{Known, Missing, Sum, known};

/// What to read of the members.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wish {
    pub(crate) basis: Basis,
    /// Whether each member is told by itself.
    pub(crate) members: bool,
    /// Seconds since boot.
    pub(crate) at: f64,
}

/// The usage of a tree, added up. What could not be read of one living member is unknown for all.
#[derive(Debug, Default)]
pub(crate) struct TreeUsage {
    /// Members that were found, zombies included.
    pub(crate) members: u64,
    pub(crate) threads: u64,
    /// Of the living members, with the children that each of them waited for.
    pub(crate) cpu_ticks: u64,
    /// The same, without and with storage.
    pub(crate) faults: [u64; 2],
    pub(crate) resident_bytes: Sum,
    pub(crate) peak_bytes: Sum,
    pub(crate) proportional_bytes: Sum,
    pub(crate) unique_bytes: Sum,
    /// Swap in proportion, where the proportional size was read.
    pub(crate) swap_bytes: Sum,
    pub(crate) descriptors: Sum,
    /// The largest share of its own limit that a member has of descriptors open.
    pub(crate) descriptors_share: Option<f64>,
    /// How many the main process may have open.
    pub(crate) descriptor_limit: Option<u64>,
    /// Storage read and written, all read and written.
    pub(crate) io: [Sum; 4],
    /// Voluntary and involuntary.
    pub(crate) switches: [Sum; 2],
    pub(crate) connections: Connections,
    /// What members that have gone had counted and left to nobody.
    pub(crate) departed: Departed,
    /// What the shim counted of the output.
    pub(crate) output: Option<Tally>,
    /// The main process, when it lives and is the recorded one.
    pub(crate) main: Option<Stat>,
    /// The shim, when it lives and is the recorded one: it waits for the orphans of the tree.
    pub(crate) shim: Option<Stat>,
    /// Each member, if that was asked for.
    pub(crate) each: Vec<Member>,
}

/// What was read of one member.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) stat: Stat,
    pub(crate) name: Option<String>,
    /// Whether it is a zombie that holds nothing any more.
    pub(crate) hollow: bool,
    pub(crate) read: Reading,
}

/// What only a member that runs can change, or the kernel in want of memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reading {
    pub(crate) status: Known<Status>,
    pub(crate) size: Known<(Rollup, SizeRead)>,
    pub(crate) descriptors: Known<u64>,
    pub(crate) descriptor_limit: Known<Option<u64>>,
    pub(crate) io: Known<Io>,
}

impl Reading {
    fn missing(why: Missing) -> Reading {
        Reading {
            status: Err(why),
            size: Err(why),
            descriptors: Err(why),
            descriptor_limit: Err(why),
            io: Err(why),
        }
    }
}

impl Member {
    /// CPU ticks, with those of the children that it waited for.
    pub(crate) fn cpu_ticks(&self) -> u64 {
        let s = &self.stat;
        [s.user_ticks, s.system_ticks, s.children_user_ticks, s.children_system_ticks]
            .into_iter()
            .fold(0, u64::saturating_add)
    }

    /// Minor and major faults, with those of the children that it waited for.
    pub(crate) fn faults(&self) -> [u64; 2] {
        let s = &self.stat;
        [
            s.minor_faults.saturating_add(s.children_minor_faults),
            s.major_faults.saturating_add(s.children_major_faults),
        ]
    }

    pub(crate) fn resident_bytes(&self) -> Known<u64> {
        self.of_status(|status| status.resident_bytes)
    }

    /// The proportional size where it was read, else the resident one.
    pub(crate) fn memory(&self) -> Option<(u64, MemoryBasis)> {
        let proportional =
            self.read.size.ok().map(|(r, _)| (r.proportional_bytes, MemoryBasis::Pss));
        proportional.or_else(|| Some((self.resident_bytes().ok()?, MemoryBasis::Rss)))
    }

    pub(crate) fn swap_bytes(&self) -> Known<u64> {
        match self.read.size {
            Ok((rollup, _)) => Ok(rollup.swap_bytes),
            Err(_) => self.of_status(|status| status.swap_bytes),
        }
    }

    pub(crate) fn switches(&self) -> [Known<u64>; 2] {
        [
            self.of_status(|status| status.voluntary_switches),
            self.of_status(|status| status.involuntary_switches),
        ]
    }

    /// Storage read and written, all read and written.
    pub(crate) fn traffic(&self) -> [Known<u64>; 4] {
        let part =
            |take: fn(&Io) -> u64| self.read.io.as_ref().map(take).map_err(|missing| *missing);
        [
            part(|io| io.read_bytes),
            part(|io| io.write_bytes),
            part(|io| io.read_total_bytes),
            part(|io| io.write_total_bytes),
        ]
    }

    /// What share of the descriptors that it may have open it has, in percent.
    pub(crate) fn descriptors_share(&self) -> Option<f64> {
        let limit = self.read.descriptor_limit.ok()??;
        (limit > 0).then_some(self.read.descriptors.ok()? as f64 / limit as f64 * 100.0)
    }

    fn of_status(&self, take: impl Fn(&Status) -> Option<u64>) -> Known<u64> {
        take(self.read.status.as_ref().map_err(|missing| *missing)?).ok_or(Missing::Gone)
    }

    fn counts(&self) -> Departed {
        Departed {
            switches: self.switches().map(|n| n.unwrap_or(0)),
            io: self.traffic().map(|n| n.unwrap_or(0)),
        }
    }
}

/// Where a member is counted.
pub(crate) struct Count<'a> {
    pub(crate) usage: &'a mut TreeUsage,
    pub(crate) sockets: &'a mut SocketTables,
    pub(crate) memo: &'a mut TreeMemo,
    pub(crate) children: &'a mut Vec<i32>,
    pub(crate) wish: Wish,
    /// Whether the tree is known to have other members.
    pub(crate) many: bool,
    /// Whether the member's parent is a supervisor.
    pub(crate) orphan: bool,
    /// Whether it is the main process.
    pub(crate) main: bool,
}

impl Count<'_> {
    /// Adds one member to the usage and its children to the list.
    pub(crate) fn member(mut self, files: &mut ProcessFiles<'_>, stat: Stat, name: Option<String>) {
        let first_thread_ended = stat.is_dead();
        // A zombie holds nothing any more, and the kernel hides what is left of it from its user.
        let hollow = first_thread_ended && stat.threads <= 1;
        // Where other threads work on, most files still show the first one's, which is nothing.
        let missing = if hollow { Missing::Gone } else { Missing::Withheld };
        let mut member = Member { stat, name, hollow, read: Reading::missing(missing) };
        let mut rest = None;
        if !hollow {
            let _ = files.children(stat.threads, self.children);
        }
        if !first_thread_ended {
            rest = self.read(files, &mut member);
        } else if hollow {
            // Nobody else has its traffic until its parent takes it over.
            let before = self.memo.traffic(&member.stat).ok_or(Missing::Gone);
            member.read.io = known(files.io()).or(before);
        } else {
            member.read.io = known(files.io());
            self.usage.connections.withhold();
        }
        let size = member.read.size.ok().map(|(_, read)| read);
        let counts = member.counts();
        self.memo.note(&stat, Memo { counts, orphan: self.orphan, size, rest });
        if self.main {
            self.usage.descriptor_limit = member.read.descriptor_limit.ok().flatten();
        }
        self.usage.add(&member);
        if self.wish.members {
            self.usage.each.push(member);
        }
    }

    /// Reads what a member uses, or takes what it used when it ran last. Returns what to remember.
    fn read(&mut self, files: &mut ProcessFiles<'_>, member: &mut Member) -> Option<Rest> {
        // Of several threads each would have to be asked.
        let ran = (member.stat.threads <= 1).then(|| files.ran_nanos().ok()).flatten();
        let rested = ran.and_then(|ran| self.memo.rested(&member.stat, ran, self.wish.at));
        let rest = match rested {
            Some(rest) => rest,
            None => Rest {
                ran_nanos: ran.unwrap_or(0),
                read_at: self.wish.at,
                read: self.read_all(files, &member.stat),
                sockets: Sockets::of(files),
            },
        };
        member.read = rest.read;
        self.usage.connections.add(member.stat.pid, &rest.sockets, files, self.sockets);
        ran.map(|_| rest)
    }

    fn read_all(&self, files: &mut ProcessFiles<'_>, stat: &Stat) -> Reading {
        let mut read = Reading {
            status: known(files.status()),
            size: Err(Missing::Withheld),
            descriptors: known(files.descriptors()),
            descriptor_limit: known(files.descriptor_limit()),
            io: known(files.io()),
        };
        // One member without it, and the sum would be no proportional size.
        if self.wish.basis.is_proportional(self.many || !self.children.is_empty()) {
            let resident = read.status.ok().and_then(|status| status.resident_bytes).unwrap_or(0);
            let rollup = || known(files.rollup());
            read.size = self.memo.size(stat, resident, self.wish.at, rollup);
        }
        read
    }
}

impl TreeUsage {
    fn add(&mut self, member: &Member) {
        self.members += 1;
        self.cpu_ticks = self.cpu_ticks.saturating_add(member.cpu_ticks());
        for (sum, faults) in self.faults.iter_mut().zip(member.faults()) {
            *sum = sum.saturating_add(faults);
        }
        if !member.hollow {
            self.threads = self.threads.saturating_add(member.stat.threads);
        }
        self.resident_bytes.add(member.resident_bytes());
        self.peak_bytes.add(member.of_status(|status| status.peak_resident_bytes));
        self.proportional_bytes.add(member.read.size.map(|(rollup, _)| rollup.proportional_bytes));
        self.unique_bytes.add(member.read.size.map(|(rollup, _)| rollup.private_bytes));
        self.swap_bytes.add(member.swap_bytes());
        self.descriptors.add(member.read.descriptors);
        let shares = [self.descriptors_share, member.descriptors_share()];
        self.descriptors_share = shares.into_iter().flatten().reduce(f64::max);
        for (sum, bytes) in self.io.iter_mut().zip(member.traffic()) {
            sum.add(bytes);
        }
        for (sum, switches) in self.switches.iter_mut().zip(member.switches()) {
            sum.add(switches);
        }
    }
}
