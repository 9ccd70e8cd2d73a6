//! GPUs of a run: taken with its turn, told to its command, and seen to be free at its end.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::time::{Duration, Instant};

use fleet_core::{End, GpuShare, ProcessRecord, Signal};
use fleet_gpu::{Devices, Reserved, Shortage, choose, devices_once};
use fleet_os::{PidFd, has_marks, monotonic_nanos};
use fleet_registry::gpu_holders;
use serde_json::json;

use crate::queue::Verdict;
use crate::supervise::{SECOND, Shim};

/// How long the driver may take before a turn; a stop that is asked for meanwhile waits as long.
const ASK: Duration = Duration::from_secs(5);
/// How long it may take at the end of a run, which is told after that.
const CHECK: Duration = Duration::from_secs(2);
/// How long a process that was killed because it kept a GPU may take to go.
const GOING: Duration = Duration::from_secs(3);
/// How long GPUs that are wanted may be gone: a driver that is loaded anew is back before.
const GONE: u64 = 30 * SECOND;

/// A process that holds a GPU after its run has ended.
struct Left {
    pid: i32,
    uuid: String,
    name: String,
}

impl Shim<'_> {
    /// The GPUs of this machine, if any are wanted.
    ///
    /// # Errors
    /// Words for why nobody can tell; it is asked again.
    pub(crate) fn ask_for_gpus(&mut self) -> Result<Option<Devices>, String> {
        if self.post.spec.gpu_wish.is_none() {
            return Ok(None);
        }
        self.waiting.asks_driver = true;
        devices_once(ASK).map(Some).map_err(|e| format!("no GPU can be had: {e}"))
    }

    /// Takes the GPUs that are wanted, or says what is missing. Called under the registry's lock.
    ///
    /// # Errors
    /// The registry cannot be read.
    pub(crate) fn take_gpus(&mut self, devices: &Devices) -> io::Result<Option<Verdict>> {
        let holders = gpu_holders(&self.post.home)?;
        let holders = self.in_truth(holders, true);
        let reserved: Vec<Reserved> = holders.iter().flat_map(held_by).collect();
        let Some(wish) = &self.post.spec.gpu_wish else { return Ok(None) };
        Ok(match choose(wish, &devices.all, &reserved) {
            Ok(shares) => {
                self.waiting.gpus_gone = None;
                self.record.gpus = shares;
                None
            }
            Err(Shortage::Now(words)) => {
                self.waiting.gpus_gone = None;
                Some(Verdict::Wait(devices.explain(&words)))
            }
            Err(Shortage::Never(words)) => Some(self.gpus_are_gone(devices.explain(&words))),
        })
    }

    /// Whether whoever meets a run that died with its supervisors starts it again, with its GPUs.
    pub(crate) fn starts_again(&self, record: &ProcessRecord) -> bool {
        record.boot == self.post.boot && record.is_to_start_again()
    }

    /// They were there when it was spawned.
    fn gpus_are_gone(&mut self, words: String) -> Verdict {
        let now = monotonic_nanos();
        let Some(since) = self.waiting.gpus_gone else {
            self.waiting.gpus_gone = Some(now);
            self.event("gpus_gone", words.clone(), json!({}));
            return Verdict::Wait(words);
        };
        match now.saturating_sub(since) < GONE {
            true => Verdict::Wait(words),
            false => Verdict::Never(words),
        }
    }

    /// Looks whether anything of the run still holds its GPUs now that the tree of an attempt is
    /// gone. Whoever gets them next, the next attempt say, is to find them free. So it is ended where
    /// the tree was, too: not after a success, when the command may have meant to leave it. What was
    /// found is told.
    pub(crate) fn free_gpus(&mut self, end: &mut End, kills: bool) {
        if self.record.gpus.is_empty() {
            return;
        }
        let devices = match devices_once(CHECK) {
            Ok(devices) if !devices.foreign_pids => devices,
            Ok(_) => return self.unchecked("its driver counts pids in another namespace"),
            Err(e) => return self.unchecked(&e.to_string()),
        };
        for words in gone(&self.record.gpus, &devices) {
            self.event("gpu_gone", words.clone(), json!({}));
            end.reason = format!("{}; {words}", end.reason);
        }
        for left in self.left_on(&devices) {
            let held = format!("{} of this run still held '{}'", left.name, left.uuid);
            let words = match kills.then(|| self.end_left(&left)) {
                None => held,
                Some(true) => format!("{held} and was killed"),
                Some(false) => format!("{held} and could not be killed"),
            };
            let data = json!({"pid": left.pid, "gpu": left.uuid, "killed": kills});
            self.event("gpu_held", words.clone(), data);
            end.reason = format!("{}; {words}", end.reason);
        }
    }

    fn unchecked(&mut self, why: &str) {
        let words = format!("whether its GPUs are free cannot be told: {why}");
        self.event("gpus_unchecked", words, json!({}));
    }

    /// The processes on its GPUs that have the marks of this run.
    fn left_on(&self, devices: &Devices) -> Vec<Left> {
        let marks = self.post.home.marks(&self.record.key());
        let proc = &self.post.proc;
        let ours = |uuid: &str| self.record.gpus.iter().any(|share| share.uuid == uuid);
        let mut left: Vec<Left> = Vec::new();
        for device in devices.all.iter().filter(|device| ours(&device.uuid)) {
            for pid in device.pids() {
                let known = left.iter().any(|one| one.pid == pid);
                if !known && has_marks(proc, pid, &marks) && self.is_living(pid) {
                    let name = fs::read_to_string(proc.path(pid, "comm")).unwrap_or_default();
                    let name = format!("pid {pid} ({})", name.trim_end());
                    left.push(Left { pid, uuid: device.uuid.clone(), name });
                }
            }
        }
        left
    }

    /// Ends a process that has the marks of this run; whether it is gone. It is taken hold of first
    /// and then looked at again, so that a pid that is used anew meanwhile is not hit.
    fn end_left(&self, left: &Left) -> bool {
        let Ok(held) = PidFd::open(left.pid) else { return !self.is_living(left.pid) };
        let marks = self.post.home.marks(&self.record.key());
        if has_marks(&self.post.proc, left.pid, &marks) {
            let _ = held.signal(Signal::KILL);
        }
        let until = Instant::now() + GOING;
        while !held.has_exited() && Instant::now() < until {
            held.wait(until.saturating_duration_since(Instant::now()));
        }
        held.has_exited()
    }
}

/// What the command is told of its GPUs. The variable of a driver is set only where some are its
/// own: ROCm heeds that of CUDA, too, and with an empty one would see none.
pub(crate) fn variables(gpus: &[GpuShare]) -> impl Iterator<Item = (String, OsString)> {
    let list = |wanted: fn(&GpuShare) -> bool| -> Vec<&str> {
        gpus.iter().filter(|gpu| wanted(gpu)).map(|gpu| gpu.uuid.as_str()).collect()
    };
    let lists = [
        ("FLEET_GPUS", list(|_| true)),
        ("CUDA_VISIBLE_DEVICES", list(|gpu| !gpu.is_amd())),
        ("ROCR_VISIBLE_DEVICES", list(GpuShare::is_amd)),
    ];
    let some = lists.into_iter().filter(|(_, uuids)| !uuids.is_empty());
    some.map(|(name, uuids)| (name.to_owned(), uuids.join(",").into()))
}

/// What became of those that the driver has no longer, in words.
fn gone(gpus: &[GpuShare], devices: &Devices) -> Vec<String> {
    let words = |share: &GpuShare| {
        let uuid = &share.uuid;
        match devices.all.iter().find(|device| device.uuid == *uuid) {
            None => Some(devices.explain(&format!("its GPU '{uuid}' is gone"))),
            Some(device) => {
                device.lost.as_ref().map(|why| format!("its GPU '{uuid}' is lost ({why})"))
            }
        }
    };
    gpus.iter().filter_map(words).collect()
}

fn held_by(record: &ProcessRecord) -> impl Iterator<Item = Reserved> + '_ {
    let by = |share: &GpuShare| Reserved { by: record.id.clone(), share: share.clone() };
    record.gpus.iter().map(by)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_driver_is_told_of_its_own_gpus() {
        let share = |uuid: &str| GpuShare { uuid: uuid.to_owned(), shared: false };
        let told = |uuids: &[&str]| -> Vec<String> {
            let gpus: Vec<GpuShare> = uuids.iter().map(|uuid| share(uuid)).collect();
            variables(&gpus)
                .map(|(name, list)| format!("{name}={}", list.to_string_lossy()))
                .collect()
        };
        assert!(told(&[]).is_empty());
        let nvidia = ["FLEET_GPUS=GPU-5f3a-1,MIG-2", "CUDA_VISIBLE_DEVICES=GPU-5f3a-1,MIG-2"];
        assert_eq!(told(&["GPU-5f3a-1", "MIG-2"]), nvidia);
        let one = "GPU-6b4e2f1a9c8d7e35";
        assert_eq!(
            told(&[one]),
            [format!("FLEET_GPUS={one}"), format!("ROCR_VISIBLE_DEVICES={one}")]
        );
    }
}
