//! Trees: children that leave, that stay, that are suspended, and what becomes of the run.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use fleet_testkit::{Cause, Signal, State, TestFleet, is_living, kill, until};

#[test]
fn after_a_success_it_runs_on_until_the_last_grandchild_is_gone() {
    let fleet = TestFleet::new();
    let script = "(setsid sh -c 'read x < \"$FLEET_DIR/go\"; echo late') & exit 0";
    std::fs::create_dir_all(fleet.file("processes/job/data")).unwrap();
    fleet.shell("mkfifo \"$FLEET_HOME/processes/job/data/go\"").succeeds();
    fleet.spawn("job", script);
    fleet.until_event("job", "main_exited");
    assert_eq!(fleet.ps("job")["state"], "running");
    fleet.shell("echo > \"$FLEET_HOME/processes/job/data/go\"").succeeds();
    let record = fleet.until_ended("job");
    assert_eq!((record.state, record.exit.unwrap().code), (State::Completed, Some(0)));
    assert_eq!(fleet.log("job").text(), "late\n");
}

#[test]
fn after_a_failure_what_is_left_is_ended() {
    let fleet = TestFleet::new();
    fleet.spawn("job", "(setsid sleep 600) & (sleep 601) & sleep 0.1; exit 3");
    let record = fleet.until_ended("job");
    let exit = record.exit.unwrap();
    assert_eq!((record.state, exit.code, exit.cause), (State::Failed, Some(3), Cause::Exited));
    assert!(exit.leftovers.unwrap() >= 2, "{exit:?}");
    assert!(fleet.workload().is_empty());
}

#[test]
fn leftovers_that_ignore_the_signal_are_killed_after_the_grace() {
    let fleet = TestFleet::new();
    let script = "bash -c 'trap \"\" TERM; echo up; while :; do sleep 0.05; done' &                   sleep 0.3; exit 3";
    fleet.spawn_with("job", &["--grace", "200ms"], script);
    let exit = fleet.until_ended("job").exit.unwrap();
    assert_eq!(exit.code, Some(3));
    assert!(fleet.workload().is_empty());
}

#[test]
fn a_daemon_that_forks_twice_is_still_stopped() {
    let fleet = TestFleet::new();
    fleet.spawn("daemon", "setsid setsid sleep 600 & exit 0");
    fleet.until_event("daemon", "main_exited");
    fleet.run("fleet-stop").arg("daemon").succeeds();
    assert_eq!(fleet.record("daemon").state, State::Stopped);
    assert!(fleet.workload().is_empty());
}

#[test]
fn pausing_and_going_on_are_seen() {
    let fleet = TestFleet::new();
    fleet.spawn("job", "exec sleep 600");
    kill(fleet.pid("job"), Signal::from_number(19).unwrap());
    fleet.until("job", |record| record.state == State::Paused);
    fleet.until_event("job", "paused");
    kill(fleet.pid("job"), Signal::CONT);
    fleet.until("job", |record| record.state == State::Running);
    fleet.until_event("job", "resumed");
}

#[test]
fn a_process_that_dies_while_suspended_has_an_end() {
    let fleet = TestFleet::new();
    fleet.spawn("job", "exec sleep 600");
    let pid = fleet.pid("job");
    kill(pid, Signal::from_number(19).unwrap());
    fleet.until("job", |record| record.state == State::Paused);
    kill(pid, Signal::KILL);
    let record = fleet.until_ended("job");
    let exit = record.exit.unwrap();
    assert_eq!((record.state, exit.signal), (State::Failed, Some(Signal::KILL)));
    assert_eq!(exit.cause, Cause::Signalled);
}

#[test]
fn orphans_are_reaped_while_the_main_process_lives() {
    let fleet = TestFleet::new();
    fleet.spawn("job", "for i in $(seq 1 50); do (true &); done; echo done; exec sleep 600");
    fleet.until_log("job", |log| log.text() == "done\n");
    let (shim, _) = fleet.supervisors("job");
    until("no zombie is left below the shim", || {
        let list = std::fs::read_to_string(format!("/proc/{shim}/task/{shim}/children")).unwrap();
        let pids: Vec<i32> = list.split_whitespace().map(|pid| pid.parse().unwrap()).collect();
        pids == [fleet.pid("job")]
    });
    assert!(is_living(fleet.pid("job")));
}

#[test]
fn a_signal_that_ends_it_is_named() {
    let fleet = TestFleet::new();
    for (name, number) in [("segv", 11), ("abrt", 6), ("int", 2), ("rt", 40)] {
        fleet.spawn(name, &format!("ulimit -c 0; kill -{number} $$"));
        let record = fleet.until_ended(name);
        let exit = record.exit.unwrap();
        assert_eq!((record.state, exit.cause), (State::Failed, Cause::Signalled), "{name}");
        assert_eq!(exit.code, None);
        if number < 32 {
            assert_eq!(exit.signal.unwrap().number(), number);
        }
        assert!(exit.reason.contains("was ended by"), "{}", exit.reason);
    }
}

/// A memory cgroup (v1) with a limit, where this machine lets us make one.
struct Limited(std::path::PathBuf);

impl Limited {
    fn new(name: &str) -> Option<Limited> {
        let path = format!("/sys/fs/cgroup/memory/fleet-test-{name}-{}", std::process::id());
        std::fs::create_dir(&path).ok()?;
        let limited = Limited(path.into());
        std::fs::write(limited.0.join("memory.limit_in_bytes"), "40M").ok()?;
        Some(limited)
    }

    /// Spawns in it.
    fn spawn(&self, fleet: &TestFleet, name: &str, script: &str) {
        let procs = self.0.join("cgroup.procs");
        let spawn = format!(
            "echo $$ > '{}'; exec fleet-spawn --name {name} -- sh -c '{script}'",
            procs.display()
        );
        fleet.shell(&spawn).succeeds();
    }
}

impl Drop for Limited {
    fn drop(&mut self) {
        let gone = || std::fs::remove_dir(&self.0).is_ok();
        let _ = (0..200).any(|_| {
            std::thread::sleep(std::time::Duration::from_millis(10));
            gone()
        });
    }
}

const EATS: &str = "head -c 200000000 /dev/zero | tail > /dev/null";

#[test]
fn who_was_killed_for_memory_is_known_and_a_bystander_is_not_taken_for_one() {
    let Some(limited) = Limited::new("oom") else { return };
    let fleet = TestFleet::new();
    fleet.spawn("bystander", "exec sleep 600");
    limited.spawn(&fleet, "eater", "exec tail /dev/zero");
    let end = fleet.until_ended("eater").exit.unwrap();
    assert_eq!((end.cause, end.oom.as_deref()), (Cause::OutOfMemory, Some("cgroup")), "{end:?}");
    let script = format!("{EATS} || exit 7; exit 7");
    limited.spawn(&fleet, "parent", &script);
    let end = fleet.until_ended("parent").exit.unwrap();
    assert_eq!((end.cause, end.code), (Cause::Exited, Some(7)));
    assert!(end.reason.contains("of its cgroup for memory"), "{}", end.reason);
    fleet_testkit::kill(fleet.pid("bystander"), fleet_testkit::Signal::KILL);
    let end = fleet.until_ended("bystander").exit.unwrap();
    assert_eq!((end.cause, end.oom), (Cause::Signalled, None), "{}", end.reason);
    fleet.until_deserted();
}

/// Runs a command to whom the kernel does not give descriptors for processes, as the filters of
/// some containers have it (seccomp(2): ENOSYS for pidfd_open(2), number 434 everywhere).
const WITHOUT_PIDFDS: &str = r#"
import ctypes, os, struct, sys
libc = ctypes.CDLL(None)
code = [(0x20, 0, 0, 0), (0x15, 0, 1, 434), (0x06, 0, 0, 0x00050000 | 38), (0x06, 0, 0, 0x7fff0000)]
filters = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *c) for c in code))
program = struct.pack("HxxxxxxQ", len(code), ctypes.addressof(filters))
assert libc.prctl(38, 1, 0, 0, 0) == 0 and libc.prctl(22, 2, program, 0, 0) == 0
os.execvp(sys.argv[1], sys.argv[1:])
"#;

#[test]
fn without_descriptors_for_processes_a_life_is_the_same() {
    let fleet = TestFleet::new();
    let script = fleet.scratch().join("without.py");
    std::fs::write(&script, WITHOUT_PIDFDS).unwrap();
    let spawn = |name: &str, command: &str| {
        let line = format!("fleet-spawn --name {name} -- bash -c '{command}'");
        fleet.shell(&format!("python3 {} {line}", script.display())).succeeds();
    };
    spawn("short", "sleep 0.2; exit 7");
    spawn("long", "sleep 600 & sleep 600");
    assert_eq!(fleet.until_ended("short").exit.unwrap().code, Some(7));
    // A shim that cannot watch its keeper must not take it for dead and make another one, and so on.
    let supervisors = |name: &str| {
        let title = format!("fleet-shim {name}#1");
        let line = |pid: &i32| std::fs::read_to_string(format!("/proc/{pid}/cmdline"));
        fleet.living().iter().filter(|pid| line(pid).is_ok_and(|l| l.contains(&title))).count()
    };
    assert_eq!(supervisors("long"), 2);
    fleet.run("fleet-stop").args(["--grace", "1s", "long"]).succeeds();
    assert_eq!(fleet.record("long").state, State::Stopped);
    fleet.until_deserted();
}
