//! `fleet-logs --cursor`: each line exactly once, from call to call.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::fs;
use std::io::Write;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use support::{Fleet, stamp};

fn cursor(fleet: &Fleet) -> String {
    fleet.home().join("cursor").display().to_string()
}

/// What the next call shows.
fn more(fleet: &Fleet) -> Vec<String> {
    fleet.messages(&["-o", "jsonl", "--cursor", &cursor(fleet)])
}

/// The path of a file that was set aside.
fn aside(fleet: &Fleet, id: &str, first: i64) -> PathBuf {
    fleet.run_dir(id, 1).join(format!("log/{}.log", stamp(first)))
}

/// Compresses a file as `fleet-logs --prune` does.
fn compress(path: &PathBuf) {
    let packed = zstd::stream::encode_all(&fs::read(path).unwrap()[..], 3).unwrap();
    fs::write(path.with_extension("log.zst"), packed).unwrap();
    fs::remove_file(path).unwrap();
}

#[test]
fn each_line_comes_once_across_rotation_compression_and_new_runs() {
    let fleet = Fleet::new();
    let a = fleet.running("a");
    a.out(1, "one").out(2, "two");
    assert_eq!(more(&fleet), ["one", "two"]);
    assert_eq!(more(&fleet), [""; 0]);
    a.out(3, "three").rotate(1);
    a.out(4, "four").rotate(4);
    a.out(5, "five");
    compress(&aside(&fleet, "a", 1));
    compress(&aside(&fleet, "a", 4));
    assert_eq!(more(&fleet), ["three", "four", "five"]);
    a.rotate(5);
    compress(&aside(&fleet, "a", 5));
    assert_eq!(more(&fleet), [""; 0]);
    fleet.running("b").out(6, "another");
    a.out(7, "six");
    assert_eq!(more(&fleet), ["another", "six"]);
    fleet.attempt("a", 2, 8);
    a.out(9, "second attempt");
    assert_eq!(more(&fleet), ["second attempt"]);
    assert_eq!(more(&fleet), [""; 0]);
}

#[test]
fn what_has_no_end_is_left_for_the_next_call_while_the_process_lives() {
    let fleet = Fleet::new();
    let log = fleet.running("a");
    log.out(1, "whole").write(2, "stdout P", "half ").write(3, "stderr F", "other");
    log.append(format!("{} stderr F tor", stamp(4)).as_bytes());
    assert_eq!(more(&fleet), ["whole", "other"]);
    assert_eq!(more(&fleet), [""; 0]);
    log.append(b"n\n");
    log.rotate(1);
    compress(&aside(&fleet, "a", 1));
    assert_eq!(more(&fleet), ["torn"]);
    log.write(5, "stdout F", "line").write(6, "stdout P", "last words");
    assert_eq!(more(&fleet), ["half line"]);
    fleet.record("a", 1, "completed", json!({}));
    assert_eq!(more(&fleet), ["last words"]);
    assert_eq!(more(&fleet), [""; 0]);
}

#[test]
fn what_was_removed_unseen_is_said() {
    let fleet = Fleet::new();
    let log = fleet.running("a");
    log.out(1, "seen").rotate(1);
    log.out(2, "seen, too");
    assert_eq!(more(&fleet).len(), 2);
    log.rotate(2);
    log.out(3, "never seen").rotate(3);
    log.out(4, "new");
    for first in [1, 2, 3] {
        fs::remove_file(aside(&fleet, "a", first)).unwrap();
    }
    let path = cursor(&fleet);
    let args = ["-o", "jsonl", "--cursor", &path];
    let said = fleet.run(&args).success().get_output().clone();
    assert!(String::from_utf8_lossy(&said.stdout).contains("\"new\""));
    assert!(String::from_utf8_lossy(&said.stderr).contains("lines may be missing"));
    // A run that is gone altogether.
    fs::remove_file(fleet.home().join("registry.jsonl")).unwrap();
    fs::remove_dir_all(fleet.run_dir("a", 1)).unwrap();
    fleet.running("b").out(5, "of b");
    let said = fleet.run(&args).success().get_output().clone();
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("'a#1' was removed before all of it was shown"), "{said}");
    assert_eq!(more(&fleet), [""; 0]);
}

#[test]
fn a_traceback_that_is_being_printed_is_left_whole_for_the_next_call() {
    let fleet = Fleet::new();
    let log = fleet.running("a");
    log.write(1, "stderr F", "before");
    // Later than now, so that it is still being printed however slow this machine is.
    log.write(1_000_000_000, "stderr F", "Traceback (most recent call last):");
    log.write(1_000_000_000, "stderr F", "  File \"x.py\", line 1, in <module>");
    assert_eq!(more(&fleet), ["before"]);
    log.write(3, "stderr F", "ValueError: no");
    let rest = more(&fleet).join("\n");
    assert!(rest.starts_with("Traceback") && rest.ends_with("ValueError: no"), "{rest}");
    assert_eq!(more(&fleet), [""; 0]);
}

#[test]
fn a_follower_that_is_ended_is_gone_on_with_where_it_was() {
    let fleet = Fleet::new();
    let log = fleet.running("a");
    let path = cursor(&fleet);
    let (mut second, mut shown) = (0, Vec::new());
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGTERM] {
        log.out(second, &format!("n{second}"));
        let mut tool = fleet.follow(&["-f", "a", "-o", "jsonl", "--cursor", &path]);
        tool.until_line(&format!("\"n{second}\""));
        for _ in 0..40 {
            second += 1;
            log.out(second, &format!("n{second}"));
            if second % 15 == 0 {
                log.rotate((second - 15).max(0) + i64::from(second > 15));
            }
        }
        tool.until_line(&format!("\"n{second}\""));
        kill(Pid::from_raw(tool.child.id() as i32), signal).unwrap();
        assert_eq!(tool.ends().signal(), Some(signal as i32));
        shown.extend(tool.messages());
        second += 1;
    }
    let all: Vec<String> = (0..second).map(|n| format!("n{n}")).collect();
    assert_eq!(shown, all);
    assert_eq!(more(&fleet), [""; 0]);
}

#[test]
fn after_a_kill_no_line_is_missing() {
    let fleet = Fleet::new();
    let log = fleet.running("a");
    let path = cursor(&fleet);
    let (mut second, mut shown) = (0, Vec::new());
    for _ in 0..3 {
        let mut tool = fleet.follow(&["-f", "a", "-o", "jsonl", "--cursor", &path]);
        for _ in 0..30 {
            log.out(second, &format!("n{second}"));
            second += 1;
        }
        tool.until_line(&format!("\"n{}\"", second - 1));
        tool.child.kill().unwrap();
        tool.ends();
        shown.extend(tool.messages());
    }
    shown.extend(more(&fleet));
    shown.dedup();
    for n in 0..second {
        assert!(shown.contains(&format!("n{n}")), "n{n} is missing");
    }
    assert_eq!(more(&fleet), [""; 0]);
}

#[test]
fn a_cursor_is_for_one_at_a_time_and_for_one_home() {
    let fleet = Fleet::new();
    fleet.running("a").out(1, "x");
    let path = cursor(&fleet);
    let mut tool = fleet.follow(&["-f", "a", "-o", "jsonl", "--cursor", &path]);
    tool.until_line("\"x\"");
    let refused = |args: &[&str]| {
        let said = fleet.run(args).code(2).get_output().stderr.clone();
        String::from_utf8(said).unwrap()
    };
    assert!(refused(&["--cursor", &path]).contains("is in use"));
    drop(tool);
    let other = fleet.home().join("notes.txt");
    fs::File::create(&other).unwrap().write_all(b"my notes\n").unwrap();
    assert!(refused(&["--cursor", other.to_str().unwrap()]).contains("is no cursor"));
    assert_eq!(fs::read_to_string(other).unwrap(), "my notes\n");
}
