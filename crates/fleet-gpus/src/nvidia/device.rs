//! One GPU, with its instances.

use std::fs;
use std::path::{Path, PathBuf};

use fleet_gpu::{Gpu, Holder, Vendor};
use nvml_wrapper::{Device, Nvml};

use super::calls::Calls;
use super::holders::{add_shares, holders};
use super::measure::{measure, memory};
use super::utilization::LastSeen;
use super::xid::XidWatch;

/// What is kept of a GPU from look to look.
#[derive(Default)]
pub(crate) struct Kept {
    /// Who it is, without what it does.
    identity: Option<Gpu>,
    last_seen: LastSeen,
    xids: XidWatch,
}

/// What was seen of a GPU.
#[derive(Debug, Default)]
pub(crate) struct Sight {
    /// The GPU, then its MIG instances.
    pub(crate) gpus: Vec<Gpu>,
    pub(crate) problems: Vec<String>,
}

/// What all GPUs have in common.
#[derive(Clone)]
pub(crate) struct Common {
    pub(crate) nvml: &'static Nvml,
    /// Version of the driver.
    pub(crate) driver: Option<String>,
    /// /sys
    pub(crate) sys: PathBuf,
}

impl Common {
    /// Looks at the GPU with this index.
    pub(crate) fn look(&self, index: u32, kept: &mut Kept) -> Sight {
        let mut sight = Sight::default();
        let mut calls = Calls::to(format!("GPU {index} of NVIDIA"), &mut sight.problems);
        let device = calls.get("handle", || self.nvml.device_by_index(index));
        let uuid = device.as_ref().and_then(|device| calls.get("UUID", || device.uuid()));
        sight.gpus = match device.zip(uuid) {
            Some((device, uuid)) => self.of(&device, uuid, index, kept, &mut calls),
            None => nameless(kept, &mut calls),
        };
        sight
    }

    fn of(
        &self,
        device: &Device<'static>,
        uuid: String,
        index: u32,
        kept: &mut Kept,
        calls: &mut Calls<'_>,
    ) -> Vec<Gpu> {
        calls.rename(uuid.clone());
        if kept.identity.as_ref().is_some_and(|known| known.uuid != uuid) {
            // Another GPU has the index now.
            *kept = Kept::default();
        }
        let new = || Gpu::new(uuid, index, Vendor::Nvidia);
        let mut gpu = kept.identity.take().unwrap_or_else(new);
        self.identify(device, calls, &mut gpu);
        kept.identity = Some(gpu.clone());
        measure(device, calls, &mut gpu);
        kept.xids.look(self.nvml, device, calls, &mut gpu.measures);
        let instances = self.parts(device, calls, &mut gpu, &mut kept.last_seen);
        gpu.measures.gpu_processes = gpu.holders.as_ref().map(|holders| holders.len() as u64);
        gpu.measures.gpu_lost = Some(0);
        match (calls.lost(), &kept.identity) {
            (Some(reason), Some(identity)) => vec![identity.as_lost(reason)],
            _ => std::iter::once(gpu).chain(instances).collect(),
        }
    }

    /// Asks for what never changes, until it is known.
    fn identify(&self, device: &Device<'_>, calls: &mut Calls<'_>, gpu: &mut Gpu) {
        gpu.driver.clone_from(&self.driver);
        if gpu.product.is_none() {
            gpu.product = calls.get("name", || device.name());
        }
        if gpu.pci.is_none() {
            let pci = calls.get("PCI address", || device.pci_info());
            gpu.pci = pci.map(|pci| pci_address(&pci.bus_id));
            gpu.numa = gpu.pci.as_ref().and_then(|pci| numa_node(&self.sys, pci));
        }
    }

    /// Who is on the GPU, and its instances if it is divided.
    fn parts(
        &self,
        device: &Device<'static>,
        calls: &mut Calls<'_>,
        gpu: &mut Gpu,
        last_seen: &mut LastSeen,
    ) -> Vec<Gpu> {
        // Whether MIG is enabled, not whether the board knows of it.
        let mode = calls.get("MIG mode", || device.mig_mode());
        gpu.divided = mode.is_some_and(|mode| mode.current == 1);
        gpu.holders = holders(device, calls);
        if !gpu.divided {
            if let Some(holders) = &mut gpu.holders {
                add_shares(device, calls, last_seen, holders);
            }
            return Vec::new();
        }
        let instances = instances(device, calls, gpu);
        if gpu.holders.is_none() {
            // The list of the whole device needs a privilege that those of its instances do not.
            let of_all: Option<Vec<Vec<Holder>>> =
                instances.iter().map(|instance| instance.holders.clone()).collect();
            gpu.holders = of_all.map(|of_all| of_all.concat());
        }
        instances
    }
}

/// The MIG instances of a GPU, in the order of their numbers, which may have gaps.
fn instances(device: &Device<'static>, calls: &mut Calls<'_>, parent: &Gpu) -> Vec<Gpu> {
    let most = calls.get("number of MIG instances", || device.mig_device_count()).unwrap_or(0);
    let mut found = Vec::new();
    for index in 0..most {
        let handle = calls.get("MIG instances", || device.mig_device_by_index(index));
        let Some(handle) = handle else { continue };
        let Some(uuid) = calls.get("MIG instances", || handle.uuid()) else { continue };
        let mut instance = Gpu::new(uuid, index, Vendor::Nvidia);
        instance.parent = Some(parent.uuid.clone());
        instance.product = calls.get("MIG instances", || handle.name());
        instance.driver.clone_from(&parent.driver);
        instance.pci.clone_from(&parent.pci);
        instance.numa = parent.numa;
        memory(&handle, calls, &mut instance.measures);
        instance.holders = holders(&handle, calls);
        instance.measures.gpu_processes = instance.holders.as_ref().map(|list| list.len() as u64);
        found.push(instance);
    }
    found
}

/// What is told of a GPU that was not so much as named: that it is lost, by the name that it had.
fn nameless(kept: &Kept, calls: &mut Calls<'_>) -> Vec<Gpu> {
    match (&kept.identity, calls.lost().map(str::to_owned)) {
        (Some(identity), Some(reason)) => vec![identity.as_lost(&reason)],
        (_, Some(reason)) => {
            calls.say(&reason);
            Vec::new()
        }
        // The call has been complained about.
        (_, None) => Vec::new(),
    }
}

/// The kernel's form of an address: NVML has eight digits for the domain, and capitals.
fn pci_address(bus_id: &str) -> String {
    let lower = bus_id.to_ascii_lowercase();
    lower.strip_prefix("0000").filter(|rest| rest.len() >= 12).unwrap_or(&lower).to_owned()
}

/// The NUMA node of a device, where the machine has several.
pub(crate) fn numa_node(sys: &Path, pci: &str) -> Option<u32> {
    let file = sys.join("bus/pci/devices").join(pci).join("numa_node");
    // -1 where there is only one.
    fs::read_to_string(file).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_those_of_sys() {
        assert_eq!(pci_address("00000000:3B:00.0"), "0000:3b:00.0");
        assert_eq!(pci_address("00010000:3B:00.0"), "00010000:3b:00.0");
        assert_eq!(pci_address("0000:3B:00.0"), "0000:3b:00.0");
    }

    #[test]
    fn a_node_below_zero_is_none() {
        let sys = tempfile::tempdir().unwrap();
        for (pci, node) in [("0000:01:00.0", "-1"), ("0000:02:00.0", "1")] {
            let folder = sys.path().join("bus/pci/devices").join(pci);
            fs::create_dir_all(&folder).unwrap();
            fs::write(folder.join("numa_node"), format!("{node}\n")).unwrap();
        }
        let node = |pci| numa_node(sys.path(), pci);
        assert_eq!(
            [node("0000:01:00.0"), node("0000:02:00.0"), node("none")],
            [None, Some(1), None]
        );
    }
}
