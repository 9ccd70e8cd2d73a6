//! Evidence that the kernel killed for memory.

use std::fs;

/// How often this kernel has killed for memory, for whichever cgroup or for the host
/// (`oom_kill` in /proc/vmstat).
pub(crate) fn kills() -> u64 {
    let text = fs::read_to_string("/proc/vmstat").unwrap_or_default();
    field(&text, "oom_kill").unwrap_or(0)
}

/// How often it killed for memory in the cgroup of this process, whoever's limit was reached
/// (`oom_kill` in cgroup v2 `memory.events`, v1 `memory.oom_control`); nothing where no cgroup
/// counts.
pub(crate) fn kills_here() -> Option<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup").ok()?;
    groups
        .lines()
        .filter_map(events_file)
        .find_map(|path| field(&fs::read_to_string(path).ok()?, "oom_kill"))
}

/// The file with the count, for one line of proc_pid_cgroup(5): `4:memory:/a` or `0::/a`.
fn events_file(line: &str) -> Option<String> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (controllers, path) = (parts.next()?, parts.next()?);
    match controllers {
        "" => Some(format!("/sys/fs/cgroup{path}/memory.events")),
        "memory" => Some(format!("/sys/fs/cgroup/memory{path}/memory.oom_control")),
        _ => None,
    }
}

fn field(text: &str, name: &str) -> Option<u64> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_hierarchies_are_known() {
        assert_eq!(
            events_file("0::/user.slice/a").as_deref(),
            Some("/sys/fs/cgroup/user.slice/a/memory.events")
        );
        assert_eq!(
            events_file("5:memory:/a").as_deref(),
            Some("/sys/fs/cgroup/memory/a/memory.oom_control")
        );
        assert_eq!(events_file("4:cpu:/a"), None);
        assert_eq!(field("oom_kill_disable 0\noom_kill 3\n", "oom_kill"), Some(3));
    }
}
