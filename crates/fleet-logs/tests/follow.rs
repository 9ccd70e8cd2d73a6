//! `fleet-logs --follow`: nothing is lost and nothing doubled, whatever happens to the files.

mod support;

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::ExitStatusExt;
use std::process::Stdio;
use std::time::Instant;

use nix::pty::openpty;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::json;
use support::{BOUND, Fleet, stamp};

fn numbers(count: i64) -> Vec<String> {
    (0..count).map(|n| format!("n{n}")).collect()
}

#[test]
fn rotation_neither_loses_nor_doubles_a_line() {
    let fleet = Fleet::new();
    let log = fleet.running("a");
    for n in 0..20 {
        log.out(n, &format!("n{n}"));
    }
    let mut tool = fleet.follow(&["-f", "a", "-n", "all"]);
    tool.until_line("n19");
    for n in 20..500 {
        log.out(n, &format!("n{n}"));
        if n % 40 == 39 {
            log.rotate(if n == 39 { 0 } else { n - 39 });
        }
    }
    tool.until_line("n499");
    assert_eq!(tool.messages(), numbers(500));
}

#[test]
fn it_begins_with_the_last_ten_lines() {
    let fleet = Fleet::new();
    let log = fleet.running("a");
    for n in 0..50 {
        log.out(n, &format!("n{n}"));
    }
    let mut tool = fleet.follow(&["-f", "a"]);
    tool.until_line("n49");
    log.out(50, "n50");
    tool.until_line("n50");
    assert_eq!(tool.messages(), numbers(51)[40..]);
}

#[test]
fn a_truncated_file_is_followed_on() {
    let fleet = Fleet::new();
    let log = fleet.running("a");
    log.out(1, "before");
    let mut tool = fleet.follow(&["-f", "a"]);
    tool.until_line("before");
    log.truncate();
    log.out(2, "behind, and longer than before");
    tool.until_line("behind, and longer");
    tool.until_line("truncated");
    assert_eq!(tool.messages(), ["before", "behind, and longer than before"]);
}

#[test]
fn a_pruned_run_does_not_end_the_others() {
    let fleet = Fleet::new();
    fleet.ended("gone").out(1, "old words");
    let log = fleet.running("a");
    log.out(1, "first");
    let mut tool = fleet.follow(&["-f", "gone", "a"]);
    tool.until_line("first");
    tool.until_line("old words");
    fs::remove_dir_all(fleet.run_dir("gone", 1)).unwrap();
    log.out(2, "second");
    tool.until_line("second");
    assert!(tool.child.try_wait().unwrap().is_none());
}

#[test]
fn new_runs_and_new_processes_join() {
    let fleet = Fleet::new();
    fleet.running("job-a").out(1, "first run");
    let mut tool = fleet.follow(&["-f", "job-*"]);
    tool.until_line("first run");
    fleet.record("job-a", 1, "completed", json!({}));
    // The record comes before the folder, as when a process is spawned.
    fleet.record("job-a", 2, "starting", json!({}));
    fleet.record("other", 1, "starting", json!({}));
    fleet.log("other", 1).out(2, "not asked for");
    fleet.log("job-a", 2).out(3, "second run");
    tool.until_line("second run");
    fleet.running("job-b").out(4, "other process");
    tool.until_line("other process");
    assert_eq!(tool.messages(), ["first run", "second run", "other process"]);
}

#[test]
fn lines_know_their_attempt() {
    let fleet = Fleet::new();
    let log = fleet.running("a");
    log.out(1, "one").write(1, "stdout P", "cut off");
    let mut tool = fleet.follow(&["-f", "a"]);
    tool.until_line("one");
    fleet.attempt("a", 2, 5);
    log.out(6, "two");
    tool.until_line("two");
    let attempts: Vec<_> = tool
        .seen
        .iter()
        .map(|l| serde_json::from_str::<serde_json::Value>(l).unwrap())
        .map(|r| (r["attempt"].as_u64().unwrap(), r["message"].as_str().unwrap().to_owned()))
        .collect();
    assert_eq!(attempts, [(1, "one".into()), (1, "cut off".into()), (2, "two".into())]);
}

#[test]
fn until_ended_shows_the_last_words_and_ends() {
    let fleet = Fleet::new();
    let (a, b) = (fleet.running("a"), fleet.running("b"));
    let mut tool = fleet.follow(&["--until-ended", "a", "b"]);
    a.out(1, "a one");
    tool.until_line("a one");
    fleet.record("a", 1, "completed", json!({}));
    b.out(2, "b one");
    tool.until_line("b one");
    a.out(2, "late");
    b.write(3, "stdout P", "last words");
    fleet.record("b", 1, "failed", json!({}));
    assert!(tool.ends().success());
    let mut messages = tool.messages();
    messages.sort();
    assert_eq!(messages, ["a one", "b one", "last words", "late"]);
}

#[test]
fn until_ended_of_what_has_ended_ends_at_once() {
    let fleet = Fleet::new();
    fleet.ended("a").out(1, "x");
    let mut tool = fleet.follow(&["-f", "--until-ended", "a", "-o", "json"]);
    assert!(tool.ends().success());
    let array: serde_json::Value = serde_json::from_str(&tool.seen.concat()).unwrap();
    assert_eq!(array[0]["message"], "x");
}

#[test]
fn pieces_wait_for_their_end_in_a_pipe() {
    let fleet = Fleet::new();
    let log = fleet.running("a");
    log.out(0, "begin").write(1, "stdout P", "one ");
    let mut tool = fleet.follow(&["-f", "a"]);
    tool.until_line("begin");
    log.write(2, "stderr F", "err");
    tool.until_line("err");
    log.rotate(0);
    log.write(3, "stdout F", "line");
    tool.until_line("line");
    assert_eq!(tool.messages(), ["begin", "err", "one line"]);
}

#[test]
fn several_follow_in_order_of_arrival() {
    let fleet = Fleet::new();
    let (a, b) = (fleet.running("a"), fleet.running("b"));
    let mut tool = fleet.follow(&["-f"]);
    a.out(1, "a1");
    tool.until_line("a1");
    b.out(2, "b2");
    tool.until_line("b2");
    a.out(3, "a3");
    tool.until_line("a3");
    assert_eq!(tool.messages(), ["a1", "b2", "a3"]);
}

#[test]
fn a_reader_that_leaves_ends_it_though_nothing_is_printed() {
    let fleet = Fleet::new();
    fleet.running("a").out(1, "x");
    let mut child =
        fleet.command(&["-f", "a"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut line = String::new();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    out.read_line(&mut line).unwrap();
    drop(out);
    let mut said = String::new();
    child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert!(child.wait().unwrap().success());
    assert_eq!(said, "");
}

#[test]
fn an_interrupt_just_ends_it() {
    let fleet = Fleet::new();
    fleet.running("a").out(1, "x");
    let mut tool = fleet.follow(&["-f", "a"]);
    tool.until_line("x");
    kill(Pid::from_raw(tool.child.id() as i32), Signal::SIGINT).unwrap();
    assert_eq!(tool.ends().signal(), Some(Signal::SIGINT as i32));
}

#[test]
fn a_person_sees_text_and_prompts() {
    let fleet = Fleet::new();
    let log = fleet.running("a");
    log.out(1, "10%\r\u{1b}[32mdone\u{1b}[0m\u{1b}[2J").write(2, "stdout P", "Continue? ");
    let pty = openpty(None, None).unwrap();
    let mut child = fleet
        .command(&["-f", "a"])
        .stdout(Stdio::from(pty.slave))
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut terminal = fs::File::from(pty.master);
    let mut shown = Vec::new();
    let mut until = |text: &str| {
        let end = Instant::now() + BOUND;
        while !String::from_utf8_lossy(&shown).contains(text) {
            assert!(Instant::now() < end);
            let mut buffer = [0; 4096];
            let count = terminal.read(&mut buffer).unwrap();
            shown.extend_from_slice(&buffer[..count]);
        }
        String::from_utf8_lossy(&shown).into_owned()
    };
    until("Continue?");
    log.write(3, "stdout F", "yes").out(4, "end");
    let shown = until("end");
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(shown.contains("\u{1b}[32mdone\u{1b}[0m"), "{shown:?}");
    assert!(!shown.contains("10%") && !shown.contains("[2J"), "{shown:?}");
    let plain: Vec<&str> = shown.lines().map(|l| l.rsplit("| ").next().unwrap()).collect();
    assert_eq!(plain[1..], ["Continue? ", "yes", "end"]);
}

#[test]
fn from_a_moment_on() {
    let fleet = Fleet::new();
    let log = fleet.running("a");
    log.out(1, "old").out(2, "new");
    let mut tool = fleet.follow(&["-f", "a", "--since", &stamp(2)]);
    tool.until_line("new");
    log.out(3, "newer");
    tool.until_line("newer");
    assert_eq!(tool.messages(), ["new", "newer"]);
}

#[test]
fn a_traceback_at_the_end_is_shown_when_it_has_been_quiet() {
    let fleet = Fleet::new();
    let log = fleet.running("a");
    log.out(0, "begin");
    let mut tool = fleet.follow(&["-f", "a", "-o", "jsonl"]);
    tool.until_line("begin");
    log.write(1, "stderr F", "Traceback (most recent call last):");
    log.write(1, "stderr F", "  File \"x.py\", line 1, in <module>");
    log.write(1, "stderr F", "ValueError: no");
    tool.until_line("ValueError: no");
}
