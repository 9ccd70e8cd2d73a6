//! A file system whose server takes requests and never answers: a real one of FUSE, in a mount
//! namespace of its own, so that nobody else meets it.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Write};
use std::os::fd::AsRawFd;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use fleet_core::{Sample, Subject};
use fleet_os::{Proc, descendants};
use nix::mount::{MsFlags, mount};

/// Set in the copy of this test that runs in the namespace.
const INSIDE: &str = "FLEET_TEST_IN_NAMESPACE";

#[test]
#[allow(clippy::print_stderr, reason = "a test that is passed over says so")]
fn a_server_that_never_answers_costs_its_own_values_only() {
    if std::env::var_os(INSIDE).is_some() {
        return inside();
    }
    let probe = Command::new("unshare").args(["--mount", "true"]).output();
    if !Path::new("/dev/fuse").exists() || !probe.is_ok_and(|p| p.status.success()) {
        return eprintln!("passed over: this needs root and /dev/fuse");
    }
    let me = std::env::current_exe().unwrap();
    let name = "a_server_that_never_answers_costs_its_own_values_only";
    let mut again = Command::new("unshare");
    again.args(["--mount", "--propagation", "private"]).arg(me).args(["--exact", name]);
    let output = again.env(INSIDE, "1").output().unwrap();
    let said = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert!(output.status.success(), "{}", said.concat());
}

fn inside() {
    let dir = tempfile::tempdir().unwrap();
    let point = dir.path().join("far away");
    std::fs::create_dir(&point).unwrap();
    let server = Server::start(&point);
    let home = dir.path().join("home");
    let tool = || {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleet-metrics"));
        command.arg("--home").arg(&home).arg("--host-only").stdin(Stdio::null());
        command
    };
    once(tool(), &point);
    for_long(tool(), &point, &server);
}

/// A one-shot ends, and so does its output: nobody who is left behind holds it open.
fn once(mut tool: Command, point: &Path) {
    let begun = Instant::now();
    let output = tool.output().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(30), "it waited for the server");
    assert_eq!(output.status.code(), Some(0));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains(&format!("'{}'", point.display())), "{said}");
    assert!(said.contains("does not answer"), "{said}");
    let samples: Vec<Sample> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let disk = samples.iter().find(|s| is_at(s, point)).unwrap();
    assert_eq!((disk.state.as_deref(), disk.measures.disk_total_bytes), (Some("unknown"), None));
    assert!(samples.iter().any(|s| s.subject == Subject::Disk && s.measures.disk_bytes > Some(0)));
}

/// Who follows asks once, says so once, and has the values again when the server answers.
fn for_long(mut tool: Command, point: &Path, server: &Server) {
    tool.args(["-f", "--interval", "100ms"]).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut tool = End(tool.spawn().unwrap());
    let pid = tool.0.id() as i32;
    let lines = BufReader::new(tool.0.stdout.take().unwrap()).lines();
    let mut samples = lines
        .map(|line| serde_json::from_str::<Sample>(&line.unwrap()).unwrap())
        .filter(|s| is_at(s, point));
    for _ in 0..10 {
        assert_eq!(samples.next().unwrap().state.as_deref(), Some("unknown"));
        assert!(descendants(&Proc::default(), pid).len() <= 1, "it asked again");
    }
    server.answers.store(true, Ordering::Release);
    let deadline = Instant::now() + Duration::from_secs(20);
    while samples.next().unwrap().measures.disk_total_bytes != Some(8 << 20) {
        assert!(Instant::now() < deadline, "it did not ask again");
    }
    drop(samples);
    tool.0.wait().unwrap();
    let mut said = String::new();
    tool.0.stderr.take().unwrap().read_to_string(&mut said).unwrap();
    assert_eq!(said.matches("does not answer").count(), 1, "{said}");
}

fn is_at(sample: &Sample, point: &Path) -> bool {
    sample.subject == Subject::Disk && sample.name.as_deref() == point.to_str()
}

/// A process that ends with the test.
struct End(Child);

impl Drop for End {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Requests of FUSE (linux/fuse.h).
const STATFS: u32 = 17;
const INIT: u32 = 26;
/// These have no answer: FORGET, INTERRUPT, BATCH_FORGET.
const SILENT: [u32; 3] = [2, 36, 42];

/// A server that takes questions after its size, and keeps them until it is told to answer.
struct Server {
    answers: Arc<AtomicBool>,
}

impl Server {
    fn start(point: &Path) -> Server {
        let device = OpenOptions::new().read(true).write(true).open("/dev/fuse").unwrap();
        let options = format!("fd={},rootmode=40000,user_id=0,group_id=0", device.as_raw_fd());
        let kind = Some("fuse");
        mount(Some("far"), point, kind, MsFlags::empty(), Some(options.as_str())).unwrap();
        let answers = Arc::new(AtomicBool::new(false));
        let told = Arc::clone(&answers);
        std::thread::spawn(move || serve(device, &told));
        Server { answers }
    }
}

fn serve(mut device: File, answers: &AtomicBool) {
    let mut request = vec![0; 256 << 10];
    // Ends when the mount does, with the namespace.
    while let Ok(length) = device.read(&mut request) {
        let word = |at: usize| u32::from_ne_bytes(request[at..at + 4].try_into().unwrap());
        let opcode = word(4);
        let unique: [u8; 8] = request[8..16].try_into().unwrap();
        assert!(length >= 40, "a request has a head");
        match opcode {
            INIT => reply(&mut device, unique, 0, &init()),
            STATFS => {
                while !answers.load(Ordering::Acquire) {
                    std::thread::sleep(Duration::from_millis(10));
                }
                reply(&mut device, unique, 0, &size());
            }
            silent if SILENT.contains(&silent) => {}
            // Not implemented.
            _ => reply(&mut device, unique, -38, &[]),
        }
    }
}

fn reply(device: &mut File, unique: [u8; 8], error: i32, body: &[u8]) {
    let length = (16 + body.len()) as u32;
    let mut answer = [&length.to_ne_bytes()[..], &error.to_ne_bytes(), &unique].concat();
    answer.extend_from_slice(body);
    // Who asked may have gone meanwhile.
    let _ = device.write_all(&answer);
}

/// Version 7.31, and requests of 4 KiB.
fn init() -> Vec<u8> {
    let mut body: Vec<u8> =
        [7u32, 31, 0, 0, 0, 4096, 1].iter().flat_map(|w| w.to_ne_bytes()).collect();
    body.resize(64, 0);
    body
}

/// 2048 blocks of 4 KiB.
fn size() -> Vec<u8> {
    let mut body: Vec<u8> =
        [2048u64, 1024, 1024, 0, 0].iter().flat_map(|w| w.to_ne_bytes()).collect();
    body.extend([4096u32, 255, 4096].iter().flat_map(|w| w.to_ne_bytes()));
    body.resize(80, 0);
    body
}
