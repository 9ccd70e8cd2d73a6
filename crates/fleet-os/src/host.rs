//! What the machine uses: the forms of the files in /proc itself.

use crate::usage::kib;

/// CPU time of all processors since boot: the first line of proc_stat(5).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Cpu {
    /// Clock ticks that were not idle; the time of guests is part of it, time stolen by a
    /// hypervisor too, waiting for storage is not.
    pub busy_ticks: u64,
    /// Processors that are online.
    pub cpus: u64,
}

impl Cpu {
    /// Reads the text of /proc/stat.
    pub fn parse(text: &[u8]) -> Option<Cpu> {
        let mut lines = text.split(|&b| b == b'\n');
        let total = std::str::from_utf8(lines.next()?.strip_prefix(b"cpu ")?).ok()?;
        let ticks: Vec<u64> =
            total.split_ascii_whitespace().map_while(|n| n.parse().ok()).take(8).collect();
        let busy = ticks.iter().enumerate().filter(|(at, _)| !matches!(at, 3 | 4));
        let busy_ticks = busy.fold(0u64, |sum, (_, n)| sum.saturating_add(*n));
        let cpus = lines.take_while(|line| line.starts_with(b"cpu")).count() as u64;
        (ticks.len() >= 4).then_some(Cpu { busy_ticks, cpus })
    }
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
        let text =
            b"cpu  1 2 4 1000 2000 8 16 32 1 1\ncpu0 1 2 4 0 0 0 0 0 0 0\ncpu1 0\nintr 5\ncpu9\n";
        assert_eq!(Cpu::parse(text), Some(Cpu { busy_ticks: 63, cpus: 2 }));
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
