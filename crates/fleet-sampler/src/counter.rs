//! A count that never goes down.

/// A count of the kernel that is made to never go down.
///
/// A member that ends takes its count along, unless its parent waited for it. The count then drops
/// by at least what is missing; the drop is added from then on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counter {
    /// What the kernel counted last.
    pub(crate) raw: u64,
    /// What has gone from it.
    pub(crate) lost: u64,
}

impl Counter {
    pub(crate) fn total(self) -> u64 {
        self.raw.saturating_add(self.lost)
    }

    /// Takes in what the kernel counts now, and returns the total.
    pub(crate) fn advance(&mut self, raw: u64) -> u64 {
        self.lost = self.lost.saturating_add(self.raw.saturating_sub(raw));
        self.raw = raw;
        self.total()
    }

    /// Takes in a count of one thing that may begin anew, as when its 32 bits are over or an
    /// interface comes back, and returns the total. A small drop is no new beginning: some counts
    /// of the kernel waver.
    pub(crate) fn resume(&mut self, raw: u64) -> u64 {
        if raw < self.raw / 2 {
            self.depart(self.raw);
        }
        self.advance(raw)
    }

    /// Keeps what a member had counted that is known to have gone without leaving it to anybody.
    pub(crate) fn depart(&mut self, count: u64) {
        let count = count.min(self.raw);
        self.raw -= count;
        self.lost = self.lost.saturating_add(count);
    }

    /// Another sampler has already said more than this. What it said more is what the kernel counted
    /// since we looked, and will be in what it counts when we look again.
    pub(crate) fn raise_to(&mut self, other: Counter) {
        let missing = other.total().saturating_sub(self.total());
        self.raw = self.raw.saturating_add(missing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_that_vanishes_does_not_take_its_count_along() {
        let mut counter = Counter::default();
        assert_eq!(counter.advance(100), 100);
        assert_eq!(counter.advance(40), 100);
        assert_eq!(counter.advance(50), 110);
        assert_eq!(counter.advance(0), 110);
    }

    #[test]
    fn two_who_count_the_same_count_it_once() {
        let (mut ours, mut theirs) = (Counter::default(), Counter::default());
        for raw in (0..10).map(|round| round * 100) {
            theirs.raise_to(ours);
            assert_eq!(theirs.advance(raw + 50), raw + 50);
            ours.raise_to(theirs);
            assert_eq!(ours.advance(raw + 100), raw + 100);
        }
        // Both see a member go that had counted 600, one of them after the rest has counted on.
        theirs.depart(600);
        assert_eq!(theirs.advance(500), 1100);
        ours.raise_to(theirs);
        ours.depart(600);
        assert_eq!(ours.advance(510), 1110);
        // Who knows of less never goes behind who knows of more.
        let mut late = Counter { raw: 500, lost: 0 };
        late.raise_to(ours);
        assert_eq!(late.advance(510), 1110);
    }

    #[test]
    fn a_count_that_begins_anew_goes_on() {
        let mut counter = Counter::default();
        assert_eq!(counter.resume(1000), 1000);
        assert_eq!(counter.resume(10), 1010);
        assert_eq!(counter.resume(9), 1010, "it wavers");
        assert_eq!(counter.resume(12), 1013);
    }
}
