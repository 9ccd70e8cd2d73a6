//! Rounds over real processes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod support;

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use fleet_core::State;
use fleet_os::{Proc, boot_id, descendants};
use fleet_sampler::{Moment, Sampler};
use serde_json::json;
use support::{PLAN, seen};

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
