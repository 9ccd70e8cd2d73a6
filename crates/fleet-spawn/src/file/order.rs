//! Things that come after others.

use std::collections::BTreeSet;

/// Puts numbers in an order in which each comes after those that it names, as near to their own
/// order as that allows.
///
/// # Errors
/// Some name each other in a circle: it is returned, in the order in which one names the next.
pub(super) fn sort(after: &[Vec<usize>]) -> Result<Vec<usize>, Vec<usize>> {
    let mut missing: Vec<usize> = after.iter().map(Vec::len).collect();
    let mut before: Vec<Vec<usize>> = vec![Vec::new(); after.len()];
    for (one, others) in after.iter().enumerate() {
        others.iter().for_each(|&other| before[other].push(one));
    }
    let mut ready: BTreeSet<usize> = (0..after.len()).filter(|&one| missing[one] == 0).collect();
    let mut sorted = Vec::with_capacity(after.len());
    while let Some(next) = ready.pop_first() {
        sorted.push(next);
        for &one in &before[next] {
            missing[one] -= 1;
            if missing[one] == 0 {
                ready.insert(one);
            }
        }
    }
    match missing.iter().position(|&left| left > 0) {
        None => Ok(sorted),
        Some(stuck) => Err(circle(after, &missing, stuck)),
    }
}

/// Follows those that could not be sorted until one comes again; the smallest is named first.
fn circle(after: &[Vec<usize>], missing: &[usize], stuck: usize) -> Vec<usize> {
    let mut way = vec![stuck];
    loop {
        let last = way[way.len() - 1];
        // Whoever misses something misses one that misses something itself.
        let Some(&next) = after[last].iter().find(|&&other| missing[other] > 0) else { return way };
        if let Some(begin) = way.iter().position(|&seen| seen == next) {
            let mut circle = way.split_off(begin);
            let smallest = (0..circle.len()).min_by_key(|&at| circle[at]).unwrap_or(0);
            circle.rotate_left(smallest);
            return circle;
        }
        way.push(next);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_order_of_the_file_holds_where_it_can() {
        assert_eq!(sort(&[vec![], vec![], vec![]]), Ok(vec![0, 1, 2]));
        assert_eq!(sort(&[vec![2], vec![], vec![]]), Ok(vec![1, 2, 0]));
        assert_eq!(sort(&[vec![1, 1], vec![]]), Ok(vec![1, 0]));
    }

    #[test]
    fn a_circle_is_named() {
        assert_eq!(sort(&[vec![0]]), Err(vec![0]));
        assert_eq!(sort(&[vec![3], vec![2], vec![3], vec![1]]), Err(vec![1, 2, 3]));
    }

    proptest! {
        #[test]
        fn each_comes_after_what_it_names_or_there_is_a_circle(
            after in prop::collection::vec(prop::collection::vec(0usize..8, 0..3), 8)
        ) {
            match sort(&after) {
                Ok(sorted) => {
                    prop_assert_eq!(sorted.len(), 8);
                    let place = |one| sorted.iter().position(|&s| s == one);
                    for (one, others) in after.iter().enumerate() {
                        prop_assert!(others.iter().all(|&other| place(other) < place(one)));
                    }
                }
                Err(circle) => for (at, one) in circle.iter().enumerate() {
                    let next = circle[(at + 1) % circle.len()];
                    prop_assert!(after[*one].contains(&next));
                },
            }
        }
    }
}
