//! Sums over a tree, of which each part may be missing.

use std::io;

use fleet_os::has_gone;

/// Why something of a member is not known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Missing {
    /// It ended while we looked, or this kernel has no such file: there is nothing to know.
    Gone,
    /// It may not be read, or was not asked for.
    Withheld,
}

/// Something of a member, or why it is not known.
pub(crate) type Known<T> = Result<T, Missing>;

/// What an answer of the kernel makes known.
pub(crate) fn known<T>(answer: io::Result<T>) -> Known<T> {
    answer.map_err(|e| if has_gone(&e) { Missing::Gone } else { Missing::Withheld })
}

/// A sum that is known only when nothing in it was withheld.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sum {
    total: u64,
    known: bool,
    withheld: bool,
}

impl Sum {
    pub(crate) fn add(&mut self, value: Known<u64>) {
        match value {
            Ok(value) => {
                self.total = self.total.saturating_add(value);
                self.known = true;
            }
            Err(Missing::Gone) => {}
            Err(Missing::Withheld) => self.withheld = true,
        }
    }

    pub(crate) fn get(self) -> Option<u64> {
        (self.known && !self.withheld).then_some(self.total)
    }
}
