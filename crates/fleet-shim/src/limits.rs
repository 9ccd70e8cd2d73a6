//! Holding a run to its limits: the cgroup of its attempts, and limits that change while it runs.

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use fleet_core::{Amendment, Controller, Limits, Outcome, can_change_in_place, size_text};
use fleet_os::{Cgroup, CgroupError, Step, Terms, make_cgroup, rlimits_in_force};
use fleet_registry::{read_amendment, write_amendment};
use serde_json::{Value, json};

use crate::post::Post;
use crate::supervise::Shim;

/// A program may need as much to start.
const SMALL: u64 = 64 << 20;

impl Post {
    /// The run's own cgroup, where it has one.
    pub(crate) fn cgroup(&self) -> Option<Cgroup> {
        Cgroup::of(&self.spec.limits)
    }
}

impl Shim<'_> {
    /// What the next attempt is to be held to. Its cgroup is made anew, so that what it counts is
    /// of this attempt alone.
    pub(crate) fn terms(&mut self) -> Result<Terms, (Step, io::Error)> {
        let doors = self.confine().map_err(|e| (Step::Cgroup, io::Error::other(e)))?;
        Terms::new(&self.post.spec.limits, doors).map_err(|e| (Step::Exec, e))
    }

    fn confine(&mut self) -> Result<Vec<OwnedFd>, CgroupError> {
        let Some(cgroup) = self.post.cgroup() else { return Ok(Vec::new()) };
        if self.record.attempt > 1 {
            // What still lives in it, as a fleet within this one, keeps it as it is.
            let _ = cgroup.remove();
        }
        if let Ok(doors) = ready(&cgroup, &self.post.spec.limits) {
            return Ok(doors);
        }
        // After a reboot, say, its place is gone: another is looked for.
        let name = self.post.spec.limits.cgroups.first().and_then(|f| Path::new(f).file_name());
        let name = name.unwrap_or_default().to_string_lossy().into_owned();
        make_cgroup(Path::new("/"), &name, &mut self.post.spec.limits);
        self.record.limits = self.post.spec.limits.clone();
        match self.post.cgroup() {
            Some(cgroup) => ready(&cgroup, &self.post.spec.limits),
            None => Ok(Vec::new()),
        }
    }

    /// What of its terms an attempt could not accept, in words.
    pub(crate) fn refused_term(&self, step: Step) -> Option<String> {
        let limits = &self.post.spec.limits;
        Some(match step {
            Step::Exec | Step::Chdir => return None,
            Step::Nice => format!("cannot set the nice value {}", limits.nice?),
            Step::IoNice => "cannot set the I/O priority (--ionice)".to_owned(),
            Step::OomScore => format!("cannot set the OOM score {}", limits.oom_score?),
            Step::Cgroup => "cannot hold it to its limits".to_owned(),
            Step::Rlimit(place) => {
                let all = rlimits_in_force(limits);
                let (name, value) = all.iter().nth(usize::from(place))?;
                let text = |limit: Option<u64>| limit.map_or("unlimited".into(), |n| n.to_string());
                let value = format!("{}:{}", text(value.soft), text(value.hard));
                format!("cannot set the rlimit {name}={value}")
            }
        })
    }

    /// What may have kept the kernel from executing a command, or from holding it to a limit.
    pub(crate) fn too_tight(&self, step: Step, error: &io::Error) -> String {
        use io::ErrorKind::{ArgumentListTooLong, OutOfMemory, PermissionDenied};
        let memory = self.post.spec.limits.memory_bytes.filter(|&bytes| bytes < SMALL);
        match (step, error.kind(), memory) {
            (Step::Rlimit(_), PermissionDenied, _) => {
                "; to raise a hard limit needs CAP_SYS_RESOURCE".to_owned()
            }
            (Step::OomScore, PermissionDenied, _) => {
                "; to lower the score needs CAP_SYS_RESOURCE".to_owned()
            }
            (Step::Nice | Step::IoNice, PermissionDenied, _) => {
                "; to be served before others needs CAP_SYS_NICE".to_owned()
            }
            (Step::Exec, ArgumentListTooLong | OutOfMemory, Some(bytes)) => {
                format!("; its limit of {} of memory may be too small for it", size_text(bytes))
            }
            _ => String::new(),
        }
    }

    /// What a limit on processes may have had to do with a failure.
    pub(crate) fn fork_words(&self, outcome: Outcome) -> String {
        let limits = &self.post.spec.limits;
        let held = limits.pids.filter(|_| limits.is_held(Controller::Pids));
        let refused = self.post.cgroup().filter(|_| outcome != Outcome::Code(0));
        match (held, refused.map_or(0, |own| own.refused_forks())) {
            (None, _) | (_, 0) => String::new(),
            (Some(pids), times) => {
                format!("; its limit of {pids} processes and threads refused {times} forks")
            }
        }
    }

    /// Somebody put other limits beside the run, or a predecessor did not come so far as to put
    /// them in force: those of the spec hold no longer.
    pub(crate) fn look_for_limits(&mut self) {
        let amendment = match read_amendment(&self.post.dir) {
            Ok(Some(amendment)) => amendment,
            Ok(None) => return,
            Err(e) => return self.event("limits_refused", e.to_string(), json!({})),
        };
        let known = amendment.limits == self.record.limits || amendment.refused.is_some();
        if known {
            self.is_wished(amendment.wish);
            self.post.spec.limits = amendment.limits;
            return;
        }
        match self.change_limits(&amendment.limits) {
            Ok(()) => {
                self.is_wished(amendment.wish);
                self.publish();
                let words = words_for(&amendment.limits);
                self.event("limits_changed", words, json!({"limits": amendment.limits}));
            }
            Err(why) => {
                let words = format!("other limits were refused: {why}");
                self.event("limits_refused", words, json!({"limits": amendment.limits}));
                let limits = self.post.spec.limits.clone();
                let wish = self.post.spec.file.as_ref().map(|origin| origin.wish.clone());
                let refused = Amendment { limits, wish, refused: Some(why) };
                let _ = write_amendment(&self.post.dir, &refused);
            }
        }
    }

    /// This is what the fleet file says of it, by what is in force now.
    fn is_wished(&mut self, wish: Option<Value>) {
        if let (Some(origin), Some(wish)) = (&mut self.post.spec.file, wish) {
            origin.wish = wish;
        }
    }

    fn change_limits(&mut self, new: &Limits) -> Result<(), String> {
        let old = &self.record.limits;
        if !can_change_in_place(old, new) {
            return Err(
                "they need a new start: while it runs, only limits on memory, cpu and pids \
                        change, and only those that its cgroup holds it to"
                    .to_owned(),
            );
        }
        if let Some(cgroup) = self.post.cgroup() {
            has_room(&cgroup, new)?;
            if let Err(e) = cgroup.limit(new) {
                let _ = cgroup.limit(old);
                return Err(e.to_string());
            }
        }
        self.post.spec.limits = new.clone();
        self.record.limits = new.clone();
        Ok(())
    }
}

/// Makes the cgroup where it is not there yet, sets its limits, and opens the ways in.
fn ready(cgroup: &Cgroup, limits: &Limits) -> Result<Vec<OwnedFd>, CgroupError> {
    cgroup.make()?;
    cgroup.limit(limits)?;
    cgroup.doors()
}

/// A limit below what is in use would be refused by version 1, and kill under version 2.
fn has_room(cgroup: &Cgroup, new: &Limits) -> Result<(), String> {
    let limit = new.memory_bytes.filter(|_| new.is_held(Controller::Memory));
    let needed = limit.and_then(|_| cgroup.memory_needed()).unwrap_or(0);
    match limit {
        Some(limit) if needed > limit => {
            let (needed, limit) = (size_text(needed), size_text(limit));
            Err(format!("it needs {needed} of memory now, more than {limit}"))
        }
        _ => Ok(()),
    }
}

fn words_for(limits: &Limits) -> String {
    let memory = limits.memory_bytes.map(|bytes| format!("{} of memory", size_text(bytes)));
    let cpus = limits.cpus.map(|cpus| format!("{cpus} processors"));
    let pids = limits.pids.map(|pids| format!("{pids} processes"));
    let all: Vec<String> = memory.into_iter().chain(cpus).chain(pids).collect();
    if all.is_empty() { "limits are lifted".into() } else { format!("may use {}", all.join(", ")) }
}
