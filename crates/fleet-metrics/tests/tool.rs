//! The tool as it is used: over a home with processes that the test itself started.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use fleet_core::{Health, Sample, Subject};
use fleet_os::{Proc, boot_id};
use serde_json::{Value, json};

#[path = "tool/formats.rs"]
mod formats;
#[path = "tool/listen.rs"]
mod listen;
#[path = "tool/peers.rs"]
mod peers;

/// A home, and processes that end with it.
struct Fleet {
    home: tempfile::TempDir,
    children: Vec<Child>,
    /// The locks that the processes' shims would hold.
    locks: Vec<fs::File>,
}

impl Fleet {
    fn new() -> Fleet {
        Fleet { home: tempfile::tempdir().unwrap(), children: Vec::new(), locks: Vec::new() }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.home.path().join(file)
    }

    /// Starts `sleep` and writes the registry's line for it.
    fn start(&mut self, id: &str) -> i32 {
        let child = Command::new("sleep").arg("600").spawn().unwrap();
        let pid = child.id() as i32;
        self.children.push(child);
        let start = Proc::default().stat(pid).unwrap().start;
        let dir = self.path(&format!("processes/{id}/1"));
        fs::create_dir_all(&dir).unwrap();
        let lock = fs::File::create(dir.join("spec.json")).unwrap();
        lock.lock().unwrap();
        self.locks.push(lock);
        self.record(id, json!({"state": "running", "pid": pid, "pid_start": start}));
        pid
    }

    fn record(&self, id: &str, changes: Value) {
        let mut record = json!({
            "kind": "process", "ts": now(), "id": id, "run": 1, "attempt": 1, "host": "h",
            "state": "running", "boot": boot_id().unwrap(), "command": ["sleep", "600"],
            "cwd": "/", "restarts": 0, "spawned_at": now(), "labels": {"name": id},
        });
        for (key, value) in changes.as_object().unwrap() {
            record[key] = value.clone();
        }
        let mut text = fs::read_to_string(self.path("registry.jsonl")).unwrap_or_default();
        text += &format!("{record}\n");
        fs::write(self.path("registry.jsonl"), text).unwrap();
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleet-metrics"));
        command.env("XDG_CONFIG_HOME", self.path("config"));
        command.env_remove("FLEET_HOME").arg("--home").arg(self.home.path()).args(args);
        command
    }

    fn run(&self, args: &[&str]) -> Output {
        self.command(args).stdin(Stdio::null()).output().unwrap()
    }

    /// The samples of a run that succeeds and is silent.
    fn samples(&self, args: &[&str]) -> Vec<Sample> {
        let output = self.run(args);
        assert_eq!((err(&output), output.status.code()), (String::new(), Some(0)));
        parse(&out(&output))
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn now() -> String {
    fleet_core::Timestamp::now().to_string()
}

fn out(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn err(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// The samples but those of the parts of the host, which differ from one to the next.
fn parse(text: &str) -> Vec<Sample> {
    without_parts(text.lines().map(|line| serde_json::from_str(line).unwrap()).collect())
}

fn without_parts(mut samples: Vec<Sample>) -> Vec<Sample> {
    use Subject::{Core, Disk, Gpu, Network, Sensor};
    samples.retain(|s| !matches!(s.subject, Core | Disk | Gpu | Network | Sensor));
    samples
}

fn until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !done() {
        assert!(Instant::now() < deadline, "{what}: it did not come to that");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn an_empty_fleet_has_a_host_and_a_whole() {
    let fleet = Fleet::new();
    let samples = fleet.samples(&[]);
    assert_eq!(samples.len(), 2);
    let host = &samples[0];
    assert_eq!(host.subject, Subject::Host);
    assert!(host.measures.memory_total_bytes > Some(0) && host.measures.cpus > Some(0));
    assert_eq!((samples[1].subject, samples[1].measures.running), (Subject::Fleet, Some(0)));
    assert_eq!(samples[1].health, Some(Health::Healthy));
}

#[test]
fn one_shots_share_the_counters_of_the_last_one() {
    let mut fleet = Fleet::new();
    let pid = fleet.start("a");
    let first = fleet.samples(&[]);
    assert_eq!(first.len(), 3);
    assert_eq!((first[2].pid, first[2].state.as_deref()), (Some(pid), Some("running")));
    assert_eq!(first[2].measures.cpu_percent, None);
    assert_eq!(first[2].measures.processes, Some(1));
    assert!(fleet.path("metrics/last.json").exists());
    until("a share of CPU", || {
        let samples = fleet.samples(&[]);
        samples.iter().all(|s| s.measures.cpu_percent.is_some())
    });
    // The temporary files were all renamed.
    assert_eq!(fs::read_dir(fleet.path("metrics")).unwrap().count(), 1);
}

#[test]
fn concurrent_one_shots_never_tear_the_counters() {
    let mut fleet = Fleet::new();
    fleet.start("a");
    for _ in 0..5 {
        let all: Vec<Child> = (0..4)
            .map(|_| fleet.command(&[]).stdout(Stdio::null()).stderr(Stdio::piped()).spawn())
            .map(Result::unwrap)
            .collect();
        for child in all {
            let output = child.wait_with_output().unwrap();
            assert_eq!((err(&output), output.status.code()), (String::new(), Some(0)));
        }
    }
}

#[test]
fn torn_counters_are_ignored_with_a_warning_and_mended() {
    let fleet = Fleet::new();
    fs::create_dir(fleet.path("metrics")).unwrap();
    fs::write(fleet.path("metrics/last.json"), "{\"v\":1,").unwrap();
    let output = fleet.run(&[]);
    assert_eq!(output.status.code(), Some(0));
    assert!(err(&output).contains("does not hold the last counters"), "{}", err(&output));
    assert_eq!(parse(&out(&output)).len(), 2);
    fleet.samples(&[]);
}

#[test]
fn a_home_that_cannot_be_written_is_said_once() {
    let fleet = Fleet::new();
    // A file where the folder should be stops root too, whom no mode stops.
    fs::write(fleet.path("metrics"), "").unwrap();
    let output = fleet.run(&["--count", "2", "--interval", "100ms"]);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(parse(&out(&output)).len(), 4);
    let said = err(&output);
    assert_eq!(said.matches("cannot keep the counters").count(), 1, "{said}");
}

#[test]
fn a_selector_chooses_and_one_that_fits_nothing_is_an_honest_no() {
    let mut fleet = Fleet::new();
    fleet.start("a");
    fleet.start("b");
    let ids = |args: &[&str]| -> Vec<String> {
        fleet.samples(args).iter().map(|s| s.id.as_ref().unwrap().to_string()).collect()
    };
    assert_eq!(ids(&["a"]), ["a"]);
    assert_eq!(ids(&["-l", "name=b"]), ["b"]);
    assert_eq!(ids(&["--no-host", "--no-fleet"]), ["a", "b"]);
    let output = fleet.run(&["a", "nobody"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(err(&output), "fleet-metrics: no process of this fleet is 'nobody'\n");
    assert_eq!(parse(&out(&output)).len(), 1);
    let output = fleet.run(&["-l", "name=nobody"]);
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(err(&output), "fleet-metrics: no process of this fleet was selected\n");
}

#[test]
fn an_ended_process_is_seen_by_everybody_until_its_time_is_over() {
    let fleet = Fleet::new();
    let exit = json!({"code": 3, "cause": "exited", "reason": "exited with code 3"});
    fleet.record("a", json!({"state": "failed", "ended_at": now(), "exit": exit}));
    for _ in 0..2 {
        let samples = fleet.samples(&["--no-host", "--no-fleet"]);
        assert_eq!(samples[0].state.as_deref(), Some("failed"));
        assert_eq!(samples[0].exit.as_ref().unwrap().code, Some(3));
    }
    assert!(fleet.samples(&["--no-host", "--no-fleet", "--ended-for", "0s"]).is_empty());
    let output = fleet.run(&["a", "--ended-for", "0s"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("ended more than"), "{}", err(&output));
}

#[test]
fn only_the_newest_run_of_a_dead_process_stands_for_it() {
    let fleet = Fleet::new();
    for run in [1, 2] {
        fleet.record("a", json!({"state": "failed", "ended_at": now(), "run": run}));
    }
    let runs = |args: &[&str]| -> Vec<_> { fleet.samples(args).iter().map(|s| s.run).collect() };
    assert_eq!(runs(&["--no-host", "--no-fleet"]), [Some(2)]);
    assert_eq!(runs(&["a#1"]), [Some(1)]);
}

#[test]
fn following_takes_in_new_processes_and_sends_each_round() {
    let mut fleet = Fleet::new();
    fleet.start("a");
    let mut tool = fleet
        .command(&["-f", "--interval", "100ms", "--no-host", "--no-fleet"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(tool.stdout.take().unwrap()).lines();
    let mut next = || parse(&lines.next().unwrap().unwrap()).remove(0);
    assert_eq!(next().id.unwrap().as_str(), "a");
    fleet.start("b");
    until("b joins", || next().id.unwrap().as_str() == "b");
    until("a share", || next().measures.cpu_percent.is_some());
    drop(lines);
    // With its reader gone it ends by itself, and quietly.
    assert_eq!(tool.wait().unwrap().code(), Some(0));
    let mut said = String::new();
    tool.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said, "");
}

/// Emitted samples with these steps, as `fleet-emit metric` writes them.
fn emitted(steps: std::ops::Range<u32>) -> String {
    let line = |step| {
        let loss = 1.0 / f64::from(step);
        json!({"kind": "sample", "ts": now(), "subject": "custom", "step": step, "loss": loss})
    };
    steps.map(|step| format!("{}\n", line(step))).collect()
}

#[test]
fn points_of_curves_are_samples_the_newest_once_and_all_while_following() {
    let mut fleet = Fleet::new();
    fleet.start("a");
    let file = fleet.path("processes/a/1/metrics.jsonl");
    fs::write(&file, emitted(1..5)).unwrap();
    let samples = fleet.samples(&["--curves", "a"]);
    let custom: Vec<&Sample> = samples.iter().filter(|s| s.subject == Subject::Custom).collect();
    assert_eq!(custom.len(), 1);
    assert_eq!((custom[0].id.as_ref().unwrap().as_str(), custom[0].run), ("a", Some(1)));
    assert_eq!((&custom[0].more["step"], &custom[0].more["loss"]), (&json!(4), &json!(0.25)));
    assert_eq!(custom[0].labels["name"], "a");
    let table = out(&fleet.run(&["--curves", "-o", "table", "a"]));
    let shown: Vec<&str> = table.lines().last().unwrap().split_whitespace().collect();
    assert_eq!(shown[..4], ["a", "loss", "0.25", "4"], "{table}");
    let mut tool = fleet
        .command(&["-f", "--interval", "100ms", "--no-host", "--curves"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(tool.stdout.take().unwrap()).lines();
    let mut points = lines
        .flat_map(|line| parse(&line.unwrap()))
        .filter(|sample| sample.subject == Subject::Custom)
        .map(|sample| sample.more["step"].as_u64().unwrap());
    assert_eq!(points.next(), Some(4));
    let more = emitted(5..5000);
    fs::OpenOptions::new().append(true).open(&file).unwrap().write_all(more.as_bytes()).unwrap();
    assert_eq!(points.by_ref().take(4995).collect::<Vec<_>>(), (5..5000).collect::<Vec<_>>());
    drop(points);
    assert_eq!(tool.wait().unwrap().code(), Some(0));
}

#[test]
fn a_follower_with_nothing_to_say_still_notices_that_its_reader_left() {
    let fleet = Fleet::new();
    let mut tool = fleet
        .command(&["-f", "--interval", "1h", "--no-host", "--no-fleet"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    drop(tool.stdout.take());
    until("it ends", || tool.try_wait().unwrap().is_some());
    assert_eq!(tool.wait().unwrap().code(), Some(0));
}

#[test]
fn rounds_are_counted() {
    let fleet = Fleet::new();
    let samples = fleet.samples(&["--count", "3", "--interval", "100ms", "--no-fleet"]);
    assert_eq!(samples.len(), 3);
    assert!(samples[1].measures.cpu_percent.is_some());
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let mut fleet = Fleet::new();
    for id in ["a", "b", "c"] {
        fleet.start(id);
    }
    let script = format!(
        "'{}' --home '{}' | head -1; exit \"${{PIPESTATUS[0]}}\"",
        env!("CARGO_BIN_EXE_fleet-metrics"),
        fleet.home.path().display()
    );
    let output = Command::new("bash").args(["-c", &script]).output().unwrap();
    assert_eq!((err(&output), output.status.code()), (String::new(), Some(0)));
    assert_eq!(out(&output).lines().count(), 1);
}

#[test]
fn closed_standard_input_matters_only_to_who_reads_it() {
    let mut fleet = Fleet::new();
    fleet.start("a");
    let shell = |tail: &str| {
        let script = format!(
            "exec '{}' --home '{}' {tail}",
            env!("CARGO_BIN_EXE_fleet-metrics"),
            fleet.home.path().display()
        );
        Command::new("sh").args(["-c", &script]).output().unwrap()
    };
    let output = shell("<&-");
    assert_eq!((err(&output), output.status.code()), (String::new(), Some(0)));
    assert_eq!(parse(&out(&output)).len(), 3);
    let output = shell("- </dev/null");
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).contains("no process of this fleet was selected"), "{}", err(&output));
}

#[test]
fn csv_has_one_head_and_plain_columns() {
    let mut fleet = Fleet::new();
    fleet.start("a");
    let output = fleet.run(&["-o", "csv", "--count", "2", "--interval", "100ms"]);
    assert_eq!((err(&output), output.status.code()), (String::new(), Some(0)));
    let text = out(&output);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let head = reader.headers().unwrap().clone();
    assert_eq!(head.iter().filter(|h| *h == "memory_bytes").count(), 1);
    let mut rows: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    rows.retain(|row| ["host", "fleet", "process"].contains(&&row[1]));
    assert_eq!(rows.len(), 6);
    let field = |row: usize, name: &str| &rows[row][head.iter().position(|h| h == name).unwrap()];
    assert_eq!([0, 1, 2].map(|row| field(row, "subject")), ["host", "fleet", "process"]);
    assert_eq!((field(2, "labels"), field(2, "running")), ("name=a", ""));
    assert_eq!((field(1, "running"), field(1, "health")), ("1", "healthy"));
    assert!(field(2, "memory_bytes").parse::<u64>().unwrap() > 0);
}

#[test]
fn a_table_has_people_units() {
    let mut fleet = Fleet::new();
    fleet.start("a");
    let output = fleet.run(&["-o", "table", "--no-host"]);
    let text = out(&output);
    let heads: Vec<&str> = text.lines().next().unwrap().split_whitespace().collect();
    let expected = "ID STATE CPU% MEM THREADS FDS READ WRITE UPTIME";
    assert_eq!(heads.join(" "), expected);
    let row: Vec<&str> = text.lines().nth(2).unwrap().split_whitespace().collect();
    assert_eq!((row[0], row[1], row[4]), ("a", "running", "1"));
    assert!(text.lines().nth(1).unwrap().starts_with("(fleet)  healthy"), "{text}");
    assert!(row[3].ends_with(['K', 'M']), "{text}");
    let wide = out(&fleet.run(&["-o", "wide"]));
    assert!(wide.contains("LABELS") && wide.contains("name=a"), "{wide}");
}

#[test]
fn json_is_one_document_a_round() {
    let mut fleet = Fleet::new();
    fleet.start("a");
    let output = fleet.run(&["-o", "json", "--count", "2", "--interval", "100ms"]);
    assert_eq!(err(&output), "");
    let rounds: Vec<Value> =
        out(&output).lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(rounds.len(), 2);
    assert_eq!(
        (&rounds[1]["processes"][0]["id"], &rounds[1]["aggregated"]["count"]),
        (&json!("a"), &json!(1))
    );
    assert!(rounds[1]["host"]["cpu_percent"].is_number());
}

#[test]
fn a_file_that_rounds_are_added_to_needs_an_end() {
    let fleet = Fleet::new();
    let file = fleet.path("out.jsonl");
    let file = file.to_str().unwrap();
    let output = fleet.run(&["-f", "--output-file", file]);
    assert_eq!(output.status.code(), Some(2));
    assert!(err(&output).contains("--count"), "{}", err(&output));
    fleet.samples(&["--output-file", file]);
    assert_eq!(parse(&fs::read_to_string(Path::new(file)).unwrap()).len(), 2);
}

#[test]
fn what_makes_no_sense_is_refused_before_anything_is_read() {
    let fleet = Fleet::new();
    for args in [&["--interval", "1s"][..], &["-f", "--interval", "1ms"], &["bad id"]] {
        assert_eq!(fleet.run(args).status.code(), Some(2), "{args:?}");
    }
    assert!(!fleet.path("metrics").exists());
}
