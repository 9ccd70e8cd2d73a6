//! What programs say by sd_notify(3): the real `systemd-notify`, and programs that speak it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::fs;
use std::time::{Duration, Instant};

use fleet_testkit::{Cause, Health, Signal, State, TestFleet, Timestamp, kill, until};

/// Whether systemd's program is here; says so where it is not.
#[allow(clippy::print_stderr, reason = "a test that is passed over says so")]
fn has_systemd_notify() -> bool {
    let found = std::process::Command::new("systemd-notify").arg("--version").output().is_ok();
    if !found {
        eprintln!("passed over: no systemd-notify here (scripts/setup.sh)");
    }
    found
}

/// A Python program that can `say(…)`.
fn program(body: &str) -> String {
    let head = "import os, signal, socket, sys, time\n\
        s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n\
        say = lambda words: s.sendto(words.encode(), os.environ[\"NOTIFY_SOCKET\"])\n";
    format!("exec python3 -c '{head}{body}'")
}

#[test]
fn the_real_program_is_heard_and_does_not_wait_in_vain() {
    if !has_systemd_notify() {
        return;
    }
    let fleet = TestFleet::new();
    // It returns only when its BARRIER=1 was answered by closing what came with it.
    let script = "systemd-notify --ready --status='epoch 3' && echo heard; exec sleep 600";
    let run = fleet.run("fleet-spawn").args(["--name", "job", "--wait", "healthy", "--"]);
    run.args(["bash", "-c", script]).succeeds();
    fleet.until_log("job", |log| log.text() == "heard\n");
    let record = fleet.until("job", |record| record.status.is_some());
    assert_eq!(record.status.as_deref(), Some("epoch 3"));
    assert_eq!(record.health, Some(Health::Healthy));
}

#[test]
fn who_stops_to_report_is_unhealthy_and_started_again() {
    let fleet = TestFleet::new();
    let body = "assert os.environ[\"WATCHDOG_USEC\"] == \"300000\" and \"WATCHDOG_PID\" not in os.environ\n\
        say(\"READY=1\")\n\
        n = 0\n\
        while n < 5 or os.environ[\"FLEET_ATTEMPT\"] == \"2\":\n    say(\"WATCHDOG=1\"); time.sleep(0.05); n += 1\n\
        time.sleep(600)";
    let options = ["--watchdog", "300ms", "--restart-unhealthy", "--backoff", "10ms-20ms"];
    fleet.spawn_with("job", &options, &program(body));
    let event = fleet.until_event("job", "unhealthy");
    assert_eq!(event["message"], "it did not say WATCHDOG=1 for 300ms");
    let record = fleet.until("job", |r| r.attempt == 2 && r.health == Some(Health::Healthy));
    assert_eq!(record.state, State::Running);
    let exited = fleet.until_event("job", "exited");
    let words = "was unhealthy (it did not say WATCHDOG=1 for 300ms)";
    assert!(exited["message"].as_str().unwrap().contains(words), "{exited}");
}

#[test]
fn a_report_makes_healthy_again() {
    let fleet = TestFleet::new();
    let body = "say(\"WATCHDOG=1\")\n\
        signal.signal(signal.SIGUSR1, lambda *a: say(\"WATCHDOG=1\\nWATCHDOG_USEC=3600000000\"))\n\
        signal.signal(signal.SIGUSR2, lambda *a: say(\"WATCHDOG=trigger\"))\n\
        print(\"up\")\nwhile True: time.sleep(600)";
    fleet.spawn_with("job", &["--watchdog", "200ms"], &program(body));
    fleet.until_log("job", |log| log.text() == "up\n");
    fleet.until("job", |record| record.health == Some(Health::Unhealthy));
    kill(fleet.pid("job"), Signal::from_number(10).unwrap());
    fleet.until("job", |record| record.health == Some(Health::Healthy));
    kill(fleet.pid("job"), Signal::from_number(12).unwrap());
    let record = fleet.until("job", |record| record.health == Some(Health::Unhealthy));
    let reason = record.health_reason.unwrap();
    assert_eq!(reason, "it said that it is not well (WATCHDOG=trigger)");
    assert_eq!(record.state, State::Running);
}

#[test]
fn a_pause_is_no_silence() {
    let fleet = TestFleet::new();
    let body = "while True: say(\"WATCHDOG=1\"); time.sleep(0.05)";
    fleet.spawn_with("job", &["--watchdog", "1s"], &program(body));
    fleet.until("job", |record| record.health == Some(Health::Healthy));
    kill(fleet.pid("job"), Signal::from_number(19).unwrap());
    fleet.until("job", |record| record.state == State::Paused);
    std::thread::sleep(Duration::from_millis(1500));
    assert_eq!(fleet.record("job").health, Some(Health::Healthy));
    kill(fleet.pid("job"), Signal::from_number(18).unwrap());
    fleet.until("job", |record| record.state == State::Running);
    assert!(!fleet.event_types("job").contains(&"unhealthy".to_owned()));
}

#[test]
fn a_check_decides_and_ready_ends_the_start_period() {
    let fleet = TestFleet::new();
    let options = [
        "--health-exec",
        "test -e go",
        "--health-interval",
        "50ms",
        "--health-start-period",
        "1h",
        "--health-retries",
        "2",
    ];
    let folder = fleet.scratch().to_str().unwrap().to_owned();
    let options = [&options[..], &["--cwd", &folder]].concat();
    let body =
        "while not os.path.exists(\"ready\"): time.sleep(0.02)\nsay(\"READY=1\")\ntime.sleep(600)";
    fleet.spawn_with("job", &options, &program(body));
    fleet.until("job", |record| record.health_reason.is_some());
    assert_eq!(fleet.record("job").health, Some(Health::Starting));
    fs::write(fleet.scratch().join("ready"), "").unwrap();
    fleet.until("job", |record| record.health == Some(Health::Unhealthy));
    fs::write(fleet.scratch().join("go"), "").unwrap();
    fleet.until("job", |record| record.health == Some(Health::Healthy));
}

#[test]
fn who_says_that_it_stops_is_asked_no_more() {
    let fleet = TestFleet::new();
    let body = "def wait_for(name):\n    \
        while not os.path.exists(os.environ[\"FLEET_DIR\"] + name): time.sleep(0.02)\n\
        wait_for(\"/asked\")\nsay(\"STOPPING=1\")\nwait_for(\"/go\")";
    let script = program(body);
    let command = "sh -c 'echo once >> $FLEET_DIR/asked; exit 1'";
    let options =
        ["--health-exec", command, "--health-interval", "20ms", "--health-start-period", "1h"];
    fleet.spawn_with("job", &options, &script);
    fleet.until_event("job", "says_stopping");
    assert_eq!(fleet.record("job").status.as_deref(), Some("it says that it is stopping"));
    let asked = || fs::read_to_string(fleet.file("processes/job/data/asked")).unwrap();
    let before = asked();
    std::thread::sleep(Duration::from_millis(400));
    assert_eq!(asked(), before);
    fs::write(fleet.file("processes/job/data/go"), "").unwrap();
    assert_eq!(fleet.until_ended("job").state, State::Completed);
}

#[test]
fn more_time_may_be_asked_for_in_each_phase() {
    let fleet = TestFleet::new();
    // To run on, beyond its limit.
    let body = "say(\"EXTEND_TIMEOUT_USEC=3600000000\")\ntime.sleep(0.8)";
    fleet.spawn_with("run", &["--max-runtime", "400ms"], &program(body));
    assert_eq!(fleet.until_ended("run").exit.unwrap().cause, Cause::Exited);
    // To end, beyond its grace.
    let body = "def end(*a):\n    say(\"EXTEND_TIMEOUT_USEC=3600000000\"); time.sleep(0.8); os._exit(7)\n\
        signal.signal(signal.SIGTERM, end)\nprint(\"up\")\nwhile True: time.sleep(600)";
    fleet.spawn_with("stop", &["--grace", "400ms"], &program(body));
    fleet.until_log("stop", |log| log.text() == "up\n");
    fleet.run("fleet-stop").arg("stop").succeeds();
    assert_eq!(fleet.record("stop").exit.unwrap().code, Some(7));
    // To start, beyond its start period.
    let body = "say(\"EXTEND_TIMEOUT_USEC=3600000000\")\ntime.sleep(600)";
    let options = [
        "--health-exec",
        "false",
        "--health-interval",
        "20ms",
        "--health-retries",
        "1",
        "--health-start-period",
        "2s",
    ];
    fleet.spawn_with("start", &options, &program(body));
    std::thread::sleep(Duration::from_millis(2500));
    assert_eq!(fleet.record("start").health, Some(Health::Starting));
}

#[test]
fn while_it_reloads_failures_do_not_count() {
    let fleet = TestFleet::new();
    let body = "signal.signal(signal.SIGUSR1, lambda *a: (say(\"RELOADING=1\"), os.remove(\"ok\")))\n\
        open(\"ok\", \"w\").close()\nprint(\"up\")\nwhile True: time.sleep(600)";
    let folder = fleet.scratch().to_str().unwrap().to_owned();
    let options = [
        "--cwd",
        &folder,
        "--health-exec",
        "test -e ok",
        "--health-interval",
        "30ms",
        "--health-retries",
        "1",
        "--health-start-period",
        "1h",
    ];
    fleet.spawn_with("job", &options, &program(body));
    fleet.until("job", |record| record.health == Some(Health::Healthy));
    kill(fleet.pid("job"), Signal::from_number(10).unwrap());
    fleet.until_event("job", "reloading");
    until("a failure is known", || fleet.record("job").health_reason.is_some());
    assert_eq!(fleet.record("job").health, Some(Health::Healthy));
}

#[test]
fn who_is_adopted_while_it_is_suspended_has_its_time_when_it_goes_on() {
    let fleet = TestFleet::new();
    let body = "say(\"READY=1\")\nprint(\"up\")\ntime.sleep(600)";
    fleet.spawn_with("job", &["--watchdog", "1s"], &program(body));
    fleet.until_log("job", |log| log.text() == "up\n");
    fleet.run("fleet-signal").args(["pause", "job"]).succeeds();
    fleet.kill_supervisors("job");
    fleet.run("fleet-ps").ends();
    fleet.until_event("job", "adopted");
    let since = Instant::now();
    until("it was suspended for longer than a report may be missing", || {
        since.elapsed() > Duration::from_millis(1200)
    });
    fleet.run("fleet-signal").args(["resume", "job"]).succeeds();
    let at = |event: &str| {
        let event = fleet.until_event("job", event);
        serde_json::from_value::<Timestamp>(event["ts"].clone()).unwrap()
    };
    let late = at("unhealthy").seconds_since(at("resumed"));
    assert!(late > 0.9, "it was found late {late} s after it went on");
}
