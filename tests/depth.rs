//! Samples of real trees under real shims, beside what others say of the same processes.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use fleet_testkit::{TestFleet, Value, until};

/// The record of a process's own sample, or nothing yet.
fn sample(fleet: &TestFleet, name: &str) -> Value {
    let records = fleet.run("fleet-metrics").args([name]).succeeds().records();
    records.into_iter().find(|r| r["subject"] == "process").unwrap()
}

/// Works for a moment, holds memory, files, sockets and threads, and then rests.
const WORK: &str = r#"
import os, socket, sys, threading, time
def burn(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        sum(range(1000))
files = [open("/dev/null") for _ in range(20)]
server = socket.create_server(("127.0.0.1", 0))
pair = socket.create_connection(server.getsockname()), server.accept()[0]
datagrams = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
datagrams.bind(("127.0.0.1", 0))
child = os.fork()
memory = bytearray(b"x") * (32 << 20)
for _ in range(3):
    threading.Thread(target=time.sleep, args=(600,), daemon=True).start()
print("waits", flush=True)
while not os.path.exists(sys.argv[1] + "go"):
    time.sleep(0.05)
with open(sys.argv[1] + str(os.getpid()), "wb") as file:
    file.write(os.urandom(8 << 20))
    file.flush()
    os.fsync(file.fileno())
burn(0.5)
print("rests", flush=True)
time.sleep(600)
"#;

/// What psutil and the exporter say: `{"psutil": {...}, "exporter": {...}}`.
const OTHERS: &str = r#"
import json, psutil, sys, urllib.request
main = psutil.Process(int(sys.argv[1]))
tree = [main] + main.children(recursive=True)
sums = {}
def add(name, value):
    sums[name] = sums.get(name, 0) + value
for p in tree:
    cpu, memory, io, switches = p.cpu_times(), p.memory_full_info(), p.io_counters(), p.num_ctx_switches()
    add("cpu_seconds_total", cpu.user + cpu.system)
    add("memory_resident_bytes", memory.rss)
    add("memory_bytes", memory.pss)
    add("memory_unique_bytes", memory.uss)
    add("threads", p.num_threads())
    add("fds", p.num_fds())
    add("io_read_bytes", io.read_bytes)
    add("io_write_bytes", io.write_bytes)
    add("io_read_total_bytes", io.read_chars)
    add("io_write_total_bytes", io.write_chars)
    add("switches_voluntary", switches.voluntary)
sockets = {(c.type.name, c.laddr, c.raddr, c.status) for p in tree for c in p.net_connections("inet")}
states = [status for kind, _, _, status in sockets if kind == "SOCK_STREAM"]
sums["connections_established"] = states.count("ESTABLISHED")
sums["sockets_listening"] = states.count("LISTEN")
sums["sockets_udp"] = sum(kind == "SOCK_DGRAM" for kind, _, _, _ in sockets)
sums["processes"] = len(tree)
sums["nice"] = main.nice()
sums["fds_limit"] = main.rlimit(psutil.RLIMIT_NOFILE)[0]
exporter = {}
if sys.argv[2] != "0":
    text = urllib.request.urlopen("http://127.0.0.1:%s/metrics" % sys.argv[2]).read().decode()
    for line in text.splitlines():
        if 'groupname="job"' in line:
            name, value = line.rsplit(" ", 1)
            exporter[name.replace('groupname="job"', "")] = exporter.get(name, 0) + float(value)
json.dump({"psutil": sums, "exporter": exporter}, sys.stdout)
"#;

/// Python with psutil, if setup.sh could install it.
fn python() -> Option<PathBuf> {
    let test = std::env::current_exe().unwrap();
    let target = test.ancestors().find(|folder| folder.ends_with("target"))?;
    let python = target.join("metrics-venv/bin/python");
    let probe = Command::new(&python).args(["-c", "import psutil"]).output();
    probe.is_ok_and(|probe| probe.status.success()).then_some(python)
}

/// The exporter for one process, found by its command line.
struct Exporter {
    child: Child,
    port: u16,
}

impl Exporter {
    fn start(fleet: &TestFleet, mark: &str) -> Option<Exporter> {
        let config = fleet.scratch().join("exporter.yaml");
        let text = format!("process_names:\n  - name: job\n    cmdline: ['{mark}']\n");
        std::fs::write(&config, text).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let mut command = Command::new("prometheus-process-exporter");
        command.arg("-config.path").arg(&config).arg("-threads=false");
        command.arg(format!("-web.listen-address=127.0.0.1:{port}"));
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let exporter = Exporter { child: command.spawn().ok()?, port };
        // Its counters begin with what it sees first.
        until("the exporter answers", || exporter.get().is_some());
        Some(exporter)
    }

    fn get(&self) -> Option<()> {
        use std::io::{Read, Write};
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", self.port)).ok()?;
        stream.write_all(b"GET /metrics HTTP/1.0\r\n\r\n").ok()?;
        stream.read_to_end(&mut Vec::new()).ok()?;
        Some(())
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How far two may be apart: a part of the value, and so much in any case. Interpreters at rest
/// still wake now and then, and the three do not look at the same moment. psutil runs in the same
/// interpreter as the work, so that pages which were the work's alone are shared while it looks.
const TOLERANCES: [(&str, f64, f64); 17] = [
    ("cpu_seconds_total", 0.02, 0.05),
    ("memory_resident_bytes", 0.01, 1e6),
    ("memory_bytes", 0.1, 1e6),
    ("memory_unique_bytes", 0.1, 1e6),
    ("threads", 0.0, 0.0),
    ("fds", 0.0, 0.0),
    ("io_read_bytes", 0.0, 0.0),
    ("io_write_bytes", 0.0, 0.0),
    ("io_read_total_bytes", 0.0, 0.0),
    ("io_write_total_bytes", 0.0, 0.0),
    ("switches_voluntary", 0.02, 5.0),
    ("connections_established", 0.0, 0.0),
    ("sockets_listening", 0.0, 0.0),
    ("sockets_udp", 0.0, 0.0),
    ("processes", 0.0, 0.0),
    ("nice", 0.0, 0.0),
    ("fds_limit", 0.0, 0.0),
];

/// The same by the exporter's names.
const EXPORTED: [(&str, &str); 6] = [
    ("memory_resident_bytes", "namedprocess_namegroup_memory_bytes{,memtype=\"resident\"}"),
    ("threads", "namedprocess_namegroup_num_threads{}"),
    ("fds", "namedprocess_namegroup_open_filedesc{}"),
    ("processes", "namedprocess_namegroup_num_procs{}"),
    ("io_read_bytes", "namedprocess_namegroup_read_bytes_total{}"),
    ("io_write_bytes", "namedprocess_namegroup_write_bytes_total{}"),
];

fn agree(who: &str, name: &str, ours: f64, theirs: f64) {
    let (_, share, least) = TOLERANCES.iter().find(|(known, ..)| *known == name).unwrap();
    let apart = (ours - theirs).abs();
    assert!(apart <= (theirs * share).max(*least), "{name}: {ours}, but {theirs} by {who}");
}

/// A value by its name, which is there.
fn value(of: &Value, name: &str) -> f64 {
    of[name].as_f64().unwrap_or_else(|| panic!("no {name} in {of}"))
}

#[test]
#[allow(clippy::print_stderr, reason = "a test that is passed over says so")]
fn others_say_the_same_of_the_same_processes() {
    let Some(python) = python() else {
        return eprintln!("passed over: no psutil here; run scripts/setup.sh");
    };
    let fleet = TestFleet::new();
    let mark = fleet.scratch().join("written-by-").display().to_string();
    let exporter = Exporter::start(&fleet, &mark);
    if exporter.is_none() {
        eprintln!("passed over in part: no prometheus-process-exporter; run scripts/setup.sh");
    }
    let work = fleet.scratch().join("work.py");
    std::fs::write(&work, WORK).unwrap();
    fleet.spawn("job", &format!("exec '{}' '{}' '{mark}'", python.display(), work.display()));
    let pid = fleet.pid("job").to_string();
    let port = exporter.as_ref().map_or(0, |exporter| exporter.port).to_string();
    let both = |said: &str| {
        fleet.until_log("job", |log| log.text().matches(said).count() == 2);
        let ours = fleet.run("fleet-metrics").args(["--memory", "pss", "job"]).succeeds().record();
        let output = Command::new(&python).args(["-c", OTHERS, &pid, &port]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        (ours, serde_json::from_slice::<Value>(&output.stdout).unwrap())
    };
    let (before, others_before) = both("waits");
    std::fs::write(format!("{mark}go"), "").unwrap();
    let (ours, others) = both("rests");
    for (name, ..) in TOLERANCES {
        agree("psutil", name, value(&ours, name), value(&others["psutil"], name));
    }
    if exporter.is_none() {
        return;
    }
    let theirs = |name: &str| value(&others["exporter"], name);
    // Its counters begin where it first saw a process.
    let grown = |name: &str| theirs(name) - value(&others_before["exporter"], name);
    for (name, exported) in EXPORTED {
        match exported.contains("_total{") {
            true => agree(
                "the exporter",
                name,
                value(&ours, name) - value(&before, name),
                grown(exported),
            ),
            false => agree("the exporter", name, value(&ours, name), theirs(exported)),
        }
    }
    let modes = ["user", "system"];
    let cpu = modes.map(|m| format!("namedprocess_namegroup_cpu_seconds_total{{,mode=\"{m}\"}}"));
    let seconds = value(&ours, "cpu_seconds_total") - value(&before, "cpu_seconds_total");
    agree("the exporter", "cpu_seconds_total", seconds, cpu.iter().map(|name| grown(name)).sum());
}

#[test]
fn output_is_counted_while_it_comes_and_silence_too() {
    let fleet = TestFleet::new();
    let go = fleet.scratch().join("go");
    let script = format!(
        "echo one; until [ -e '{0}' ]; do sleep 0.05; done; echo two; printf half; exec sleep 600",
        go.display()
    );
    fleet.spawn("job", &script);
    until("the first line is counted", || sample(&fleet, "job")["log_lines"] == 1);
    assert_eq!(sample(&fleet, "job")["log_bytes"], 4);
    until("it is silent", || sample(&fleet, "job")["silent_seconds"].as_f64() > Some(0.3));
    let begun = Instant::now();
    std::fs::write(go, "").unwrap();
    until("the second line is counted", || sample(&fleet, "job")["log_lines"].as_u64() >= Some(2));
    let silent = sample(&fleet, "job")["silent_seconds"].as_f64().unwrap();
    assert!(silent <= begun.elapsed().as_secs_f64(), "{silent}");
    // Who takes over from a killed shim goes on counting.
    let (shim, _) = fleet.supervisors("job");
    fleet_testkit::kill(shim, fleet_testkit::Signal::KILL);
    fleet.until("job", |record| record.shim.is_some_and(|s| s.who.pid != shim));
    until("its successor tells", || sample(&fleet, "job")["log_lines"].as_u64() >= Some(2));
}

#[test]
fn five_thousand_children_that_come_and_go_break_nothing() {
    let fleet = TestFleet::new();
    let script =
        "i=0; while [ $i -lt 1000 ]; do (:) & (:) & (:) & (:) & (:) & wait; i=$((i+1)); done
        echo done; exec sleep 600";
    fleet.spawn("storm", script);
    let mut follower = fleet
        .run("fleet-metrics")
        .args(["-f", "--interval", "100ms", "--tree", "--connections", "storm"])
        .starts();
    let lines = BufReader::new(follower.stdout.take().unwrap()).lines();
    let mut highest: HashMap<String, f64> = HashMap::new();
    let mut rounds = 0;
    for line in lines {
        let record: Value = serde_json::from_str(&line.unwrap()).unwrap();
        let of_process = record["subject"] == "process";
        rounds += i32::from(of_process);
        for (name, value) in record.as_object().unwrap() {
            let Some(value) = value.as_f64() else { continue };
            assert!(value >= 0.0, "{name} is {value}");
            let counts = ["_total", "faults_minor", "io_read_total_bytes", "switches_voluntary"];
            if of_process && counts.iter().any(|c| name.ends_with(c)) {
                let before = highest.insert(name.clone(), value).unwrap_or(0.0);
                assert!(value >= before, "{name} fell from {before} to {value}");
            }
        }
        if rounds > 3 && record["log_lines"] == 1 {
            break;
        }
    }
    let _ = follower.kill();
    let output = follower.wait_with_output().unwrap();
    assert_eq!(String::from_utf8(output.stderr).unwrap(), "");
    assert!(highest["faults_minor"] > 5000.0, "the children's are not among them");
}
