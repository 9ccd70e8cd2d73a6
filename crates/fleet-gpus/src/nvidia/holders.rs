//! Who is on a GPU.

use std::collections::BTreeMap;

use fleet_gpu::{Holder, Use};
use nvml_wrapper::Device;
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::struct_wrappers::device::ProcessInfo;

use super::calls::{Calls, is_absence};
use super::utilization::LastSeen;

/// A list may grow between the call that counts it and the one that fills it.
const TRIES: usize = 3;

type List = Result<Vec<ProcessInfo>, NvmlError>;

/// All processes on a GPU or an instance, each once, by pid; `None` where the driver does not say.
pub(crate) fn holders(device: &Device<'_>, calls: &mut Calls<'_>) -> Option<Vec<Holder>> {
    let compute =
        calls.get("processes", || again_if_grown(|| device.running_compute_processes()))?;
    let graphics = || optional(again_if_grown(|| device.running_graphics_processes()));
    let graphics = calls.get("drawing processes", graphics)?;
    let mps = || optional(again_if_grown(|| device.mps_running_compute_processes()));
    let mps = calls.get("MPS processes", mps)?;
    Some(merged(&[(Use::Compute, compute), (Use::Graphics, graphics), (Use::Mps, mps)]))
}

/// Gives each process its share of the GPU. Who is listed and has no sample did nothing, if the
/// driver was able to say so.
pub(crate) fn add_shares(
    device: &Device<'_>,
    calls: &mut Calls<'_>,
    last: &mut LastSeen,
    holders: &mut [Holder],
) {
    let Some(shares) = calls.get("processes' utilization", || last.shares(device)) else { return };
    for holder in holders {
        holder.percent = Some(shares.get(&holder.pid).copied().unwrap_or(0.0));
    }
}

/// Repeats a call whose list has outgrown its room meanwhile.
pub(crate) fn again_if_grown<T>(
    mut call: impl FnMut() -> Result<T, NvmlError>,
) -> Result<T, NvmlError> {
    for _ in 1..TRIES {
        match call() {
            Err(NvmlError::InsufficientSize(_)) => {}
            answer => return answer,
        }
    }
    call()
}

/// Who does not have this kind of process has none of it.
fn optional(list: List) -> List {
    match list {
        Err(error) if is_absence(&error) => Ok(Vec::new()),
        list => list,
    }
}

/// A process is on several lists when it both computes and draws, and the same memory is told on
/// each; on one list it may be several times, with the memory of each of its instances.
fn merged(lists: &[(Use, Vec<ProcessInfo>)]) -> Vec<Holder> {
    let mut found: BTreeMap<i32, Holder> = BTreeMap::new();
    for (how, list) in lists {
        for (pid, memory_bytes) in by_pid(list) {
            let new = Holder { pid, how: *how, memory_bytes, percent: None };
            let holder = found.entry(pid).or_insert(new);
            holder.memory_bytes = holder.memory_bytes.max(memory_bytes);
        }
    }
    found.into_values().collect()
}

fn by_pid(list: &[ProcessInfo]) -> BTreeMap<i32, Option<u64>> {
    let mut found: BTreeMap<i32, Option<u64>> = BTreeMap::new();
    for process in list {
        let Ok(pid) = i32::try_from(process.pid) else { continue };
        let memory = match process.used_gpu_memory {
            UsedGpuMemory::Used(bytes) => Some(bytes),
            UsedGpuMemory::Unavailable => None,
        };
        found
            .entry(pid)
            .and_modify(|sum| *sum = sum.zip(memory).map(|(a, b)| a.saturating_add(b)))
            .or_insert(memory);
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn process(pid: u32, used_gpu_memory: UsedGpuMemory) -> ProcessInfo {
        ProcessInfo { pid, used_gpu_memory, gpu_instance_id: None, compute_instance_id: None }
    }

    #[test]
    fn a_process_on_two_lists_is_one_and_its_memory_counts_once() {
        let used = UsedGpuMemory::Used;
        let compute =
            vec![process(7, used(10)), process(7, used(5)), process(8, UsedGpuMemory::Unavailable)];
        let graphics = vec![process(7, used(15)), process(9, used(1)), process(u32::MAX, used(1))];
        let holders = merged(&[(Use::Compute, compute), (Use::Graphics, graphics)]);
        let told: Vec<_> = holders.iter().map(|h| (h.pid, h.how, h.memory_bytes)).collect();
        let expected =
            [(7, Use::Compute, Some(15)), (8, Use::Compute, None), (9, Use::Graphics, Some(1))];
        assert_eq!(told, expected);
    }

    #[test]
    fn a_list_that_grew_is_asked_for_again_but_not_for_ever() {
        let mut calls = 0;
        let answer = again_if_grown(|| {
            calls += 1;
            if calls < 3 { Err(NvmlError::InsufficientSize(None)) } else { Ok(calls) }
        });
        assert!(matches!(answer, Ok(3)));
        let never = again_if_grown::<()>(|| Err(NvmlError::InsufficientSize(None)));
        assert!(matches!(never, Err(NvmlError::InsufficientSize(_))));
    }
}
