//! Jupyter kernels: the connection file, and a real client of a real kernel.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use fleet_testkit::{Run, State, TestFleet, Value};

fn spawn(fleet: &TestFleet, name: &str, options: &[&str]) -> Run {
    let run = fleet.run("fleet-spawn").args(["--name", name, "--connection-file"]).args(options);
    run.args(["--", "sh", "-c", "echo $0 $FLEET_CONNECTION_FILE; exec sleep 600"])
}

fn file_of(fleet: &TestFleet, name: &str) -> (PathBuf, Value) {
    let path = PathBuf::from(fleet.record(name).connection_file.unwrap());
    let content = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    (path, content)
}

#[test]
fn the_file_names_the_reserved_ports_and_holds_the_only_copy_of_the_key() {
    let fleet = TestFleet::new();
    let range = ["--port-range", "21100-21190"];
    spawn(&fleet, "k", &range).arg("{connection_file}").succeeds().stdout_is("k\n");
    let (path, content) = file_of(&fleet, "k");
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    let ports = fleet.record("k").ports;
    assert_eq!(ports.len(), 5);
    let names = ["shell_port", "iopub_port", "stdin_port", "control_port", "hb_port"];
    for (name, port) in names.iter().zip(&ports) {
        assert_eq!(content[name], *port);
    }
    assert_eq!((&content["ip"], &content["transport"]), (&"127.0.0.1".into(), &"tcp".into()));
    assert_eq!(content["signature_scheme"], "hmac-sha256");
    let path_text = path.to_str().unwrap();
    fleet.until_log("k", |log| log.text() == format!("{path_text} {path_text}\n"));
    fleet.run("fleet-ps").args(["k", "-o", "wide"]).succeeds().stdout_has(path_text);
    // Another kernel has another key, and other ports.
    spawn(&fleet, "other", &[&range[..], &["--port", "auto:5"]].concat()).succeeds();
    let key = content["key"].as_str().unwrap().to_owned();
    assert_eq!(key.len(), 64);
    assert_ne!(file_of(&fleet, "other").1["key"], key.as_str());
    assert!(fleet.record("other").ports.iter().all(|port| !ports.contains(port)));
    // A restart changes neither; the key is in no other file; with the run the file goes.
    fleet.run("fleet-signal").args(["restart", "k"]).succeeds();
    assert_eq!(file_of(&fleet, "k"), (path.clone(), content));
    fleet.run("fleet-stop").arg("k").succeeds();
    let holders =
        fleet.shell(&format!("grep -rl {key} --exclude '*.fifo' '{}'", fleet.home().display()));
    assert_eq!(holders.succeeds().stdout().trim_end(), path_text);
    fleet.run("fleet-ps").args(["--prune", "--keep", "0"]).succeeds_and_says("");
    assert!(!path.exists());
}

#[test]
fn another_number_of_ports_is_refused() {
    let fleet = TestFleet::new();
    for port in ["auto", "auto:4", "21199"] {
        spawn(&fleet, "k", &["--port", port]).fails_with(2).stderr_has("--port auto:5");
    }
    assert!(!fleet.file("registry.jsonl").exists());
}

/// Connects, computes, interrupts a running cell in both ways, and connects again after a restart.
const CLIENT: &str = r#"
import subprocess, sys, time
from jupyter_client import BlockingKernelClient

def connect(path):
    client = BlockingKernelClient()
    client.load_connection_file(path)
    client.start_channels()
    client.wait_for_ready(timeout=40)
    return client

def run(client, code):
    said = []
    def hook(message):
        if message["msg_type"] == "execute_result":
            said.append(message["content"]["data"]["text/plain"])
    reply = client.execute_interactive(code, timeout=40, output_hook=hook)
    return reply["content"]["status"], said, reply["content"].get("ename")

def interrupted(client, interrupt):
    # What follows is not to be aborted together with the cell that is interrupted.
    cell = "import time\nprint('begun')\ntime.sleep(60)"
    busy = client.execute(cell, stop_on_error=False)
    while client.get_iopub_msg(timeout=40)["content"].get("text", "") != "begun\n":
        pass
    interrupt()
    while True:
        reply = client.get_shell_msg(timeout=40)
        if reply["parent_header"].get("msg_id") == busy:
            return reply["content"].get("ename")

def by_channel():
    message = client.session.msg("interrupt_request", {})
    client.control_channel.send(message)

path = sys.argv[1]
client = connect(path)
assert run(client, "1+1")[:2] == ("ok", ["2"]), run(client, "1+1")
signal = lambda: subprocess.run(["fleet-signal", "INT", "k"], check=True, stdout=subprocess.DEVNULL)
assert interrupted(client, signal) == "KeyboardInterrupt"
assert interrupted(client, by_channel) == "KeyboardInterrupt"
assert run(client, "x = 41")[0] == "ok"
subprocess.run(["fleet-signal", "restart", "k"], check=True, stdout=subprocess.DEVNULL)
again = connect(path)
assert run(again, "x")[2] == "NameError"
# The client from before the restart finds its kernel again, too.
assert run(client, "2+2")[:2] == ("ok", ["4"])
print("well")
"#;

/// A Python that has ipykernel and jupyter_client, made by scripts/setup.sh.
fn python() -> Option<PathBuf> {
    let test = std::env::current_exe().unwrap();
    let target = test.ancestors().find(|folder| folder.ends_with("target"))?;
    let python = target.join("jupyter-venv/bin/python");
    Path::exists(&python).then_some(python)
}

#[test]
#[allow(clippy::print_stderr, reason = "a test that is passed over says so")]
fn slow_a_real_client_talks_to_a_real_kernel() {
    let Some(python) = python() else {
        return eprintln!("passed over: no ipykernel here; run scripts/setup.sh");
    };
    let fleet = TestFleet::new();
    let run = fleet.run("fleet-spawn").args(["--name", "k", "--port", "auto:5"]);
    let run = run.args(["--port-range", "21200-21290", "--connection-file", "--"]).arg(&python);
    run.args(["-m", "ipykernel_launcher", "-f", "{connection_file}"]).succeeds();
    let (path, content) = file_of(&fleet, "k");
    let client = fleet.scratch().join("client.py");
    fs::write(&client, CLIENT).unwrap();
    let line = format!("exec '{}' '{}' '{}'", python.display(), client.display(), path.display());
    let ran = fleet.shell(&line).ends();
    assert_eq!((ran.code(), ran.stdout()), (Some(0), "well\n"), "{ran}");
    let record = fleet.record("k");
    assert_eq!((record.state, record.attempt), (State::Running, 2));
    assert_eq!(file_of(&fleet, "k"), (path, content));
}
