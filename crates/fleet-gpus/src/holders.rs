//! Who is on a GPU of NVIDIA.

use std::collections::BTreeMap;

use fleet_gpu::{Holder, Use};
use nvml_wrapper::Device;
use nvml_wrapper::enums::device::UsedGpuMemory;
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::struct_wrappers::device::ProcessInfo;

/// All processes on a GPU or an instance, each once, by pid.
pub(crate) fn holders(device: &Device<'_>) -> Result<Vec<Holder>, NvmlError> {
    let lists = [
        (Use::Compute, device.running_compute_processes()?),
        (Use::Graphics, device.running_graphics_processes()?),
    ];
    let mut found: BTreeMap<i32, Holder> = BTreeMap::new();
    for (how, list) in lists {
        for process in list {
            let Some(holder) = holder(how, &process) else { continue };
            found.entry(holder.pid).or_insert(holder);
        }
    }
    Ok(found.into_values().collect())
}

fn holder(how: Use, process: &ProcessInfo) -> Option<Holder> {
    let memory_bytes = match process.used_gpu_memory {
        UsedGpuMemory::Used(bytes) => Some(bytes),
        UsedGpuMemory::Unavailable => None,
    };
    let pid = i32::try_from(process.pid).ok()?;
    Some(Holder { pid, how, memory_bytes, percent: None })
}
