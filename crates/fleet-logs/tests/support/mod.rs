//! A home built by hand, and the tool run on it.

#![allow(dead_code, reason = "each test file uses a part of it")]
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use fleet_core::Timestamp;
use serde_json::{Value, json};
use tempfile::TempDir;

/// No wait of a test lasts longer.
pub(crate) const BOUND: Duration = Duration::from_secs(30);

/// Stamps of the tests count seconds from here.
const BASE: i64 = 1_795_327_200;

pub(crate) fn stamp(seconds: i64) -> String {
    Timestamp::from_nanos((BASE + seconds) * 1_000_000_000).to_nanos_text()
}

pub(crate) struct Fleet(TempDir);

impl Fleet {
    pub(crate) fn new() -> Fleet {
        Fleet(tempfile::tempdir().unwrap())
    }

    pub(crate) fn home(&self) -> &Path {
        self.0.path()
    }

    /// Appends a record; what is in `more` is added to it.
    pub(crate) fn record(&self, id: &str, run: u32, state: &str, more: Value) {
        let mut record = json!({
            "kind": "process", "ts": Timestamp::now(), "id": id, "run": run, "attempt": 1,
            "state": state, "boot": boot(), "host": host(), "command": ["true"], "cwd": "/",
            "restarts": 0, "spawned_at": stamp(0),
        });
        // The test itself stands for a process that lives, so that a census finds it alive.
        let me = json!({"pid": std::process::id(), "start": start()});
        if ["running", "starting"].contains(&state) {
            record["pid"] = me["pid"].clone();
            record["pid_start"] = me["start"].clone();
            record["shim"] = me;
        } else {
            record["ended_at"] = json!(Timestamp::now());
        }
        for (key, value) in more.as_object().unwrap() {
            record[key] = value.clone();
        }
        append(&self.home().join("registry.jsonl"), format!("{record}\n").as_bytes());
    }

    /// A process that lives, with its log.
    pub(crate) fn running(&self, id: &str) -> Log {
        let log = self.log(id, 1);
        self.record(id, 1, "running", json!({}));
        log
    }

    /// A process that ended, with its log.
    pub(crate) fn ended(&self, id: &str) -> Log {
        let log = self.log(id, 1);
        self.record(id, 1, "completed", json!({}));
        log
    }

    pub(crate) fn run_dir(&self, id: &str, run: u32) -> PathBuf {
        self.home().join(format!("processes/{id}/{run}"))
    }

    pub(crate) fn log(&self, id: &str, run: u32) -> Log {
        let dir = self.run_dir(id, run).join("log");
        fs::create_dir_all(&dir).unwrap();
        Log(dir)
    }

    pub(crate) fn attempt(&self, id: &str, attempt: u32, seconds: i64) {
        let line = json!({"attempt": attempt, "ts": stamp(seconds)});
        append(&self.run_dir(id, 1).join("attempts.jsonl"), format!("{line}\n").as_bytes());
    }

    pub(crate) fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_fleet-logs"));
        command.args(args).arg("--home").arg(self.home());
        command.env_remove("NO_COLOR").env("TERM", "xterm").env("TZ", "UTC");
        command.env("XDG_CONFIG_HOME", self.home());
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn run(&self, args: &[&str]) -> assert_cmd::assert::Assert {
        assert_cmd::Command::from_std(self.command(args)).timeout(BOUND).assert()
    }

    /// What it says when it cannot do that.
    pub(crate) fn refused(&self, args: &[&str]) -> String {
        let run = self.run(args).code(2).stdout("");
        String::from_utf8_lossy(&run.get_output().stderr).into_owned()
    }

    /// Runs it to success with nothing said, and returns what it printed.
    pub(crate) fn text(&self, args: &[&str]) -> String {
        let assert = self.run(args).success().stderr("");
        String::from_utf8(assert.get_output().stdout.clone()).unwrap()
    }

    pub(crate) fn records(&self, args: &[&str]) -> Vec<Value> {
        self.text(args).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// The messages of the records.
    pub(crate) fn messages(&self, args: &[&str]) -> Vec<String> {
        self.records(args).iter().map(|r| r["message"].as_str().unwrap().to_owned()).collect()
    }

    pub(crate) fn follow(&self, args: &[&str]) -> Following {
        let mut command = self.command(args);
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (send, lines) = channel();
        let said = send.clone();
        let (out, err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
        thread::spawn(move || {
            for line in BufReader::new(out).lines() {
                if send.send(line.unwrap()).is_err() {
                    break;
                }
            }
        });
        thread::spawn(move || {
            for line in BufReader::new(err).lines() {
                let _ = said.send(line.unwrap());
            }
        });
        Following { child, lines, seen: Vec::new() }
    }
}

pub(crate) struct Log(PathBuf);

impl Log {
    pub(crate) fn append(&self, bytes: &[u8]) {
        append(&self.0.join("current"), bytes);
    }

    pub(crate) fn write(&self, seconds: i64, head: &str, text: impl AsRef<[u8]>) -> &Log {
        let mut line = format!("{} {head} ", stamp(seconds)).into_bytes();
        line.extend_from_slice(text.as_ref());
        line.push(b'\n');
        self.append(&line);
        self
    }

    pub(crate) fn out(&self, seconds: i64, text: &str) -> &Log {
        self.write(seconds, "stdout F", text)
    }

    /// Sets the file aside that begins with this moment.
    pub(crate) fn rotate(&self, first: i64) {
        let aside = self.0.join(format!("{}.log", stamp(first)));
        fs::rename(self.0.join("current"), aside).unwrap();
    }

    pub(crate) fn truncate(&self) {
        OpenOptions::new().write(true).open(self.0.join("current")).unwrap().set_len(0).unwrap();
    }
}

fn append(path: &Path, bytes: &[u8]) {
    let mut file = OpenOptions::new().append(true).create(true).open(path).unwrap();
    file.write_all(bytes).unwrap();
}

/// A tool that follows: what it prints and says, line by line.
pub(crate) struct Following {
    pub(crate) child: Child,
    lines: Receiver<String>,
    pub(crate) seen: Vec<String>,
}

impl Following {
    /// Waits until what was printed so far fits.
    pub(crate) fn until(&mut self, what: &str, fits: impl Fn(&[String]) -> bool) {
        let end = Instant::now() + BOUND;
        while !fits(&self.seen) {
            let left = end.saturating_duration_since(Instant::now());
            match self.lines.recv_timeout(left) {
                Ok(line) => self.seen.push(line),
                Err(error) => panic!("no {what} ({error}); seen: {:#?}", self.seen),
            }
        }
    }

    /// Waits for a line that holds this.
    pub(crate) fn until_line(&mut self, text: &str) {
        self.until(text, |seen| seen.iter().any(|line| line.contains(text)));
    }

    /// Waits for its end.
    pub(crate) fn ends(&mut self) -> ExitStatus {
        let end = Instant::now() + BOUND;
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                self.seen.extend(self.lines.iter());
                return status;
            }
            assert!(Instant::now() < end, "it does not end; seen: {:#?}", self.seen);
            thread::sleep(Duration::from_millis(5));
        }
    }

    /// The messages of what was printed.
    pub(crate) fn messages(&self) -> Vec<String> {
        let message = |line: &String| {
            let record: Value = serde_json::from_str(line).ok()?;
            Some(record["message"].as_str()?.to_owned())
        };
        self.seen.iter().filter_map(message).collect()
    }
}

impl Drop for Following {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn boot() -> String {
    fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap().trim().to_owned()
}

fn host() -> String {
    fs::read_to_string("/proc/sys/kernel/hostname").unwrap().trim().to_owned()
}

fn start() -> u64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap();
    let behind_name = &stat[stat.rfind(')').unwrap() + 2..];
    behind_name.split(' ').nth(19).unwrap().parse().unwrap()
}
