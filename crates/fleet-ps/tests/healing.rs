//! Healing: what dead supervisors left behind is found, told and mended.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::process::Command;

use fleet_testkit::{Cause, Run, Signal, State, TestFleet, cpu_ticks, is_living, kill, until};

/// Prints numbers until it is told to end, each in a line of its own.
const COUNTS: &str = "n=0; trap 'end=1' USR1; while [ -z $end ]; do echo $((n+=1));                       sleep 0.01; done; exit 7";

fn ps(fleet: &TestFleet, args: &[&str]) -> Run {
    fleet.run("fleet-ps").args(args)
}

/// Whether this kernel tells strangers how a process ended (PIDFD_INFO_EXIT, Linux 6.15).
fn kernel_tells() -> bool {
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap();
    let mut numbers = release.split(['.', '-']).map(|part| part.parse().unwrap_or(0));
    (numbers.next().unwrap(), numbers.next().unwrap()) >= (6, 15)
}

fn is_counting(text: &str) -> bool {
    text.lines().enumerate().all(|(at, line)| line == (at + 1).to_string())
}

#[test]
fn an_orphan_is_only_shown_when_healing_is_refused() {
    let fleet = TestFleet::new();
    fleet.spawn("web", "exec sleep 600");
    fleet.kill_supervisors("web");
    let before = std::fs::read(fleet.file("registry.jsonl")).unwrap();
    let record = ps(&fleet, &["--no-heal"]).succeeds().record();
    assert_eq!((&record["state"], &record["pid"]), (&"orphaned".into(), &fleet.pid("web").into()));
    assert_eq!(ps(&fleet, &["--no-heal", "--state", "orphaned"]).succeeds().records().len(), 1);
    assert_eq!(std::fs::read(fleet.file("registry.jsonl")).unwrap(), before);
    assert!(fleet.living() == [fleet.pid("web")], "a shim was started");
}

#[test]
fn an_orphan_is_adopted_and_its_output_and_exit_code_are_not_lost() {
    let fleet = TestFleet::new();
    fleet.spawn("web", COUNTS);
    let pid = fleet.pid("web");
    fleet.until_log("web", |log| log.text().lines().count() >= 5);
    fleet.kill_supervisors("web");
    let old = fleet.record("web").shim;
    ps(&fleet, &["web"]).succeeds_and_says("'web#1' (pid ");
    let record = fleet.until("web", |record| record.shim != old);
    assert_eq!((record.state, record.pid, record.attempt), (State::Running, Some(pid), 1));
    fleet.until_event("web", "adopted");
    let seen = fleet.log("web").text().lines().count();
    fleet.until_log("web", |log| log.text().lines().count() >= seen + 5);
    fleet.shell(&format!("kill -USR1 {pid}")).succeeds();
    let exit = fleet.until_ended("web").exit.unwrap();
    if kernel_tells() {
        assert_eq!((exit.cause, exit.code), (Cause::Exited, Some(7)));
    } else {
        assert_eq!((exit.cause, exit.code), (Cause::Unknown, None));
    }
    let text = fleet.log("web").text();
    assert!(is_counting(&text), "{text}");
}

#[test]
fn an_adopted_process_is_supervised_as_any_other() {
    let fleet = TestFleet::new();
    fleet.spawn("web", "(setsid sleep 601 &); exec sleep 600");
    until("both live", || fleet.workload().len() == 2);
    fleet.kill_supervisors("web");
    let old = fleet.record("web").shim;
    ps(&fleet, &[]).succeeds_and_says("a new one took over");
    fleet.until("web", |record| record.shim != old);
    // Healed once, it is well, and nothing is said any more.
    assert_eq!(ps(&fleet, &[]).succeeds().record()["state"], "running");
    fleet.run("fleet-stop").arg("web").succeeds();
    assert_eq!(fleet.record("web").state, State::Stopped);
    assert!(fleet.workload().is_empty());
}

#[test]
fn an_adopting_shim_can_be_killed_too() {
    let fleet = TestFleet::new();
    fleet.spawn("web", "exec sleep 600");
    for _ in 0..3 {
        fleet.kill_supervisors("web");
        let old = fleet.record("web").shim;
        ps(&fleet, &[]).succeeds_and_says("a new one took over");
        fleet.until("web", |record| record.shim != old);
    }
    assert_eq!(fleet.ps("web")["state"], "running");
}

#[test]
fn ten_tools_at_once_adopt_it_once() {
    let fleet = TestFleet::new();
    fleet.spawn("web", COUNTS);
    fleet.kill_supervisors("web");
    let old = fleet.record("web").shim;
    let all: Vec<_> = (0..10).map(|_| ps(&fleet, &["web"]).starts()).collect();
    for child in all {
        assert!(child.wait_with_output().unwrap().status.success());
    }
    fleet.until("web", |record| record.shim != old);
    fleet.until_event("web", "adopted");
    // One shim, one keeper, the shell and its sleep, which comes and goes.
    let adopted = fleet.event_types("web").iter().filter(|t| *t == "adopted").count();
    assert_eq!(adopted, 1);
    assert!(is_counting(&fleet.log("web").text()));
}

#[test]
fn what_died_with_its_supervisors_is_lost_and_says_so() {
    let fleet = TestFleet::new();
    fleet.spawn("web", "exec sleep 600");
    fleet.kill_with_supervisors("web");
    assert_eq!(ps(&fleet, &["--no-heal", "web"]).succeeds().record()["state"], "lost");
    let ran = ps(&fleet, &["web"]).succeeds_and_says("'web#1' is lost");
    let record = ran.record();
    assert_eq!((&record["state"], &record["exit"]["cause"]), (&"lost".into(), &"lost".into()));
    let reason = record["exit"]["reason"].as_str().unwrap();
    assert!(reason.contains("what waited in its pipes is gone"), "{reason}");
    let pipe = fleet.run_dir("web").join("stdout.fifo");
    assert!(!pipe.exists(), "{}", pipe.display());
    // It is written down once.
    assert_eq!(ps(&fleet, &["web"]).succeeds().record()["state"], "lost");
    assert_eq!(ps(&fleet, &["--health"]).ends().code(), Some(1));
    fleet.spawn("web", "exec sleep 600");
    assert_eq!(fleet.record("web").run, 2);
}

#[test]
fn what_died_with_its_supervisors_is_started_again_by_its_policy() {
    let fleet = TestFleet::new();
    let options = ["--restart", "on-failure", "--backoff", "1ms-1ms"];
    fleet.spawn_with("web", &options, "echo attempt $FLEET_ATTEMPT; exec sleep 600");
    fleet.until_log("web", |log| log.text() == "attempt 1\n");
    fleet.kill_with_supervisors("web");
    ps(&fleet, &["web"]).succeeds_and_says("it is started again");
    fleet.until("web", |record| record.attempt == 2 && record.state == State::Running);
    fleet.until_log("web", |log| log.text() == "attempt 1\nattempt 2\n");
}

#[test]
fn a_pause_goes_on_under_a_new_shim() {
    let fleet = TestFleet::new();
    let options = ["--restart", "on-failure", "--backoff", "1h-1h"];
    fleet.spawn_with("job", &options, "[ $FLEET_ATTEMPT = 2 ] || exit 1");
    fleet.until("job", |record| record.state == State::Backoff);
    fleet.kill_supervisors("job");
    ps(&fleet, &["job"]).ends();
    assert_eq!(fleet.until_ended("job").state, State::Completed);
}

#[test]
fn after_a_reboot_everything_is_lost_and_the_cause_is_the_reboot() {
    let fleet = TestFleet::new();
    fleet.spawn_with("web", &["--restart", "on-failure"], "exec sleep 600");
    fleet.kill_with_supervisors("web");
    fleet.forge("web", |record| record.boot = "00000000-0000-0000-0000-000000000000".to_owned());
    let ran = ps(&fleet, &["web"]).succeeds_and_says("started anew");
    assert_eq!(ran.record()["state"], "lost");
    let exit = fleet.record("web").exit.unwrap();
    assert_eq!(exit.cause, Cause::Reboot);
}

#[test]
fn after_a_reboot_a_pid_of_the_boot_before_means_nothing() {
    let fleet = TestFleet::new();
    fleet.spawn("web", "exec sleep 600");
    let pid = fleet.pid("web");
    fleet.kill_supervisors("web");
    // The same pid and start time can come again in another boot.
    fleet.forge("web", |record| record.boot = "00000000-0000-0000-0000-000000000000".to_owned());
    ps(&fleet, &["web"]).succeeds_and_says("lost");
    fleet.run("fleet-stop").arg("web").ends();
    assert!(is_living(pid));
    assert_eq!(fleet.record("web").exit.unwrap().cause, Cause::Reboot);
}

#[test]
fn a_zombie_is_dead_whoever_is_to_reap_it() {
    let fleet = TestFleet::new();
    fleet.spawn("web", "exec sleep 600");
    fleet.kill_with_supervisors("web");
    // A child of ours that has ended and that nobody reaps: so is an orphan below a slow init.
    let mut child = Command::new("true").spawn().unwrap();
    let pid = child.id() as i32;
    until("it is a zombie", || !is_living(pid));
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let start: u64 = stat.rsplit_once(") ").unwrap().1.split(' ').nth(19).unwrap().parse().unwrap();
    fleet.forge("web", |record| {
        (record.pid, record.pid_start, record.pid_inode) = (Some(pid), Some(start), None);
    });
    assert_eq!(ps(&fleet, &["--no-heal", "web"]).succeeds().record()["state"], "lost");
    child.wait().unwrap();
}

#[test]
fn a_shim_that_adopted_sleeps_while_nothing_happens() {
    let fleet = TestFleet::new();
    fleet.spawn("web", "exec sleep 600");
    fleet.kill_supervisors("web");
    let old = fleet.record("web").shim;
    ps(&fleet, &[]).succeeds_and_says("a new one took over");
    fleet.until("web", |record| record.shim != old);
    let (shim, keeper) = fleet.supervisors("web");
    let before = cpu_ticks(shim) + cpu_ticks(keeper);
    let since = std::time::Instant::now();
    until("a second is over", || since.elapsed().as_secs() >= 1);
    let spent = cpu_ticks(shim) + cpu_ticks(keeper) - before;
    assert!(spent <= 3, "{spent} ticks of CPU while there was nothing to do");
}

#[test]
fn a_process_whose_supervisors_died_before_they_wrote_its_pid_is_not_lost() {
    let fleet = TestFleet::new();
    fleet.spawn("web", "exec sleep 600");
    let pid = fleet.pid("web");
    fleet.kill_supervisors("web");
    // As if both had died between exec and the first record.
    fleet.forge("web", |record| {
        (record.pid, record.pid_start, record.pid_inode) = (None, None, None);
        (record.state, record.started_at) = (State::Starting, None);
    });
    ps(&fleet, &["web"]).succeeds_and_says("web#1");
    let record = fleet.until("web", |record| record.state == State::Running);
    assert_eq!(record.pid, Some(pid));
    assert_eq!(fleet.workload(), [pid]);
}

#[test]
fn a_restart_goes_on_under_a_new_shim() {
    let fleet = TestFleet::new();
    let stubborn = "trap '' TERM; echo up; while :; do sleep 0.05; done";
    fleet.spawn_with("job", &["--grace", "1s"], stubborn);
    fleet.until_log("job", |log| log.text() == "up\n");
    kill(fleet.supervisors("job").0, Signal::HUP);
    fleet.until("job", |record| record.state == State::Stopping);
    fleet.kill_supervisors("job");
    ps(&fleet, &["job"]).succeeds_and_says("a new one took over");
    let record = fleet.until("job", |r| r.attempt == 2 && r.state == State::Running);
    assert_eq!(record.stop, None);
}

#[test]
fn a_restart_whose_processes_all_died_is_made() {
    let fleet = TestFleet::new();
    fleet.spawn("job", "trap '' TERM; echo up; while :; do sleep 0.05; done");
    fleet.until_log("job", |log| log.text() == "up\n");
    kill(fleet.supervisors("job").0, Signal::HUP);
    fleet.until("job", |record| record.state == State::Stopping);
    fleet.kill_with_supervisors("job");
    ps(&fleet, &["job"]).ends();
    fleet.until("job", |r| r.attempt == 2 && r.state == State::Running);
}

#[test]
fn an_attempt_after_an_unhealthy_one_is_made_whatever_the_policy() {
    let fleet = TestFleet::new();
    let check = ["--health-exec", "false", "--health-interval", "50ms", "--health-retries", "1"];
    let restart = ["--health-start-period", "0s", "--restart-unhealthy", "--backoff", "1h-1h"];
    fleet.spawn_with("job", &[check.as_slice(), &restart].concat(), "exec sleep 600");
    fleet.until("job", |record| record.state == State::Backoff);
    fleet.kill_supervisors("job");
    ps(&fleet, &["job"]).succeeds_and_says("it is started again");
    fleet.until("job", |record| record.attempt == 2);
}
