//! Which kernel runs, on which host, since when.

use std::fs;
use std::io;

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
