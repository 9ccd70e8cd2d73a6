//! What a process uses of a card, from the descriptors that it has of it (drm-usage-stats in the
//! kernel's documentation).

use std::collections::{BTreeMap, HashMap};
use std::fs;

use fleet_os::Proc;

/// A process as a client of a card.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Client {
    /// Memory on the card.
    pub(crate) memory_bytes: Option<u64>,
    /// For how long its engines have worked for the process since it opened the card.
    pub(crate) busy_nanos: u64,
}

/// What the process uses of the card at this PCI address; `None` where it is not on it, or may not
/// be looked at.
pub(crate) fn clients(proc: &Proc, pid: i32, pci: &str) -> Option<Client> {
    // One client may have many descriptors, each of which tells the same.
    let mut found: BTreeMap<u64, Client> = BTreeMap::new();
    for file in fs::read_dir(proc.path(pid, "fdinfo")).ok()?.flatten() {
        let text = fs::read_to_string(file.path()).unwrap_or_default();
        found.extend(client(&text, pci));
    }
    found.into_values().reduce(|sum, client| Client {
        memory_bytes: match (sum.memory_bytes, client.memory_bytes) {
            (Some(a), Some(b)) => Some(a.saturating_add(b)),
            (a, b) => a.or(b),
        },
        busy_nanos: sum.busy_nanos.saturating_add(client.busy_nanos),
    })
}

/// The client of a descriptor by its number, if it is one of this card.
fn client(text: &str, pci: &str) -> Option<(u64, Client)> {
    let pairs = text.lines().filter_map(|line| line.split_once(':'));
    let fields: HashMap<&str, &str> = pairs.map(|(key, value)| (key, value.trim())).collect();
    if fields.get("drm-pdev") != Some(&pci) {
        return None;
    }
    let number = fields.get("drm-client-id")?.parse().ok()?;
    // The first name is that of today's kernels.
    let memory = ["drm-resident-vram", "drm-memory-vram"].iter().find_map(|name| fields.get(name));
    let engines = ["drm-engine-gfx", "drm-engine-compute"].iter();
    let nanos = engines.filter_map(|name| fields.get(name)?.strip_suffix(" ns")?.parse().ok());
    let busy_nanos = nanos.fold(0, u64::saturating_add);
    Some((number, Client { memory_bytes: memory.and_then(|size| bytes(size)), busy_nanos }))
}

/// A size as the kernel writes it: a number, and KiB or MiB where it is not of bytes.
fn bytes(size: &str) -> Option<u64> {
    let (number, unit) = size.split_once(' ').unwrap_or((size, ""));
    let factor = match unit.trim() {
        "" => 1,
        "KiB" => 1 << 10,
        "MiB" => 1 << 20,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PCI: &str = "0000:03:00.0";

    #[test]
    fn a_client_counts_once_however_many_descriptors_it_has() {
        let root = tempfile::tempdir().unwrap();
        let proc = Proc::at(root.path());
        let folder = proc.path(7, "fdinfo");
        fs::create_dir_all(&folder).unwrap();
        let of = |client: u32, pci: &str| {
            format!(
                "drm-pdev:\t{pci}\ndrm-client-id:\t{client}\ndrm-memory-vram:\t2 MiB\n\
                 drm-engine-gfx:\t10 ns\ndrm-engine-compute:\t5 ns\n"
            )
        };
        for (fd, text) in
            [("3", of(1, PCI)), ("4", of(1, PCI)), ("5", of(2, PCI)), ("6", of(3, "0000:04:00.0"))]
        {
            fs::write(folder.join(fd), text).unwrap();
        }
        let both = Client { memory_bytes: Some(4 << 20), busy_nanos: 30 };
        assert_eq!(clients(&proc, 7, PCI), Some(both));
        assert_eq!(clients(&proc, 8, PCI), None);
    }

    #[test]
    fn sizes_have_units() {
        assert_eq!(bytes("12 KiB"), Some(12 << 10));
        assert_eq!(bytes("12"), Some(12));
        assert_eq!(bytes("12 GiB of"), None);
        assert_eq!(bytes("18446744073709551615 KiB"), None);
    }

    proptest! {
        #[test]
        fn no_text_is_too_strange(text in "(drm-(pdev|client-id|memory-vram|engine-gfx):[ -~]{0,12}\n){0,6}[ -~]{0,20}") {
            if let Some((_, client)) = client(&text, PCI) {
                prop_assert!(client.memory_bytes.is_none_or(|bytes| bytes < u64::MAX));
            }
        }
    }
}
