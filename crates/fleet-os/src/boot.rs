//! Which kernel runs, on which host, since when.

use std::fs;
use std::io;
use std::path::Path;

/// The id of this boot, another one after each start of the machine (random(4)).
///
/// # Errors
/// /proc is not mounted.
pub fn boot_id() -> io::Result<String> {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").map(|id| id.trim_end().to_owned())
}

/// The name of this host (uname(2)); `localhost` when the kernel does not tell.
pub fn host_name() -> String {
    let names = nix::sys::utsname::uname();
    names.map_or_else(|_| "localhost".to_owned(), |n| n.nodename().to_string_lossy().into_owned())
}

/// Nanoseconds on the monotonic clock, which no one can set back and which all processes of a
/// boot share (clock_gettime(2)).
pub fn monotonic_nanos() -> u64 {
    let now = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC);
    now.map_or(0, |t| t.tv_sec() as u64 * 1_000_000_000 + t.tv_nsec() as u64)
}

/// The name of the user who runs this program, by /etc/passwd alone (no name service, which a
/// static program cannot load); else the number.
pub fn this_user() -> String {
    let uid = nix::unistd::geteuid().to_string();
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    });
    name.unwrap_or(uid)
}

/// Types of network file systems (statfs(2), linux/magic.h): NFS, SMB, SMB2, CIFS, AFS, Ceph,
/// Lustre, 9p.
const NETWORK: [i64; 8] =
    [0x6969, 0x517b, 0xfe53_4d42, 0xff53_4d42, 0x5346_414f, 0x00c3_6400, 0x0bd0_0bd0, 0x0102_1997];

/// Whether a folder lies on a network file system, where locks and pipes are not to be trusted.
pub fn is_on_network(folder: &Path) -> bool {
    nix::sys::statfs::statfs(folder)
        .is_ok_and(|fs| NETWORK.contains(&(fs.filesystem_type().0 & 0xffff_ffff)))
}
/// Raises the limit on open files as far as it goes. The usual soft limit, 1024, is for the sake of
/// select(2) alone; what cannot be raised shows itself when a file cannot be opened.
pub fn allow_many_files() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let _ = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
    }
}
