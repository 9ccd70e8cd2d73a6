//! Logs that a real shim rotates and compresses while they are followed.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs;

use fleet_testkit::{TestFleet, until};

/// Lines that are printed after the followers have begun.
const LINES: usize = 20_000;

/// Prints numbers in small writes as soon as the file `go` is there, so that a small log file is
/// full many times a second.
fn numbers(fleet: &TestFleet) -> String {
    format!(
        "echo ready; until [ -e {go} ]; do sleep 0.01; done; \
         for i in $(seq 0 399); do seq $((i * 50)) $((i * 50 + 49)); done",
        go = fleet.scratch().join("go").display()
    )
}

fn count_logs(fleet: &TestFleet, ending: &str) -> usize {
    let names = fs::read_dir(fleet.run_dir("job").join("log")).unwrap();
    names.filter(|n| n.as_ref().unwrap().file_name().to_string_lossy().ends_with(ending)).count()
}

/// Follows a process that rotates its log all the time in three ways, and checks what each shows.
fn followed(options: &[&str]) -> TestFleet {
    let fleet = TestFleet::new();
    let options = [&["--log-max-size", "4K", "--log-keep", "100000"], options].concat();
    fleet.spawn_with("job", &options, &numbers(&fleet));
    fleet.until_log("job", |log| log.text() == "ready\n");
    let cursor = fleet.scratch().join("cursor");
    let cursor = ["-f", "job", "--until-ended", "--raw", "--cursor", cursor.to_str().unwrap()];
    let ways: [&[&str]; 3] = [
        &["--until-ended", "job", "--raw", "-n", "all"],
        &["-f", "job", "--until-ended", "--raw", "--since", "-1h"],
        &cursor,
    ];
    let followers: Vec<_> =
        ways.iter().map(|args| fleet.run("fleet-logs").args(*args).starts()).collect();
    until("the followers began", || fleet.scratch().join("cursor.lock").exists());
    fs::write(fleet.scratch().join("go"), "").unwrap();
    let expected = (0..LINES).fold("ready\n".to_owned(), |text, n| text + &n.to_string() + "\n");
    for (follower, args) in followers.into_iter().zip(ways) {
        let output = follower.wait_with_output().unwrap();
        let (shown, said) = (String::from_utf8(output.stdout), String::from_utf8(output.stderr));
        assert!(output.status.success() && said.as_deref() == Ok(""), "{args:?}: {said:?}");
        assert!(shown.unwrap() == expected, "{args:?} lost or doubled lines");
    }
    fleet.run("fleet-logs").args(["job", "--raw"]).succeeds().stdout_is(&expected);
    fleet
}

#[test]
fn a_log_that_is_rotated_all_the_time_is_followed_exactly() {
    let fleet = followed(&[]);
    assert!(count_logs(&fleet, ".log") >= 10);
}

#[test]
fn a_log_that_is_compressed_while_it_is_rotated_is_followed_exactly() {
    let fleet = followed(&["--log-compress", "zstd"]);
    until("files are compressed", || count_logs(&fleet, ".log.zst") >= 5);
    let expected = (LINES - 100..LINES).map(|n| format!("{n}\n")).collect::<String>();
    fleet.run("fleet-logs").args(["job", "--raw", "-n", "100"]).succeeds().stdout_is(&expected);
}
