//! A `fleet-gpus --serve` to talk to, over a stand-in for NVIDIA's library.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]
#![allow(dead_code, reason = "each test file uses its part")]

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use fleet_gpu::{Answer, Gpu};
use fleet_testkit::StandIn;

/// Two GPUs that tell all there is to tell, and two processes on the first one.
pub(crate) const TWO: &str = "\
gpu 0 87 40 81920 20480 61 412000 NVIDIA H100 80GB HBM3
gpu 1 3 1 81920 512 33 71000 NVIDIA H100 80GB HBM3
proc 0 4242 20000 85
proc 0 4243 300 0 g
set 0 limit_mw 700000
set 0 energy_mj 1234567
set 0 sm_mhz 1410
set 0 sm_max_mhz 1980
set 0 mem_mhz 2619
set 0 throttle 4
set 0 ecc_corrected 5
set 0 ecc_uncorrected 1
set 0 fan 30
set 0 replays 2
set 0 encoder 11
set 0 decoder 12
set 0 mig 0
set 0 xid 79
set 0 xid_count 0
";

/// A server that is asked by hand.
pub(crate) struct Server {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Server {
    pub(crate) fn start(gpus: &StandIn) -> Server {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleet-gpus"));
        command.arg("--serve").envs(gpus.variables()).env("FLEET_SYS", gpus.folder());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let requests = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Server { child, requests, answers }
    }

    /// Asks and waits for the answer, whose GPUs have so many milliseconds.
    pub(crate) fn ask_within(&mut self, within_ms: u64) -> Answer {
        writeln!(self.requests, "{{\"within_ms\":{within_ms}}}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("{e}: {line:?}"))
    }

    pub(crate) fn ask(&mut self) -> Answer {
        self.ask_within(20_000)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // A thread of it may hang in the stand-in.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A program that runs fleet-gpus over these GPUs, whatever the environment says.
pub(crate) fn program(gpus: &StandIn) -> PathBuf {
    let set = gpus.variables().map(|(name, value)| format!("{name}='{}'", value.display()));
    let line = format!("{} exec '{}' \"$@\"", set.join(" "), env!("CARGO_BIN_EXE_fleet-gpus"));
    script(gpus, &line)
}

/// A program that is this line of shell.
pub(crate) fn script(gpus: &StandIn, line: &str) -> PathBuf {
    let path = gpus.folder().join("program");
    // Written beside and moved, so that no other test's fork holds it open for writing.
    let new = gpus.folder().join("new");
    fs::write(&new, format!("#!/bin/sh\n{line}\n")).unwrap();
    fs::set_permissions(&new, fs::Permissions::from_mode(0o755)).unwrap();
    fs::rename(new, &path).unwrap();
    path
}

/// The only GPU with this index that is no instance.
#[track_caller]
pub(crate) fn gpu(answer: &Answer, index: u32) -> &Gpu {
    let mut found = answer.gpus.iter().filter(|gpu| gpu.index == index && gpu.parent.is_none());
    let gpu = found.next().unwrap_or_else(|| panic!("no GPU {index}: {answer:#?}"));
    assert!(found.next().is_none(), "{answer:#?}");
    gpu
}
