//! Lines around those that were found.

use std::collections::VecDeque;

use crate::args::SearchArgs;
use crate::entry::Entry;

/// So many lines before and after each that was found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Around {
    pub(crate) before: usize,
    pub(crate) after: usize,
}

impl Around {
    pub(crate) fn read(args: &SearchArgs) -> Around {
        let of = |one: Option<usize>| one.or(args.context).unwrap_or(0);
        Around { before: of(args.before), after: of(args.after) }
    }

    /// Whether any are wanted.
    pub(crate) fn is_some(self) -> bool {
        self != Around::default()
    }
}

/// Decides for each line of one process, in their order, whether it is shown: because it was
/// found, or because it stands near one that was.
#[derive(Debug)]
pub(crate) struct Context {
    around: Around,
    /// Lines that will be shown if one is found soon.
    held: VecDeque<Entry>,
    /// So many lines that follow are shown.
    after: usize,
    /// How many more may be found.
    left: u64,
    /// Lines were passed over since the last that was shown.
    gap: bool,
}

impl Context {
    pub(crate) fn new(around: Around, most: Option<u64>) -> Context {
        let left = most.unwrap_or(u64::MAX);
        Context { around, held: VecDeque::new(), after: 0, left, gap: true }
    }

    /// Takes the next line; `found` says that it is wanted for itself.
    pub(crate) fn take(&mut self, entry: Entry, found: bool, give: &mut impl FnMut(Entry)) {
        if found && self.left > 0 {
            self.left -= 1;
            self.after = self.around.after;
            for held in std::mem::take(&mut self.held) {
                self.give(held, true, give);
            }
            self.give(entry, false, give);
        } else if self.after > 0 {
            self.after -= 1;
            self.give(entry, true, give);
        } else {
            self.hold(entry);
        }
    }

    fn give(&mut self, entry: Entry, around: bool, give: &mut impl FnMut(Entry)) {
        let gap = std::mem::take(&mut self.gap) && self.around.is_some();
        give(Entry { around, gap, ..entry });
    }

    /// Notes that a line was passed over, which may stand before one that is found.
    pub(crate) fn hold(&mut self, entry: Entry) {
        if self.left == 0 {
            return;
        }
        self.held.push_back(entry);
        if self.held.len() > self.around.before {
            self.held.pop_front();
            self.gap = true;
        }
    }

    /// Whether nothing that follows will be shown: as many were found as were wanted.
    pub(crate) fn is_over(&self) -> bool {
        self.left == 0 && self.after == 0
    }
}
