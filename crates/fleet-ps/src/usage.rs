//! What processes with limits use, to be shown beside those.

use fleet_census::Seen;
use fleet_core::{ProcessRecord, Timestamp, size_text};
use fleet_os::{Cgroup, CgroupUse, Proc, Reader, descendants, page_bytes, ticks_per_second};

/// Limits beside use, as cells: memory, processors and processes.
#[derive(Debug, Default)]
pub(crate) struct Cells(pub(crate) [Option<String>; 3]);

impl Cells {
    /// The cells of a run; empty ones where nothing limits it. Only a living one uses anything.
    pub(crate) fn of(seen: &Seen, now: Timestamp) -> Cells {
        let record = &seen.record;
        let limits = &record.limits;
        if limits.asked().next().is_none() {
            return Cells::default();
        }
        let uses = if seen.observed.is_living() { usage(record) } else { CgroupUse::default() };
        let age = record.started_at.map_or(0.0, |at| now.seconds_since(at));
        let cpus = uses.cpu_micros.filter(|_| age > 0.0).map(|micros| micros as f64 / 1e6 / age);
        Cells([
            beside(uses.memory_bytes.map(size_text), limits.memory_bytes.map(size_text)),
            beside(cpus.map(|n| format!("{n:.1}")), limits.cpus.map(|n| n.to_string())),
            beside(uses.pids.map(|n| n.to_string()), limits.pids.map(|n| n.to_string())),
        ])
    }
}

fn beside(used: Option<String>, limit: Option<String>) -> Option<String> {
    match (used, limit) {
        (used, Some(limit)) => Some(format!("{}/{limit}", used.as_deref().unwrap_or("-"))),
        (used, None) => used,
    }
}

/// What its cgroup counts; the rest, where there is none or the kernel counts elsewhere (version 1
/// has processor time in a hierarchy of its own), from the processes themselves.
fn usage(record: &ProcessRecord) -> CgroupUse {
    let counted = Cgroup::of(&record.limits).map(|own| own.usage()).unwrap_or_default();
    let CgroupUse { memory_bytes: Some(_), cpu_micros: Some(_), pids: Some(_) } = counted else {
        let summed = sum(record);
        return CgroupUse {
            memory_bytes: counted.memory_bytes.or(summed.memory_bytes),
            cpu_micros: counted.cpu_micros.or(summed.cpu_micros),
            pids: counted.pids.or(summed.pids),
        };
    };
    counted
}

/// The sum over the tree. Where another program may not be asked, it is left out.
fn sum(record: &ProcessRecord) -> CgroupUse {
    let proc = Proc::default();
    let shim = record.shim.map(|shim| shim.who.pid);
    let Some(main) = record.pid else { return CgroupUse::default() };
    let mut tree = descendants(&proc, main);
    tree.push(main);
    // Orphans of the tree are children of the shim.
    tree.extend(shim.map(|shim| descendants(&proc, shim)).unwrap_or_default());
    tree.sort_unstable();
    tree.dedup();
    let (mut reader, mut memory, mut ticks, mut pids) = (Reader::new(&proc), 0, 0, 0);
    for pid in tree {
        let Ok(mut files) = reader.process(pid) else { continue };
        let Ok(stat) = files.stat() else { continue };
        memory += files.resident_pages().unwrap_or(0) * page_bytes();
        ticks += stat.user_ticks + stat.system_ticks;
        ticks += stat.children_user_ticks + stat.children_system_ticks;
        pids += stat.threads;
    }
    CgroupUse {
        memory_bytes: Some(memory),
        cpu_micros: Some(ticks * 1_000_000 / ticks_per_second()),
        pids: Some(pids),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_stands_behind_what_is_used() {
        let text = |text: &str| Some(text.to_owned());
        assert_eq!(beside(text("1.2G"), text("24G")), text("1.2G/24G"));
        assert_eq!(beside(None, text("24G")), text("-/24G"));
        assert_eq!(beside(text("3"), None), text("3"));
        assert_eq!(beside(None, None), None);
    }
}
