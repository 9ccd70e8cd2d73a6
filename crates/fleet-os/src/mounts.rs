//! Which file systems are mounted: the form of proc_pid_mountinfo(5).

use std::collections::HashSet;
use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// A mounted file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where.
    pub point: PathBuf,
    /// What: `/dev/sda1`, `server:/export`.
    pub source: String,
    /// Its type, with the subtype of FUSE: `ext4`, `nfs4`, `fuse.sshfs`.
    pub fs: String,
    /// Major and minor number of its device; major 0 where no block device is behind it.
    pub device: (u32, u32),
    /// Whether somebody outside of this kernel has to answer for it, or for one that its path
    /// leads through: that may take for ever.
    pub remote: bool,
}

/// Types without a block device that hold people's files, on this machine.
const POOLS: [&str; 3] = ["zfs", "btrfs", "bcachefs"];

/// Types whose answers come from a server, or from a process of this machine.
const REMOTE: [&str; 14] = [
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "ceph",
    "lustre",
    "beegfs",
    "gpfs",
    "9p",
    "virtiofs",
    "afs",
    "glusterfs",
    "fuse",
];

/// Memory that programs share, above all the workers that load training data; it is full without
/// a word, and then they die of SIGBUS.
const SHARED_MEMORY: &str = "/dev/shm";

/// Block devices that cannot run full: packed images, which are full always.
const PACKED: [&str; 4] = ["squashfs", "iso9660", "erofs", "udf"];

impl Mount {
    /// Whether it holds files of people and can run full: not a view into the kernel, not a packed
    /// image, not memory besides what programs share.
    fn is_real(&self) -> bool {
        let on_block = self.device.0 != 0 && !PACKED.contains(&self.fs.as_str());
        let shared = self.fs == "tmpfs" && self.point == Path::new(SHARED_MEMORY);
        // What a container has for its files.
        let layers = self.fs == "overlay" && self.point == Path::new("/");
        on_block || POOLS.contains(&self.fs.as_str()) || is_remote(&self.fs) || shared || layers
    }

    /// Whether it is a view that a desktop or a container serves itself, of no size.
    fn is_view(&self) -> bool {
        matches!(self.fs.as_str(), "fuse.portal" | "fuse.gvfsd-fuse" | "fuse.lxcfs")
    }
}

/// FUSE is a server's too. `fuseblk` (NTFS) is a process of this machine, and can hang likewise.
fn is_remote(fs: &str) -> bool {
    REMOTE.contains(&fs) || fs.starts_with("fuse.") || fs == "fuseblk"
}

/// The real file systems in the text of mountinfo, each device once, at the shortest of its mount
/// points; others are bind mounts. In the order of their points.
pub fn parse_mounts(text: &[u8]) -> Vec<Mount> {
    let mut all: Vec<Mount> =
        text.split(|&b| b == b'\n').filter_map(parse_line).filter(|m| !m.is_view()).collect();
    let servers: Vec<PathBuf> = all.iter().filter(|m| m.remote).map(|m| m.point.clone()).collect();
    // What was mounted later over the same point hides what was there.
    let mut points = HashSet::new();
    all.reverse();
    all.retain(|mount| points.insert(mount.point.clone()));
    for mount in &mut all {
        mount.remote |= servers.iter().any(|point| mount.point.starts_with(point));
    }
    all.retain(Mount::is_real);
    all.sort_by(|a, b| by_length(a).cmp(&by_length(b)));
    let mut seen = HashSet::new();
    all.retain(|mount| seen.insert(mount.device));
    all.sort_by(|a, b| a.point.cmp(&b.point));
    all
}

fn by_length(mount: &Mount) -> (usize, &Path) {
    (mount.point.as_os_str().len(), &mount.point)
}

fn parse_line(line: &[u8]) -> Option<Mount> {
    let mut fields = line.split(|&b| b == b' ');
    let device = std::str::from_utf8(fields.nth(2)?).ok()?;
    let (major, minor) = device.split_once(':')?;
    let device = (major.parse().ok()?, minor.parse().ok()?);
    let point = PathBuf::from(OsString::from_vec(unescaped(fields.nth(1)?)));
    // Options and any number of tags, then a dash.
    let mut fields = fields.skip_while(|field| *field != b"-").skip(1);
    let fs = String::from_utf8_lossy(fields.next()?).into_owned();
    let source = String::from_utf8_lossy(&unescaped(fields.next()?)).into_owned();
    let remote = is_remote(&fs);
    let absolute = point.as_os_str().as_bytes().first() == Some(&b'/');
    absolute.then_some(Mount { point, source, fs, device, remote })
}

/// Blanks, tabs, line ends and backslashes are written as a backslash and three octal digits.
fn unescaped(text: &[u8]) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, tail)) = rest.split_first() {
        let digits = tail.get(..3).filter(|_| first == b'\\');
        let octal = digits.and_then(|d| u8::from_str_radix(std::str::from_utf8(d).ok()?, 8).ok());
        plain.push(octal.unwrap_or(first));
        rest = if octal.is_some() { &tail[3..] } else { tail };
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TEXT: &[u8] = b"\
22 27 0:21 / /proc rw,relatime - proc proc rw
25 24 0:22 / /dev/shm rw - tmpfs hidden rw
33 25 0:23 / /dev/shm rw - tmpfs tmpfs rw
26 24 0:29 / /run rw - tmpfs tmpfs rw
27 1 254:0 / / rw,relatime shared:1 master:2 - ext4 /dev/vda rw
28 27 254:0 /var /var/lib/bind rw - ext4 /dev/vda rw
29 27 0:51 / /mnt/nas rw - nfs4 nas:/export rw
30 29 254:1 / /mnt/nas/my\\040disk rw - xfs /dev/vdb rw
31 27 0:52 / /home/a/far rw - fuse.sshfs b: rw
32 27 7:1 / /snap/x rw - squashfs /dev/loop1 ro
torn 27 7
";

    #[test]
    fn real_file_systems_are_listed_once() {
        let mounts = parse_mounts(TEXT);
        let points: Vec<_> = mounts.iter().map(|m| m.point.to_str().unwrap()).collect();
        assert_eq!(points, ["/", "/dev/shm", "/home/a/far", "/mnt/nas", "/mnt/nas/my disk"]);
        let remote: Vec<_> = mounts.iter().map(|m| m.remote).collect();
        // The way to the disk leads through the server's files.
        assert_eq!(remote, [false, false, true, true, true]);
        assert_eq!(mounts[1].source, "tmpfs");
        assert_eq!((mounts[0].source.as_str(), mounts[0].device), ("/dev/vda", (254, 0)));
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, text in "[0-9a-z:/\\\\ \\n-]{0,200}") {
            let _ = (parse_mounts(&bytes), parse_mounts(text.as_bytes()));
        }
    }
}
