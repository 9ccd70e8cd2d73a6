//! Health checks against real servers, commands and programs.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use fleet_testkit::{
    Cause, Health, ProcessRecord, Signal, State, TestFleet, is_living, kill, until,
};

/// Short times, so that a test ends soon.
const QUICK: [[&str; 2]; 3] =
    [["--health-interval", "50ms"], ["--health-start-period", "0s"], ["--health-timeout", "300ms"]];

/// These options, and short times where they say none.
fn quick<'a>(options: &[&'a str]) -> Vec<&'a str> {
    let unsaid = QUICK.iter().filter(|[name, _]| !options.contains(name)).flatten().copied();
    unsaid.chain(options.iter().copied()).collect()
}

fn is(health: Health) -> impl Fn(&ProcessRecord) -> bool {
    move |record| record.health == Some(health)
}

/// A server that gives each connection to `serve`, in a thread of its own; its port.
fn server(serve: impl Fn(TcpStream) + Send + Sync + 'static) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let serve = std::sync::Arc::new(serve);
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serve = serve.clone();
            thread::spawn(move || serve(stream));
        }
    });
    port
}

/// Reads the request to its end.
fn request(stream: &mut TcpStream) -> String {
    let (mut text, mut byte) = (Vec::new(), [0]);
    while !text.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
        text.push(byte[0]);
    }
    String::from_utf8(text).unwrap()
}

/// A server that always answers so.
fn answers(text: &'static str) -> u16 {
    server(move |mut stream| {
        request(&mut stream);
        let _ = stream.write_all(text.as_bytes());
    })
}

fn asks_http(fleet: &TestFleet, port: u16, options: &[&str]) {
    let url = format!("http://127.0.0.1:{port}/health");
    fleet.spawn_with(
        "web",
        &quick(&[&["--health-http", &url], options].concat()),
        "exec sleep 600",
    );
}

#[track_caller]
fn is_unhealthy_because(fleet: &TestFleet, name: &str, words: &str) -> ProcessRecord {
    let record = fleet.until(name, is(Health::Unhealthy));
    let reason = record.health_reason.clone().unwrap();
    assert!(reason.contains(words), "{reason}");
    record
}

#[test]
fn a_port_is_asked_until_it_is_served() {
    let fleet = TestFleet::new();
    let server = "import socket,os,time\n\
        s=socket.create_server((\"127.0.0.1\",int(os.environ[\"FLEET_PORT\"])))\ntime.sleep(600)";
    let options = quick(&[
        "--port",
        "auto",
        "--port-range",
        "21000-21099",
        "--health-tcp",
        "{port}",
        "--health-start-period",
        "1m",
    ]);
    fleet.spawn_with("web", &options, &format!("sleep 0.3; exec python3 -c '{server}'"));
    assert_eq!(fleet.record("web").health, Some(Health::Starting));
    let record = fleet.until("web", is(Health::Healthy));
    assert_eq!(record.health_reason, None);
    assert!(record.checked_at.is_some());
}

#[test]
fn a_port_that_nobody_serves_is_refused_so_often_in_a_row() {
    let fleet = TestFleet::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    fleet.spawn_with("web", &quick(&["--health-tcp", &port.to_string()]), "exec sleep 600");
    let words = format!("connection refused at 127.0.0.1:{port}, 3 times in a row");
    is_unhealthy_because(&fleet, "web", &words);
    let event = fleet.until_event("web", "unhealthy");
    assert!(event["message"].as_str().unwrap().contains(&words), "{event}");
    // One success is enough; a lifted server listens where the other one did.
    let _listener = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let record = fleet.until("web", is(Health::Healthy));
    assert_eq!((record.health_reason, record.state), (None, State::Running));
    fleet.until_event("web", "healthy");
}

#[test]
fn localhost_is_both_families() {
    let Ok(listener) = TcpListener::bind("[::1]:0") else { return };
    let fleet = TestFleet::new();
    let port = listener.local_addr().unwrap().port().to_string();
    fleet.spawn_with("web", &quick(&["--health-tcp", &port]), "exec sleep 600");
    fleet.until("web", is(Health::Healthy));
}

#[test]
fn in_the_start_period_failures_do_not_count() {
    let fleet = TestFleet::new();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let options = ["--health-tcp", &port.to_string(), "--health-interval", "30ms"];
    fleet.spawn_with("web", &options, "exec sleep 600");
    let record = fleet.until("web", |record| record.health_reason.is_some());
    assert_eq!(record.health, Some(Health::Starting));
    assert!(record.health_reason.unwrap().starts_with("connection refused"));
}

#[test]
fn readiness_is_quick_however_long_the_interval() {
    let fleet = TestFleet::new();
    let port = answers("").to_string();
    let begin = Instant::now();
    let run = fleet.run("fleet-spawn").args(["--wait", "healthy", "--name", "web", "--health-tcp"]);
    run.args([&port, "--health-interval", "1h", "--", "sleep", "600"]).succeeds();
    assert!(begin.elapsed() < Duration::from_secs(10), "{:?}", begin.elapsed());
}

#[test]
fn a_real_http_server_is_asked_and_not_disturbed() {
    let fleet = TestFleet::new();
    let script = "cd $FLEET_DIR; echo '<p>all is well</p>' > index.html; exec python3 -m http.server {port} --bind 127.0.0.1";
    let options = quick(&[
        "--port",
        "auto",
        "--port-range",
        "21100-21199",
        "--health-http",
        "http://localhost:{port}/",
        "--health-body",
        "all is w[e]ll",
    ]);
    fleet.spawn_with("web", &options, script);
    fleet.until("web", is(Health::Healthy));
    let seen = |log: &fleet_testkit::Log| {
        String::from_utf8_lossy(&log.stderr()).matches("\"GET / HTTP/1.1\" 200").count() > 3
    };
    let log = fleet.until_log("web", seen);
    let stderr = String::from_utf8_lossy(&log.stderr()).into_owned();
    assert!(!stderr.contains("Exception"), "{stderr}");
}

#[test]
fn a_request_is_whole() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let port = server(move |mut stream| {
        let _ = sender.send(request(&mut stream));
    });
    let fleet = TestFleet::new();
    asks_http(&fleet, port, &[]);
    let text = receiver.recv_timeout(Duration::from_secs(20)).unwrap();
    assert!(text.starts_with("GET /health HTTP/1.1\r\n"), "{text}");
    assert!(text.contains(&format!("\r\nHost: 127.0.0.1:{port}\r\n")), "{text}");
    assert!(text.contains("\r\nConnection: close\r\n"), "{text}");
    is_unhealthy_because(&fleet, "web", "the connection was closed without an answer");
}

#[test]
fn a_status_is_good_or_bad() {
    let fleet = TestFleet::new();
    asks_http(&fleet, answers("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"), &[]);
    is_unhealthy_because(&fleet, "web", "status 503 at http://127.0.0.1:");
    let fleet = TestFleet::new();
    let options = ["--health-status", "500-599"];
    asks_http(&fleet, answers("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n"), &options);
    fleet.until("web", is(Health::Healthy));
}

#[test]
fn a_body_matches_across_chunks_or_does_not() {
    let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nall is\r\n5\r\n well\r\n0\r\n\r\n";
    let fleet = TestFleet::new();
    asks_http(&fleet, answers(chunked), &["--health-body", "^all is well$"]);
    fleet.until("web", is(Health::Healthy));
    let fleet = TestFleet::new();
    asks_http(&fleet, answers(chunked), &["--health-body", "all is lost"]);
    is_unhealthy_because(&fleet, "web", "the body does not match");
}

#[test]
fn a_server_that_never_answers_is_late() {
    let fleet = TestFleet::new();
    let port = server(|stream| {
        thread::sleep(Duration::from_secs(60));
        drop(stream);
    });
    asks_http(&fleet, port, &["--health-retries", "1"]);
    is_unhealthy_because(&fleet, "web", "no answer within 300ms at http://127.0.0.1:");
}

#[test]
fn a_server_that_answers_byte_by_byte_has_until_the_timeout() {
    let slowly = |pause: u64| {
        server(move |mut stream| {
            request(&mut stream);
            for byte in b"HTTP/1.1 200 OK\r\nX: y\r\n\r\n" {
                thread::sleep(Duration::from_millis(pause));
                if stream.write_all(&[*byte]).is_err() {
                    return;
                }
            }
        })
    };
    let fleet = TestFleet::new();
    asks_http(&fleet, slowly(2), &["--health-timeout", "10s"]);
    fleet.until("web", is(Health::Healthy));
    let fleet = TestFleet::new();
    asks_http(&fleet, slowly(100), &[]);
    is_unhealthy_because(&fleet, "web", "no answer within 300ms");
}

#[test]
fn endless_heads_and_strangers_are_no_answer() {
    let fleet = TestFleet::new();
    let port = server(|mut stream| {
        request(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n");
        while stream.write_all(b"X-More: and more\r\n").is_ok() {}
    });
    asks_http(&fleet, port, &["--health-timeout", "10s"]);
    is_unhealthy_because(&fleet, "web", "its head is longer than 16 KiB");
    let fleet = TestFleet::new();
    asks_http(&fleet, answers("SSH-2.0-OpenSSH_9.2\r\n"), &[]);
    is_unhealthy_because(&fleet, "web", "no answer of HTTP/1");
}

#[test]
fn an_endless_body_is_cut_off() {
    let fleet = TestFleet::new();
    let port = server(|mut stream| {
        request(&mut stream);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
        while stream.write_all(&[b'x'; 4096]).is_ok() {}
    });
    asks_http(&fleet, port, &["--health-body", "^x{10}"]);
    fleet.until("web", is(Health::Healthy));
}

fn asks_exec(fleet: &TestFleet, command: &str, options: &[&str], script: &str) {
    fleet.spawn_with("job", &quick(&[&["--health-exec", command], options].concat()), script);
}

#[test]
fn a_command_is_good_by_its_code_and_has_last_words() {
    let fleet = TestFleet::new();
    let command = "sh -c 'test -e $FLEET_DIR/ok || { echo first; echo not ready >&2; exit 7; }'";
    asks_exec(&fleet, command, &[], "exec sleep 600");
    is_unhealthy_because(&fleet, "job", "the health command exited with code 7: first not ready");
    std::fs::write(fleet.file("processes/job/data/ok"), "").unwrap();
    fleet.until("job", is(Health::Healthy));
}

#[test]
fn a_missing_command_is_said() {
    let fleet = TestFleet::new();
    asks_exec(&fleet, "/no/such/thing --now", &[], "exec sleep 600");
    let words = "cannot run the health command '/no/such/thing': no such file or directory";
    is_unhealthy_because(&fleet, "job", words);
    fleet.run("fleet-stop").arg("job").succeeds();
    fleet.until_deserted();
}

#[test]
fn a_command_that_hangs_is_ended_with_all_that_it_started() {
    let fleet = TestFleet::new();
    // One child in its session, one in another, and itself.
    let command = "sh -c 'echo $$ >> $FLEET_DIR/pids; sleep 601 & echo $! >> $FLEET_DIR/pids; setsid sleep 602 & echo $! >> $FLEET_DIR/pids; exec sleep 603'";
    asks_exec(
        &fleet,
        command,
        &["--health-retries", "1", "--health-interval", "1h"],
        "exec sleep 600",
    );
    is_unhealthy_because(&fleet, "job", "the health command did not end within 300ms");
    let pids = std::fs::read_to_string(fleet.file("processes/job/data/pids")).unwrap();
    let pids: Vec<i32> = pids.lines().map(|pid| pid.parse().unwrap()).collect();
    assert_eq!(pids.len() % 3, 0);
    until("all of it is gone", || !pids.iter().any(|&pid| is_living(pid)));
    assert_eq!(fleet.workload(), [fleet.pid("job")]);
}

#[test]
fn what_a_command_leaves_behind_is_ended() {
    let fleet = TestFleet::new();
    let command = "sh -c 'sleep 601 & echo $! >> $FLEET_DIR/pids'";
    asks_exec(&fleet, command, &["--health-interval", "1h"], "exec sleep 600");
    fleet.until("job", is(Health::Healthy));
    until("what it left is gone", || fleet.workload() == [fleet.pid("job")]);
}

#[test]
fn a_command_that_prints_a_hundred_megabytes_costs_no_memory() {
    let fleet = TestFleet::new();
    let command =
        "sh -c 'head -c 100000000 /dev/zero | tr \"\\\\0\" x; echo; echo the end; exit 1'";
    asks_exec(
        &fleet,
        command,
        &["--health-timeout", "60s", "--health-interval", "1h", "--health-retries", "1"],
        "exec sleep 600",
    );
    let record = is_unhealthy_because(&fleet, "job", "the end");
    assert!(record.health_reason.unwrap().len() < 300);
    let (shim, _) = fleet.supervisors("job");
    let peak = fleet_testkit::status_field(shim, "VmHWM");
    let peak: u64 = peak.trim_end_matches(" kB").trim().parse().unwrap();
    assert!(peak < 30_000, "{peak} kB");
}

#[test]
fn a_command_does_not_delay_the_end_and_is_no_part_of_the_tree() {
    let fleet = TestFleet::new();
    let command = "sh -c 'echo $$ > $FLEET_DIR/asks; exec sleep 601'";
    let options = ["--health-timeout", "1h"];
    asks_exec(
        &fleet,
        command,
        &options,
        "while ! test -e $FLEET_DIR/asks; do sleep 0.02; done; exit 3",
    );
    let record = fleet.until_ended("job");
    let exit = record.exit.unwrap();
    assert_eq!((exit.code, exit.leftovers, record.health), (Some(3), None, None));
    fleet.until_deserted();
}

#[test]
fn a_line_makes_healthy_once() {
    let fleet = TestFleet::new();
    // Split over writes, a second apart, so that the log has it in parts.
    let script = "echo starting; printf 'listening on '; sleep 1.3; echo 8000 >&1; exec sleep 600";
    fleet.spawn_with("job", &["--health-log", "^listening on [0-9]+$"], script);
    assert_eq!(fleet.record("job").health, Some(Health::Starting));
    fleet.until("job", is(Health::Healthy));
    let fleet = TestFleet::new();
    fleet.spawn_with(
        "job",
        &["--health-log", "^ready$"],
        "echo not ready; echo ready >&2; exec sleep 600",
    );
    fleet.until_event("job", "healthy");
    let healthy = fleet.events().iter().filter(|event| event["type"] == "healthy").count();
    assert_eq!(healthy, 1);
}

#[test]
fn a_line_after_a_flood_is_found_and_nothing_is_lost() {
    let fleet = TestFleet::new();
    let script = "seq 1 1000000; echo 'port [80] ready'; exec sleep 600";
    fleet.spawn_with(
        "job",
        &["--health-log", "port .[0-9]+. ready$", "--log-max-size", "100M"],
        script,
    );
    fleet.until("job", is(Health::Healthy));
    let log = fleet.until_log("job", |log| log.text().ends_with("ready\n"));
    assert_eq!(log.text().lines().count(), 1_000_001);
}

#[test]
fn a_flood_is_captured_while_a_check_hangs() {
    let fleet = TestFleet::new();
    let port = server(|stream| {
        thread::sleep(Duration::from_secs(60));
        drop(stream);
    });
    let url = format!("http://127.0.0.1:{port}/");
    let options = ["--health-http", &url, "--health-timeout", "60s", "--log-max-size", "100M"];
    fleet.spawn_with("job", &options, "sleep 0.3; seq 1 300000; echo done; exec sleep 600");
    let log = fleet.until_log("job", |log| log.text().ends_with("done\n"));
    assert_eq!(log.text().lines().count(), 300_001);
    assert_eq!(fleet.record("job").health, Some(Health::Starting));
}

#[test]
fn a_suspended_process_is_asked_nothing() {
    let fleet = TestFleet::new();
    let command = "sh -c 'echo asked >> $FLEET_DIR/asked; kill -0 $(cat $FLEET_DIR/pid) && grep -q S /proc/$(cat $FLEET_DIR/pid)/stat'";
    asks_exec(
        &fleet,
        command,
        &["--health-retries", "1"],
        "echo $$ > $FLEET_DIR/pid; exec sleep 600",
    );
    fleet.until("job", is(Health::Healthy));
    kill(fleet.pid("job"), Signal::from_number(19).unwrap());
    fleet.until("job", |record| record.state == State::Paused);
    let file = fleet.file("processes/job/data/asked");
    let asked = || std::fs::read_to_string(&file).unwrap().lines().count();
    let before = asked();
    thread::sleep(Duration::from_millis(400));
    assert!(asked() <= before + 1);
    assert_eq!(fleet.record("job").health, Some(Health::Healthy));
    let asked_while_paused = asked();
    kill(fleet.pid("job"), Signal::from_number(18).unwrap());
    fleet.until("job", |record| record.state == State::Running);
    until("it is asked again", || asked() > asked_while_paused);
    assert!(!fleet.event_types("job").contains(&"unhealthy".to_owned()));
}

#[test]
fn an_unhealthy_attempt_is_ended_and_followed_by_another() {
    let fleet = TestFleet::new();
    let command = "sh -c 'test $FLEET_ATTEMPT = 2 || { echo no; exit 1; }'";
    let options = ["--restart-unhealthy", "--backoff", "20ms-40ms", "--health-retries", "2"];
    asks_exec(&fleet, command, &options, "trap 'exit 0' TERM; while :; do sleep 0.02; done");
    let record = fleet.until("job", |r| r.attempt == 2 && r.health == Some(Health::Healthy));
    assert_eq!((record.restarts, record.state), (1, State::Running));
    let exited = fleet.until_event("job", "exited");
    let words = "was unhealthy (the health command exited with code 1: no, 2 times in a row) and exited with code 0";
    assert!(exited["message"].as_str().unwrap().contains(words), "{exited}");
}

#[test]
fn who_is_unhealthy_again_and_again_is_given_up() {
    let fleet = TestFleet::new();
    let options = [
        "--restart-unhealthy",
        "--backoff",
        "10ms-20ms",
        "--crash-limit",
        "3/1m",
        "--health-retries",
        "1",
    ];
    asks_exec(&fleet, "false", &options, "exec sleep 600");
    let record = fleet.until_ended("job");
    let exit = record.exit.unwrap();
    assert_eq!((record.state, exit.cause, record.attempt), (State::Failed, Cause::CrashLoop, 3));
    assert!(exit.reason.contains("was unhealthy"), "{}", exit.reason);
}

#[test]
fn a_report_tells_when_it_is_asked_next() {
    let fleet = TestFleet::new();
    let port = answers("").to_string();
    fleet.spawn_with("job", &["--health-tcp", &port, "--health-interval", "1h"], "exec sleep 600");
    fleet.until("job", is(Health::Healthy));
    kill(fleet.supervisors("job").0, Signal::from_number(10).unwrap());
    let report = fleet.until_event("job", "status");
    let next = report["data"]["timers"]["health_seconds"].as_f64().unwrap();
    assert!((3000.0..=3600.0).contains(&next), "{report}");
}

#[test]
fn without_restart_unhealthy_it_goes_on() {
    let fleet = TestFleet::new();
    asks_exec(&fleet, "false", &[], "exec sleep 600");
    is_unhealthy_because(&fleet, "job", "the health command exited with code 1, 3 times in a row");
    assert_eq!(fleet.record("job").state, State::Running);
    // HUP begins anew.
    kill(fleet.supervisors("job").0, Signal::from_number(1).unwrap());
    let record = fleet.until("job", |record| record.attempt == 2);
    assert_ne!(record.health, Some(Health::Healthy));
    fleet.run("fleet-stop").arg("job").succeeds();
    assert_eq!(fleet.record("job").health, None);
}

/// Kills the shim, again and again, in the middle of its questions.
fn kill_while_it_asks(options: &[&str], healthy: bool) {
    let fleet = TestFleet::new();
    fleet.spawn_with("job", &quick(options), "while :; do echo tick; sleep 0.02; done");
    for round in 0..10_u64 {
        let before = fleet.record("job");
        kill(before.shim.unwrap().who.pid, Signal::KILL);
        fleet.until("job", |record| record.shim != before.shim);
        thread::sleep(Duration::from_micros(round * 7919 % 60_000));
    }
    let wanted = if healthy { Health::Healthy } else { Health::Unhealthy };
    fleet.until("job", is(wanted));
    fleet.run("fleet-stop").arg("job").succeeds();
    fleet.until_deserted();
    assert_eq!(fleet.record("job").restarts, 0);
}

#[test]
fn a_shim_killed_while_it_connects_asks_again() {
    kill_while_it_asks(&["--health-tcp", &answers("").to_string()], true);
}

#[test]
fn a_shim_killed_while_it_waits_for_an_answer_asks_again() {
    let port = server(|mut stream| {
        request(&mut stream);
        thread::sleep(Duration::from_millis(30));
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n");
    });
    kill_while_it_asks(&["--health-http", &format!("http://127.0.0.1:{port}/")], true);
}

#[test]
fn a_shim_killed_while_its_command_runs_asks_again_and_the_command_is_ended() {
    kill_while_it_asks(&["--health-exec", "sh -c 'sleep 0.03'"], true);
    kill_while_it_asks(&["--health-exec", "sleep 601"], false);
}

#[test]
fn a_shim_killed_while_it_waits_for_a_line_finds_it() {
    let fleet = TestFleet::new();
    let script =
        "while ! test -e $FLEET_DIR/go; do echo tick; done; echo 'now it is ready'; exec sleep 600";
    fleet.spawn_with("job", &["--health-log", "it is ready$"], script);
    for _ in 0..10 {
        let before = fleet.record("job");
        assert_eq!(before.health, Some(Health::Starting));
        kill(before.shim.unwrap().who.pid, Signal::KILL);
        fleet.until("job", |record| record.shim != before.shim);
    }
    std::fs::write(fleet.file("processes/job/data/go"), "").unwrap();
    kill(fleet.supervisors("job").0, Signal::KILL);
    fleet.until("job", is(Health::Healthy));
}

#[test]
fn who_is_adopted_is_asked_again() {
    let fleet = TestFleet::new();
    let port = answers("").to_string();
    let options = ["--health-tcp", &port, "--health-interval", "100ms", "--health-retries", "1"];
    fleet.spawn_with("job", &options, "exec sleep 600");
    fleet.until("job", is(Health::Healthy));
    fleet.kill_supervisors("job");
    fleet.run("fleet-ps").ends();
    fleet.until_event("job", "adopted");
    let record = fleet.ps("job");
    assert_eq!((&record["health"], &record["state"]), (&"healthy".into(), &"running".into()));
}

#[test]
fn a_command_whose_supervisors_died_is_ended_by_who_adopts() {
    let fleet = TestFleet::new();
    let command = "sh -c 'echo $$ >> $FLEET_DIR/pids; exec sleep 603'";
    let options = ["--health-exec", command, "--health-timeout", "1h"];
    fleet.spawn_with("job", &options, "exec sleep 600");
    let pids =
        || std::fs::read_to_string(fleet.file("processes/job/data/pids")).unwrap_or_default();
    until("it is asked", || pids().ends_with('\n'));
    let lost: i32 = pids().trim_end().parse().unwrap();
    fleet.kill_supervisors("job");
    fleet.run("fleet-ps").ends();
    fleet.until_event("job", "adopted");
    until("the command is gone", || !is_living(lost));
    kill(fleet.pid("job"), Signal::KILL);
    fleet.until_ended("job");
    fleet.until_deserted();
}

#[test]
fn who_looks_often_makes_nobody_unhealthy_sooner() {
    let fleet = TestFleet::new();
    let flag = fleet.file("well");
    std::fs::create_dir_all(fleet.home()).unwrap();
    std::fs::write(&flag, "").unwrap();
    let command = format!("test -e {}", flag.display());
    let options = ["--health-exec", &command, "--health-interval", "1h", "--restart-unhealthy"];
    fleet.spawn_with("job", &options, "exec sleep 600");
    fleet.until("job", is(Health::Healthy));
    std::fs::remove_file(&flag).unwrap();
    for _ in 0..5 {
        let record = fleet.run("fleet-ps").args(["--health", "job"]).ends().record();
        assert_eq!((&record["health"], &record["attempt"]), (&"healthy".into(), &1.into()));
        assert_eq!(record["health_reason"], "the health command exited with code 1");
    }
}
