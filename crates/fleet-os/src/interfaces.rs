//! Traffic of network interfaces: the form of proc_pid_net_dev(5), and which of them are physical.

use std::path::Path;

/// What went through an interface since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// Bytes in.
    pub receive_bytes: u64,
    /// Bytes out.
    pub transmit_bytes: u64,
    /// Packets in.
    pub receive_packets: u64,
    /// Packets out.
    pub transmit_packets: u64,
    /// Packets that were spoilt, in and out.
    pub errors: u64,
    /// Packets that were dropped, in and out.
    pub dropped: u64,
}

/// A network interface.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// What went through it.
    pub traffic: Traffic,
}

/// The interfaces in the text of /proc/net/dev through which traffic leaves the machine.
///
/// That are the physical ones, which have a device under `/sys/class/net`: what bridges, tunnels
/// and the ends of containers carry goes through these too, and would count twice. Where there is
/// none, as in a container, all but the loopback are given.
pub fn interfaces(text: &[u8], sys: &Path) -> Vec<Interface> {
    let mut all: Vec<Interface> = text.split(|&b| b == b'\n').filter_map(parse_line).collect();
    all.retain(|one| one.name != "lo");
    let is_physical =
        |one: &Interface| sys.join("class/net").join(&one.name).join("device").exists();
    if all.iter().any(is_physical) {
        all.retain(is_physical);
    }
    all
}

fn parse_line(line: &[u8]) -> Option<Interface> {
    let (name, numbers) = std::str::from_utf8(line).ok()?.split_once(':')?;
    let mut found = [0u64; 16];
    let mut fields = numbers.split_ascii_whitespace();
    for slot in &mut found {
        *slot = fields.next()?.parse().ok()?;
    }
    // A name that is a path would lead elsewhere; the kernel allows none.
    let name = Some(name.trim()).filter(|n| !n.is_empty() && !n.contains('/') && *n != "..")?;
    let traffic = Traffic {
        receive_bytes: found[0],
        receive_packets: found[1],
        transmit_bytes: found[8],
        transmit_packets: found[9],
        errors: found[2].saturating_add(found[10]),
        dropped: found[3].saturating_add(found[11]),
    };
    Some(Interface { name: name.to_owned(), traffic })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &[u8] =
        b"Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
    lo: 1 1 0 0 0 0 0 0 1 1 0 0 0 0 0 0
  eth0: 100 10 1 2 0 0 0 0 200 20 3 4 0 0 0 0
docker0: 7 7 0 0 0 0 0 0 7 7 0 0 0 0 0 0
";

    #[test]
    fn what_leaves_the_machine_counts_once() {
        let sys = tempfile::tempdir().unwrap();
        let names = || -> Vec<String> {
            interfaces(TEXT, sys.path()).into_iter().map(|one| one.name).collect()
        };
        assert_eq!(names(), ["eth0", "docker0"]);
        std::fs::create_dir_all(sys.path().join("class/net/eth0/device")).unwrap();
        assert_eq!(names(), ["eth0"]);
        let traffic = interfaces(TEXT, sys.path())[0].traffic;
        assert_eq!((traffic.receive_bytes, traffic.transmit_packets), (100, 20));
        assert_eq!((traffic.errors, traffic.dropped), (4, 6));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, text in "[0-9a-z: \\n]{0,200}") {
            let sys = Path::new("/nowhere");
            let _ = (interfaces(&bytes, sys), interfaces(text.as_bytes(), sys));
        }
    }
}
