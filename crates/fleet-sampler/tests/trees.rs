//! Rounds over trees in a small /proc.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod support;

use std::fs;
use std::time::Duration;

use fleet_census::Seen;
use fleet_core::{MemoryBasis, Subject};
use fleet_os::ticks_per_second;
use fleet_sampler::{Last, Plan};
use serde_json::{Value, json};
use support::{FAKE, Fake, FakeProc, PLAN, at, only, round, seen};

#[test]
fn a_single_process_is_measured_by_its_resident_size() {
    let proc = FakeProc::new();
    proc.put(Fake { pid: 100, start: 5000, ticks: 200, ..FAKE });
    let sample = only(&mut proc.sampler(PLAN), &[seen("a", json!({}))], 60.0);
    let m = &sample.measures;
    assert_eq!((sample.pid, sample.state.as_deref()), (Some(100), Some("running")));
    assert_eq!(m.cpu_seconds_total, Some(200.0 / ticks_per_second() as f64));
    assert_eq!(m.cpu_percent, None);
    assert_eq!((m.memory_bytes, sample.memory_basis), (Some(40 << 10), Some(MemoryBasis::Rss)));
    assert_eq!((m.threads, m.processes, m.fds, m.swap_bytes), (Some(1), Some(1), Some(2), Some(0)));
    assert_eq!((m.io_read_bytes, m.io_write_bytes), (Some(100), Some(200)));
    assert_eq!(m.uptime_seconds, Some(60.0 - 5000.0 / ticks_per_second() as f64));
}

#[test]
fn a_tree_is_measured_by_its_proportional_size() {
    let proc = FakeProc::new();
    proc.put(Fake { pid: 100, start: 5000, children: "101 102 ", ..FAKE });
    proc.put(Fake { pid: 101, ppid: 100, ..FAKE });
    proc.put(Fake { pid: 102, ppid: 100, ..FAKE });
    let sample = only(&mut proc.sampler(PLAN), &[seen("a", json!({}))], 60.0);
    let m = &sample.measures;
    assert_eq!((m.memory_bytes, sample.memory_basis), (Some(3 * 4096), Some(MemoryBasis::Pss)));
    assert_eq!(m.memory_resident_bytes, Some(120 << 10));
    assert_eq!((m.processes, m.fds, m.io_read_bytes), (Some(3), Some(6), Some(300)));
}

#[test]
fn a_stranger_that_got_the_pid_is_never_sampled() {
    let proc = FakeProc::new();
    proc.put(Fake { pid: 100, start: 5001, ticks: 200, children: "101 ", ..FAKE });
    proc.put(Fake { pid: 101, ppid: 100, ..FAKE });
    let sample = only(&mut proc.sampler(PLAN), &[seen("a", json!({}))], 60.0);
    assert_eq!((sample.pid, sample.measures), (None, Default::default()));
}

#[test]
fn pids_of_another_boot_mean_nothing() {
    let proc = FakeProc::new();
    proc.put(Fake { pid: 100, start: 5000, ..FAKE });
    let all = [seen("a", json!({"boot": "boot-0"}))];
    let sample = only(&mut proc.sampler(PLAN), &all, 60.0);
    assert_eq!((sample.pid, sample.measures), (None, Default::default()));
}

#[test]
fn a_child_that_changed_hands_is_a_stranger() {
    let proc = FakeProc::new();
    proc.put(Fake { pid: 100, start: 5000, children: "101 102 ", ..FAKE });
    proc.put(Fake { pid: 101, ppid: 100, ..FAKE });
    // Between the list and the look 102 ended, and somebody else's child has the number.
    proc.put(Fake { pid: 102, ppid: 1, ticks: 999, ..FAKE });
    let sample = only(&mut proc.sampler(PLAN), &[seen("a", json!({}))], 60.0);
    assert_eq!(
        (sample.measures.processes, sample.measures.cpu_seconds_total),
        (Some(2), Some(0.0))
    );
}

const SHIM: &str = r#"{"pid": 90, "start": 4000, "keeper": 80}"#;

fn with_shim(changes: Value) -> Seen {
    let mut changes = changes;
    changes["shim"] = serde_json::from_str(SHIM).unwrap();
    seen("a", changes)
}

#[test]
fn orphans_of_shim_and_keeper_count_and_they_themselves_do_not() {
    let proc = FakeProc::new();
    proc.put(Fake { pid: 80, children: "90 103 ", ticks: 7000, ..FAKE });
    proc.put(Fake { pid: 90, ppid: 80, start: 4000, children: "100 102 ", ticks: 700, ..FAKE });
    proc.put(Fake { pid: 100, ppid: 90, start: 5000, children: "101 ", ticks: 1, ..FAKE });
    proc.put(Fake { pid: 101, ppid: 100, ticks: 10, ..FAKE });
    proc.put(Fake { pid: 102, ppid: 90, ticks: 100, ..FAKE });
    proc.put(Fake { pid: 103, ppid: 80, ticks: 1000, ..FAKE });
    let sample = only(&mut proc.sampler(PLAN), &[with_shim(json!({}))], 60.0);
    assert_eq!(sample.measures.processes, Some(4));
    assert_eq!(sample.measures.cpu_seconds_total, Some(1111.0 / ticks_per_second() as f64));
}

#[test]
fn a_stranger_that_got_the_pid_of_shim_or_keeper_is_not_followed() {
    let proc = FakeProc::new();
    proc.put(Fake { pid: 80, children: "81 ", ..FAKE });
    proc.put(Fake { pid: 81, ppid: 80, ..FAKE });
    proc.put(Fake { pid: 90, ppid: 80, start: 4001, children: "91 ", ..FAKE });
    proc.put(Fake { pid: 91, ppid: 90, ..FAKE });
    proc.put(Fake { pid: 100, ppid: 1, start: 5000, ..FAKE });
    let sample = only(&mut proc.sampler(PLAN), &[with_shim(json!({}))], 60.0);
    assert_eq!(sample.measures.processes, Some(1));
}

#[test]
fn a_dead_shims_keeper_is_known_by_its_child() {
    let proc = FakeProc::new();
    proc.put(Fake { pid: 80, children: "100 103 ", ..FAKE });
    proc.put(Fake { pid: 100, ppid: 80, start: 5000, ..FAKE });
    proc.put(Fake { pid: 103, ppid: 80, ..FAKE });
    let sample = only(&mut proc.sampler(PLAN), &[with_shim(json!({}))], 60.0);
    assert_eq!(sample.measures.processes, Some(2));
}

#[test]
fn orphans_come_to_the_keeper_when_a_shim_dies() {
    let proc = FakeProc::new();
    let mut sampler = proc.sampler(PLAN);
    proc.put(Fake { pid: 80, children: "90 ", ..FAKE });
    proc.put(Fake { pid: 90, ppid: 80, start: 4000, children: "100 ", ..FAKE });
    proc.put(Fake { pid: 100, ppid: 90, start: 5000, ..FAKE });
    let all = [with_shim(json!({}))];
    assert_eq!(only(&mut sampler, &all, 60.0).measures.processes, Some(1));
    // The successor has other numbers, and what lost its parent in between is the keeper's.
    proc.remove(90);
    proc.put(Fake { pid: 80, children: "91 103 ", ..FAKE });
    proc.put(Fake { pid: 91, ppid: 80, start: 6000, ..FAKE });
    proc.put(Fake { pid: 100, ppid: 80, start: 5000, ..FAKE });
    proc.put(Fake { pid: 103, ppid: 80, ..FAKE });
    let all = [seen("a", json!({"shim": {"pid": 91, "start": 6000, "keeper": 80}}))];
    assert_eq!(only(&mut sampler, &all, 61.0).measures.processes, Some(2));
}

#[test]
fn a_fleet_process_started_by_another_is_counted_once() {
    let proc = FakeProc::new();
    proc.put(Fake { pid: 100, start: 5000, children: "101 200 ", ..FAKE });
    proc.put(Fake { pid: 101, ppid: 100, ..FAKE });
    proc.put(Fake { pid: 200, ppid: 100, start: 6000, children: "201 ", ..FAKE });
    proc.put(Fake { pid: 201, ppid: 200, ..FAKE });
    let inner = seen("b", json!({"pid": 200, "pid_start": 6000}));
    let samples = round(&mut proc.sampler(PLAN), &[seen("a", json!({})), inner], 60.0).samples;
    let counts: Vec<_> = samples.iter().map(|s| s.measures.processes).collect();
    assert_eq!(counts, [Some(2), Some(2)]);
}

#[test]
fn a_member_that_vanishes_does_not_lower_a_counter() {
    let proc = FakeProc::new();
    let all = [seen("a", json!({}))];
    let mut sampler = proc.sampler(PLAN);
    proc.put(Fake { pid: 100, start: 5000, ticks: 100, children: "101 ", ..FAKE });
    proc.put(Fake { pid: 101, ppid: 100, ticks: 300, ..FAKE });
    let before = only(&mut sampler, &all, 60.0).measures;
    proc.put(Fake { pid: 100, start: 5000, ticks: 100, ..FAKE });
    proc.remove(101);
    let after = only(&mut sampler, &all, 61.0).measures;
    assert_eq!(after.processes, Some(1));
    assert_eq!(after.cpu_seconds_total, before.cpu_seconds_total);
    assert_eq!(after.cpu_percent, Some(0.0));
    assert_eq!((after.io_read_bytes, after.io_write_bytes), (Some(200), Some(400)));
}

#[test]
fn an_orphan_that_the_shim_waited_for_stays_counted_to_the_tick() {
    let proc = FakeProc::new();
    let all = [with_shim(json!({}))];
    let mut sampler = proc.sampler(PLAN);
    proc.put(Fake { pid: 90, start: 4000, children: "100 102 ", ..FAKE });
    proc.put(Fake { pid: 100, ppid: 90, start: 5000, ticks: 100, ..FAKE });
    proc.put(Fake { pid: 102, ppid: 90, ticks: 300, ..FAKE });
    only(&mut sampler, &all, 60.0);
    // It used 50 more, then ended, while the main process used more than it ever had.
    proc.put(Fake { pid: 90, start: 4000, children: "100 ", waited: 350, ..FAKE });
    proc.put(Fake { pid: 100, ppid: 90, start: 5000, ticks: 1000, ..FAKE });
    proc.remove(102);
    let after = only(&mut sampler, &all, 61.0).measures;
    assert_eq!(after.cpu_seconds_total, Some(1350.0 / ticks_per_second() as f64));
}

#[test]
fn what_a_shim_waited_for_before_belongs_to_earlier_attempts() {
    let proc = FakeProc::new();
    proc.put(Fake { pid: 90, start: 4000, children: "100 ", waited: 5000, ..FAKE });
    proc.put(Fake { pid: 100, ppid: 90, start: 5000, ticks: 100, ..FAKE });
    let sample = only(&mut proc.sampler(PLAN), &[with_shim(json!({"attempt": 2}))], 60.0);
    assert_eq!(sample.measures.cpu_seconds_total, Some(100.0 / ticks_per_second() as f64));
}

#[test]
fn what_may_not_be_read_is_absent() {
    let proc = FakeProc::new();
    proc.put(Fake { pid: 100, start: 5000, children: "101 ", ..FAKE });
    proc.put(Fake { pid: 101, ppid: 100, ..FAKE });
    // A folder cannot be read as a file even by root, who may read all else.
    for file in ["io", "smaps_rollup"] {
        fs::remove_file(proc.path(101, file)).unwrap();
        fs::create_dir(proc.path(101, file)).unwrap();
    }
    let sample = only(&mut proc.sampler(PLAN), &[seen("a", json!({}))], 60.0);
    let m = &sample.measures;
    assert_eq!((m.io_read_bytes, m.io_write_bytes), (None, None));
    assert_eq!((m.memory_bytes, sample.memory_basis), (Some(80 << 10), Some(MemoryBasis::Rss)));
    assert_eq!(m.fds, Some(4));
}

#[test]
fn a_zombie_adds_its_time_and_holds_nothing() {
    let proc = FakeProc::new();
    proc.put(Fake { pid: 100, start: 5000, ticks: 1, children: "101 ", ..FAKE });
    proc.put(Fake { pid: 101, ppid: 100, ticks: 10, ..FAKE });
    let zombie = fs::read_to_string(proc.path(101, "stat")).unwrap().replace(") S", ") Z");
    proc.write(101, "stat", &zombie);
    let m = only(&mut proc.sampler(PLAN), &[seen("a", json!({}))], 60.0).measures;
    assert_eq!(m.cpu_seconds_total, Some(11.0 / ticks_per_second() as f64));
    assert_eq!((m.processes, m.threads, m.fds), (Some(2), Some(1), Some(2)));
    // One whose first thread alone has ended does hold memory, but shows none.
    proc.write(101, "stat", &zombie.replace(" 20 -3 1 ", " 20 -3 4 "));
    let m = only(&mut proc.sampler(PLAN), &[seen("a", json!({}))], 61.0).measures;
    assert_eq!((m.processes, m.threads, m.fds), (Some(2), Some(5), None));
    assert_eq!((m.memory_bytes, m.io_read_bytes), (None, Some(200)));
}

#[test]
fn a_kernel_without_a_file_leaves_its_measures_out() {
    let proc = FakeProc::new();
    proc.put(Fake { pid: 100, start: 5000, ..FAKE });
    fs::remove_file(proc.path(100, "io")).unwrap();
    let sample = only(&mut proc.sampler(PLAN), &[seen("a", json!({}))], 60.0);
    assert_eq!(sample.measures.io_read_bytes, None);
    assert_eq!(sample.measures.processes, Some(1));
}

#[test]
fn an_ended_process_keeps_its_state_and_exit_for_a_day() {
    let proc = FakeProc::new();
    proc.put(Fake { pid: 100, start: 5000, ..FAKE });
    let ended = |hours_ago: &str| {
        seen(
            "a",
            json!({
                "state": "failed", "ended_at": hours_ago,
                "exit": {"code": 3, "cause": "exited", "reason": "exited with code 3"},
            }),
        )
    };
    let sample = only(&mut proc.sampler(PLAN), &[ended("2026-11-21T07:00:00Z")], 60.0);
    assert_eq!(sample.state.as_deref(), Some("failed"));
    assert_eq!(sample.exit.unwrap().code, Some(3));
    assert_eq!(sample.measures, Default::default());
    let old = round(&mut proc.sampler(PLAN), &[ended("2026-11-21T05:00:00Z")], 60.0);
    assert!(old.samples.is_empty());
}

#[test]
fn shares_come_from_the_file_that_the_last_one_shot_left() {
    let proc = FakeProc::new();
    let file = proc.0.path().join("metrics/last.json");
    let all = [seen("a", json!({})), seen("gone", json!({"pid": 300}))];
    let one_shot = |seconds, all: &[Seen]| {
        let mut sampler = proc.sampler(Plan { interval: Duration::from_secs(1), ..PLAN });
        sampler.last().absorb(&file).unwrap();
        let samples = round(&mut sampler, all, seconds).samples;
        sampler.last().save(&file).unwrap();
        samples[0].measures.cpu_percent
    };
    let hz = ticks_per_second();
    proc.put(Fake { pid: 100, start: 5000, ticks: 0, ..FAKE });
    assert_eq!(one_shot(60.0, &all), None);
    proc.put(Fake { pid: 100, start: 5000, ticks: 30 * hz, ..FAKE });
    assert_eq!(one_shot(120.0, &all), Some(50.0));
    assert_eq!(one_shot(120.01, &all), Some(49.99));
    assert!(fs::read_to_string(&file).unwrap().contains("gone#1/1"));
    assert_eq!(one_shot(180.0, &all[..1]), Some(0.0));
    assert!(!fs::read_to_string(&file).unwrap().contains("gone#1/1"));
}

#[test]
fn host_and_fleet_are_sampled_beside_the_processes() {
    let proc = FakeProc::new();
    fs::write(proc.0.path().join("stat"), "cpu  100 0 0 900 0 0 0 0\ncpu0 1 0 0 1\ncpu1 1 0 0 1\n")
        .unwrap();
    fs::write(proc.0.path().join("loadavg"), "0.50 0.25 0.00 1/2 3\n").unwrap();
    let mut sampler = proc.sampler(Plan { host: true, processes: false, fleet: true, ..PLAN });
    let failed = json!({"state": "failed", "ended_at": "2026-11-22T05:30:00Z"});
    let all = [seen("a", failed.clone()), seen("a", json!({"run": 2})), seen("b", failed)];
    let mut first = round(&mut sampler, &all, 60.0);
    sampler.conclude(&all, &mut first.samples, &at(60.0));
    // The host's name is missing in this /proc, with its mounts and interfaces, and that is said.
    assert_eq!(first.problems.len(), 3, "{:?}", first.problems);
    let host = &first.samples[0];
    assert_eq!((host.subject, first.samples[1].subject), (Subject::Host, Subject::Fleet));
    // A job that failed and was spawned again is no failed job.
    let fleet = &first.samples[1].measures;
    assert_eq!((fleet.failed, fleet.running, fleet.orphaned), (Some(1), Some(1), Some(0)));
    assert_eq!((fleet.runs_ended, fleet.success_percent), (Some(2), Some(0.0)));
    assert_eq!((host.measures.memory_percent, host.measures.load1), (Some(25.0), Some(0.5)));
    let hz = ticks_per_second();
    let busy = format!("cpu  {} 0 0 900 0 0 0 0\ncpu0 1 0 0 1\ncpu1 1 0 0 1\n", 100 + 10 * hz);
    fs::write(proc.0.path().join("stat"), busy).unwrap();
    let second = round(&mut sampler, &all, 70.0);
    assert_eq!(second.samples[0].measures.cpu_percent, Some(50.0));
}

#[test]
fn a_round_over_nothing_is_empty() {
    let proc = FakeProc::new();
    let mut sampler = proc.sampler(PLAN);
    assert!(round(&mut sampler, &[], 1.0).samples.is_empty());
    assert_eq!(sampler.last(), &Last::new("boot-1"));
}
