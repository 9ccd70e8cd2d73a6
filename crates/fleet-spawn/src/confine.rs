//! A cgroup for a run, decided before anything starts.
//!
//! The supervisor was forked from this program and shares its cgroup, so what may be made from
//! here may be made from there. A run that asks for no limit on memory, processors or processes
//! costs nothing here.

use std::path::Path;

use fleet_core::{RunKey, Spec};
use fleet_os::{Cgroup, make_cgroup};
use fleet_registry::Home;

/// Makes the cgroup of a run, if its limits need one, and puts it into the spec. Returns what is
/// weaker than was asked, each a sentence.
pub(crate) fn confine(spec: &mut Spec, home: &Home) -> Vec<String> {
    make_cgroup(Path::new("/"), &name_of(home.path(), &spec.key()), &mut spec.limits);
    let weaker = spec.limits.weaker.values();
    weaker.map(|words| format!("'{}' is limited less than was asked: {words}", spec.id)).collect()
}

/// Takes it away again when the run cannot be.
pub(crate) fn release(spec: &Spec) {
    if let Some(cgroup) = Cgroup::of(&spec.limits) {
        let _ = cgroup.remove();
    }
}

/// A name that no run of another home has.
fn name_of(home: &Path, run: &RunKey) -> String {
    format!("fleet-{}.{}-{:08x}", run.id, run.run, fingerprint(home))
}

/// 32 bits of a path, by FNV-1a (Fowler, Noll, Vo): the same in every build.
fn fingerprint(path: &Path) -> u32 {
    use std::os::unix::ffi::OsStrExt;
    let mix = |hash: u32, byte: &u8| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
    path.as_os_str().as_bytes().iter().fold(0x811c_9dc5, mix)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn homes_do_not_meet() {
        let run = RunKey { id: "a".parse().unwrap(), run: 3 };
        // The test vector of FNV-1a for "foobar".
        assert_eq!(fingerprint(Path::new("foobar")), 0xbf9c_f968);
        assert_eq!(name_of(Path::new("foobar"), &run), "fleet-a.3-bf9cf968");
        assert_ne!(name_of(Path::new("/a"), &run), name_of(Path::new("/b"), &run));
    }
}
