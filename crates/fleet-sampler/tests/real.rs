//! Rounds over real processes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod support;

use std::os::unix::fs::PermissionsExt;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use fleet_core::{MemoryBasis, State};
use fleet_os::{Proc, boot_id, descendants};
use fleet_sampler::{Basis, Moment, Plan, Sampler};
use serde_json::json;
use support::{PLAN, seen};

/// Set in the copy of a test that runs as another user, to the pid that it is to sample.
const STRANGER: &str = "FLEET_TEST_STRANGER";

#[test]
#[allow(clippy::print_stderr, reason = "a test that is passed over says so")]
fn what_another_user_may_not_read_is_absent() {
    if let Some(pid) = std::env::var(STRANGER).ok().and_then(|pid| pid.parse().ok()) {
        return sample_a_stranger(pid);
    }
    let become_nobody = ["--reuid", "65534", "--regid", "65534", "--clear-groups"];
    let probe = Command::new("setpriv").args(become_nobody).arg("true").output();
    if !probe.is_ok_and(|probe| probe.status.success()) {
        return eprintln!("passed over: this needs root and setpriv");
    }
    // Where that user can reach it.
    let dir = tempfile::tempdir().unwrap();
    let copy = dir.path().join("copy");
    std::fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    for path in [dir.path(), &copy] {
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    let tree = RealTree(Command::new("sleep").arg("600").spawn().unwrap());
    let mut again = Command::new("setpriv");
    again
        .args(become_nobody)
        .arg(&copy)
        .args(["--exact", "what_another_user_may_not_read_is_absent"]);
    let output = again.env(STRANGER, tree.pid().to_string()).current_dir("/").output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success(), "{}", said.concat());
}

fn sample_a_stranger(pid: i32) {
    let proc = Proc::default();
    let (start, boot) = (proc.stat(pid).unwrap().start, boot_id().unwrap());
    let all = [seen("a", json!({"pid": pid, "pid_start": start, "boot": boot.as_str()}))];
    let plan = Plan { basis: Basis::Proportional, ..PLAN };
    let sample =
        Sampler::new(&proc, boot, plan).round(&all, &[true], &Moment::now()).samples.remove(0);
    let m = &sample.measures;
    assert!(m.cpu_seconds_total.is_some() && m.faults_minor > Some(0), "{m:?}");
    assert!(m.memory_peak_bytes > Some(0) && m.switches_voluntary.is_some(), "{m:?}");
    assert!(m.fds_limit.is_some() && m.nice == Some(0), "{m:?}");
    assert_eq!(sample.memory_basis, Some(MemoryBasis::Rss));
    assert_eq!((m.memory_unique_bytes, m.connections, m.sockets_listening), (None, None, None));
    assert_eq!((m.io_read_bytes, m.io_read_total_bytes, m.io_write_bytes), (None, None, None));
}

/// A real tree that ends with the test, however that ends.
struct RealTree(Child);

impl RealTree {
    fn pid(&self) -> i32 {
        self.0.id() as i32
    }
}

impl Drop for RealTree {
    fn drop(&mut self) {
        for child in descendants(&Proc::default(), self.pid()) {
            let _ = Command::new("kill").args(["-9", &child.to_string()]).status();
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn real_processes_are_sampled_with_their_children() {
    let script = "(while :; do :; done) & wait";
    let tree = RealTree(Command::new("sh").args(["-c", script]).spawn().unwrap());
    let (proc, pid) = (Proc::default(), tree.pid());
    let deadline = Instant::now() + Duration::from_secs(20);
    let within = || assert!(Instant::now() < deadline, "it did not come to that");
    while descendants(&proc, pid).is_empty() {
        within();
        std::thread::yield_now();
    }
    let start = proc.stat(pid).unwrap().start;
    let boot = boot_id().unwrap();
    let all = [seen("a", json!({"pid": pid, "pid_start": start, "boot": boot.as_str()}))];
    let mut sampler = Sampler::new(&proc, boot, PLAN);
    let mut sample = sampler.round(&all, &[true], &Moment::now()).samples.remove(0);
    // A busy loop shows as a busy core, or what other tests leave of one.
    while sample.measures.cpu_percent.is_none_or(|percent| percent < 1.0) {
        within();
        std::thread::yield_now();
        sample = sampler.round(&all, &[true], &Moment::now()).samples.remove(0);
    }
    let m = &sample.measures;
    assert_eq!((m.processes, m.threads), (Some(2), Some(2)));
    assert!(m.memory_bytes > Some(0) && m.memory_resident_bytes >= m.memory_bytes, "{m:?}");
    assert!(m.fds >= Some(6), "{m:?}");
    assert_eq!(State::Running.word(), sample.state.as_deref().unwrap());
}
