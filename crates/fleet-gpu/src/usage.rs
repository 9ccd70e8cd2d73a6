//! What somebody uses of all GPUs together.

use std::collections::BTreeMap;

use crate::{Answer, Gpu};

/// The use of GPUs by all processes of one owner.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Usage {
    /// Memory on all GPUs; unknown when it is unknown of one process.
    pub memory_bytes: Option<u64>,
    /// The shares of all GPUs added up, so that two busy GPUs are 200; unknown when that of one
    /// process is.
    pub percent: Option<f64>,
    /// The UUIDs of the GPUs, or MIG instances, in the order of the answer.
    pub gpus: Vec<String>,
}

/// What each owner uses, as `owner` tells whose a process is.
pub fn usage_by<O: Ord>(
    answer: &Answer,
    mut owner: impl FnMut(i32) -> Option<O>,
) -> BTreeMap<O, Usage> {
    let mut found: BTreeMap<O, Usage> = BTreeMap::new();
    // Who is on a divided GPU is on one of its instances, and counts there.
    for gpu in answer.gpus.iter().filter(|gpu| !gpu.divided) {
        for holder in answer.holders(gpu).unwrap_or_default() {
            let Some(owner) = owner(holder.pid) else { continue };
            let one = Usage {
                memory_bytes: holder.memory_bytes,
                percent: holder.percent,
                gpus: vec![gpu.uuid.clone()],
            };
            found.entry(owner).and_modify(|sum| sum.add(&one, gpu)).or_insert(one);
        }
    }
    found
}

impl Usage {
    fn add(&mut self, other: &Usage, gpu: &Gpu) {
        self.memory_bytes =
            self.memory_bytes.zip(other.memory_bytes).map(|(a, b)| a.saturating_add(b));
        self.percent = self.percent.zip(other.percent).map(|(a, b)| a + b);
        if !self.gpus.contains(&gpu.uuid) {
            self.gpus.push(gpu.uuid.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Holder, Use, Vendor};

    fn gpu(index: u32, holders: &[(i32, Option<u64>, Option<f64>)]) -> Gpu {
        let mut gpu = Gpu::new(format!("GPU-{index}"), index, Vendor::Nvidia);
        let holder = |&(pid, memory_bytes, percent): &(i32, Option<u64>, Option<f64>)| Holder {
            pid,
            how: Use::Compute,
            memory_bytes,
            percent,
        };
        gpu.holders = Some(holders.iter().map(holder).collect());
        gpu
    }

    #[test]
    fn an_owner_is_the_sum_of_its_processes_on_all_gpus() {
        let mut answer = Answer::default();
        answer.gpus.push(gpu(0, &[(1, Some(10), Some(50.0)), (2, Some(5), Some(0.0))]));
        answer.gpus.push(gpu(1, &[(2, Some(7), Some(75.0)), (3, Some(1), None), (9, None, None)]));
        answer.gpus.push(gpu(2, &[(3, None, Some(1.0))]));
        let owner = |pid| match pid {
            1 | 2 => Some('a'),
            3 => Some('b'),
            _ => None,
        };
        let usage = usage_by(&answer, owner);
        let gpus = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
        let a =
            Usage { memory_bytes: Some(22), percent: Some(125.0), gpus: gpus(&["GPU-0", "GPU-1"]) };
        let b = Usage { memory_bytes: None, percent: None, gpus: gpus(&["GPU-1", "GPU-2"]) };
        assert_eq!(usage, BTreeMap::from([('a', a), ('b', b)]));
    }

    #[test]
    fn a_divided_gpu_counts_by_its_instances_and_foreign_pids_are_nobodys() {
        let mut whole = gpu(0, &[(1, Some(10), None)]);
        whole.divided = true;
        let part = gpu(1, &[(1, Some(10), None)]);
        let mut answer = Answer { gpus: vec![whole, part], ..Answer::default() };
        let usage = usage_by(&answer, |_| Some(()));
        assert_eq!(usage[&()].memory_bytes, Some(10));
        assert_eq!(usage[&()].gpus, ["GPU-1"]);
        answer.foreign_pids = true;
        assert!(usage_by(&answer, |_| Some(())).is_empty());
    }
}
