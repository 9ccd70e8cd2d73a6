//! What the kernel knows of ROCm's processes (/sys/class/kfd).

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

/// Memory on the card at this PCI address of each process that ROCm has on it.
pub(crate) fn memory(sys: &Path, pci: &str) -> BTreeMap<i32, u64> {
    let kfd = sys.join("class/kfd/kfd");
    let nodes = fs::read_dir(kfd.join("topology/nodes")).into_iter().flatten().flatten();
    let gpu = nodes.map(|node| node.path()).find_map(|node| {
        let properties = fs::read_to_string(node.join("properties")).ok()?;
        (address(&properties)? == pci).then(|| fs::read_to_string(node.join("gpu_id")).ok())?
    });
    let Some(gpu) = gpu else { return BTreeMap::new() };
    let file = format!("vram_{}", gpu.trim());
    let processes = fs::read_dir(kfd.join("proc")).into_iter().flatten().flatten();
    processes
        .filter_map(|process| {
            let pid = process.file_name().to_str()?.parse().ok()?;
            let bytes = fs::read_to_string(process.path().join(&file)).ok()?;
            Some((pid, bytes.trim().parse().ok()?))
        })
        .collect()
}

/// The PCI address of a node: bus, device and function are in the bits of `location_id`.
fn address(properties: &str) -> Option<String> {
    let value = |name: &str| -> Option<u32> {
        let pairs = properties.lines().filter_map(|line| line.split_once(' '));
        pairs.filter(|(key, _)| *key == name).find_map(|(_, value)| value.trim().parse().ok())
    };
    let place = value("location_id").filter(|place| *place != 0)?;
    let domain = value("domain").unwrap_or(0);
    let (bus, device, function) = (place >> 8 & 0xff, place >> 3 & 0x1f, place & 7);
    Some(format!("{domain:04x}:{bus:02x}:{device:02x}.{function}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_place_of_a_node() {
        let address_of = |text| address(text);
        assert_eq!(address_of("location_id 768\ndomain 1\n").as_deref(), Some("0001:03:00.0"));
        assert_eq!(address_of("location_id 33546\n").as_deref(), Some("0000:83:01.2"));
        // The processor is a node too.
        assert_eq!(address_of("location_id 0\n"), None);
        assert_eq!(address_of("garbage"), None);
    }
}
