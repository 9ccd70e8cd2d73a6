//! The fleet as a whole, and the machine: its memory and its file systems.

use fleet_testkit::{TestFleet, Value};

use crate::case::Case;
use crate::story::{about, apart, held, metrics, sampled};

/// The rules about the fleet.
pub(crate) const OF_FLEET: &[Case] = &[
    Case {
        rule: "fleet_unwell",
        severity: "warning",
        id: "",
        bad: |fleet| held(&of_fleet(fleet, &["exit 1"]), 300),
        good: |fleet| held(&of_fleet(fleet, &["exit 0"]), 300),
    },
    Case {
        rule: "success_rate_low",
        severity: "high",
        id: "",
        bad: |fleet| of_fleet(fleet, &["exit 1"; 5]),
        good: |fleet| of_fleet(fleet, &["exit 1", "exit 1", "exit 1", "exit 1", "exit 0"]),
    },
    Case {
        rule: "collector_failed",
        severity: "warning",
        id: "",
        bad: |fleet| held(&collected(fleet, "exit 1"), 300),
        good: |fleet| held(&collected(fleet, "echo 7"), 300),
    },
];

/// The rules about what a machine can run out of. Its size is played: a mount namespace shows a
/// smaller memory, as lxcfs does to containers, and has a small file system of its own.
pub(crate) const OF_MACHINE: &[Case] = &[
    Case {
        rule: "memory_usage_high",
        severity: "critical",
        id: "job",
        bad: |fleet| held(&in_memory_of(fleet, 440, 20), 60),
        good: |fleet| held(&in_memory_of(fleet, 600, 150), 60),
    },
    Case {
        rule: "memory_usage_high",
        severity: "high",
        id: "job",
        bad: |fleet| held(&in_memory_of(fleet, 480, 60), 60),
        good: |fleet| held(&in_memory_of(fleet, 480, 60), 45),
    },
    Case {
        rule: "host_memory_high",
        severity: "critical",
        id: "",
        bad: |fleet| held(&in_memory_of(fleet, 1000, 90), 60),
        good: |fleet| held(&in_memory_of(fleet, 1000, 210), 60),
    },
    Case {
        rule: "host_memory_high",
        severity: "high",
        id: "",
        bad: |fleet| held(&in_memory_of(fleet, 1000, 110), 60),
        good: |fleet| held(&in_memory_of(fleet, 1000, 90), 45),
    },
    Case {
        rule: "disk_filling",
        severity: "high",
        id: "",
        bad: |fleet| filling(fleet, "50 60"),
        // As full, but it stays so.
        good: |fleet| filling(fleet, "90 0"),
    },
];

/// The sample of the fleet when processes of these scripts have ended.
fn of_fleet(fleet: &TestFleet, scripts: &[&str]) -> Vec<Value> {
    for (number, script) in scripts.iter().enumerate() {
        let name = fleet.spawn(&format!("job-{number}"), script);
        fleet.until_ended(&name);
    }
    about(&metrics(fleet), "fleet")
}

fn collected(fleet: &TestFleet, command: &str) -> Vec<Value> {
    let file = fleet.scratch().join("collectors.toml");
    std::fs::write(&file, format!("[collector.mine]\ncommand = '{command}'\n")).unwrap();
    about(&sampled(fleet.run("fleet-metrics").arg("--collectors").arg(file)), "collector")
}

/// Runs a script in a mount namespace of its own.
fn in_a_room(fleet: &TestFleet, script: &str) -> Vec<Value> {
    let room = "exec unshare --mount --propagation private sh -ec \"$SCRIPT\"";
    sampled(fleet.shell(room).env("SCRIPT", script))
}

/// Samples of a process of somewhat more than 400 MiB and of the host, on a machine with so many MiB
/// of memory of which so many are available.
fn in_memory_of(fleet: &TestFleet, total: u32, available: u32) -> Vec<Value> {
    let program = "import time; x = b\"x\" * (400 << 20); print(1, flush=True); time.sleep(600)";
    fleet.spawn("job", &format!("exec python3 -c '{program}'"));
    fleet.until_log("job", |log| log.text() == "1\n");
    let shown = fleet.scratch().join("meminfo");
    let kib = |mib: u32| mib << 10;
    let (total, available) = (kib(total), kib(available));
    let text = format!(
        "MemTotal: {total} kB\nMemFree: {available} kB\nMemAvailable: {available} kB\n\
         Buffers: 0 kB\nCached: 0 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n"
    );
    std::fs::write(&shown, text).unwrap();
    let script =
        format!("mount --bind '{}' /proc/meminfo; fleet-metrics --no-gpu", shown.display());
    in_a_room(fleet, &script)
}

/// Samples of a file system of 100 MiB that begins with the first number of them in use, and gets
/// the fortieth part of the second more from one sample to the next: an hour of it.
fn filling(fleet: &TestFleet, used: &str) -> Vec<Value> {
    let script = format!(
        "mount -t tmpfs -o size=100m tmpfs /dev/shm; set -- {used}
        head -c ${{1}}M /dev/zero > /dev/shm/old
        for n in $(seq 40); do
            head -c $(($2 * 1048576 / 80)) /dev/zero >> /dev/shm/new
            fleet-metrics --host-only --no-gpu
        done"
    );
    let disks = about(&in_a_room(fleet, &script), "disk");
    let ours: Vec<Value> = disks.into_iter().filter(|disk| disk["name"] == "/dev/shm").collect();
    apart(&ours, 90)
}
