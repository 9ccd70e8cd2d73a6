//! What cannot be started is said before anything is left behind.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use fleet_testkit::{Cause, State, TestFleet, until};

#[test]
fn a_missing_command_is_127() {
    let fleet = TestFleet::new();
    for command in ["no-such-command", "/no/such/command"] {
        let run = fleet.run("fleet-spawn").args(["--name", "web", "--", command]);
        run.fails_with(127).stdout_is("").stderr_has(&format!("'{command}'")).stderr_has("No such");
        let record = fleet.record("web");
        assert_eq!((record.state, record.exit.unwrap().cause), (State::Failed, Cause::ExecFailed));
    }
    // The name is free for the next try.
    fleet.spawn("web", "exec sleep 600");
    assert_eq!(fleet.record("web").run, 3);
}

#[test]
fn after_a_failure_the_name_is_free_at_once() {
    let fleet = TestFleet::new();
    for _ in 0..20 {
        fleet.run("fleet-spawn").args(["--name", "web", "--", "/no/such/command"]).fails_with(127);
    }
    assert_eq!(fleet.record("web").run, 20);
}

#[test]
fn what_may_not_be_executed_is_126() {
    let fleet = TestFleet::new();
    let file = fleet.scratch().join("plain");
    fs::write(&file, "#!/bin/sh\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    for command in [file.to_str().unwrap(), fleet.scratch().to_str().unwrap()] {
        let run = fleet.run("fleet-spawn").args(["--", command]);
        run.fails_with(126).stdout_is("").stderr_has("Permission denied");
    }
}

#[test]
fn a_script_with_a_missing_interpreter_is_127_as_with_env() {
    let fleet = TestFleet::new();
    let file = fleet.scratch().join("script");
    fs::write(&file, "#!/no/such/interpreter\n").unwrap();
    fs::set_permissions(&file, fs::Permissions::from_mode(0o755)).unwrap();
    fleet.run("fleet-spawn").arg("--").arg(&file).fails_with(127);
}

#[test]
fn a_command_must_be_given() {
    let fleet = TestFleet::new();
    fleet.run("fleet-spawn").fails_with(2).stderr_has("COMMAND");
    fleet.run("fleet-spawn").args(["--name", "web", "--"]).fails_with(2);
    fleet.run("fleet-spawn").args(["--", ""]).fails_with(127);
}

#[test]
fn a_missing_working_folder_is_named() {
    let fleet = TestFleet::new();
    let run = fleet.run("fleet-spawn").args(["--cwd", "/no/such/folder", "--", "true"]);
    run.fails_with(2).stderr_has("'/no/such/folder'").stderr_has("--cwd");
    let run = fleet.run("fleet-spawn").args(["--cwd", "/etc/passwd", "--", "true"]);
    run.fails_with(2).stderr_has("no folder");
    assert!(!fleet.file("registry.jsonl").exists());
}

#[test]
fn options_that_are_off_are_refused_whole() {
    let fleet = TestFleet::new();
    let cases = [
        (["-l", "novalue"], "="),
        (["-l", "=x"], "label"),
        (["--env", "NOVALUE"], "KEY=VALUE"),
        (["--env", "=x"], "KEY=VALUE"),
        (["--port", "0"], "auto"),
        (["--port", "65536"], "auto"),
        (["--port", "auto:0"], "auto"),
        (["--port-range", "10-9"], "range"),
        (["--restart", "maybe"], "on-failure"),
        (["--backoff", "5s"], "1s-60s"),
        (["--crash-limit", "0/1m"], "10/10m"),
        (["--stop-signal", "FOO"], "FOO"),
        (["--grace", "soon"], "soon"),
        (["--log-max-size", "big"], "big"),
        (["--wait", "never"], "never"),
    ];
    for (option, words) in cases {
        let run = fleet.run("fleet-spawn").args(option).args(["--", "true"]);
        run.fails_with(2).stdout_is("").stderr_has(words);
    }
    assert!(!fleet.file("processes").exists());
}

#[test]
fn a_bad_line_of_an_environment_file_is_named_without_its_secret() {
    let fleet = TestFleet::new();
    let file = fleet.scratch().join("secrets.env");
    fs::write(&file, "# comment\n\nGOOD=1\nhunter2\n").unwrap();
    let run = fleet.run("fleet-spawn").arg("--env-file").arg(&file).args(["--", "true"]);
    run.fails_with(2).stderr_has("secrets.env' line 4").stderr_lacks("hunter2");
    let run = fleet.run("fleet-spawn").args(["--env-file", "/no/such/file", "--", "true"]);
    run.fails_with(2).stderr_has("'/no/such/file'");
    let run = fleet.run("fleet-spawn").args(["--env", "hunter2", "--", "true"]);
    run.fails_with(2);
}

#[test]
fn a_home_that_is_a_file_is_named() {
    let fleet = TestFleet::new();
    let file = fleet.scratch().join("file");
    fs::write(&file, "").unwrap();
    let run = fleet.run("fleet-spawn").arg("--home").arg(&file).args(["--", "true"]);
    run.fails_with(2).stderr_has("home").stderr_has(file.to_str().unwrap());
    let none = fleet.run("fleet-spawn").without_env("FLEET_HOME").without_env("HOME");
    none.args(["--", "true"]).fails_with(2).stderr_has("FLEET_HOME");
}

#[test]
fn a_read_only_home_is_refused_and_leaves_nothing() {
    let Some(fleet) = TestFleet::on_tmpfs("size=1m") else { return };
    fleet.shell("mount -o remount,ro \"$FLEET_HOME\"").succeeds();
    let run = fleet.run("fleet-spawn").args(["--name", "web", "--", "touch", "/tmp/never"]);
    run.fails_with(2).stdout_is("").stderr_has("Read-only file system").stderr_has("home");
    fleet.shell("mount -o remount,rw \"$FLEET_HOME\"").succeeds();
    // Made once, and then read-only: the lock is what cannot be had now.
    fleet.spawn("web", "true");
    fleet.until_ended("web");
    // Its supervisor has files open for a moment more.
    let read_only = || fleet.shell("mount -o remount,ro \"$FLEET_HOME\"").ends();
    until("nothing is written there any more", || read_only().code() == Some(0));
    let run = fleet.run("fleet-spawn").args(["--name", "web", "--", "true"]);
    run.fails_with(2).stdout_is("").stderr_has("Read-only file system");
    // Reading needs no right to write.
    assert_eq!(fleet.ps("web")["state"], "completed");
}

#[test]
fn a_full_home_is_refused_and_the_name_stays_free() {
    let Some(fleet) = TestFleet::on_tmpfs("size=256k") else { return };
    fleet.spawn("before", "true");
    fleet.until_ended("before");
    fleet.shell("cat /dev/zero > \"$FLEET_HOME\"/filler 2>/dev/null; true").succeeds();
    let run = fleet.run("fleet-spawn").args(["--name", "web", "--", "sleep", "600"]);
    run.fails_with(2).stdout_is("").stderr_has("No space left on device");
    fs::remove_file(fleet.file("filler")).unwrap();
    fleet.spawn("web", "true");
    assert_eq!(fleet.until_ended("web").state, State::Completed);
    fleet.run("fleet-ps").arg("--all").succeeds();
}

#[test]
fn a_time_that_cannot_be_counted_is_refused() {
    let fleet = TestFleet::new();
    for option in ["--max-runtime", "--grace", "--wait-timeout"] {
        let spawn = fleet.run("fleet-spawn").args([option, "99999999999d", "--", "true"]);
        spawn.fails_with(2).stderr_has("longer than 100 years");
    }
    let spawn = fleet.run("fleet-spawn").args(["--max-runtime", "36500d", "--", "sleep", "600"]);
    spawn.succeeds();
    assert_eq!(fleet.ps("sleep")["state"], "running");
}

#[test]
fn a_health_check_is_refused_before_anything_starts() {
    let fleet = TestFleet::new();
    for (options, words) in [
        (&["--health-tcp", "80", "--health-log", "x"][..], "one health check"),
        (&["--health-interval", "1s"], "--health-interval is said of no health check"),
        (&["--health-tcp", "80", "--health-status", "200"], "--health-http is answered"),
        (&["--health-tcp", "nonsense"], "write PORT, HOST:PORT"),
        (&["--health-tcp", "{port}"], "no port is reserved for '{port}'"),
        (&["--health-http", "https://localhost/"], "--health-exec 'curl -fsS https://localhost/'"),
        (
            &["--health-http", "http://localhost/", "--health-status", "2xx"],
            "write 200, or 200-299",
        ),
        (&["--health-http", "http://no-such-host.invalid/"], "'no-such-host.invalid'"),
        (&["--health-log", "ready (on"], "\n    ready (on\n          ^"),
        (&["--health-exec", "a 'b"], "a quote that is not closed"),
        (
            &["--health-exec", "true", "--health-timeout", "0s"],
            "--health-timeout cannot be no time",
        ),
        (&["--health-exec", "true", "--health-retries", "0"], "--health-retries"),
    ] {
        let run = fleet.run("fleet-spawn").args(["--name", "job"]).args(options);
        run.args(["--", "true"]).fails_with(2).stderr_has(words);
        assert!(!fleet.file("processes/job").exists(), "{options:?}");
    }
}
