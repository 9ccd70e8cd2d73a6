//! What is told of trees and of the host beyond the totals, over a small /proc.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod support;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::symlink;

use fleet_core::{Measure, MeasureKind, Measures, MemoryBasis, Sample, Subject, Timestamp};
use fleet_os::ticks_per_second;
use fleet_sampler::Plan;
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use proptest::prelude::*;
use serde_json::{Value, json};
use support::{FAKE, Fake, FakeProc, PLAN, STATUS, at, only, round, seen};

#[test]
fn a_tree_is_measured_to_its_full_depth() {
    let proc = FakeProc::new();
    proc.put(Fake { pid: 100, start: 5000, children: "101 102 ", ..FAKE });
    proc.put(Fake { pid: 101, ppid: 100, ..FAKE });
    proc.put(Fake { pid: 102, ppid: 100, ..FAKE });
    let m = only(&mut proc.sampler(PLAN), &[seen("a", json!({}))], 60.0).measures;
    assert_eq!((m.memory_unique_bytes, m.memory_peak_bytes), (Some(9 << 10), Some(180 << 10)));
    assert_eq!((m.fds_limit, m.fds_percent, m.nice), (Some(8), Some(25.0), Some(-3)));
    assert_eq!((m.io_read_total_bytes, m.io_write_total_bytes), (Some(3000), Some(6000)));
    assert_eq!((m.faults_minor, m.faults_major), (Some(21), Some(6)));
    assert_eq!((m.switches_voluntary, m.switches_involuntary), (Some(210), Some(90)));
    assert_eq!((m.connections, m.sockets_udp), (Some(0), Some(0)));
    assert_eq!((m.log_bytes, m.silent_seconds), (None, None), "no shim counts its output");
}

#[test]
fn what_is_used_stands_beside_what_is_allowed() {
    let proc = FakeProc::new();
    let all = [seen("a", json!({"limits": {"memory_bytes": 160 << 10, "cpus": 2.0}}))];
    let mut sampler = proc.sampler(PLAN);
    proc.put(Fake { pid: 100, start: 5000, ticks: 0, ..FAKE });
    only(&mut sampler, &all, 60.0);
    proc.put(Fake { pid: 100, start: 5000, ticks: ticks_per_second(), ..FAKE });
    let m = only(&mut sampler, &all, 61.0).measures;
    assert_eq!((m.memory_limit_bytes, m.memory_limit_percent), (Some(160 << 10), Some(25.0)));
    assert_eq!((m.cpu_percent, m.cpu_limit_percent), (Some(100.0), Some(50.0)));
}

#[test]
fn a_peak_is_remembered_when_its_member_has_gone() {
    let proc = FakeProc::new();
    let all = [seen("a", json!({}))];
    let mut sampler = proc.sampler(PLAN);
    proc.put(Fake { pid: 100, start: 5000, children: "101 ", ..FAKE });
    proc.put(Fake { pid: 101, ppid: 100, ..FAKE });
    assert_eq!(only(&mut sampler, &all, 60.0).measures.memory_peak_bytes, Some(120 << 10));
    proc.put(Fake { pid: 100, start: 5000, ..FAKE });
    proc.remove(101);
    assert_eq!(only(&mut sampler, &all, 61.0).measures.memory_peak_bytes, Some(120 << 10));
}

#[test]
fn switches_of_a_member_that_has_gone_are_kept_to_the_last() {
    let proc = FakeProc::new();
    let all = [seen("a", json!({}))];
    let mut sampler = proc.sampler(PLAN);
    proc.put(Fake { pid: 100, start: 5000, children: "101 ", ..FAKE });
    proc.put(Fake { pid: 101, ppid: 100, ..FAKE });
    only(&mut sampler, &all, 60.0);
    // The other one outgrew it meanwhile, so that the sum shows no drop.
    proc.put(Fake { pid: 100, start: 5000, ..FAKE });
    proc.write(
        100,
        "status",
        &STATUS.replace("\nvoluntary_ctxt_switches: 70", "\nvoluntary_ctxt_switches: 900"),
    );
    proc.remove(101);
    let m = only(&mut sampler, &all, 61.0).measures;
    assert_eq!((m.switches_voluntary, m.switches_involuntary), (Some(970), Some(60)));
}

#[test]
fn traffic_of_a_member_is_counted_once_while_it_lives_lies_dead_and_is_taken_over() {
    let proc = FakeProc::new();
    let all = [seen("a", json!({}))];
    let written = |sampler: &mut _, seconds| only(sampler, &all, seconds).measures.io_write_bytes;
    let io = |bytes| format!("rchar: 0\nwchar: 0\nread_bytes: 0\nwrite_bytes: {bytes}\n");
    // Root reads what a zombie had; to its user the file is closed.
    for readable in [true, false] {
        let mut sampler = proc.sampler(PLAN);
        proc.put(Fake { pid: 100, start: 5000, children: "101 ", ..FAKE });
        proc.put(Fake { pid: 101, ppid: 100, ..FAKE });
        proc.write(100, "io", &io(1000));
        proc.write(101, "io", &io(500));
        assert_eq!(written(&mut sampler, 60.0), Some(1500));
        let zombie = fs::read_to_string(proc.path(101, "stat")).unwrap().replace(") S", ") Z");
        proc.write(101, "stat", &zombie);
        if !readable {
            fs::remove_file(proc.path(101, "io")).unwrap();
        }
        assert_eq!(written(&mut sampler, 61.0), Some(1500), "readable: {readable}");
        proc.put(Fake { pid: 100, start: 5000, ..FAKE });
        proc.write(100, "io", &io(1500));
        proc.remove(101);
        assert_eq!(written(&mut sampler, 62.0), Some(1500), "readable: {readable}");
    }
}

#[test]
fn traffic_and_faults_of_an_orphan_outlive_it() {
    let proc = FakeProc::new();
    let shim = json!({"shim": {"pid": 90, "start": 4000}});
    let all = [seen("a", shim)];
    let mut sampler = proc.sampler(PLAN);
    proc.put(Fake { pid: 90, start: 4000, children: "100 102 ", ..FAKE });
    proc.put(Fake { pid: 100, ppid: 90, start: 5000, ..FAKE });
    proc.put(Fake { pid: 102, ppid: 90, ..FAKE });
    let before = only(&mut sampler, &all, 60.0).measures;
    // The shim had waited for children with 2 minor and 1 major faults when it was met.
    assert_eq!((before.faults_minor, before.faults_major), (Some(16), Some(5)));
    proc.put(Fake { pid: 90, start: 4000, children: "100 ", ..FAKE });
    let waited =
        fs::read_to_string(proc.path(90, "stat")).unwrap().replace(" 5 2 1 1 ", " 5 9 1 3 ");
    proc.write(90, "stat", &waited);
    proc.write(100, "io", "rchar: 9000\nwchar: 9000\nread_bytes: 900\nwrite_bytes: 900\n");
    proc.remove(102);
    let after = only(&mut sampler, &all, 61.0).measures;
    assert_eq!((after.io_read_bytes, after.io_read_total_bytes), (Some(1000), Some(10_000)));
    assert_eq!((after.faults_minor, after.faults_major), (Some(16), Some(5)));
}

const HEAD: &str = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

/// A line of a socket table: 127.0.0.1 with this port, to port 80 where it has another end.
fn socket(port: u16, state: &str, inode: u64) -> String {
    let remote = if state == "0A" { "00000000:0000" } else { "0100007F:0050" };
    format!(
        "   0: 0100007F:{port:04X} {remote} {state} 0:0 00:0 0     0        0 {inode} 1 0 100\n"
    )
}

/// Gives a process sockets, and its network namespace these tables.
fn with_sockets(proc: &FakeProc, pid: i32, namespace: u64, inodes: &[u64], tcp: &str) {
    for (at, inode) in inodes.iter().enumerate() {
        symlink(format!("socket:[{inode}]"), proc.path(pid, &format!("fd/{}", at + 3))).unwrap();
    }
    proc.write(pid, "net/tcp", &format!("{HEAD}{tcp}"));
    proc.write(pid, "net/udp", &format!("{HEAD}{}", socket(53, "07", 900)));
    fs::create_dir_all(proc.path(pid, "ns")).unwrap();
    symlink(format!("net:[{namespace}]"), proc.path(pid, "ns/net")).unwrap();
}

#[test]
fn sockets_are_counted_by_state_and_each_once() {
    let proc = FakeProc::new();
    let tcp = [
        socket(8888, "0A", 1),
        socket(8888, "01", 2),
        socket(4000, "08", 3),
        socket(4001, "02", 4),
        socket(4002, "0B", 5),
        // Somebody else's.
        socket(22, "0A", 99),
    ];
    proc.put(Fake { pid: 100, start: 5000, children: "101 102 ", ..FAKE });
    with_sockets(&proc, 100, 1, &[1, 2, 3, 777], &tcp.concat());
    proc.put(Fake { pid: 101, ppid: 100, ..FAKE });
    with_sockets(&proc, 101, 1, &[1, 4, 5, 900], "not read again: the namespace is the same");
    proc.put(Fake { pid: 102, ppid: 100, ..FAKE });
    with_sockets(&proc, 102, 2, &[1], &socket(9999, "0A", 1000));
    let all = [seen("a", json!({}))];
    let sample = only(&mut proc.sampler(Plan { connections: true, ..PLAN }), &all, 60.0);
    let m = &sample.measures;
    assert_eq!((m.connections, m.connections_established), (Some(4), Some(1)));
    assert_eq!((m.connections_opening, m.connections_closing), (Some(1), Some(1)));
    assert_eq!((m.connections_close_wait, m.sockets_listening), (Some(1), Some(1)));
    assert_eq!((m.sockets_udp, m.fds), (Some(1), Some(15)));
    assert_eq!(sample.more["ports_listening"], json!([8888]));
    let details = sample.more["connection_details"].as_array().unwrap();
    assert_eq!(details.len(), 6);
    let first =
        json!({"protocol": "tcp", "state": "listening", "local": "127.0.0.1:8888", "pid": 100});
    assert_eq!(details[0], first);
    assert!(details.iter().any(|d| d["remote"] == "127.0.0.1:80" && d["state"] == "close_wait"));
}

#[test]
fn descriptors_that_may_not_be_read_leave_the_connections_out() {
    let proc = FakeProc::new();
    proc.put(Fake { pid: 100, start: 5000, ..FAKE });
    fs::remove_dir_all(proc.path(100, "fd")).unwrap();
    fs::write(proc.path(100, "fd"), "").unwrap();
    let sample = only(&mut proc.sampler(PLAN), &[seen("a", json!({}))], 60.0);
    assert_eq!((sample.measures.connections, sample.measures.fds), (None, None));
    assert!(!sample.more.contains_key("ports_listening"));
}

#[test]
fn many_sockets_are_counted_and_not_all_told() {
    let proc = FakeProc::new();
    proc.put(Fake { pid: 100, start: 5000, ..FAKE });
    let inodes: Vec<u64> = (1001..=2200).collect();
    let tcp: String = inodes.iter().map(|inode| socket(5000, "01", *inode)).collect();
    with_sockets(&proc, 100, 1, &inodes, &tcp);
    let all = [seen("a", json!({}))];
    let sample = only(&mut proc.sampler(Plan { connections: true, ..PLAN }), &all, 60.0);
    assert_eq!(sample.measures.connections, Some(1200));
    assert_eq!(sample.more["connection_details"].as_array().unwrap().len(), 1000);
    assert_eq!(sample.more["connection_details_left_out"], 200);
}

#[test]
fn members_are_told_one_by_one_whatever_they_are_called() {
    let proc = FakeProc::new();
    let all = [seen("a", json!({"labels": {"team": "x"}}))];
    let mut sampler = proc.sampler(Plan { members: true, ..PLAN });
    let worker = |ticks| {
        proc.put(Fake { pid: 101, ppid: 100, start: 6000, ticks, ..FAKE });
        let mut stat = fs::read(proc.path(101, "stat")).unwrap();
        stat.splice(5..6, *b"a) R \"\n\xff");
        fs::write(proc.path(101, "stat"), stat).unwrap();
    };
    proc.put(Fake { pid: 100, start: 5000, children: "101 ", ..FAKE });
    worker(0);
    round(&mut sampler, &all, 90.0);
    worker(ticks_per_second());
    let samples = round(&mut sampler, &all, 92.0).samples;
    assert_eq!(samples.len(), 3);
    let member = &samples[2];
    assert_eq!((member.subject, member.pid), (Subject::Member, Some(101)));
    assert_eq!(member.name.as_deref(), Some("a) R \"\n\u{fffd}"));
    assert_eq!((member.state.as_deref(), &member.more["parent_pid"]), (Some("S"), &json!(100)));
    assert_eq!(
        (member.measures.cpu_seconds_total, member.measures.cpu_percent),
        (Some(1.0), Some(50.0))
    );
    assert_eq!(
        (member.measures.memory_bytes, member.memory_basis),
        (Some(4096), Some(MemoryBasis::Pss))
    );
    assert_eq!((member.measures.threads, member.measures.fds), (Some(1), Some(2)));
    assert_eq!(member.labels["team"], "x");
    // One line, which is the same when it is read back.
    let line = serde_json::to_string(member).unwrap();
    assert!(!line.contains('\n'));
    assert_eq!(&serde_json::from_str::<Sample>(&line).unwrap(), member);
}

#[test]
fn sizes_are_read_again_only_when_they_changed() {
    let proc = FakeProc::new();
    let all = [seen("a", json!({}))];
    let mut sampler = proc.sampler(PLAN);
    proc.put(Fake { pid: 100, start: 5000, children: "101 ", ..FAKE });
    proc.put(Fake { pid: 101, ppid: 100, ..FAKE });
    let memory = |sampler: &mut _, seconds| only(sampler, &all, seconds).measures.memory_bytes;
    assert_eq!(memory(&mut sampler, 60.0), Some(8 << 10));
    proc.write(101, "smaps_rollup", "Pss: 8 kB\n");
    assert_eq!(memory(&mut sampler, 65.0), Some(8 << 10), "its resident size is the same");
    proc.write(101, "status", &STATUS.replace("VmRSS: 40", "VmRSS: 50"));
    assert_eq!(memory(&mut sampler, 70.0), Some(12 << 10));
    proc.write(100, "smaps_rollup", "Pss: 5 kB\n");
    assert_eq!(memory(&mut sampler, 121.0), Some(13 << 10), "after a minute it is read anyway");
}

#[test]
fn who_did_not_run_is_not_read_again_but_for_its_sockets() {
    let proc = FakeProc::new();
    let all = [seen("a", json!({}))];
    let mut sampler = proc.sampler(PLAN);
    proc.put(Fake { pid: 100, start: 5000, ..FAKE });
    proc.write(100, "schedstat", "12345 6 7\n");
    with_sockets(&proc, 100, 1, &[2], &socket(8888, "01", 2));
    only(&mut sampler, &all, 60.0);
    proc.write(100, "io", "rchar: 9000\nwchar: 9000\nread_bytes: 900\nwrite_bytes: 900\n");
    proc.write(100, "net/tcp", &format!("{HEAD}{}", socket(8888, "08", 2)));
    let m = only(&mut sampler, &all, 65.0).measures;
    assert_eq!((m.io_read_bytes, m.io_read_total_bytes), (Some(100), Some(1000)));
    assert_eq!((m.connections_established, m.connections_close_wait), (Some(0), Some(1)));
    proc.write(100, "schedstat", "12346 6 8\n");
    assert_eq!(only(&mut sampler, &all, 70.0).measures.io_read_bytes, Some(900));
    proc.write(100, "status", &STATUS.replace("VmSwap: 0", "VmSwap: 8"));
    assert_eq!(only(&mut sampler, &all, 75.0).measures.swap_bytes, Some(0));
    assert_eq!(
        only(&mut sampler, &all, 130.0).measures.swap_bytes,
        Some(8 << 10),
        "after a minute"
    );
}

#[test]
fn nothing_but_the_fleets_own_processes_is_opened() {
    let proc = FakeProc::new();
    proc.put(Fake { pid: 100, start: 5000, children: "101 ", ..FAKE });
    proc.put(Fake { pid: 101, ppid: 100, ..FAKE });
    for pid in 1000..6000 {
        fs::create_dir(proc.0.path().join(pid.to_string())).unwrap();
    }
    let watch = Inotify::init(InitFlags::IN_NONBLOCK).unwrap();
    watch.add_watch(proc.0.path(), AddWatchFlags::IN_OPEN | AddWatchFlags::IN_ACCESS).unwrap();
    only(&mut proc.sampler(PLAN), &[seen("a", json!({}))], 60.0);
    let events = watch.read_events().unwrap();
    // Without a name it would be the folder of all processes itself.
    let opened: BTreeSet<_> = events.into_iter().map(|event| event.name.unwrap()).collect();
    assert!(
        opened.iter().all(|name| ["100", "101", "meminfo"].iter().any(|n| name == n)),
        "{opened:?}"
    );
    assert!(opened.contains(std::ffi::OsStr::new("meminfo")));
}

/// A host of two processors with a disk, a network and a sensor.
fn with_host(proc: &FakeProc, ticks: u64, busy_millis: u32, received: u64) {
    let root = proc.0.path();
    let put = |file: &str, text: &str| {
        let path = root.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    };
    put(
        "stat",
        &format!("cpu  {ticks} 0 0 900\ncpu0 0 0 0 1\ncpu1 {ticks} 0 0 1\nbtime 1700000000\n"),
    );
    put("loadavg", "0.50 0.25 0.00 1/2 3\n");
    put("sys/kernel/hostname", "h\n");
    put("pressure/cpu", "some avg10=12.50 avg60=0 avg300=0 total=1500000\n");
    put("pressure/io", "some avg10=1.00 total=2000000\nfull avg10=0.50 total=1000000\n");
    put("self/mountinfo", "27 1 254:0 / / rw - ext4 /dev/vda rw\n");
    put("diskstats", &format!("254 0 vda 1 0 10 1 1 0 20 1 0 {busy_millis} 9\n"));
    put(
        "self/net/dev",
        &format!(
            "head\nhead\n eth0: {received} 2 0 0 0 0 0 0 7 3 1 0 0 0 0 0\n lo: 9 9 0 0 0 0 0 0 9 9 0 0 0 0 0 0\n"
        ),
    );
    put("sys/class/net/eth0/device/x", "");
    put("sys/class/hwmon/hwmon0/name", "coretemp\n");
    put("sys/class/hwmon/hwmon0/temp1_input", "45000\n");
}

fn part(samples: &[Sample], subject: Subject, name: &str) -> Sample {
    let found = samples.iter().find(|s| s.subject == subject && s.name.as_deref() == Some(name));
    found.unwrap_or_else(|| panic!("no {subject:?} {name} in {samples:?}")).clone()
}

#[test]
fn the_host_is_measured_with_its_parts() {
    let proc = FakeProc::new();
    let mut sampler = proc.sampler(Plan { host: true, cores: true, ..PLAN });
    with_host(&proc, 0, 1000, 100);
    let first = round(&mut sampler, &[], 60.0);
    assert_eq!(first.problems, Vec::<String>::new());
    with_host(&proc, ticks_per_second(), 1500, 300);
    let samples = round(&mut sampler, &[], 61.0).samples;
    let host = &samples[0];
    assert_eq!((host.subject, host.host.as_deref()), (Subject::Host, Some("h")));
    let m = &host.measures;
    assert_eq!((m.cpu_percent, m.boot_time_seconds), (Some(50.0), Some(1_700_000_000)));
    assert_eq!((m.pressure_cpu_percent, m.pressure_cpu_seconds_total), (Some(12.5), Some(1.5)));
    assert_eq!((m.pressure_io_full_percent, m.pressure_memory_percent), (Some(0.5), None));
    assert_eq!((m.network_receive_bytes, m.network_errors), (Some(300), Some(1)));
    let core = part(&samples, Subject::Core, "1").measures;
    assert_eq!((core.cpu_percent, core.cpu_seconds_total), (Some(100.0), Some(1.0)));
    let disk = part(&samples, Subject::Disk, "/");
    assert_eq!((&disk.more["device"], &disk.more["fs"]), (&json!("/dev/vda"), &json!("ext4")));
    let m = &disk.measures;
    assert_eq!((m.io_read_bytes, m.io_write_bytes), (Some(5120), Some(10_240)));
    assert_eq!((m.busy_seconds_total, m.busy_percent), (Some(1.5), Some(50.0)));
    assert!(m.disk_total_bytes > Some(0) && m.disk_bytes <= m.disk_total_bytes, "{m:?}");
    let network = part(&samples, Subject::Network, "eth0");
    assert_eq!(network.measures.network_receive_bytes, Some(300));
    assert_eq!(network.host.as_deref(), Some("h"));
    let sensor = part(&samples, Subject::Sensor, "coretemp/temp1").measures;
    assert_eq!(sensor.temperature_celsius, Some(45.0));
}

#[test]
fn counts_of_the_host_that_wrap_or_begin_anew_go_on() {
    let proc = FakeProc::new();
    let mut sampler = proc.sampler(Plan { host: true, ..PLAN });
    let mut step = |seconds, busy, received| {
        with_host(&proc, 0, busy, received);
        let samples = round(&mut sampler, &[], seconds).samples;
        let disk = part(&samples, Subject::Disk, "/").measures;
        let host = &samples[0].measures;
        (disk.busy_seconds_total, disk.busy_percent, host.network_receive_bytes)
    };
    assert_eq!(step(60.0, u32::MAX, 500), (Some(4_294_967.295), None, Some(500)));
    // The kernel's 32 bits are over, and the interface was taken away and came back.
    assert_eq!(step(61.0, 200, 20), (Some(4_294_967.495), Some(20.0), Some(520)));
}

#[test]
fn a_step_of_the_clock_changes_no_share() {
    let proc = FakeProc::new();
    let all = [seen("a", json!({}))];
    let mut sampler = proc.sampler(PLAN);
    proc.put(Fake { pid: 100, start: 5000, ticks: 0, ..FAKE });
    sampler.round(&all, &[true], &at(60.0));
    proc.put(Fake { pid: 100, start: 5000, ticks: ticks_per_second(), ..FAKE });
    let mut moment = at(61.0);
    moment.ts = Timestamp::parse("2001-01-01T00:00:00Z", Timestamp::now()).unwrap();
    let sample = sampler.round(&all, &[true], &moment).samples.remove(0);
    assert_eq!((sample.ts, sample.measures.cpu_percent), (moment.ts, Some(100.0)));
}

/// The counters among the measures.
fn counters(measures: &Measures) -> Vec<(&'static Measure, f64)> {
    measures.values().filter(|(of, _)| of.kind == MeasureKind::Counter).collect()
}

const FILES: [&str; 6] = ["stat", "status", "io", "smaps_rollup", "limits", "task/101/children"];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Members end between two reads, come back as others and count anything.
    #[test]
    fn whatever_vanishes_no_counter_goes_down(
        rounds in proptest::collection::vec((any::<u8>(), 0u64..1000, any::<bool>()), 2..12),
    ) {
        let proc = FakeProc::new();
        let all = [seen("a", json!({}))];
        let mut sampler = proc.sampler(Plan { members: true, ..PLAN });
        proc.put(Fake { pid: 100, start: 5000, children: "101 ", ..FAKE });
        let mut before: Vec<(&'static Measure, f64)> = Vec::new();
        for (at, (missing, ticks, other)) in rounds.into_iter().enumerate() {
            proc.put(Fake { pid: 101, ppid: 100, start: 6000 + u64::from(other), ticks, ..FAKE });
            for (bit, file) in FILES.iter().enumerate() {
                if missing & (1 << bit) != 0 {
                    fs::remove_file(proc.path(101, file)).unwrap();
                }
            }
            let samples = round(&mut sampler, &all, 60.0 + at as f64).samples;
            let now = counters(&samples[0].measures);
            for (of, value) in &now {
                let earlier = before.iter().find(|(earlier, _)| earlier.name == of.name);
                prop_assert!(earlier.is_none_or(|(_, earlier)| value >= earlier), "{}", of.name);
            }
            let percent: Option<f64> = samples[0].measures.cpu_percent;
            prop_assert!(percent.is_none_or(|percent| percent >= 0.0));
            before.retain(|(of, _)| !now.iter().any(|(n, _)| n.name == of.name));
            before.extend(now);
        }
    }
}

#[test]
fn what_is_absent_stays_absent_in_the_record() {
    let proc = FakeProc::new();
    proc.put(Fake { pid: 100, start: 5000, ..FAKE });
    for file in ["io", "status", "smaps_rollup"] {
        fs::remove_file(proc.path(100, file)).unwrap();
        fs::create_dir(proc.path(100, file)).unwrap();
    }
    let sample = only(&mut proc.sampler(PLAN), &[seen("a", json!({}))], 60.0);
    let record = serde_json::to_value(&sample).unwrap();
    for name in [
        "memory_bytes",
        "memory_peak_bytes",
        "swap_bytes",
        "io_read_total_bytes",
        "switches_voluntary",
    ] {
        assert_eq!(record.get(name), None::<&Value>, "{name}");
    }
    assert_eq!(record["processes"], 1);
}
