//! What is remembered of the members of a tree from round to round.

use std::collections::HashMap;
use std::time::Instant;

use fleet_os::{Io, Rollup, Stat};

use crate::connections::Sockets;
use crate::member::Reading;
use crate::sum::Known;

/// Everything is read again at this age, in seconds, whatever happened meanwhile: others may have
/// begun or ceased to share its pages, or the kernel may have swapped them out.
const OLDEST: f64 = 60.0;

/// Members that were read in one round are not all read again in one: this many seconds apart.
const SPREAD: i32 = 16;

/// Where the resident size changed, it is read again once this many times as long has passed as the
/// reading took: the kernel walks all page tables for it, and may spend a hundredth of a core.
const PAUSE: f64 = 100.0;

/// A process, by pid and start time.
type Key = (i32, u64);

/// Counts of a member that end with it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Departed {
    /// Voluntary and involuntary context switches.
    pub(crate) switches: [u64; 2],
    /// Storage read and written, all read and written.
    pub(crate) io: [u64; 4],
}

/// What is remembered of a member.
#[derive(Debug)]
pub(crate) struct Memo {
    pub(crate) counts: Departed,
    /// Its parent is a supervisor, which does not hand on what it counted.
    pub(crate) orphan: bool,
    pub(crate) size: Option<SizeRead>,
    pub(crate) rest: Option<Rest>,
}

/// What a member had when it was read, which stays until it runs.
#[derive(Debug)]
pub(crate) struct Rest {
    pub(crate) ran_nanos: u64,
    /// Seconds since boot.
    pub(crate) read_at: f64,
    pub(crate) read: Reading,
    pub(crate) sockets: Sockets,
}

/// Whether something of this process that was read so many seconds ago is to be read again,
/// whatever happened.
fn is_old(pid: i32, age: f64) -> bool {
    age >= OLDEST - f64::from(pid % SPREAD)
}

#[derive(Clone, Copy, Debug)]
struct Size {
    rollup: Rollup,
    resident_bytes: u64,
    /// Seconds since boot.
    read_at: f64,
    /// How long the kernel took, in seconds.
    took: f64,
}

impl Size {
    fn is_due(&self, pid: i32, resident_bytes: u64, at: f64) -> bool {
        let age = at - self.read_at;
        let changed = resident_bytes != self.resident_bytes;
        is_old(pid, age) || (changed && age >= self.took * PAUSE)
    }

    /// The size as it is now, if as much of it is shared as before.
    fn scaled(&self, resident_bytes: u64) -> Rollup {
        let scale = |bytes: u64| match self.resident_bytes {
            0 => bytes,
            before if before == resident_bytes => bytes,
            before => (bytes as f64 * (resident_bytes as f64 / before as f64)) as u64,
        };
        Rollup {
            proportional_bytes: scale(self.rollup.proportional_bytes),
            private_bytes: scale(self.rollup.private_bytes),
            swap_bytes: self.rollup.swap_bytes,
        }
    }
}

/// The members of one attempt's tree.
#[derive(Debug, Default)]
pub(crate) struct TreeMemo {
    last: HashMap<Key, Memo>,
    now: HashMap<Key, Memo>,
    /// The shim that was the keeper's only child.
    pub(crate) alone_with_keeper: Option<Key>,
}

impl TreeMemo {
    /// What a member of one thread had, if it did not run since; `ran_nanos` is how long it ever ran.
    pub(crate) fn rested(&mut self, stat: &Stat, ran_nanos: u64, at: f64) -> Option<Rest> {
        let memo = self.last.get_mut(&(stat.pid, stat.start))?;
        memo.rest
            .take_if(|rest| rest.ran_nanos == ran_nanos && !is_old(stat.pid, at - rest.read_at))
    }

    /// The traffic that a member had when it was last seen.
    pub(crate) fn traffic(&self, stat: &Stat) -> Option<Io> {
        let memo = self.last.get(&(stat.pid, stat.start))?;
        let [read_bytes, write_bytes, read_total_bytes, write_total_bytes] = memo.counts.io;
        Some(Io { read_bytes, write_bytes, read_total_bytes, write_total_bytes })
    }

    /// The size of a member, read if it is due and else scaled from when it was. `at` is now, in
    /// seconds since boot.
    pub(crate) fn size(
        &self,
        stat: &Stat,
        resident_bytes: u64,
        at: f64,
        read: impl FnOnce() -> Known<Rollup>,
    ) -> Known<(Rollup, SizeRead)> {
        let kept = self.last.get(&(stat.pid, stat.start)).and_then(|memo| memo.size);
        let kept = kept.map(|SizeRead(size)| size);
        if let Some(size) = kept.filter(|size| !size.is_due(stat.pid, resident_bytes, at)) {
            return Ok((size.scaled(resident_bytes), SizeRead(size)));
        }
        let begun = Instant::now();
        let rollup = read()?;
        let took = begun.elapsed().as_secs_f64();
        Ok((rollup, SizeRead(Size { rollup, resident_bytes, read_at: at, took })))
    }

    /// Notes what a member of this round had.
    pub(crate) fn note(&mut self, stat: &Stat, memo: Memo) {
        self.now.insert((stat.pid, stat.start), memo);
    }

    /// Ends the round: what had been counted of those who have gone since the last one and left
    /// it to nobody. A parent that waits for its child takes over the traffic, not the switches.
    pub(crate) fn end_round(&mut self) -> Departed {
        let gone = self.last.iter().filter(|(key, _)| !self.now.contains_key(*key));
        let mut departed = Departed::default();
        for memo in gone.map(|(_, memo)| memo) {
            add(&mut departed.switches, memo.counts.switches);
            if memo.orphan {
                add(&mut departed.io, memo.counts.io);
            }
        }
        self.last = std::mem::take(&mut self.now);
        departed
    }
}

/// A size to be remembered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SizeRead(Size);

fn add<const N: usize>(sums: &mut [u64; N], values: [u64; N]) {
    for (sum, value) in sums.iter_mut().zip(values) {
        *sum = sum.saturating_add(value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sum::Missing;

    fn stat(pid: i32) -> Stat {
        Stat { pid, start: 1, ..Stat::default() }
    }

    fn bytes(proportional_bytes: u64) -> Rollup {
        Rollup { proportional_bytes, ..Rollup::default() }
    }

    fn noted(counts: Departed, orphan: bool, size: Option<SizeRead>) -> Memo {
        Memo { counts, orphan, size, rest: None }
    }

    /// The size that is told at a moment, when a reading would give `read`.
    fn told(memo: &mut TreeMemo, resident: u64, at: f64, read: Known<Rollup>) -> Known<u64> {
        let size = memo.size(&stat(16), resident, at, || read);
        let size_read = size.ok().map(|(_, read)| read);
        memo.note(&stat(16), noted(Departed::default(), false, size_read));
        memo.end_round();
        size.map(|(rollup, _)| rollup.proportional_bytes)
    }

    #[test]
    fn a_size_is_read_again_when_it_changed_or_is_old() {
        let mut memo = TreeMemo::default();
        let unread = Err(Missing::Withheld);
        assert_eq!(told(&mut memo, 1000, 5.0, Ok(bytes(500))), Ok(500));
        // Nothing changed: it is not read, and what a reading would say is not seen.
        assert_eq!(told(&mut memo, 1000, 30.0, unread), Ok(500));
        assert_eq!(told(&mut memo, 2000, 31.0, Ok(bytes(700))), Ok(700));
        assert_eq!(told(&mut memo, 2000, 90.0, unread), Ok(700));
        assert_eq!(told(&mut memo, 2000, 91.0, Ok(bytes(800))), Ok(800));
    }

    #[test]
    fn a_size_that_takes_long_is_scaled_meanwhile() {
        let size = Size { rollup: bytes(500), resident_bytes: 1000, read_at: 5.0, took: 0.02 };
        assert!(!size.is_due(16, 1500, 6.9));
        assert!(size.is_due(16, 1500, 7.1));
        assert_eq!(size.scaled(1500).proportional_bytes, 750);
        let none = Size { resident_bytes: 0, ..size };
        assert_eq!(none.scaled(1500).proportional_bytes, 500);
    }

    #[test]
    fn who_has_gone_leaves_what_nobody_took_over() {
        let mut memo = TreeMemo::default();
        let counts = Departed { switches: [5, 1], io: [1, 2, 3, 4] };
        memo.note(&stat(1), noted(counts, true, None));
        memo.note(&stat(2), noted(counts, false, None));
        memo.note(&stat(3), noted(counts, false, None));
        assert_eq!(memo.end_round(), Departed::default());
        memo.note(&stat(3), noted(counts, false, None));
        assert_eq!(memo.end_round(), Departed { switches: [10, 2], io: [1, 2, 3, 4] });
        assert_eq!(memo.end_round(), Departed { switches: [5, 1], io: [0; 4] });
    }
}
