//! Whether it is of use to ask for GPUs at all.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// Names the library to ask instead of the system's libnvidia-ml.so.1, for odd installations and
/// for tests.
pub const NVML_VARIABLE: &str = "FLEET_NVML";

/// Names a folder to read instead of /sys, for tests.
pub const SYS_VARIABLE: &str = "FLEET_SYS";

/// Whose presence says that a driver of NVIDIA is there; the last one is that of Windows' subsystem
/// for Linux.
const NVIDIA: &[&str] = &["/dev/nvidiactl", "/proc/driver/nvidia", "/dev/dxg"];

/// The PCI number of AMD as a vendor.
const AMD: &str = "0x1002";

/// Whether there may be a GPU whose driver can be asked. Costs a handful of system calls, so that a
/// machine without GPUs pays next to nothing.
pub fn may_have_gpus() -> bool {
    may_have_nvidia() || !amd_cards(&sys()).is_empty()
}

/// Whether there may be a driver of NVIDIA.
pub fn may_have_nvidia() -> bool {
    env::var_os(NVML_VARIABLE).is_some() || NVIDIA.iter().any(|path| Path::new(path).exists())
}

/// The folder that stands for /sys.
pub fn sys() -> PathBuf {
    env::var_os(SYS_VARIABLE).map_or_else(|| PathBuf::from("/sys"), PathBuf::from)
}

/// The cards of AMD: folders of /sys/class/drm such as `card0`, by their number.
pub fn amd_cards(sys: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(sys.join("class/drm")) else { return Vec::new() };
    let mut cards: Vec<(u32, PathBuf)> = entries
        .flatten()
        .filter_map(|entry| {
            // Beside the cards there are their connectors: `card0-DP-1`.
            let number = entry.file_name().to_str()?.strip_prefix("card")?.parse().ok()?;
            let vendor = fs::read_to_string(entry.path().join("device/vendor")).ok()?;
            (vendor.trim() == AMD).then(|| (number, entry.path()))
        })
        .collect();
    cards.sort();
    cards.into_iter().map(|(_, path)| path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cards_of_amd_are_told_from_others_and_from_connectors() {
        let sys = tempfile::tempdir().unwrap();
        assert!(amd_cards(sys.path()).is_empty());
        for (card, vendor) in
            [("card10", AMD), ("card2", AMD), ("card1", "0x8086"), ("card2-DP-1", AMD)]
        {
            let device = sys.path().join("class/drm").join(card).join("device");
            fs::create_dir_all(&device).unwrap();
            fs::write(device.join("vendor"), format!("{vendor}\n")).unwrap();
        }
        let names: Vec<_> =
            amd_cards(sys.path()).iter().map(|c| c.file_name().unwrap().to_owned()).collect();
        assert_eq!(names, ["card2", "card10"]);
    }
}
