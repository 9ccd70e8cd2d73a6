//! Rounds over a small /proc that the test builds, and over real processes.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

use fleet_census::Seen;
use fleet_core::{MemoryBasis, Observed, ProcessRecord, Sample, State, Subject, Timestamp};
use fleet_os::{Proc, boot_id, descendants, ticks_per_second};
use fleet_sampler::{Basis, Last, Moment, Plan, Round, Sampler};
use serde_json::{Value, json};

const PLAN: Plan = Plan {
    basis: Basis::Auto,
    interval: Duration::ZERO,
    ended_for: Duration::from_secs(86_400),
    host: false,
    processes: true,
    fleet: false,
    cores: false,
    members: false,
    connections: false,
};

const STATUS: &str = "Name: x\nVmHWM: 60 kB\nVmRSS: 40 kB\nVmSwap: 0 kB\n\
    voluntary_ctxt_switches: 70\nnonvoluntary_ctxt_switches: 30\n";

/// A /proc in a folder, of a host with 1 GiB and nothing swapped out.
struct FakeProc(tempfile::TempDir);

/// A process of it.
struct Fake {
    pid: i32,
    ppid: i32,
    start: u64,
    ticks: u64,
    waited: u64,
    children: &'static str,
}

const FAKE: Fake = Fake { pid: 0, ppid: 1, start: 0, ticks: 0, waited: 0, children: "" };

impl FakeProc {
    fn new() -> FakeProc {
        let dir = tempfile::tempdir().unwrap();
        let meminfo =
            "MemTotal: 1048576 kB\nMemAvailable: 786432 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n";
        fs::write(dir.path().join("meminfo"), meminfo).unwrap();
        FakeProc(dir)
    }

    /// Puts a process there: 40 KiB resident, 60 at most, 4 proportional, 3 its own, 2 descriptors
    /// of 8, 100 bytes read from storage and 1000 in all, 200 and 2000 written, 7 minor and 2 major
    /// faults, 70 and 30 context switches.
    fn put(&self, p: Fake) {
        let Fake { pid, ppid, start, ticks, waited, children } = p;
        let stat = format!(
            "{pid} (x) S {ppid} {pid} {pid} 0 -1 0 5 2 1 1 {ticks} 0 {waited} 0 20 -3 1 0 {start} 0 0"
        );
        self.write(pid, "stat", &stat);
        self.write(pid, "status", STATUS);
        self.write(pid, "limits", "Limit Soft\nMax open files  8  16  files\n");
        self.write(pid, "io", "rchar: 1000\nwchar: 2000\nread_bytes: 100\nwrite_bytes: 200\n");
        let rollup = "Rss: 40 kB\nPss: 4 kB\nPrivate_Dirty: 3 kB\nSwapPss: 0 kB\n";
        self.write(pid, "smaps_rollup", rollup);
        self.write(pid, "fd/0", "");
        self.write(pid, "fd/1", "");
        self.write(pid, &format!("task/{pid}/children"), children);
    }

    fn write(&self, pid: i32, file: &str, text: &str) {
        let path = self.path(pid, file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn path(&self, pid: i32, file: &str) -> PathBuf {
        self.0.path().join(format!("{pid}/{file}"))
    }

    fn remove(&self, pid: i32) {
        fs::remove_dir_all(self.0.path().join(pid.to_string())).unwrap();
    }

    fn sampler(&self, plan: Plan) -> Sampler {
        Sampler::new(&Proc::at(self.0.path()), "boot-1".to_owned(), plan)
            .with_sys(self.0.path().join("sys"))
    }
}

/// A running process with main pid 100 that started at tick 5000 of boot-1, with these changes.
fn seen(id: &str, changes: Value) -> Seen {
    let mut record = json!({
        "kind": "process", "ts": "2026-11-22T06:00:00Z", "id": id, "run": 1, "attempt": 1,
        "state": "running", "pid": 100, "pid_start": 5000, "boot": "boot-1", "host": "h",
        "command": ["x"], "cwd": "/", "restarts": 0, "spawned_at": "2026-11-22T05:00:00Z",
        "started_at": "2026-11-22T05:00:00Z",
    });
    let fields = record.as_object_mut().unwrap();
    for (key, value) in changes.as_object().unwrap() {
        fields.insert(key.clone(), value.clone());
    }
    let record: ProcessRecord = serde_json::from_value(record).unwrap();
    Seen {
        observed: Observed::AsRecorded(record.state),
        record: record.into(),
        json: Vec::new().into(),
    }
}

fn at(seconds: f64) -> Moment {
    Moment {
        ts: Timestamp::parse("2026-11-22T06:00:01Z", Timestamp::now()).unwrap(),
        since_boot: Duration::from_secs_f64(seconds),
    }
}

fn round(sampler: &mut Sampler, all: &[Seen], seconds: f64) -> Round {
    sampler.round(all, &vec![true; all.len()], &at(seconds))
}

fn only(sampler: &mut Sampler, all: &[Seen], seconds: f64) -> Sample {
    let mut samples = round(sampler, all, seconds).samples;
    assert_eq!(samples.len(), 1, "{samples:?}");
    samples.remove(0)
}

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

/// A real tree that ends with the test, however that ends.
struct RealTree(Child);

impl RealTree {
    fn pid(&self) -> i32 {
        self.0.id() as i32
    }
}

impl Drop for RealTree {
    fn drop(&mut self) {
        for child in descendants(&Proc::default(), self.pid()) {
            let _ = Command::new("kill").args(["-9", &child.to_string()]).status();
        }
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn real_processes_are_sampled_with_their_children() {
    let script = "(while :; do :; done) & wait";
    let tree = RealTree(Command::new("sh").args(["-c", script]).spawn().unwrap());
    let (proc, pid) = (Proc::default(), tree.pid());
    let deadline = Instant::now() + Duration::from_secs(20);
    let within = || assert!(Instant::now() < deadline, "it did not come to that");
    while descendants(&proc, pid).is_empty() {
        within();
        std::thread::yield_now();
    }
    let start = proc.stat(pid).unwrap().start;
    let boot = boot_id().unwrap();
    let all = [seen("a", json!({"pid": pid, "pid_start": start, "boot": boot.as_str()}))];
    let mut sampler = Sampler::new(&proc, boot, PLAN);
    let mut sample = sampler.round(&all, &[true], &Moment::now()).samples.remove(0);
    // A busy loop shows as a busy core, or what other tests leave of one.
    while sample.measures.cpu_percent.is_none_or(|percent| percent < 1.0) {
        within();
        std::thread::yield_now();
        sample = sampler.round(&all, &[true], &Moment::now()).samples.remove(0);
    }
    let m = &sample.measures;
    assert_eq!((m.processes, m.threads), (Some(2), Some(2)));
    assert!(m.memory_bytes > Some(0) && m.memory_resident_bytes >= m.memory_bytes, "{m:?}");
    assert!(m.fds >= Some(6), "{m:?}");
    assert_eq!(State::Running.word(), sample.state.as_deref().unwrap());
}
