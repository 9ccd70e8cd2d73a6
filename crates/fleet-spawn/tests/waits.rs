//! `--wait`: until it is started, healthy or ended.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use fleet_testkit::{Health, Run, State, TestFleet};

fn wait(fleet: &TestFleet, when: &str, options: &[&str], script: &str) -> Run {
    let run = fleet.run("fleet-spawn").args(["--name", "job", "--wait", when]).args(options);
    run.args(["--", "bash", "-c", script])
}

/// A program that says something to its notify socket and stays.
fn says(words: &str) -> String {
    format!(
        "exec perl -MSocket -e 'socket(my $s, AF_UNIX, SOCK_DGRAM, 0) or die;          send($s, \"{words}\", 0, pack_sockaddr_un($ENV{{NOTIFY_SOCKET}})) or die $!; sleep 600'"
    )
}

#[test]
fn ended_gives_yes_for_a_good_end_and_no_for_a_bad_one() {
    let fleet = TestFleet::new();
    wait(&fleet, "ended", &[], "sleep 0.1").succeeds().stdout_is("job\n");
    assert_eq!(fleet.record("job").state, State::Completed);
    let ran = wait(&fleet, "ended", &[], "exit 7").fails_with(1);
    ran.stdout_is("job\n").stderr_has("'job' failed: exited with code 7");
    wait(&fleet, "ended", &[], "kill -SEGV $$").fails_with(1).stderr_has("SIGSEGV");
}

#[test]
fn healthy_is_what_the_process_says() {
    let fleet = TestFleet::new();
    wait(&fleet, "healthy", &[], &says("READY=1\\nSTATUS=epoch 3")).succeeds().stdout_is("job\n");
    assert_eq!(fleet.record("job").health, Some(Health::Healthy));
    fleet.until_event("job", "healthy");
    let status = fleet.until("job", |record| record.status.is_some()).status;
    assert_eq!(status.as_deref(), Some("epoch 3"));
}

#[test]
fn who_ends_before_it_is_healthy_is_a_no() {
    let fleet = TestFleet::new();
    wait(&fleet, "healthy", &[], "exit 0").fails_with(1).stderr_has("'job' completed");
}

#[test]
fn waiting_too_long_is_124_and_the_process_goes_on() {
    let fleet = TestFleet::new();
    let limit = ["--wait-timeout", "200ms"];
    wait(&fleet, "healthy", &limit, "exec sleep 600").fails_with(124).stderr_has("not healthy yet");
    assert_eq!(fleet.ps("job")["state"], "running");
    fleet.run("fleet-stop").arg("job").succeeds();
    let ran = wait(&fleet, "ended", &limit, "exec sleep 600").fails_with(124);
    ran.stdout_is("job\n").stderr_has("not ended yet");
    assert_eq!(fleet.ps("job")["state"], "running");
}

#[test]
fn reuse_waits_for_the_one_that_lives() {
    let fleet = TestFleet::new();
    fleet.spawn("job", "sleep 0.3; exit 4");
    wait(&fleet, "ended", &["--reuse"], "true").fails_with(1).stderr_has("code 4");
}

#[test]
fn a_check_is_waited_for_also_where_no_socket_can_be() {
    let fleet = TestFleet::new();
    let home = fleet.scratch().join("a-long-name-".repeat(8));
    let run = |name: &str, command: &str, code: i32| {
        let run = fleet.run("fleet-spawn").args(["--wait", "healthy", "--wait-timeout", "20s"]);
        let run = run.args(["--name", name, "--health-exec", command, "--health-retries", "1"]);
        let run = run.args(["--health-start-period", "0s", "--home"]).arg(&home);
        run.args(["--", "sleep", "600"]).fails_with(code)
    };
    run("good", "true", 0).stdout_is("good\n");
    let words = "'bad' is unhealthy: the health command exited with code 1";
    run("bad", "false", 1).stderr_has(words);
    fleet.run("fleet-stop").args(["--all", "--force", "--home"]).arg(&home).succeeds();
}

#[test]
fn what_hinders_it_is_said_when_the_time_is_over() {
    let fleet = TestFleet::new();
    let options = ["--wait-timeout", "1s", "--health-exec", "sh -c 'echo still loading; exit 1'"];
    let ran = wait(&fleet, "healthy", &options, "exec sleep 600").fails_with(124);
    ran.stderr_has("not healthy yet").stderr_has("still loading");
}
