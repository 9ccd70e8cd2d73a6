//! Output: every byte once and in order, whatever it is.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use fleet_testkit::{State, TestFleet, cpu_ticks, until};

/// What a process that prints only on stdout is found to have printed.
fn printed(script: &str) -> Vec<u8> {
    let fleet = TestFleet::new();
    fleet.spawn_with("job", &["--log-keep", "1000"], script);
    let record = fleet.until_ended("job");
    assert_eq!(record.state, State::Completed);
    let log = fleet.log("job");
    let counted = record.log.unwrap();
    let text = log.stdout();
    assert_eq!(counted.bytes - counted.folded_bytes, text.len() as u64, "{counted:?}");
    assert_eq!(counted.dropped_bytes, 0);
    text
}

#[test]
fn a_flood_of_100_mb_is_kept_whole_over_many_files() {
    let fleet = TestFleet::new();
    let filler = "x".repeat(92);
    let script = format!("seq -f '%07.0f {filler}' 1 1000000; exit 7");
    fleet.spawn_with("job", &["--log-max-size", "16M", "--log-keep", "1000"], &script);
    let record = fleet.until_ended("job");
    assert_eq!(record.exit.unwrap().code, Some(7));
    assert_eq!((record.log.unwrap().bytes, record.log.unwrap().lines), (101_000_000, 1_000_000));
    let log = fleet.log("job");
    assert!(log.files > 5, "{} files", log.files);
    let text = log.stdout();
    let mut lines = text.split_inclusive(|&b| b == b'\n');
    for number in 1..=1_000_000 {
        let line = format!("{number:07} {filler}\n");
        assert!(lines.next() == Some(line.as_bytes()), "line {number} is lost, doubled or moved");
    }
    assert_eq!(lines.next(), None);
}

#[test]
fn a_flood_of_short_lines_is_kept_whole() {
    let text = printed("seq 1 2000000");
    assert!(
        text == (1..=2_000_000).flat_map(|n| format!("{n}\n").into_bytes()).collect::<Vec<_>>()
    );
}

#[test]
fn a_line_of_10_mb_joins_again() {
    let text = printed("head -c 10485760 /dev/zero | tr '\\0' x; echo; echo end");
    assert!(text == [vec![b'x'; 10 << 20], b"\nend\n".to_vec()].concat());
}

#[test]
fn all_256_bytes_come_back() {
    let perl = "perl -e 'binmode STDOUT; for (1..300) { print map chr, 0..12, 14..255 }'";
    let mut all: Vec<u8> = (0..=255).collect();
    all.remove(13);
    assert!(printed(perl) == all.repeat(300));
    // Returns within lines that come in one piece are data, too.
    assert_eq!(printed("printf 'a\\rb\\0c\\r\\n\\r\\n'"), b"a\rb\0c\r\n\r\n");
}

#[test]
fn a_last_line_without_an_end_is_kept_as_a_piece() {
    let fleet = TestFleet::new();
    fleet.spawn("job", "printf 'one\\ntwo'");
    fleet.until_ended("job");
    let log = fleet.log("job");
    assert_eq!(log.stdout(), b"one\ntwo");
    assert_eq!(log.lines.last().unwrap().tag, "P");
}

#[test]
fn a_line_that_is_still_open_is_shown_after_a_moment() {
    let fleet = TestFleet::new();
    fleet.spawn("job", "printf 'password: '; exec sleep 600");
    fleet.until_log("job", |log| log.stdout() == b"password: ");
    assert_eq!(fleet.record("job").state, State::Running);
}

#[test]
fn of_a_progress_bar_the_latest_state_is_kept() {
    let fleet = TestFleet::new();
    let script =
        "for i in $(seq 1 100); do printf '\\r%3d%%' $i; sleep 0.005; done; printf '\\nend\\n'";
    fleet.spawn("job", script);
    let record = fleet.until_ended("job");
    let text = fleet.log("job").text();
    assert!(text.ends_with("\r100%\nend\n"), "{text:?}");
    assert!(text.matches('\r').count() < 50, "{text:?}");
    let counted = record.log.unwrap();
    assert_eq!(counted.bytes, 505);
    assert_eq!(counted.folded_bytes, 505 - text.len() as u64);
}

#[test]
fn both_streams_are_told_apart_and_each_keeps_its_order() {
    let fleet = TestFleet::new();
    fleet.spawn("job", "for i in $(seq 1 2000); do echo o$i; echo e$i >&2; done");
    fleet.until_ended("job");
    let log = fleet.log("job");
    let expected = |c: char| (1..=2000).map(|n| format!("{c}{n}\n")).collect::<String>();
    assert_eq!(log.text(), expected('o'));
    assert_eq!(String::from_utf8(log.stderr()).unwrap(), expected('e'));
}

#[test]
fn the_oldest_files_go_when_there_are_too_many() {
    let fleet = TestFleet::new();
    let options = ["--log-max-size", "64K", "--log-keep", "2"];
    fleet.spawn_with("job", &options, "seq 1 500000");
    fleet.until_ended("job");
    let log = fleet.log("job");
    assert!(log.files <= 3, "{} files", log.files);
    let text = log.text();
    let lines: Vec<u64> = text.lines().map(|line| line.parse().unwrap()).collect();
    assert_eq!(lines.last(), Some(&500_000));
    assert!(lines.windows(2).all(|pair| pair[1] == pair[0] + 1), "a hole among the kept lines");
}

#[test]
fn a_process_that_closed_its_outputs_costs_nothing() {
    let fleet = TestFleet::new();
    fleet.spawn("quiet", "echo last; exec >&- 2>&- <&-; exec sleep 600");
    fleet.until_log("quiet", |log| log.text() == "last\n");
    let (shim, keeper) = fleet.supervisors("quiet");
    let before = cpu_ticks(shim) + cpu_ticks(keeper);
    let since = std::time::Instant::now();
    // There is no event to wait for: nothing must happen, for a second.
    until("a second is over", || since.elapsed().as_secs() >= 1);
    let spent = cpu_ticks(shim) + cpu_ticks(keeper) - before;
    assert!(spent <= 3, "{spent} ticks of CPU while there was nothing to do");
    assert_eq!(fleet.record("quiet").state, State::Running);
}

#[test]
fn the_last_lines_of_stderr_are_in_the_end() {
    let fleet = TestFleet::new();
    let script = "for i in $(seq 1 100); do echo line $i >&2; done; echo out; exit 1";
    fleet.spawn("job", script);
    let tail = fleet.until_ended("job").exit.unwrap().stderr_tail;
    assert_eq!((tail.len(), tail.last().unwrap().as_str()), (40, "line 100"));
}

#[test]
fn a_log_that_somebody_removed_is_made_anew() {
    let fleet = TestFleet::new();
    let go = fleet.file("go");
    let script =
        format!("echo before; until [ -e {} ]; do sleep 0.02; done; echo after", go.display());
    fleet.spawn("job", &script);
    fleet.until_log("job", |log| log.text() == "before\n");
    std::fs::remove_dir_all(fleet.run_dir("job").join("log")).unwrap();
    std::fs::write(go, "").unwrap();
    assert_eq!(fleet.until_ended("job").state, State::Completed);
    assert_eq!(fleet.log("job").text(), "after\n");
}
