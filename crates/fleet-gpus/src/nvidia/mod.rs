//! NVIDIA's GPUs, through NVML.

mod calls;
mod device;
mod holders;
mod measure;
mod utilization;
mod xid;

use std::env;
use std::time::Instant;

use fleet_gpu::{NVML_VARIABLE, sys};
use nvml_wrapper::Nvml;

use crate::crew::{Crew, Look};
pub(crate) use device::Sight;
use device::{Common, Kept};
pub(crate) use measure::share;

/// The driver of NVIDIA.
pub(crate) struct Nvidia {
    common: Common,
    crew: Crew<u32, Kept, Sight>,
}

impl Nvidia {
    /// Loads the library and lets it find the driver, which stays for as long as the program.
    ///
    /// # Errors
    /// There is no library or no driver, in a sentence.
    pub(crate) fn start() -> Result<Nvidia, String> {
        let library = env::var_os(NVML_VARIABLE);
        let mut builder = Nvml::builder();
        if let Some(library) = &library {
            builder.lib_path(library);
        }
        let nvml = builder.init().map_err(|e| format!("cannot ask NVIDIA's driver: {e}"))?;
        // A thread may hang in it until the end.
        let nvml: &'static Nvml = Box::leak(Box::new(nvml));
        let driver = nvml.sys_driver_version().ok();
        Ok(Nvidia { common: Common { nvml, driver, sys: sys() }, crew: Crew::new() })
    }

    /// Looks at all GPUs; by index, what was seen of each.
    ///
    /// # Errors
    /// The driver is gone, in a sentence.
    pub(crate) fn look(&mut self, deadline: Instant) -> Result<Vec<(u32, Look<Sight>)>, String> {
        let count = self.common.nvml.device_count();
        let count = count.map_err(|e| format!("NVIDIA's driver does not count its GPUs: {e}"))?;
        let indices: Vec<u32> = (0..count).collect();
        let common = self.common.clone();
        Ok(self.crew.look(&indices, deadline, move |index, kept| common.look(*index, kept)))
    }
}
