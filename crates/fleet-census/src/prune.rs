//! Forgetting ended runs, with what the kernel may still hold of them.

use fleet_core::Timestamp;
use fleet_os::Cgroup;
use fleet_registry::{Home, Keep, Pruned, RegistryError, compact};

/// Compacts the registry, and removes the cgroups that are left of the runs that it forgets:
/// something may have outlived its run there. The kernel keeps what something still lives in.
///
/// # Errors
/// As [`compact`].
pub fn prune(home: &Home, keep: Keep, now: Timestamp) -> Result<Pruned, RegistryError> {
    let pruned = compact(home, keep, now)?;
    for cgroup in pruned.limits.iter().filter_map(Cgroup::of) {
        let _ = cgroup.remove();
    }
    Ok(pruned)
}
