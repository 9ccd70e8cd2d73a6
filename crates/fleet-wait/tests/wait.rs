//! Waiting: what ends it, what it says, and that it never waits for what cannot come.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Output};
use std::time::{Duration, Instant};

use fleet_testkit::{Run, Signal, TestFleet, kill, until};

const SLEEPS: &str = "exec sleep 600";

fn wait(fleet: &TestFleet, args: &[&str]) -> Run {
    fleet.run("fleet-wait").args(args)
}

/// Ends when the test says so, with this code.
fn on_usr1(code: u32) -> String {
    format!("trap 'exit {code}' USR1; echo up; while :; do sleep 0.01; done")
}

/// Starts a wait and returns when it watches.
fn begin(fleet: &TestFleet, args: &[&str]) -> Child {
    let child = wait(fleet, args).starts();
    until("it watches", || is_watching(child.id()));
    child
}

/// Whether a process sleeps with an inotify instance of which a folder is watched.
fn is_watching(pid: u32) -> bool {
    let Ok(files) = std::fs::read_dir(format!("/proc/{pid}/fdinfo")) else { return false };
    files
        .flatten()
        .any(|f| std::fs::read_to_string(f.path()).is_ok_and(|text| text.contains("inotify wd:")))
}

fn ends(child: Child) -> Output {
    child.wait_with_output().unwrap()
}

fn signal(fleet: &TestFleet, name: &str, number: i32) {
    kill(fleet.pid(name), Signal::from_number(number).unwrap());
}

#[test]
fn one_passes_on_its_own_code() {
    let fleet = TestFleet::new();
    fleet.spawn("job", &on_usr1(7));
    fleet.until_log("job", |log| log.text() == "up\n");
    let waiting = begin(&fleet, &["job"]);
    signal(&fleet, "job", 10);
    let output = ends(waiting);
    assert_eq!(output.status.code(), Some(7), "{output:?}");
    let record: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&record["state"], &record["exit"]["code"]), (&"failed".into(), &7.into()));
    assert!(output.stderr.is_empty(), "{output:?}");
    // It has ended already: the same answer, at once.
    assert_eq!(wait(&fleet, &["job"]).ends().code(), Some(7));
    assert_eq!(wait(&fleet, &["job#1", "-o", "table"]).ends().code(), Some(7));
}

#[test]
fn the_ways_to_end_have_their_status() {
    let fleet = TestFleet::new();
    fleet.spawn("well", "exit 0");
    fleet.spawn("killed", "kill -KILL $$");
    fleet.spawn("late", "exec sleep 600");
    fleet.spawn_with("timed", &["--max-runtime", "50ms"], SLEEPS);
    fleet.spawn_with("polite", &["--max-runtime", "50ms"], "trap 'exit 0' TERM; sleep 600 & wait");
    fleet.run("fleet-stop").arg("late").succeeds();
    let statuses = [("well", 0), ("killed", 137), ("late", 1), ("timed", 143), ("polite", 1)];
    for (name, status) in statuses {
        assert_eq!(wait(&fleet, &[name]).ends().code(), Some(status), "{name}");
    }
    fleet.run("fleet-spawn").args(["--name", "none", "--", "no-such-command"]).fails_with(127);
    assert_eq!(wait(&fleet, &["none"]).ends().code(), Some(127));
}

#[test]
fn several_are_printed_as_they_end() {
    let fleet = TestFleet::new();
    for name in ["a", "b"] {
        fleet.spawn(name, &on_usr1(0));
        fleet.until_log(name, |log| log.text() == "up\n");
    }
    let waiting = begin(&fleet, &["a", "b"]);
    for name in ["b", "a"] {
        signal(&fleet, name, 10);
        fleet.until_ended(name);
    }
    let output = ends(waiting);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let ids: Vec<String> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].to_string())
        .collect();
    assert_eq!(ids, ["\"b\"", "\"a\""]);
}

#[test]
fn of_several_one_that_can_no_longer_be_so_is_an_honest_no() {
    let fleet = TestFleet::new();
    fleet.spawn("good", "exit 0");
    fleet.spawn("bad", "exit 3");
    let both = ["good", "bad"];
    assert_eq!(wait(&fleet, &both).ends().code(), Some(0));
    let completed = [&both[..], &["--for", "completed"]].concat();
    assert_eq!(wait(&fleet, &completed).ends().code(), Some(1));
    assert_eq!(wait(&fleet, &["bad", "--for", "completed"]).ends().code(), Some(3));
    assert_eq!(wait(&fleet, &["good", "--for", "completed"]).ends().code(), Some(0));
    assert_eq!(wait(&fleet, &["good", "--for", "started"]).ends().code(), Some(0));
    // It ended well and was never healthy.
    assert_eq!(wait(&fleet, &["good", "--for", "healthy"]).ends().code(), Some(1));
    // One is enough.
    let any = [&completed[..], &["--any"]].concat();
    assert_eq!(wait(&fleet, &any).succeeds().record()["id"], "good");
}

#[test]
fn any_returns_at_the_first() {
    let fleet = TestFleet::new();
    fleet.spawn("sleeper", SLEEPS);
    fleet.spawn("quick", &on_usr1(5));
    fleet.until_log("quick", |log| log.text() == "up\n");
    let waiting = begin(&fleet, &["sleeper", "quick", "--any"]);
    signal(&fleet, "quick", 10);
    let output = ends(waiting);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("\"id\":\"quick\"") && text.lines().count() == 1, "{text}");
}

#[test]
fn who_waits_too_long_says_for_whom() {
    let fleet = TestFleet::new();
    fleet.spawn("job", SLEEPS);
    let since = Instant::now();
    let ran = wait(&fleet, &["job", "--timeout", "150ms"]).fails_with(124);
    assert!(since.elapsed() >= Duration::from_millis(150));
    assert_eq!(ran.stdout(), "");
    ran.stderr_has("'job' is running and not ended yet");
}

#[test]
fn what_matches_nothing_is_said() {
    let fleet = TestFleet::new();
    fleet.spawn("job", "exit 0");
    wait(&fleet, &["none"]).fails_with(1).stderr_has("no process matches 'none'");
    wait(&fleet, &["job", "none"]).fails_with(1).stdout_has("\"id\":\"job\"");
    wait(&fleet, &["-l", "a=b"]).fails_with(1).stderr_has("nothing to wait for");
    wait(&fleet, &[]).fails_with(2).stderr_has("name processes");
    wait(&fleet, &["job", "--for", "rain"]).fails_with(2).stderr_has("healthy, completed");
}

#[test]
fn healthy_is_what_it_says_itself() {
    let fleet = TestFleet::new();
    let script = "echo up; until [ -e \"$FLEET_DIR/go\" ]; do sleep 0.01; done; \
                  python3 -c 'import socket, os; \
                  s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); \
                  s.sendto(b\"READY=1\", os.environ[\"NOTIFY_SOCKET\"])'; exec sleep 600";
    fleet.spawn("web", script);
    fleet.until_log("web", |log| log.text() == "up\n");
    let waiting = begin(&fleet, &["web", "--for", "healthy", "--timeout", "20s"]);
    std::fs::write(fleet.file("processes/web/data/go"), "").unwrap();
    let output = ends(waiting);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(String::from_utf8(output.stdout).unwrap().contains("\"health\":\"healthy\""));
}

#[test]
fn a_restart_is_no_end() {
    let fleet = TestFleet::new();
    let options = ["--restart", "on-failure", "--backoff", "1ms-1ms"];
    fleet.spawn_with("job", &options, "[ $FLEET_ATTEMPT -lt 4 ] && exit 9; exit 0");
    let record = wait(&fleet, &["job"]).succeeds().record();
    assert_eq!((&record["attempt"], &record["state"]), (&4.into(), &"completed".into()));
}

#[test]
fn an_older_run_is_waited_for_by_its_number() {
    let fleet = TestFleet::new();
    fleet.spawn_with("job", &["-l", "k=v"], "exit 4");
    fleet.until_ended("job");
    fleet.spawn_with("job", &["-l", "k=v"], "exit 0");
    fleet.until_ended("job");
    assert_eq!(wait(&fleet, &["job#1"]).ends().code(), Some(4));
    assert_eq!(wait(&fleet, &["job"]).ends().code(), Some(0));
    assert_eq!(wait(&fleet, &["-l", "k=v"]).ends().code(), Some(0));
}

#[test]
fn a_pipe_from_spawn_waits_for_what_was_spawned() {
    let fleet = TestFleet::new();
    let line =
        "set -o pipefail; fleet-spawn --name job -- sh -c 'sleep 0.1; exit 6' | fleet-wait -";
    let ran = fleet.shell(line).ends();
    assert_eq!(ran.code(), Some(6), "{ran}");
    let line =
        "(fleet-spawn --name a -- true; fleet-spawn --name b -- true) | fleet-wait - -o json";
    let ran = fleet.shell(line).succeeds();
    let records: Vec<serde_json::Value> = serde_json::from_str(ran.stdout()).unwrap();
    assert_eq!(records.len(), 2);
    fleet.shell("fleet-ps -a | fleet-wait - --for ended >/dev/null").succeeds();
}

#[test]
fn the_death_of_both_supervisors_is_mended_while_it_waits() {
    let fleet = TestFleet::new();
    fleet.spawn("job", &on_usr1(0));
    fleet.until_log("job", |log| log.text() == "up\n");
    let before = fleet.record("job").shim;
    let waiting = begin(&fleet, &["job"]);
    fleet.kill_supervisors("job");
    fleet.until("job", |record| record.shim != before);
    signal(&fleet, "job", 10);
    let output = ends(waiting);
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("had lost its shim; a new one took over"), "{said}");
    // A kernel before 6.15 does not tell strangers the code: then its end is unknown.
    assert!(matches!(output.status.code(), Some(0 | 1)), "{said}");
    assert!(fleet.record("job").state.has_ended());
}

#[test]
fn who_dies_with_its_supervisors_is_lost_and_not_waited_for() {
    let fleet = TestFleet::new();
    fleet.spawn("job", SLEEPS);
    let waiting = begin(&fleet, &["job"]);
    fleet.kill_with_supervisors("job");
    let output = ends(waiting);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8(output.stdout).unwrap().contains("\"state\":\"lost\""));
    assert_eq!(fleet.ps("job")["state"], "lost");
}

#[test]
fn a_shim_that_is_replaced_makes_no_difference() {
    let fleet = TestFleet::new();
    fleet.spawn("job", &on_usr1(8));
    fleet.until_log("job", |log| log.text() == "up\n");
    let waiting = begin(&fleet, &["job"]);
    for who in 0..6 {
        let before = fleet.record("job").shim;
        let (shim, keeper) = fleet.supervisors("job");
        kill(if who % 2 == 0 { shim } else { keeper }, Signal::KILL);
        fleet.until("job", |record| record.shim != before);
    }
    signal(&fleet, "job", 10);
    let output = ends(waiting);
    assert_eq!(output.status.code(), Some(8), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[test]
fn a_folder_that_is_removed_does_not_hide_the_end() {
    let fleet = TestFleet::new();
    fleet.spawn("job", &on_usr1(3));
    fleet.until_log("job", |log| log.text() == "up\n");
    let pid = fleet.pid("job");
    let waiting = begin(&fleet, &["job"]);
    std::fs::remove_dir_all(fleet.run_dir("job")).unwrap();
    kill(pid, Signal::from_number(10).unwrap());
    assert_eq!(ends(waiting).status.code(), Some(3));
}

#[test]
fn an_interrupt_ends_it_quietly() {
    let fleet = TestFleet::new();
    fleet.spawn("job", SLEEPS);
    let waiting = begin(&fleet, &["job"]);
    kill(waiting.id() as i32, Signal::from_number(2).unwrap());
    let output = ends(waiting);
    // What a shell calls 130.
    assert_eq!(output.status.signal(), Some(2), "{output:?}");
    assert!(output.stdout.is_empty() && output.stderr.is_empty(), "{output:?}");
    assert_eq!(fleet.ps("job")["state"], "running");
}

#[test]
fn who_waits_sleeps_in_the_kernel() {
    let fleet = TestFleet::new();
    // It prints all the time, and nobody is woken by that.
    fleet.spawn("job", "while :; do echo x; sleep 0.002; done");
    let waiting = begin(&fleet, &["job"]);
    let switches = || fleet_testkit::status_field(waiting.id() as i32, "voluntary_ctxt_switches");
    until("it sleeps", || {
        fleet_testkit::status_field(waiting.id() as i32, "State").starts_with('S')
    });
    let before = switches();
    let lines = fleet.record("job").log.unwrap_or_default().lines;
    fleet.until_log("job", |log| log.stdout().len() as u64 > lines + 100);
    assert_eq!(switches(), before);
    fleet.run("fleet-stop").arg("job").succeeds();
    assert_eq!(ends(waiting).status.code(), Some(1));
}

#[test]
fn without_inotify_it_looks_again_and_again() {
    let fleet = TestFleet::new();
    fleet.spawn("job", "sleep 0.3; exit 7");
    // In a user namespace of its own it may have no instance at all.
    let line = "echo 0 > /proc/sys/user/max_inotify_instances && exec fleet-wait job";
    let probe = "echo 0 > /proc/sys/user/max_inotify_instances";
    if fleet.shell(&format!("unshare -Ur bash -c '{probe}' 2>/dev/null")).ends().code() != Some(0) {
        return passed_over("no user namespaces here whose inotify can be limited");
    }
    let ran = fleet.shell(&format!("exec unshare -Ur bash -c '{line}'")).ends();
    assert_eq!(ran.code(), Some(7), "{ran}");
    assert_eq!(ran.stderr(), "");
}

#[allow(clippy::print_stderr, reason = "a test that is passed over says so")]
fn passed_over(why: &str) {
    eprintln!("passed over: {why}");
}

#[test]
fn two_hundred_at_once() {
    let fleet = TestFleet::new();
    let line = "for i in $(seq 200); do fleet-spawn --name job-$i -l k=v -- sh -c \
                'until [ -e '\"$FLEET_HOME\"'/go ]; do sleep 0.2; done; exit '$((i % 2)); done";
    fleet.shell(&format!("{line} >/dev/null")).succeeds();
    let waiting = begin(&fleet, &["job-*"]);
    std::fs::write(fleet.file("go"), "").unwrap();
    let output = ends(waiting);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 200);
    assert_eq!(wait(&fleet, &["job-*", "--for", "completed"]).ends().code(), Some(1));
}
