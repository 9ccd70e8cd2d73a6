//! Reserving GPUs. Who holds which is what the records of the living say; they are chosen and
//! written down under the one registry lock, so that no two spawns get the same one.

use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use anyhow::Context;
use fleet_census::Seen;
use fleet_cli::{Exit, Failure, talk};
use fleet_core::{GpuShare, GpuWish, Id, Observed};
use fleet_gpu::{Devices, Reserved, Shortage, could_be, devices_once};

/// How long the drivers may take: where none is kept loaded, the first question loads it.
const DEADLINE: Duration = Duration::from_secs(10);

/// Variables by which programs learn which GPUs are theirs.
pub(crate) const VISIBLE: [&str; 2] = ["CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"];

/// The GPUs of this machine, where somebody wants any. To be asked before anything is locked.
///
/// # Errors
/// There is no driver, or it does not answer.
pub(crate) fn ask(wanted: bool) -> anyhow::Result<Devices> {
    match wanted {
        true => devices_once(DEADLINE).context("no GPU can be reserved"),
        false => Ok(Devices::default()),
    }
}

/// GPUs that are there, and those that are given already.
#[derive(Default)]
pub(crate) struct Gpus {
    devices: Devices,
    reserved: Vec<Reserved>,
}

impl Gpus {
    pub(crate) fn new(devices: Devices) -> Gpus {
        Gpus { devices, reserved: Vec::new() }
    }

    /// Notes what a living process holds.
    pub(crate) fn hold(&mut self, by: &Id, shares: &[GpuShare]) {
        let reserved = |share: &GpuShare| Reserved { by: by.clone(), share: share.clone() };
        self.reserved.extend(shares.iter().map(reserved));
    }

    /// Refuses what this machine will never have, before anybody waits for it.
    pub(crate) fn refuse_impossible(&self, wish: &GpuWish) -> Result<(), Failure> {
        could_be(wish, &self.devices.all).map_err(|shortage| self.refused(&shortage))
    }

    /// Chooses GPUs, and notes them as held.
    ///
    /// # Errors
    /// Others hold them, and who, or they are not there.
    pub(crate) fn give(&mut self, id: &Id, wish: &GpuWish) -> Result<Vec<GpuShare>, Failure> {
        let shares = fleet_gpu::choose(wish, &self.devices.all, &self.reserved)
            .map_err(|shortage| self.refused(&shortage))?;
        self.warn_of_strangers(id, &shares);
        self.hold(id, &shares);
        Ok(shares)
    }

    fn refused(&self, shortage: &Shortage) -> Failure {
        let hint = match shortage {
            Shortage::Now(_) => "with --queue it waits until they are free",
            Shortage::Never(_) => "'fleet-gpus' lists what there is",
        };
        Failure::new(Exit::CouldNot, self.devices.explain(&shortage.to_string())).hint(hint)
    }

    /// A GPU that nobody has reserved may be in use all the same: nobody is kept from it.
    fn warn_of_strangers(&self, id: &Id, shares: &[GpuShare]) {
        let is_new = |share: &&GpuShare| self.reserved.iter().all(|r| r.share.uuid != share.uuid);
        for share in shares.iter().filter(is_new) {
            let device = self.devices.all.iter().find(|device| device.uuid == share.uuid);
            let pids: Vec<String> =
                device.iter().flat_map(|device| device.pids()).map(|pid| self.words(pid)).collect();
            if !pids.is_empty() {
                talk(format!(
                    "'{}', which '{id}' gets, is used without a reservation by {}",
                    share.uuid,
                    pids.join(", ")
                ));
            }
        }
    }

    /// A process on a GPU. Where drivers count pids otherwise, the name would be a stranger's.
    fn words(&self, pid: i32) -> String {
        let name = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
        match name.trim_end() {
            name if !name.is_empty() && !self.devices.foreign_pids => format!("pid {pid} ({name})"),
            _ => format!("pid {pid}"),
        }
    }
}

/// Whether a run holds its GPUs: it lives, or whoever meets it starts it again.
pub(crate) fn are_held(seen: &Seen) -> bool {
    let lost = seen.observed == Observed::Lost { reboot: false };
    seen.observed.is_living() || lost && seen.record.is_to_start_again()
}

/// Says that a variable of this environment does not reach the command.
pub(crate) fn tell_of_replaced(env: &[OsString]) {
    let value = |name: &str, entry: &OsString| {
        let value = entry.as_bytes().strip_prefix(name.as_bytes())?.strip_prefix(b"=")?;
        (!value.is_empty()).then(|| String::from_utf8_lossy(value).into_owned())
    };
    for name in VISIBLE {
        if let Some(value) = env.iter().find_map(|entry| value(name, entry)) {
            talk(format!("{name}={value} of this environment gives way to what --gpus reserves"));
        }
    }
}
