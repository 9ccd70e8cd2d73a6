//! One card of AMD.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Instant;

use fleet_core::Measures;
use fleet_gpu::{Gpu, Holder, Use, Vendor};
use fleet_os::Proc;

use super::clients::{Client, clients};
use super::kfd;
use crate::nvidia::{Sight, share};

/// A card: `/sys/class/drm/card0`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Card {
    /// Its number among the cards of AMD.
    pub(crate) index: u32,
    /// Its folder.
    pub(crate) path: PathBuf,
}

/// What is kept of a card from look to look.
#[derive(Default)]
pub(crate) struct Kept {
    /// When it was looked at, and for how long each process had had it compute by then.
    busy: Option<(Instant, BTreeMap<i32, u64>)>,
}

impl Card {
    /// Looks at the card, and at these processes for whether they are on it.
    pub(crate) fn look(&self, sys: &Path, proc: &Proc, pids: &[i32], kept: &mut Kept) -> Sight {
        let device = Files(self.path.join("device"));
        let pci = fs::canonicalize(&device.0).ok();
        let pci = pci.as_deref().and_then(Path::file_name).and_then(|name| name.to_str());
        let mut gpu = Gpu::new(self.uuid(&device, pci), self.index, Vendor::Amd);
        gpu.product = device.product();
        gpu.pci = pci.map(str::to_owned);
        gpu.driver = text(&sys.join("module/amdgpu/version")).ok();
        // -1 where there is only one node.
        gpu.numa = device.number("numa_node");
        if let Err(reason) = device.is_there() {
            return Sight { gpus: vec![gpu.as_lost(&reason)], problems: Vec::new() };
        }
        device.measure(&mut gpu.measures);
        let holders = holders(sys, proc, pids, pci.unwrap_or_default(), kept);
        gpu.measures.gpu_processes = Some(holders.len() as u64);
        gpu.holders = Some(holders);
        gpu.measures.gpu_lost = Some(0);
        Sight { gpus: vec![gpu], problems: Vec::new() }
    }

    /// The name that ROCm knows it by (ROCR_VISIBLE_DEVICES), or where it has none its place.
    fn uuid(&self, device: &Files, pci: Option<&str>) -> String {
        let id = text(&device.0.join("unique_id")).ok().filter(|id| id.chars().any(|c| c != '0'));
        let place = || format!("PCI-{}", pci.map_or_else(|| self.index.to_string(), str::to_owned));
        id.map_or_else(place, |id| format!("GPU-{id}"))
    }
}

/// The files of a device.
struct Files(PathBuf);

impl Files {
    /// Whether the driver still reaches the device.
    fn is_there(&self) -> Result<(), String> {
        match text(&self.0.join("mem_info_vram_total")) {
            Err(e) if matches!(e.raw_os_error(), Some(libc::ENODEV | libc::EIO | libc::ENXIO)) => {
                Err(format!("its driver does not reach it any more: {e}"))
            }
            _ => Ok(()),
        }
    }

    fn number<T: FromStr>(&self, name: &str) -> Option<T> {
        text(&self.0.join(name)).ok()?.parse().ok()
    }

    fn product(&self) -> Option<String> {
        let name = text(&self.0.join("product_name")).ok().filter(|name| !name.is_empty());
        let number = || Some(format!("AMD {}", text(&self.0.join("device")).ok()?));
        name.or_else(number)
    }

    fn percent(&self, name: &str) -> Option<f64> {
        self.number(name).filter(|share| (0.0..=100.0).contains(share))
    }

    fn measure(&self, measures: &mut Measures) {
        let (total, used): (Option<u64>, Option<u64>) =
            (self.number("mem_info_vram_total"), self.number("mem_info_vram_used"));
        measures.gpu_memory_total_bytes = total;
        measures.gpu_memory_bytes = used;
        let both = total.zip(used);
        measures.gpu_memory_free_bytes = both.map(|(total, used)| total.saturating_sub(used));
        measures.gpu_memory_percent =
            both.filter(|(total, _)| *total > 0).map(|(total, used)| share(used, total));
        measures.gpu_percent = self.percent("gpu_busy_percent");
        measures.gpu_memory_busy_percent = self.percent("mem_busy_percent");
        measures.gpu_pcie_replays_total = self.number("pcie_replay_count");
        if let Some(errors) = self.memory_errors() {
            measures.gpu_ecc_uncorrected_total = Some(errors.0);
            measures.gpu_ecc_corrected_total = Some(errors.1);
        }
        if let Some(monitor) = self.monitor() {
            monitor.monitored(measures);
        }
    }

    /// Uncorrected and corrected errors of all blocks: `ue: 0` and `ce: 0` in each of their files.
    fn memory_errors(&self) -> Option<(u64, u64)> {
        let files = fs::read_dir(self.0.join("ras")).ok()?.flatten();
        let counts =
            files.filter(|file| file.file_name().to_string_lossy().ends_with("_err_count"));
        counts.filter_map(|file| errors(&text(&file.path()).ok()?)).reduce(
            |(ue, ce), (more_ue, more_ce)| (ue.saturating_add(more_ue), ce.saturating_add(more_ce)),
        )
    }

    /// The folder of its sensors.
    fn monitor(&self) -> Option<Files> {
        let mut folders = fs::read_dir(self.0.join("hwmon")).ok()?.flatten();
        folders.next().map(|folder| Files(folder.path()))
    }

    fn monitored(&self, measures: &mut Measures) {
        let micro = |name: &str| self.number::<f64>(name).map(|micro| micro / 1e6);
        measures.gpu_power_watts = micro("power1_average").or_else(|| micro("power1_input"));
        measures.gpu_power_limit_watts = micro("power1_cap");
        measures.temperature_celsius = self.number::<f64>("temp1_input").map(|milli| milli / 1e3);
        measures.gpu_clock_hertz = self.number("freq1_input");
        measures.gpu_memory_clock_hertz = self.number("freq2_input");
        let fan = self.number::<u8>("pwm1").map(|part| f64::from(part) / 255.0 * 100.0);
        measures.gpu_fan_percent = fan.map(|percent| (percent * 10.0).round() / 10.0);
    }
}

/// The processes on the card, by pid, as far as their descriptors can be seen.
fn holders(sys: &Path, proc: &Proc, pids: &[i32], pci: &str, kept: &mut Kept) -> Vec<Holder> {
    let by_rocm = kfd::memory(sys, pci);
    let mut pids: Vec<i32> = pids.iter().chain(by_rocm.keys()).copied().collect();
    pids.sort_unstable();
    pids.dedup();
    let now = Instant::now();
    let mut busy = BTreeMap::new();
    let mut found = Vec::new();
    for pid in pids {
        let client = clients(proc, pid, pci);
        let rocm = by_rocm.get(&pid).copied();
        if client.is_none() && rocm.is_none() {
            continue;
        }
        let percent = client.as_ref().and_then(|client| kept.share(now, pid, client));
        busy.extend(client.as_ref().map(|client| (pid, client.busy_nanos)));
        let memory_bytes = client.and_then(|client| client.memory_bytes).max(rocm);
        let how = if rocm.is_some() { Use::Compute } else { Use::Graphics };
        found.push(Holder { pid, how, memory_bytes, percent });
    }
    kept.busy = Some((now, busy));
    found
}

impl Kept {
    /// The share of the time since the last look in which a process had the card work.
    fn share(&self, now: Instant, pid: i32, client: &Client) -> Option<f64> {
        let (then, busy) = self.busy.as_ref()?;
        let before = busy.get(&pid)?;
        let passed = now.duration_since(*then).as_nanos().max(1) as f64;
        let share = client.busy_nanos.saturating_sub(*before) as f64 / passed * 100.0;
        // Several engines at once add up to more than all of the time.
        Some((share.min(100.0) * 100.0).round() / 100.0)
    }
}

fn errors(text: &str) -> Option<(u64, u64)> {
    let count = |name: &str| {
        let line = text.lines().find_map(|line| line.trim().strip_prefix(name))?;
        line.trim().parse().ok()
    };
    Some((count("ue:")?, count("ce:")?))
}

fn text(path: &Path) -> io::Result<String> {
    fs::read_to_string(path).map(|text| text.trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    fn write(path: PathBuf, text: &str) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    /// The files of an MI210 as its driver lays them out.
    fn card(sys: &Path) -> Card {
        let device = sys.join("devices/0000:03:00.0");
        for (file, text) in [
            ("vendor", "0x1002"),
            ("device", "0x740f"),
            ("unique_id", "6a1e5b1c2d3f4a5b"),
            ("product_name", "Instinct MI210"),
            ("numa_node", "1"),
            ("mem_info_vram_total", "68702699520"),
            ("mem_info_vram_used", "17175674880"),
            ("gpu_busy_percent", "93"),
            ("mem_busy_percent", "250"),
            ("pcie_replay_count", "3"),
            ("ras/umc_err_count", "ue: 1\nce: 4"),
            ("ras/gfx_err_count", "ue: 0\nce: 2"),
            ("hwmon/hwmon3/power1_average", "212000000"),
            ("hwmon/hwmon3/power1_cap", "300000000"),
            ("hwmon/hwmon3/temp1_input", "61000"),
            ("hwmon/hwmon3/freq1_input", "1700000000"),
            ("hwmon/hwmon3/pwm1", "51"),
        ] {
            write(device.join(file), &format!("{text}\n"));
        }
        let path = sys.join("class/drm/card0");
        fs::create_dir_all(&path).unwrap();
        std::os::unix::fs::symlink(device, path.join("device")).unwrap();
        Card { index: 0, path }
    }

    #[test]
    fn a_card_is_read_and_what_is_no_share_is_left_out() {
        let root = tempfile::tempdir().unwrap();
        let proc = Proc::at(root.path().join("proc"));
        let mut sight = card(root.path()).look(root.path(), &proc, &[], &mut Kept::default());
        let gpu = sight.gpus.pop().unwrap();
        assert_eq!((gpu.uuid.as_str(), gpu.numa), ("GPU-6a1e5b1c2d3f4a5b", Some(1)));
        assert_eq!(gpu.product.as_deref(), Some("Instinct MI210"));
        assert_eq!(gpu.pci.as_deref(), Some("0000:03:00.0"));
        let measures = &gpu.measures;
        assert_eq!(measures.gpu_memory_percent, Some(25.0));
        assert_eq!(measures.gpu_percent, Some(93.0));
        assert_eq!(measures.gpu_memory_busy_percent, None);
        assert_eq!(measures.gpu_power_watts, Some(212.0));
        assert_eq!(measures.temperature_celsius, Some(61.0));
        assert_eq!(measures.gpu_fan_percent, Some(20.0));
        assert_eq!(measures.gpu_ecc_uncorrected_total, Some(1));
        assert_eq!(measures.gpu_ecc_corrected_total, Some(6));
        assert_eq!((gpu.holders, measures.gpu_processes), (Some(Vec::new()), Some(0)));
    }

    #[test]
    fn who_computes_and_who_draws_is_found_and_shares_need_two_looks() {
        let root = tempfile::tempdir().unwrap();
        let (sys, proc) = (root.path(), Proc::at(root.path().join("proc")));
        let card = card(sys);
        let node = sys.join("class/kfd/kfd/topology/nodes/1");
        write(node.join("gpu_id"), "4711\n");
        write(node.join("properties"), "simd_count 416\nlocation_id 768\ndomain 0\n");
        write(sys.join("class/kfd/kfd/proc/70/vram_4711"), "9000\n");
        let draw = |nanos: u64| {
            let text = format!(
                "pos:\t0\ndrm-driver:\tamdgpu\ndrm-client-id:\t5\ndrm-pdev:\t0000:03:00.0\n\
                 drm-memory-vram:\t8 KiB\ndrm-engine-gfx:\t{nanos} ns\n"
            );
            write(proc.path(71, "fdinfo/9"), &text);
        };
        draw(0);
        let mut kept = Kept::default();
        let first = card.look(sys, &proc, &[71, 72], &mut kept).gpus.remove(0).holders.unwrap();
        let told: Vec<_> =
            first.iter().map(|h| (h.pid, h.how, h.memory_bytes, h.percent)).collect();
        let expected =
            [(70, Use::Compute, Some(9000), None), (71, Use::Graphics, Some(8192), None)];
        assert_eq!(told, expected);
        // An hour of work in no time at all: all of the time, and no more.
        draw(Duration::from_secs(3600).as_nanos() as u64);
        let second = card.look(sys, &proc, &[71, 72], &mut kept).gpus.remove(0).holders.unwrap();
        assert_eq!(second[1].percent, Some(100.0));
    }

    #[test]
    fn a_card_without_files_has_nothing_but_its_place() {
        let root = tempfile::tempdir().unwrap();
        let card = Card { index: 3, path: root.path().join("class/drm/card9") };
        let proc = Proc::at(root.path().join("proc"));
        let gpu = card.look(root.path(), &proc, &[], &mut Kept::default()).gpus.remove(0);
        assert_eq!((gpu.uuid.as_str(), gpu.product), ("PCI-3", None));
        assert_eq!(gpu.measures.values().count(), 2);
    }

    #[test]
    fn error_counts_have_both_kinds() {
        assert_eq!(errors("ue: 1\nce: 4\n"), Some((1, 4)));
        assert_eq!(errors("ue: 1\n"), None);
        assert_eq!(errors("ue: x\nce: 4"), None);
    }
}
