//! A small /proc that a test builds, and rounds over it.

#![allow(dead_code, unreachable_pub, clippy::unwrap_used, reason = "each test uses a part of it")]

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use fleet_census::Seen;
use fleet_core::{Observed, ProcessRecord, Sample, Timestamp};
use fleet_os::Proc;
use fleet_sampler::{Basis, Moment, Plan, Round, Sampler};
use serde_json::{Value, json};

pub const PLAN: Plan = Plan {
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

pub const STATUS: &str = "Name: x\nVmHWM: 60 kB\nVmRSS: 40 kB\nVmSwap: 0 kB\n\
    voluntary_ctxt_switches: 70\nnonvoluntary_ctxt_switches: 30\n";

/// A /proc in a folder, of a host with 1 GiB and nothing swapped out.
pub struct FakeProc(pub tempfile::TempDir);

/// A process of it.
pub struct Fake {
    pub pid: i32,
    pub ppid: i32,
    pub start: u64,
    pub ticks: u64,
    pub waited: u64,
    pub children: &'static str,
}

pub const FAKE: Fake = Fake { pid: 0, ppid: 1, start: 0, ticks: 0, waited: 0, children: "" };

impl FakeProc {
    pub fn new() -> FakeProc {
        let dir = tempfile::tempdir().unwrap();
        let meminfo =
            "MemTotal: 1048576 kB\nMemAvailable: 786432 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n";
        fs::write(dir.path().join("meminfo"), meminfo).unwrap();
        FakeProc(dir)
    }

    /// Puts a process there: 40 KiB resident, 60 at most, 4 proportional, 3 its own, 2 descriptors
    /// of 8, 100 bytes read from storage and 1000 in all, 200 and 2000 written, 7 minor and 2 major
    /// faults, 70 and 30 context switches.
    pub fn put(&self, p: Fake) {
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

    pub fn write(&self, pid: i32, file: &str, text: &str) {
        let path = self.path(pid, file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub fn path(&self, pid: i32, file: &str) -> PathBuf {
        self.0.path().join(format!("{pid}/{file}"))
    }

    pub fn remove(&self, pid: i32) {
        fs::remove_dir_all(self.0.path().join(pid.to_string())).unwrap();
    }

    pub fn sampler(&self, plan: Plan) -> Sampler {
        Sampler::new(&Proc::at(self.0.path()), "boot-1".to_owned(), plan)
            .with_sys(self.0.path().join("sys"))
    }
}

/// A running process with main pid 100 that started at tick 5000 of boot-1, with these changes.
pub fn seen(id: &str, changes: Value) -> Seen {
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

pub fn at(seconds: f64) -> Moment {
    Moment {
        ts: Timestamp::parse("2026-11-22T06:00:01Z", Timestamp::now()).unwrap(),
        since_boot: Duration::from_secs_f64(seconds),
    }
}

pub fn round(sampler: &mut Sampler, all: &[Seen], seconds: f64) -> Round {
    sampler.round(all, &vec![true; all.len()], &at(seconds))
}

pub fn only(sampler: &mut Sampler, all: &[Seen], seconds: f64) -> Sample {
    let mut samples = round(sampler, all, seconds).samples;
    assert_eq!(samples.len(), 1, "{samples:?}");
    samples.remove(0)
}
