//! What happens to files that are followed: deleted, replaced, truncated and refilled, set aside ten
//! times within a second, a thousand at once, and a reader that stops reading.

mod support;

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::Stdio;

use support::{Fleet, stamp};

fn numbers(count: i64) -> Vec<String> {
    (0..count).map(|n| format!("n{n}")).collect()
}

#[test]
fn a_file_that_is_deleted_and_made_anew_is_followed_on() {
    let fleet = Fleet::new();
    let log = fleet.running("a");
    let mut tool = fleet.follow(&["-f", "a", "-n", "all"]);
    for n in 0..200 {
        log.out(n, &format!("n{n}"));
        if n % 40 == 39 {
            // What was written before is still in the open file; what comes is in a new one.
            fs::remove_file(fleet.run_dir("a", 1).join("log/current")).unwrap();
        }
        if n % 40 == 0 {
            // It has the file open, so that it cannot be gone unseen.
            tool.until_line(&format!("\"n{n}\""));
        }
    }
    tool.until_line("\"n199\"");
    assert_eq!(tool.messages(), numbers(200));
}

#[test]
fn a_file_that_is_replaced_by_another_is_followed_on() {
    let fleet = Fleet::new();
    let log = fleet.running("a");
    let current = fleet.run_dir("a", 1).join("log/current");
    let mut tool = fleet.follow(&["-f", "a", "-n", "all"]);
    for count in (0..20).step_by(2) {
        log.out(count, &format!("n{count}"));
        tool.until_line(&format!("\"n{count}\""));
        let other = current.with_extension("part");
        let line = format!("{} stdout F n{}\n", stamp(count + 1), count + 1);
        fs::write(&other, line).unwrap();
        fs::rename(&other, &current).unwrap();
    }
    tool.until_line("\"n19\"");
    assert_eq!(tool.messages(), numbers(20));
}

#[test]
fn a_file_that_is_truncated_and_refilled_past_its_end_is_read_from_its_beginning() {
    let fleet = Fleet::new();
    let log = fleet.running("a");
    let current = fleet.run_dir("a", 1).join("log/current");
    let mut tool = fleet.follow(&["-f", "a", "-n", "all"]);
    let mut next = 0;
    for round in 0..8 {
        log.out(next, &format!("n{next}"));
        tool.until_line(&format!("\"n{next}\""));
        next += 1;
        // Emptied and longer than before in one moment, as `copytruncate` leaves a busy file.
        let more: String =
            (next..next + 3 + round).map(|n| format!("{} stdout F n{n}\n", stamp(n))).collect();
        fs::write(&current, more).unwrap();
        next += 3 + round;
        tool.until_line(&format!("\"n{}\"", next - 1));
    }
    assert_eq!(tool.messages(), numbers(next));
}

#[test]
fn ten_files_set_aside_within_a_moment_lose_nothing() {
    let fleet = Fleet::new();
    let log = fleet.running("a");
    let mut tool = fleet.follow(&["-f", "a", "-n", "all"]);
    for n in 0..1000 {
        log.out(n, &format!("n{n}"));
        if n % 100 == 99 {
            log.rotate(n - 99);
        }
    }
    log.out(1000, "n1000");
    tool.until_line("n1000");
    assert_eq!(tool.messages(), numbers(1001));
}

#[test]
fn a_folder_that_is_removed_and_made_anew_is_followed_on() {
    let fleet = Fleet::new();
    let log = fleet.running("a");
    let folder = fleet.run_dir("a", 1).join("log");
    let mut tool = fleet.follow(&["-f", "a", "-n", "all"]);
    for n in 0..12 {
        log.out(n, &format!("n{n}"));
        tool.until_line(&format!("\"n{n}\""));
        fs::remove_dir_all(&folder).unwrap();
        if n % 3 == 0 {
            // Long enough for the follower to find that there is none.
            std::thread::sleep(std::time::Duration::from_millis(30));
        }
        fs::create_dir(&folder).unwrap();
    }
    log.out(12, "n12");
    tool.until_line("\"n12\"");
    assert_eq!(tool.messages(), numbers(13));
}

#[test]
fn what_is_taken_back_from_a_full_disk_is_not_shown_twice() {
    let fleet = Fleet::new();
    let log = fleet.running("a");
    let current = fleet.run_dir("a", 1).join("log/current");
    let mut tool = fleet.follow(&["-f", "a", "-n", "all"]);
    log.out(0, "n0").out(1, "n1");
    let size = fs::metadata(&current).unwrap().len();
    log.out(2, "taken back");
    log.append(b"2026-");
    tool.until_line("taken back");
    fs::File::options().write(true).open(&current).unwrap().set_len(size).unwrap();
    // Nothing is written between: the follower finds the file shorter.
    tool.until_line("the end of the file was taken back");
    log.out(3, "n2");
    tool.until_line("\"n2\"");
    assert_eq!(tool.messages(), ["n0", "n1", "taken back", "n2"]);
}

#[test]
fn a_reader_that_stops_reading_gets_all_of_it_later() {
    let fleet = Fleet::new();
    let log = fleet.running("a");
    log.out(0, "n0");
    let mut command = fleet.command(&["-f", "a", "-n", "all", "-o", "table", "--no-id"]);
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::with_capacity(64, child.stdout.take().unwrap()).lines();
    assert_eq!(lines.next().unwrap().unwrap(), "n0");
    // Far more than a pipe holds, in files that are set aside while nobody reads.
    for n in 1..40_000 {
        log.out(n, &format!("n{n}"));
        if n % 4000 == 3999 {
            log.rotate(n - 3999);
        }
    }
    for (n, line) in (1..40_000).zip(lines) {
        assert_eq!(line.unwrap(), format!("n{n}"));
    }
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn what_had_no_log_yet_is_followed_from_its_first_line() {
    let fleet = Fleet::new();
    for n in 0..20 {
        fs::create_dir_all(fleet.run_dir(&format!("p{n}"), 1)).unwrap();
        fleet.record(&format!("p{n}"), 1, "running", serde_json::json!({}));
    }
    fleet.running("first").out(0, "up");
    let mut tool = fleet.follow(&["-f"]);
    tool.until_line("up");
    for n in 0..20 {
        fleet.log(&format!("p{n}"), 1).out(n, &format!("n{n}"));
        tool.until_line(&format!("\"n{n}\""));
    }
    assert_eq!(tool.messages()[1..], numbers(20));
}

#[test]
fn slow_a_thousand_are_followed_at_once() {
    let fleet = Fleet::new();
    let logs: Vec<_> = (0..1000).map(|n| fleet.running(&format!("p{n}"))).collect();
    fleet.running("up").out(0, "up");
    let mut tool = fleet.follow(&["-f", "-n", "1"]);
    tool.until_line("\"up\"");
    for round in 0..5 {
        for (n, log) in logs.iter().enumerate() {
            log.out(round, &format!("n{}", round * 1000 + n as i64));
        }
    }
    tool.until("all lines", |seen| seen.len() >= 5001);
    let mut told: Vec<i64> =
        tool.messages().iter().filter_map(|m| m.strip_prefix('n')?.parse().ok()).collect();
    told.sort_unstable();
    assert_eq!(told, (0..5000).collect::<Vec<_>>());
}
