//! What the machine uses: the forms of the files in /proc itself.

use crate::usage::{kib, value_of};

/// CPU time since boot: proc_stat(5).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cpu {
    /// Clock ticks that were not idle; the time of guests is part of it, time stolen by a
    /// hypervisor too, waiting for storage is not.
    pub busy_ticks: u64,
    /// The same of each processor that is online, with its number.
    pub cores: Vec<(u32, u64)>,
    /// When the machine booted: seconds since 1970, by the clock as it is set now.
    pub booted_at: Option<u64>,
}

impl Cpu {
    /// Reads the text of /proc/stat.
    pub fn parse(text: &[u8]) -> Option<Cpu> {
        let mut lines = text.split(|&b| b == b'\n');
        let busy_ticks = busy(lines.next()?.strip_prefix(b"cpu ")?)?;
        let cores = lines.map_while(|line| core(line.strip_prefix(b"cpu")?)).collect();
        Some(Cpu { busy_ticks, cores, booted_at: value_of(text, b"btime ") })
    }

    /// Processors that are online.
    pub fn cpus(&self) -> u64 {
        self.cores.len() as u64
    }
}

/// The number of a processor and its ticks.
fn core(line: &[u8]) -> Option<(u32, u64)> {
    let end = line.iter().position(|&b| b == b' ')?;
    Some((std::str::from_utf8(&line[..end]).ok()?.parse().ok()?, busy(&line[end..])?))
}

/// Ticks that were not idle and did not wait for storage, the fourth and the fifth number.
fn busy(ticks: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(ticks).ok()?;
    let numbers = text.split_ascii_whitespace().map_while(|n| n.parse::<u64>().ok()).take(8);
    let (mut busy, mut found) = (0u64, 0);
    for (at, ticks) in numbers.enumerate() {
        found += 1;
        if !matches!(at, 3 | 4) {
            busy = busy.saturating_add(ticks);
        }
    }
    (found >= 4).then_some(busy)
}

/// Memory of the machine in bytes: proc_meminfo(5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostMemory {
    /// All of it.
    pub total_bytes: u64,
    /// What could still be given without swapping, by the kernel's estimate.
    pub available_bytes: u64,
    /// All swap.
    pub swap_total_bytes: u64,
    /// Swap that is not in use.
    pub swap_free_bytes: u64,
}

impl HostMemory {
    /// Reads the text of /proc/meminfo.
    pub fn parse(text: &[u8]) -> Option<HostMemory> {
        Some(HostMemory {
            total_bytes: kib(text, b"MemTotal:")?,
            available_bytes: kib(text, b"MemAvailable:")?,
            // A kernel built without swap has no such lines.
            swap_total_bytes: kib(text, b"SwapTotal:").unwrap_or(0),
            swap_free_bytes: kib(text, b"SwapFree:").unwrap_or(0),
        })
    }

    /// What is not available.
    pub fn used_bytes(&self) -> u64 {
        self.total_bytes.saturating_sub(self.available_bytes)
    }

    /// Swap in use.
    pub fn swap_bytes(&self) -> u64 {
        self.swap_total_bytes.saturating_sub(self.swap_free_bytes)
    }
}

/// Runnable or uninterruptible threads, averaged: proc_loadavg(5).
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Load {
    /// Over one minute.
    pub one: f64,
    /// Over five minutes.
    pub five: f64,
    /// Over fifteen minutes.
    pub fifteen: f64,
}

impl Load {
    /// Reads the text of /proc/loadavg.
    pub fn parse(text: &[u8]) -> Option<Load> {
        let mut numbers = std::str::from_utf8(text)
            .ok()?
            .split_ascii_whitespace()
            .map(|n| n.parse().ok().filter(|n: &f64| n.is_finite()));
        let mut next = || numbers.next().flatten();
        Some(Load { one: next()?, five: next()?, fifteen: next()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn idle_and_waiting_are_not_busy() {
        let text = b"cpu  1 2 4 1000 2000 8 16 32 1 1\ncpu0 1 2 4 0 0 0 0 0 0 0\ncpu3 0 0 1 5\nintr 5\nbtime 9\ncpu9\n";
        let cores = vec![(0, 7), (3, 1)];
        assert_eq!(Cpu::parse(text), Some(Cpu { busy_ticks: 63, cores, booted_at: Some(9) }));
        assert_eq!(Cpu::parse(b"cpu  1 2\n"), None);
        assert_eq!(Cpu::parse(b"intr 5\n"), None);
    }

    #[test]
    fn memory_in_use_is_what_is_not_available() {
        let text = b"MemTotal: 100 kB\nMemFree: 1 kB\nMemAvailable: 60 kB\nSwapCached: 9 kB\nSwapTotal: 8 kB\nSwapFree: 6 kB\n";
        let memory = HostMemory::parse(text).unwrap();
        assert_eq!((memory.used_bytes(), memory.swap_bytes()), (40 << 10, 2 << 10));
        assert_eq!(HostMemory::parse(b"MemTotal: 100 kB\n"), None);
    }

    #[test]
    fn three_loads() {
        let load = Load::parse(b"0.50 1.25 2.00 1/99 4711\n").unwrap();
        assert_eq!((load.one, load.five, load.fifteen), (0.5, 1.25, 2.0));
        assert_eq!(Load::parse(b"0.50 inf 2.00"), None);
        assert_eq!(Load::parse(b"0.50"), None);
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>) {
            let _ = (Cpu::parse(&bytes), HostMemory::parse(&bytes), Load::parse(&bytes));
        }
    }
}
