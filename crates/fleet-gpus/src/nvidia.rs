//! NVIDIA's GPUs, through NVML.

use std::env;

use fleet_gpu::{Answer, Gpu, NVML_VARIABLE, Vendor};
use nvml_wrapper::error::NvmlError;
use nvml_wrapper::{Device, Nvml};

use crate::holders::holders;

/// The driver of NVIDIA.
pub(crate) struct Nvidia {
    nvml: Nvml,
}

impl Nvidia {
    /// Loads the library and lets it find the driver.
    pub(crate) fn start() -> Result<Nvidia, String> {
        let library = env::var_os(NVML_VARIABLE);
        let mut builder = Nvml::builder();
        if let Some(library) = &library {
            builder.lib_path(library);
        }
        let nvml = builder.init().map_err(|e| format!("NVIDIA's driver cannot be asked: {e}"))?;
        Ok(Nvidia { nvml })
    }

    /// Asks all GPUs.
    pub(crate) fn answer(&mut self, answer: &mut Answer) {
        let count = match self.nvml.device_count() {
            Ok(count) => count,
            Err(e) => {
                answer.problems.push(format!("NVIDIA's driver does not count its GPUs: {e}"));
                return;
            }
        };
        for index in 0..count {
            match self.nvml.device_by_index(index).and_then(|device| gpu(&device, index)) {
                Ok(gpu) => answer.gpus.push(gpu),
                Err(e) => {
                    answer.problems.push(format!("GPU {index} of NVIDIA cannot be asked: {e}"));
                }
            }
        }
    }
}

fn gpu(device: &Device<'_>, index: u32) -> Result<Gpu, NvmlError> {
    let mut gpu = Gpu::new(device.uuid()?, index, Vendor::Nvidia);
    gpu.product = device.name().ok();
    if let Ok(memory) = device.memory_info() {
        gpu.measures.gpu_memory_bytes = Some(memory.used);
        gpu.measures.gpu_memory_total_bytes = Some(memory.total);
        gpu.measures.gpu_memory_free_bytes = Some(memory.free);
    }
    gpu.holders = holders(device).ok();
    Ok(gpu)
}
