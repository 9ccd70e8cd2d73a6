//! `fleet-alert` while its input never pauses.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::{self, JoinHandle};

use fleet_testkit::until;
use tempfile::TempDir;

const RULES: &str = "[[rule]]\nname = \"long\"\non = \"sample\"\nwhen = \"x > 1\"\nfor = \"1h\"\n\
    [[rule]]\nname = \"now\"\non = \"sample\"\nwhen = \"x > 2\"\n";

fn command(folder: &Path) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("fleet-alert"));
    command.arg("--rules").arg(folder.join("alerts.toml")).arg("--no-notify");
    command.env("FLEET_HOME", folder.join("home")).stdin(Stdio::piped()).stdout(Stdio::piped());
    command
}

fn sample(id: &str, x: u32) -> String {
    format!("{{\"kind\":\"sample\",\"ts\":\"2026-11-22T06:00:00Z\",\"id\":\"{id}\",\"x\":{x}}}\n")
}

/// A fleet-alert that is flooded with samples of one process until it is killed.
struct Flooded {
    dir: TempDir,
    child: Child,
    flood: Option<JoinHandle<()>>,
}

impl Flooded {
    fn new() -> Flooded {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("alerts.toml"), RULES).unwrap();
        let mut child = command(dir.path()).spawn().unwrap();
        let stdin = child.stdin.take().unwrap();
        Flooded { dir, child, flood: Some(thread::spawn(|| flood(stdin))) }
    }

    fn state(&self) -> PathBuf {
        self.dir.path().join("home/alerts/state.jsonl")
    }

    fn remembers(&self, what: &str) -> bool {
        fs::read_to_string(self.state()).is_ok_and(|text| text.contains(what))
    }
}

/// Writes until nobody reads.
fn flood(mut stdin: ChildStdin) {
    let lines = sample("a", 2).repeat(1000);
    while stdin.write_all(lines.as_bytes()).is_ok() {}
}

impl Drop for Flooded {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        let _ = self.flood.take().map(JoinHandle::join);
    }
}

#[test]
fn what_does_not_fire_yet_is_written_down_though_input_never_pauses() {
    let mut flooded = Flooded::new();
    until("it is written down", || flooded.remembers("\"pending\""));
    flooded.child.kill().unwrap();
    assert!(!flooded.remembers("\"firing\""));
}

#[test]
fn others_get_their_turn_beside_a_flood() {
    let flooded = Flooded::new();
    until("it is at work", || flooded.state().exists());
    for at in 0..3 {
        let mut other = command(flooded.dir.path()).spawn().unwrap();
        let id = format!("b{at}");
        other.stdin.take().unwrap().write_all(sample(&id, 3).as_bytes()).unwrap();
        until("the other run ends", || other.try_wait().unwrap().is_some());
        let output = other.wait_with_output().unwrap();
        assert!(String::from_utf8_lossy(&output.stdout).contains(&format!("\"{id}\"")));
    }
    // What the others told stands, and what the flooded one holds too.
    until("all is remembered", || {
        ["\"b0\"", "\"b1\"", "\"b2\"", "\"a\""].iter().all(|id| flooded.remembers(id))
    });
}
