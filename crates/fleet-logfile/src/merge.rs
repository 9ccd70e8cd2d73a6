//! Many logs become one, ordered by time.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// Merges sources of stamped items. The order within a source is kept: where its clock was set
/// back, its items count as not older than those before. Of each source one item is held.
pub struct Merge<T, I: Iterator<Item = (i64, T)>> {
    sources: Vec<I>,
    heads: Vec<Option<T>>,
    heap: BinaryHeap<Reverse<(i64, usize)>>,
}

impl<T, I: Iterator<Item = (i64, T)>> Merge<T, I> {
    /// Takes the first item of each source; of equal stamps the earlier source comes first.
    pub fn new(sources: impl IntoIterator<Item = I>) -> Merge<T, I> {
        let mut merge = Merge { sources: Vec::new(), heads: Vec::new(), heap: BinaryHeap::new() };
        for (at, mut source) in sources.into_iter().enumerate() {
            let head = source.next();
            merge.heap.extend(head.as_ref().map(|(stamp, _)| Reverse((*stamp, at))));
            merge.heads.push(head.map(|(_, item)| item));
            merge.sources.push(source);
        }
        merge
    }
}

impl<T, I: Iterator<Item = (i64, T)>> Iterator for Merge<T, I> {
    /// The number of the source and its item.
    type Item = (usize, T);

    fn next(&mut self) -> Option<(usize, T)> {
        let mut top = self.heap.peek_mut()?;
        let Reverse((stamp, at)) = *top;
        let item = self.heads[at].take();
        match self.sources[at].next() {
            Some((next, following)) => {
                self.heads[at] = Some(following);
                *top = Reverse((next.max(stamp), at));
            }
            None => {
                std::collections::binary_heap::PeekMut::pop(top);
            }
        }
        item.map(|item| (at, item))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn merged(sources: Vec<Vec<i64>>) -> Vec<(usize, i64)> {
        Merge::new(sources.into_iter().map(|s| s.into_iter().map(|n| (n, n)))).collect()
    }

    #[test]
    fn a_clock_set_back_does_not_reorder_a_source() {
        let got = merged(vec![vec![1, 9, 2, 10], vec![3, 9, 11]]);
        assert_eq!(got, [(0, 1), (1, 3), (0, 9), (0, 2), (1, 9), (0, 10), (1, 11)]);
    }

    proptest! {
        #[test]
        fn each_source_keeps_its_order_and_sorted_ones_merge_sorted(mut sources: Vec<Vec<i64>>) {
            let got = merged(sources.clone());
            for (at, source) in sources.iter().enumerate() {
                let of: Vec<i64> = got.iter().filter(|g| g.0 == at).map(|g| g.1).collect();
                prop_assert_eq!(&of, source);
            }
            sources.iter_mut().for_each(|s| s.sort_unstable());
            prop_assert!(merged(sources).is_sorted_by_key(|g| g.1));
        }
    }
}
