//! Processes that fail, crash again and again, grow, hang, or fall silent.

use fleet_testkit::{Cause, Health, State, TestFleet, Value, until};

use crate::case::Case;
use crate::story::{about, apart, held, metrics, sample, sampled, slowed};

/// The rules about processes.
pub(crate) const CASES: &[Case] = &[
    Case {
        rule: "process_failed",
        severity: "critical",
        id: "job",
        bad: |fleet| ended(fleet, "exit 3"),
        good: |fleet| ended(fleet, "exit 0"),
    },
    Case {
        rule: "process_failed_in_list",
        severity: "critical",
        id: "job",
        bad: |fleet| listed(fleet, "exit 3"),
        good: |fleet| listed(fleet, "exit 0"),
    },
    Case {
        rule: "crash_loop",
        severity: "critical",
        id: "job",
        bad: given_up,
        good: |fleet| ended(fleet, "exit 3"),
    },
    Case {
        rule: "process_restarts",
        severity: "high",
        id: "job",
        bad: |fleet| restarted(fleet, 4),
        good: |fleet| restarted(fleet, 3),
    },
    Case {
        rule: "process_lost",
        severity: "high",
        id: "job",
        bad: lost,
        good: |fleet| running(fleet, "exec sleep 600"),
    },
    Case {
        rule: "process_unhealthy",
        severity: "high",
        id: "job",
        bad: |fleet| watched(fleet, 3, Health::Unhealthy),
        good: |fleet| watched(fleet, 1_000_000, Health::Healthy),
    },
    Case {
        rule: "process_memory_large",
        severity: "warning",
        id: "job",
        bad: |fleet| held(&large(fleet, 1001), 60),
        good: |fleet| held(&large(fleet, 900), 60),
    },
    Case {
        rule: "memory_leak",
        severity: "warning",
        id: "job",
        bad: |fleet| growing(fleet, "range(1, 1000)"),
        good: |fleet| growing(fleet, "range(1, 8)"),
    },
    Case {
        rule: "cpu_usage_high",
        severity: "warning",
        id: "job",
        bad: |fleet| held(&busy(fleet), 300),
        good: |fleet| held(&busy(fleet), 200),
    },
    Case {
        rule: "connections_many",
        severity: "warning",
        id: "job",
        bad: |fleet| held(&connected(fleet, 60), 60),
        good: |fleet| held(&connected(fleet, 40), 60),
    },
    Case {
        rule: "silent_process",
        severity: "warning",
        id: "job",
        bad: |fleet| silent(fleet, 30),
        // Who says little is silent for long as a matter of course.
        good: |fleet| silent(fleet, 3),
    },
    Case {
        rule: "long_running_process",
        severity: "info",
        id: "job",
        bad: |fleet| running(fleet, "exec sleep 600").iter().map(|r| slowed(r, 1e7)).collect(),
        good: |fleet| running(fleet, "exec sleep 600"),
    },
];

fn ended(fleet: &TestFleet, script: &str) -> Vec<Value> {
    fleet.spawn("job", script);
    fleet.until_ended("job");
    metrics(fleet)
}

fn listed(fleet: &TestFleet, script: &str) -> Vec<Value> {
    fleet.spawn("job", script);
    fleet.until_ended("job");
    fleet.run("fleet-ps").succeeds().records()
}

fn running(fleet: &TestFleet, script: &str) -> Vec<Value> {
    fleet.spawn("job", script);
    vec![sample(fleet, "job")]
}

fn given_up(fleet: &TestFleet) -> Vec<Value> {
    let options = ["--restart", "on-failure", "--backoff", "10ms-20ms", "--crash-limit", "3/1m"];
    fleet.spawn_with("job", &options, "exit 1");
    let record = fleet.until_ended("job");
    assert_eq!(record.exit.unwrap().cause, Cause::CrashLoop);
    metrics(fleet)
}

/// Samples of a process before it crashes so many times, and after, within ten minutes.
fn restarted(fleet: &TestFleet, times: u32) -> Vec<Value> {
    let go = fleet.scratch().join("go");
    let script = format!(
        "until [ -e '{}' ]; do sleep 0.01; done; [ $FLEET_ATTEMPT -le {times} ] && exit 1; exec sleep 600",
        go.display()
    );
    let options = ["--restart", "on-failure", "--backoff", "10ms-20ms", "--crash-limit", "32/1m"];
    fleet.spawn_with("job", &options, &script);
    let before = sample(fleet, "job");
    std::fs::write(go, "").unwrap();
    fleet.until("job", |record| record.attempt == times + 1 && record.state == State::Running);
    apart(&[before, sample(fleet, "job")], 300)
}

fn lost(fleet: &TestFleet) -> Vec<Value> {
    fleet.spawn("job", "exec sleep 600");
    fleet.kill_with_supervisors("job");
    metrics(fleet)
}

/// A process that says so often that it lives, as sd_notify(3) does.
fn watched(fleet: &TestFleet, times: u32, health: Health) -> Vec<Value> {
    let program = format!(
        "import os, socket, time\n\
         s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n\
         s.connect(os.environ[\"NOTIFY_SOCKET\"])\n\
         s.send(b\"READY=1\")\n\
         for n in range({times}): s.send(b\"WATCHDOG=1\"); time.sleep(0.02)\n\
         time.sleep(600)"
    );
    fleet.spawn_with("job", &["--watchdog", "2s"], &format!("exec python3 -c '{program}'"));
    fleet.until("job", |record| record.health == Some(health));
    vec![sample(fleet, "job")]
}

/// A process of so many MiB.
fn large(fleet: &TestFleet, mib: u32) -> Vec<Value> {
    let program = format!("x = b\"x\" * ({mib} << 20); print(1, flush=True); input()");
    fleet.spawn("job", &format!("exec python3 -c '{program}' < <(sleep 600)"));
    fleet.until_log("job", |log| log.text() == "1\n");
    vec![sample(fleet, "job")]
}

/// A process of 110 MiB and more that takes six more MiB at each of these steps: two hours of it.
fn growing(fleet: &TestFleet, steps: &str) -> Vec<Value> {
    let program = format!(
        "import time\n\
         kept = [b\"x\" * (110 << 20)]; print(1, flush=True)\n\
         for n in {steps}: kept.append(bytes([n % 255 + 1]) * (6 << 20)); time.sleep(0.1)\n\
         time.sleep(600)"
    );
    fleet.spawn("job", &format!("exec python3 -c '{program}'"));
    fleet.until_log("job", |log| log.text() == "1\n");
    let run = fleet.run("fleet-metrics").args(["--count", "25", "--interval", "100ms", "job"]);
    apart(&about(&sampled(run), "process"), 300)
}

/// A process of several that compute, once it was seen to. Sessions share a machine evenly, so that
/// each is one of its own: together they have a core however busy it is.
fn busy(fleet: &TestFleet) -> Vec<Value> {
    fleet.spawn("job", "for n in $(seq 24); do setsid bash -c 'while :; do :; done' & done; wait");
    let mut seen = None;
    until("it computes hard", || {
        let run = fleet.run("fleet-metrics").args(["--count", "2", "--interval", "200ms", "job"]);
        seen = about(&sampled(run), "process").pop();
        seen.as_ref().is_some_and(|sample| sample["cpu_percent"].as_f64() > Some(85.0))
    });
    Vec::from_iter(seen)
}

/// A process that holds both ends of so many connections.
fn connected(fleet: &TestFleet, pairs: u32) -> Vec<Value> {
    let program = format!(
        "import socket, time\n\
         s = socket.create_server((\"127.0.0.1\", 0))\n\
         kept = [(socket.create_connection(s.getsockname()), s.accept()) for _ in range({pairs})]\n\
         print(1, flush=True); time.sleep(600)"
    );
    fleet.spawn("job", &format!("exec python3 -c '{program}'"));
    fleet.until_log("job", |log| log.text() == "1\n");
    vec![sample(fleet, "job")]
}

/// A process that said so many lines, and then nothing for most of its life.
fn silent(fleet: &TestFleet, lines: u32) -> Vec<Value> {
    fleet.spawn("job", &format!("seq {lines}; exec sleep 600"));
    let mut seen = Value::Null;
    until("it is silent", || {
        seen = sample(fleet, "job");
        seen["silent_seconds"].as_f64() > Some(0.1) && seen["log_lines"] == lines
    });
    vec![slowed(&seen, 1e5)]
}
