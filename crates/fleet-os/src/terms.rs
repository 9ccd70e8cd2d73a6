//! What a child is held to: it puts itself under these terms before it becomes the command.

use std::collections::BTreeMap;
use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};

use fleet_core::{Controller, Limits, Rlimit};
use nix::errno::Errno;

use crate::launch::Step;
use crate::proc::Proc;

/// `who` of ioprio_set(2) is a process (linux/ioprio.h, IOPRIO_WHO_PROCESS).
const IOPRIO_WHO_PROCESS: libc::c_int = 1;

/// Limits and priorities, made ready beforehand: a child may not allocate.
#[derive(Debug, Default)]
pub struct Terms {
    umask: Option<u32>,
    nice: Option<i32>,
    /// The nice value as text: the scheduler weighs sessions by one of their own (sched(7)).
    autogroup: CString,
    ionice: Option<u16>,
    oom_score: Option<CString>,
    /// `cgroup.procs` of the cgroups to enter.
    doors: Vec<OwnedFd>,
    rlimits: Vec<(libc::__rlimit_resource_t, libc::rlimit64)>,
}

impl Terms {
    /// The terms of these limits, with the ways into the cgroup where there is one.
    ///
    /// # Errors
    /// An rlimit has a name that this system does not know.
    pub fn new(limits: &Limits, doors: Vec<OwnedFd>) -> io::Result<Terms> {
        let rlimit = |(name, value): (&String, &Rlimit)| {
            let unknown =
                || io::Error::new(io::ErrorKind::InvalidInput, format!("no rlimit {name}"));
            Ok((resource(name).ok_or_else(unknown)?, raw(*value)))
        };
        let text = |number: i32| CString::new(number.to_string()).unwrap_or_default();
        Ok(Terms {
            umask: limits.umask,
            nice: limits.nice,
            autogroup: limits.nice.map(text).unwrap_or_default(),
            ionice: limits.ionice,
            oom_score: limits.oom_score.map(text),
            doors,
            rlimits: rlimits_in_force(limits).iter().map(rlimit).collect::<io::Result<_>>()?,
        })
    }

    /// Puts this process under the terms; errno says why a step failed. The cgroup comes late,
    /// since what is done inside is already limited, and the rlimits last, since one on open files
    /// would hinder the others.
    ///
    /// # Safety
    /// Only in a fresh child, which may share the memory of its parent: nothing here allocates or
    /// writes there, and what is set belongs to the child alone. (The mask lies in what CLONE_FS
    /// would share, the rlimits in what CLONE_THREAD would; and the kernel leaves the parent's OOM
    /// score alone while the child holds it back by CLONE_VFORK.)
    pub(crate) unsafe fn accept(&self) -> Result<(), Step> {
        // SAFETY: system calls with numbers, with C strings and descriptors that we own.
        unsafe {
            if let Some(mask) = self.umask {
                libc::umask(mask as libc::mode_t);
            }
            if let Some(nice) = self.nice {
                check(libc::setpriority(libc::PRIO_PROCESS, 0, nice), Step::Nice)?;
                // Where sessions are no groups of the scheduler there is no such file.
                let _ = write_to(c"/proc/self/autogroup", &self.autogroup);
            }
            if let Some(priority) = self.ionice {
                let priority = libc::c_int::from(priority);
                let set = libc::syscall(libc::SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, priority);
                check(set as libc::c_int, Step::IoNice)?;
            }
            if let Some(score) = &self.oom_score {
                check(write_to(c"/proc/self/oom_score_adj", score), Step::OomScore)?;
            }
            for door in &self.doors {
                // Zero is whoever writes.
                let entered = libc::write(door.as_raw_fd(), c"0".as_ptr().cast(), 1);
                check(entered as libc::c_int, Step::Cgroup)?;
            }
            for (place, (resource, limit)) in self.rlimits.iter().enumerate() {
                check(libc::setrlimit64(*resource, limit), Step::Rlimit(place as u8))?;
            }
        }
        Ok(())
    }
}

/// The rlimits of these limits, in the order of [`Step::Rlimit`], with those that stand in for a
/// cgroup that could not be made: unless they are named themselves.
pub fn rlimits_in_force(limits: &Limits) -> BTreeMap<String, Rlimit> {
    let mut all = limits.rlimits.clone();
    let weaker = |controller| limits.weaker.contains_key(&controller);
    let mut stand_in = |name: &str, number: u64| {
        let both = Some(number.min(hard_limit(name)));
        all.entry(name.to_owned()).or_insert(Rlimit { soft: both, hard: both });
    };
    if let Some(bytes) = limits.memory_bytes.filter(|_| weaker(Controller::Memory)) {
        stand_in("data", bytes);
    }
    if let Some(pids) = limits.pids.filter(|_| weaker(Controller::Pids)) {
        // All of the user's are counted, so that the number alone might forbid every fork.
        stand_in("nproc", threads_of_user(&Proc::default()).saturating_add(pids));
    }
    all
}

/// The soft limit of open descriptors of a process: `Some(None)` where there is none, `None` where
/// it may not be asked.
pub(crate) fn descriptor_limit(pid: i32) -> Option<Option<u64>> {
    let mut limit = libc::rlimit64 { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the kernel writes to a structure of ours and takes nothing.
    let answer =
        unsafe { libc::prlimit64(pid, libc::RLIMIT_NOFILE, std::ptr::null(), &raw mut limit) };
    let soft = (limit.rlim_cur != libc::RLIM64_INFINITY).then_some(limit.rlim_cur);
    (answer == 0).then_some(soft)
}

/// What this process cannot pass.
fn hard_limit(name: &str) -> u64 {
    let mut limit = libc::rlimit64 { rlim_cur: 0, rlim_max: libc::RLIM64_INFINITY };
    if let Some(resource) = resource(name) {
        // SAFETY: the kernel writes to a structure of ours.
        unsafe { libc::getrlimit64(resource, &raw mut limit) };
    }
    limit.rlim_max
}

fn check(answer: libc::c_int, step: Step) -> Result<(), Step> {
    if answer < 0 { Err(step) } else { Ok(()) }
}

/// # Safety
/// Always safe; it allocates nothing.
unsafe fn write_to(path: &std::ffi::CStr, text: &CString) -> libc::c_int {
    // SAFETY: both are C strings.
    unsafe {
        let file = libc::open(path.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC);
        if file < 0 {
            return -1;
        }
        let written = libc::write(file, text.as_ptr().cast(), text.as_bytes().len());
        let errno = Errno::last_raw();
        libc::close(file);
        Errno::set_raw(errno);
        written as libc::c_int
    }
}

fn raw(limit: Rlimit) -> libc::rlimit64 {
    let number = |limit: Option<u64>| limit.unwrap_or(libc::RLIM64_INFINITY);
    libc::rlimit64 { rlim_cur: number(limit.soft), rlim_max: number(limit.hard) }
}

/// The number of an rlimit of this name, in the order of [`Rlimit::NAMES`].
fn resource(name: &str) -> Option<libc::__rlimit_resource_t> {
    Some(match name {
        "as" => libc::RLIMIT_AS,
        "core" => libc::RLIMIT_CORE,
        "cpu" => libc::RLIMIT_CPU,
        "data" => libc::RLIMIT_DATA,
        "fsize" => libc::RLIMIT_FSIZE,
        "locks" => libc::RLIMIT_LOCKS,
        "memlock" => libc::RLIMIT_MEMLOCK,
        "msgqueue" => libc::RLIMIT_MSGQUEUE,
        "nice" => libc::RLIMIT_NICE,
        "nofile" => libc::RLIMIT_NOFILE,
        "nproc" => libc::RLIMIT_NPROC,
        "rss" => libc::RLIMIT_RSS,
        "rtprio" => libc::RLIMIT_RTPRIO,
        "rttime" => libc::RLIMIT_RTTIME,
        "sigpending" => libc::RLIMIT_SIGPENDING,
        "stack" => libc::RLIMIT_STACK,
        _ => return None,
    })
}

/// How many processes and threads this user has now: what RLIMIT_NPROC counts. Reads all of /proc.
fn threads_of_user(proc: &Proc) -> u64 {
    let user = nix::unistd::getuid().as_raw();
    let is_ours = |entry: &std::fs::DirEntry| {
        use std::os::unix::fs::MetadataExt;
        entry.metadata().is_ok_and(|meta| meta.uid() == user)
    };
    let folders = std::fs::read_dir(proc.root()).into_iter().flatten().flatten().filter(is_ours);
    let pids = folders.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| proc.stat(pid).ok()).map(|stat| stat.threads).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_has_a_number() {
        for (name, _) in Rlimit::NAMES {
            assert!(resource(name).is_some(), "{name}");
        }
        assert!(resource("files").is_none());
    }

    #[test]
    fn rlimits_stand_in_for_a_cgroup_unless_they_are_named() {
        let weaker = [Controller::Memory, Controller::Pids].map(|one| (one, String::new())).into();
        let (memory_bytes, pids) = (Some(1 << 20), Some(5));
        let limits = Limits { memory_bytes, pids, weaker, ..Limits::default() };
        let all = rlimits_in_force(&limits);
        assert_eq!(all["data"], Rlimit { soft: memory_bytes, hard: memory_bytes });
        assert!(all["nproc"].soft > pids, "this user has processes already");
        let named = Limits { rlimits: [("data".into(), Rlimit::default())].into(), ..limits };
        assert_eq!(rlimits_in_force(&named)["data"], Rlimit::default());
    }

    #[test]
    fn this_user_has_at_least_this_process() {
        assert!(threads_of_user(&Proc::default()) >= 1);
    }
}
