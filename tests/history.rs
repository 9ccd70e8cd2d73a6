//! A history that is always on: a monitor among the processes that it watches.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

use fleet_testkit::{Signal, TestFleet, kill, until};

/// Whole lines of all that is stored.
fn stored(fleet: &TestFleet) -> usize {
    let Ok(entries) = fs::read_dir(fleet.file("metrics")) else { return 0 };
    let days: Vec<PathBuf> = entries
        .map(|e| e.unwrap().path())
        .filter(|p| p.extension() == Some("jsonl".as_ref()))
        .collect();
    days.iter().map(|day| fs::read(day).unwrap().iter().filter(|b| **b == b'\n').count()).sum()
}

#[test]
fn a_monitor_that_is_killed_loses_at_most_the_round_in_flight() {
    let fleet = TestFleet::new();
    fleet.spawn("job", "exec sleep 600");
    let start = "fleet-spawn --name monitor -- fleet-metrics --follow --record --interval 100ms";
    for _ in 0..2 {
        fleet.shell(start).succeeds();
        let before = stored(&fleet);
        until("rounds are stored", || stored(&fleet) > before + 9);
        kill(fleet.pid("monitor"), Signal::KILL);
        fleet.until_ended("monitor");
        let now = stored(&fleet);
        let read = fleet.run("fleet-metrics").args(["--since", "-1h"]).succeeds_and_says("");
        assert_eq!(read.records().len(), now);
    }
    // Beside the host and what it consists of the fleet, the job and the monitor itself; nothing of
    // it was printed into a log.
    let read = fleet.run("fleet-metrics").args(["--since", "-1h", "--window", "30d"]).succeeds();
    let records = read.records();
    let ids: Vec<&str> = records.iter().filter_map(|r| r["id"].as_str()).collect();
    assert_eq!(ids, ["job", "monitor"]);
    assert!(["host", "fleet"].iter().all(|whom| records.iter().any(|r| r["subject"] == *whom)));
    assert_eq!(fleet.log("monitor").text(), "");
}

#[test]
fn sampling_goes_on_over_a_full_disk_and_storing_when_there_is_room() {
    let Some(fleet) = TestFleet::on_tmpfs("size=256k") else { return };
    let follow = ["--follow", "--record", "--interval", "100ms", "-o", "jsonl"];
    let mut tool = fleet.run("fleet-metrics").args(follow).starts();
    until("rounds are stored", || stored(&fleet) > 3);
    fleet.shell("cat /dev/zero > \"$FLEET_HOME/filler\" 2>/dev/null; true").succeeds();
    let mut said = BufReader::new(tool.stderr.take().unwrap()).lines();
    let mut hear =
        |what: &str| said.by_ref().map(Result::unwrap).find(|line| line.contains(what)).unwrap();
    let full = hear("samples are not stored, sampling goes on");
    assert!(full.contains("No space left"), "{full}");
    let mut printed = BufReader::new(tool.stdout.take().unwrap()).lines();
    for _ in 0..10 {
        assert!(printed.next().unwrap().unwrap().contains("\"sample\""));
    }
    fs::remove_file(fleet.file("filler")).unwrap();
    hear("samples are stored again; ");
    let now = stored(&fleet);
    until("more rounds are stored", || stored(&fleet) > now);
    kill(tool.id() as i32, Signal::KILL);
    tool.wait().unwrap();
    fleet.run("fleet-metrics").args(["--since", "-1h"]).succeeds_and_says("");
}
