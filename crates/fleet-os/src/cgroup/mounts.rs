//! Which cgroup hierarchies there are, and where in them this process is.

use std::ffi::OsString;
use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use fleet_core::Controller;

/// A hierarchy, as this process sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hierarchy {
    /// Whether it is the unified one of version 2.
    pub(super) unified: bool,
    /// What it controls; of version 2, which says so folder by folder, nothing is known here.
    pub(super) controllers: Vec<Controller>,
    /// Where it is mounted.
    pub(super) top: PathBuf,
    /// The folder of the cgroup that this process is in.
    pub(super) own: PathBuf,
}

/// The hierarchies of the file system below `root`.
///
/// # Errors
/// /proc is not mounted.
pub(super) fn hierarchies(root: &Path) -> io::Result<Vec<Hierarchy>> {
    let mounts = fs::read(root.join("proc/self/mountinfo"))?;
    let groups = fs::read_to_string(root.join("proc/self/cgroup"))?;
    Ok(parse(root, &mounts, &groups))
}

fn parse(root: &Path, mounts: &[u8], groups: &str) -> Vec<Hierarchy> {
    let mounts: Vec<Mount> = mounts.split(|&b| b == b'\n').filter_map(Mount::parse).collect();
    groups.lines().filter_map(|line| hierarchy(root, &mounts, line)).collect()
}

/// The hierarchy of one line of proc_pid_cgroup(5), `4:memory:/a` or `0::/a`, at the first mount
/// that shows our part of it.
fn hierarchy(root: &Path, mounts: &[Mount], line: &str) -> Option<Hierarchy> {
    let mut parts = line.splitn(3, ':').skip(1);
    let (names, path) = (parts.next()?, Path::new(parts.next()?));
    let unified = names.is_empty();
    let ours = |mount: &&Mount| match unified {
        true => mount.unified,
        false => !mount.unified && names.split(',').all(|name| mount.has(name)),
    };
    let mount = mounts.iter().filter(ours).find(|mount| path.starts_with(&mount.root))?;
    let below = path.strip_prefix(&mount.root).ok()?;
    // A cgroup outside of our namespace begins with `/..` (cgroup_namespaces(7)).
    if below.starts_with("..") {
        return None;
    }
    let top = root.join(mount.point.strip_prefix("/").unwrap_or(&mount.point));
    let is_named = |one: &Controller| names.split(',').any(|name| name == one.word());
    let controllers = Controller::ALL.into_iter().filter(is_named).collect();
    let own = if below.as_os_str().is_empty() { top.clone() } else { top.join(below) };
    Some(Hierarchy { unified, controllers, own, top })
}

/// A mount of a cgroup hierarchy, by proc_pid_mountinfo(5).
#[derive(Debug)]
struct Mount {
    /// The part of the hierarchy that is seen at the mount point.
    root: PathBuf,
    point: PathBuf,
    unified: bool,
    options: String,
}

impl Mount {
    fn parse(line: &[u8]) -> Option<Mount> {
        let mut fields = line.split(|&b| b == b' ');
        let (root, point) = (fields.nth(3)?, fields.next()?);
        let mut rest = fields.skip_while(|field| *field != b"-").skip(1);
        let unified = match rest.next()? {
            b"cgroup2" => true,
            b"cgroup" => false,
            _ => return None,
        };
        let options = String::from_utf8_lossy(rest.nth(1)?).into_owned();
        Some(Mount { root: unescaped(root), point: unescaped(point), unified, options })
    }

    fn has(&self, name: &str) -> bool {
        self.options.split(',').any(|option| option == name)
    }
}

/// Blanks, tabs, line ends and backslashes are written as three octal digits behind a backslash.
fn unescaped(text: &[u8]) -> PathBuf {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some((&first, after)) = rest.split_first() {
        let code = after.get(..3).filter(|_| first == b'\\');
        let code = code.and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(byte) => {
                plain.push(byte);
                rest = &after[3..];
            }
            None => {
                plain.push(first);
                rest = after;
            }
        }
    }
    PathBuf::from(OsString::from_vec(plain))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn found(mounts: &str, groups: &str) -> Vec<(bool, String, String)> {
        let all = parse(Path::new("/"), mounts.as_bytes(), groups);
        let text = |path: PathBuf| path.to_str().unwrap().to_owned();
        all.into_iter().map(|one| (one.unified, text(one.top), text(one.own))).collect()
    }

    #[test]
    fn a_unified_host() {
        let mounts = "22 1 0:20 / /proc rw - proc proc rw\n\
            31 23 0:28 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw,nsdelegate\n";
        let own = "/sys/fs/cgroup/user.slice/a.scope".to_owned();
        let all = found(mounts, "0::/user.slice/a.scope\n");
        assert_eq!(all, [(true, "/sys/fs/cgroup".to_owned(), own)]);
    }

    #[test]
    fn a_hybrid_host_has_both() {
        let mounts = "33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
            35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
            40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n\
            41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let groups = "4:memory:/a\n2:cpu,cpuacct:/\n1:name=systemd:/x\n0::/\n9:pids:/\n";
        let all = parse(Path::new("/"), mounts.as_bytes(), groups);
        let controllers: Vec<_> = all.iter().map(|one| one.controllers.clone()).collect();
        assert_eq!(controllers, [vec![Controller::Memory], vec![Controller::Cpu], vec![], vec![]]);
        assert_eq!(all[0].own, Path::new("/sys/fs/cgroup/memory/a"));
        assert_eq!(all[1].own, Path::new("/sys/fs/cgroup/cpu,cpuacct"));
        assert!(all[3].unified, "pids is mounted nowhere and left out");
    }

    #[test]
    fn a_container_sees_a_part_of_it() {
        let mounts = "35 31 0:32 /docker/abc /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n";
        let at = |group: &str| found(mounts, &format!("4:memory:{group}\n")).pop();
        let top = "/sys/fs/cgroup/memory".to_owned();
        assert_eq!(at("/docker/abc"), Some((false, top.clone(), top.clone())));
        assert_eq!(at("/docker/abc/x"), Some((false, top.clone(), top + "/x")));
        assert_eq!(at("/elsewhere"), None);
        let mounts = "35 31 0:32 / /sys/fs/cgroup ro - cgroup2 cgroup rw\n";
        assert_eq!(found(mounts, "0::/../b\n"), [], "it is outside of our namespace");
    }

    #[test]
    fn blanks_in_a_mount_point_are_read() {
        assert_eq!(unescaped(br"/a\040b\134c\9"), Path::new("/a b\\c\\9"));
    }

    proptest! {
        #[test]
        fn no_text_panics(mounts in any::<Vec<u8>>(), line in "[0-9a-z /.,:-]{0,60}", groups in ".*") {
            parse(Path::new("/"), &mounts, &groups);
            let mounts = format!("{line} - cgroup2 x {line}\n{line}");
            parse(Path::new("/"), mounts.as_bytes(), &line);
        }
    }
}
