//! Channels that ask web servers: what they send, what they make of answers, and what they never say.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

#[path = "web/alertmanager.rs"]
mod alertmanager;
#[path = "web/faults.rs"]
mod faults;
#[path = "web/forms.rs"]
mod forms;
#[path = "web/secrets.rs"]
mod secrets;
#[path = "web/tls.rs"]
mod tls;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use fleet_channels::Channel;
use fleet_notify::{Carrier, Notification, Verdict};
use fleet_testkit::{Value, json};
use tempfile::TempDir;
use toml::Spanned;

/// What stands in a file of secrets of a test.
const SECRET: &str = "hunter2hunter2hunter2hunter2-abc";

/// A channel that is written so.
fn channel(text: &str) -> Channel {
    let raw = toml::from_str(text).unwrap();
    Channel::load(Spanned::new(0..1, "test".to_owned()), raw).map_err(|f| f.message).unwrap()
}

/// What takes notifications to a channel that is written so.
fn carrier(text: &str) -> Box<dyn Carrier> {
    channel(text).carrier().unwrap()
}

/// A file with a secret in it, for `KEY_file`, and the folder that it goes with.
fn secret(text: &str) -> (TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (folder, path)
}

fn alert(name: &str, state: &str) -> Value {
    let ts = if state == "resolved" { "2026-11-22T06:05:00Z" } else { "2026-11-22T06:01:00Z" };
    json!({
        "kind": "alert", "ts": ts, "alert": name, "state": state, "severity": "critical",
        "id": "web-1", "run": 2, "labels": {"team": "vision", "gpu-model": "x"},
        "since": "2026-11-22T06:00:00Z", "value": 93.5, "summary": "uses 93.5 %",
        "annotations": {"runbook": "https://runbooks.example/memory"}, "reason": "memory_percent is 93.5",
        "fingerprint": "00112233445566aa",
    })
}

/// The notification of some alerts; the id tells one from another.
fn notification(id: &str, reason: &str, alerts: &[Value]) -> Notification {
    serde_json::from_value(json!({
        "kind": "notification", "id": id, "channel": "test", "group": {"alert": "memory_high"},
        "reason": reason, "created": "2026-11-22T06:01:01Z", "host": "box", "alerts": alerts,
    }))
    .unwrap()
}

/// One alert that fires.
fn first() -> Notification {
    notification("0123456789abcdef", "first", &[alert("memory_high", "firing")])
}

/// The verdict as a word, with `channel` where all wait.
fn word(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Delivered => "delivered",
        Verdict::Again { channel: true, .. } => "again, channel",
        Verdict::Again { .. } => "again",
        Verdict::Refused { .. } => "refused",
        Verdict::Dead { .. } => "dead",
    }
}

/// Why it was not delivered.
fn why(verdict: &Verdict) -> &str {
    match verdict {
        Verdict::Delivered => "",
        Verdict::Again { why, .. } | Verdict::Refused { why } | Verdict::Dead { why } => why,
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}
