//! Progress bars: one line each in the log, records and a table of how far they are, and a line
//! that moves on a terminal.

#![allow(clippy::unwrap_used, reason = "a test may panic")]

mod support;

use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{BOUND, Fleet, Log};

fn bar(name: &str, count: u32) -> String {
    let percent = count * 10;
    format!("{name}: {percent:3}%|##        | {count}/10 [00:0{count}<00:01,  2.00it/s, loss=0.5]")
}

/// What tqdm writes for two bars, one within the other, with a line of text between.
fn nested(log: &Log) -> String {
    let down = |count| format!("\n\r{}\u{1b}[A", bar("inner", count));
    let mut text = format!("\r{}", bar("outer", 0));
    for outer in 1..4 {
        text.extend((0..11).map(down));
        text += "\n\r                  \u{1b}[A";
        if outer == 2 {
            text += "\r                  \rhalf way\n";
        }
        text += &format!("\r{}", bar("outer", outer));
    }
    text += "\n";
    for (at, line) in text.split_terminator('\n').enumerate() {
        log.write(at as i64, "stderr F", line);
    }
    text
}

#[test]
fn each_bar_is_one_line_and_raw_is_all_of_it() {
    let fleet = Fleet::new();
    let log = fleet.ended("a");
    let text = nested(&log);
    log.write(90, "stderr F", "Traceback");
    log.write(91, "stdout P", format!("\r{}", bar("x", 1)));
    log.write(92, "stdout P", format!("\r{}", bar("x", 2)));
    log.write(93, "stdout F", format!("\r{}\r{}", bar("x", 10), bar("x", 10)));
    let bars = [bar("outer", 3), bar("x", 10)];
    let lines = ["half way", &bars[0], "Traceback", &bars[1]];
    assert_eq!(fleet.messages(&["a"]), lines);
    let shown: String = lines.iter().map(|line| format!("{line}\n")).collect();
    assert_eq!(fleet.text(&["a", "-o", "table", "--no-id"]), shown);
    assert_eq!(fleet.text(&["a", "--raw", "--stream", "stderr"]), text + "Traceback\n");
}

#[test]
fn states_of_a_bar_below_another_do_not_count_as_lines() {
    let fleet = Fleet::new();
    let log = fleet.ended("a");
    log.out(0, "one").out(0, "two").out(0, "three");
    nested(&log);
    let shown = fleet.messages(&["a", "-n", "6"]);
    assert_eq!(shown, ["three", "half way", &bar("outer", 3)]);
    assert_eq!(fleet.text(&["a", "-n", "6", "--raw"]).lines().count(), 6);
}

#[test]
fn a_bar_that_was_cut_off_is_said_to_be() {
    let fleet = Fleet::new();
    fleet.ended("a").out(1, "begin").write(2, "stderr P", "\r10%").write(3, "stderr P", "\r20%");
    let records = fleet.records(&["a"]);
    assert_eq!(records[1]["message"], "20%");
    assert_eq!(records[1]["partial"], true);
}

#[test]
fn lines_of_windows_lose_their_return_alone() {
    let fleet = Fleet::new();
    fleet.ended("a").out(1, "one  \r").out(2, "\r").out(3, "\u{1b}[31mthree\u{1b}[0m");
    assert_eq!(fleet.messages(&["a"]), ["one  ", "", "\u{1b}[31mthree\u{1b}[0m"]);
}

#[test]
fn progress_is_the_latest_state_of_each_bar() {
    let fleet = Fleet::new();
    nested(&fleet.ended("a"));
    fleet.ended("b").out(1, "no bar 50% [x]").write(
        2,
        "stdout P",
        "\r\u{1b}[K7/8 [====>.] - ETA: 2s",
    );
    let records = fleet.records(&["--progress"]);
    let bars: Vec<_> = records.iter().map(|r| (&r["id"], &r["data"])).collect();
    let outer = json!({
        "path": "outer", "name": "outer", "percent": 30.0, "current": 3.0, "total": 10.0, "unit": "it",
        "rate_per_second": 2.0, "elapsed_seconds": 3.0, "eta_seconds": 1.0, "values": {"loss": "0.5"},
    });
    assert_eq!(bars[0].0, "b");
    assert_eq!(
        (bars[0].1["current"].as_f64(), bars[0].1["eta_seconds"].as_f64()),
        (Some(7.0), Some(2.0))
    );
    assert_eq!(bars[1].1["name"], "inner");
    assert_eq!(bars[2], (&json!("a"), &outer));
    let of = |key: &str| records[2][key].clone();
    assert_eq!(
        (of("kind"), of("type"), of("stream")),
        (json!("event"), json!("progress"), json!("stderr"))
    );
    let array: Value = serde_json::from_str(&fleet.text(&["--progress", "-o", "json"])).unwrap();
    assert_eq!(array, json!(records));
    let table = fleet.text(&["a", "--progress", "-o", "table"]);
    let rows: Vec<Vec<&str>> = table.lines().map(|l| l.split_whitespace().collect()).collect();
    assert_eq!(rows[0], ["ID", "BAR", "PERCENT", "N/TOTAL", "RATE", "ETA", "VALUES"]);
    assert_eq!(
        rows[2],
        ["a", "outer", "███▋░░░░░░░░", "30%", "3/10", "2.0", "it/s", "1.0s", "loss=0.5"]
    );
}

#[test]
fn a_follower_gets_states_as_they_come_but_not_each() {
    let fleet = Fleet::new();
    let log = fleet.running("a");
    let mut tool = fleet.follow(&["-f", "a", "--progress"]);
    log.write(1, "stderr P", format!("\r{}", bar("x", 1)));
    tool.until_line("\"current\":1.0");
    let begin = Instant::now();
    for _ in 0..20 {
        for count in 2..10 {
            log.write(2, "stderr P", format!("\r{}", bar("x", count)));
        }
        thread::sleep(Duration::from_millis(20));
    }
    log.write(3, "stderr F", format!("\r{}", bar("x", 10)));
    tool.until_line("\"current\":10.0");
    let most = 2 + begin.elapsed().as_secs() as usize;
    assert!(tool.seen.len() <= most, "{:#?}", tool.seen);
}

#[test]
fn a_follower_in_a_pipe_gets_a_bar_when_it_is_full_or_its_process_ends() {
    let fleet = Fleet::new();
    let log = fleet.running("a");
    let mut tool = fleet.follow(&["-f", "a"]);
    log.write(1, "stderr P", format!("\r{}", bar("x", 1)));
    log.out(2, "other").write(3, "stderr F", format!("\r{}", bar("x", 10)));
    tool.until_line("10/10");
    log.write(4, "stderr F", format!("\r{}", bar("y", 3))).out(5, "more");
    tool.until_line("more");
    assert_eq!(tool.messages(), ["other", &bar("x", 10), "more"]);
    fleet.record("a", 1, "failed", json!({}));
    tool.until_line("3/10");
}

/// A tmux of its own, which ends with the test.
struct Tmux<'a>(&'a Path);

impl Tmux<'_> {
    fn run(&self, args: &[&str]) -> String {
        let socket = self.0.join("tmux");
        let mut command = Command::new("tmux");
        command.arg("-S").arg(socket).args(["-f", "/dev/null"]).args(args);
        let output = command.env("LC_ALL", "C.UTF-8").env_remove("TMUX").output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Waits until the screen is so; blank lines at its end do not count.
    fn until(&self, what: &str, fits: impl Fn(&[&str]) -> bool) {
        let end = Instant::now() + BOUND;
        loop {
            let screen = self.run(&["capture-pane", "-p", "-t", "fleet"]);
            let lines: Vec<&str> = screen.trim_end().lines().collect();
            if fits(&lines) {
                return;
            }
            assert!(Instant::now() < end, "no {what}: {lines:#?}");
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Tmux<'_> {
    fn drop(&mut self) {
        let _ = Command::new("tmux").arg("-S").arg(self.0.join("tmux")).arg("kill-server").output();
    }
}

fn on_terminal<'a>(fleet: &'a Fleet, args: &str) -> Tmux<'a> {
    let tmux = Tmux(fleet.home());
    let tool = env!("CARGO_BIN_EXE_fleet-logs");
    let command = format!("{tool} {args} --home '{}'", fleet.home().display());
    tmux.run(&["new-session", "-d", "-s", "fleet", "-x", "60", "-y", "12", &command]);
    tmux
}

#[test]
fn a_person_sees_the_bar_move_below_the_lines() {
    let fleet = Fleet::new();
    let (a, b) = (fleet.running("a"), fleet.running("b"));
    a.out(1, "begin");
    let tmux = on_terminal(&fleet, "-f a b");
    tmux.until("first line", |lines| lines == ["a | begin"]);
    let shown = |name: &str, count| {
        let line = format!("{name} | {}", bar("x", count));
        line[..line.len().min(59)].to_owned()
    };
    a.write(2, "stderr P", format!("\r{}", bar("x", 1)));
    tmux.until("bar", |lines| lines == ["a | begin", &shown("a", 1)]);
    a.write(3, "stderr P", format!("\r{}", bar("x", 2)));
    tmux.until("moved bar", |lines| lines == ["a | begin", &shown("a", 2)]);
    a.out(4, "text");
    tmux.until("text above it", |lines| lines == ["a | begin", "a | text", &shown("a", 2)]);
    b.write(5, "stderr P", format!("\r{}", bar("x", 5)));
    tmux.until("other bar", |lines| lines == ["a | begin", "a | text", &shown("b", 5)]);
    a.write(6, "stderr F", format!("\r{}", bar("x", 10))).out(7, "end");
    // The full bar is a line that takes two rows; the other one still moves.
    tmux.until("last state", |lines| {
        lines.len() == 6
            && lines[2..4].concat().contains("10/10")
            && lines[4..] == ["a | end", &shown("b", 5)]
    });
}

#[test]
fn a_person_sees_the_table_in_place() {
    let fleet = Fleet::new();
    let log = fleet.running("a");
    let tmux = on_terminal(&fleet, "-f --progress");
    for count in [1, 4] {
        log.write(1, "stderr P", format!("\r{}", bar("x", count)));
        let row = format!("{count}/10");
        tmux.until("row", |lines| {
            lines.len() == 2 && lines[0].starts_with("ID") && lines[1].contains(&row)
        });
    }
}

#[test]
fn a_bar_near_a_line_that_was_found_is_said_to_be() {
    let fleet = Fleet::new();
    let log = fleet.ended("a");
    log.out(1, "far").out(2, &format!("\r{}\r{}", bar("x", 1), bar("x", 10))).out(3, "found");
    let records = fleet.records(&["a", "-g", "found", "-B", "1"]);
    assert_eq!(records[0]["message"], json!(bar("x", 10)));
    assert_eq!(records[0]["context"], true);
    assert_eq!(records[1].get("context"), None);
}
