//! The `exec` channel: a command that gets the notification on its standard input.

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use fleet_config::Fault;
use fleet_core::duration_text;
use fleet_notify::{Carrier, Notification, Verdict};
use fleet_rules::AlertRecord;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::keys::Keys;

/// How long a killed command may take to be gone.
const BURIAL: Duration = Duration::from_secs(1);

/// A command.
#[derive(Clone, Debug)]
pub struct Exec {
    command: Vec<String>,
}

impl Exec {
    pub(crate) fn load(keys: &mut Keys) -> Result<Exec, Fault> {
        let command = keys.texts("command")?.ok_or_else(|| {
            Fault::new(keys.at(), "an exec channel needs a command")
                .hint("write command = [\"prog\", \"arg\"]")
        })?;
        if command.get_ref().first().is_none_or(String::is_empty) {
            return Err(Fault::new(command.span().start, "the command is empty"));
        }
        Ok(Exec { command: command.into_inner() })
    }

    pub(crate) fn carrier(&self, timeout: Duration) -> Runner {
        Runner { command: self.command.clone(), timeout }
    }
}

/// Runs the command for each alert of a notification.
pub(crate) struct Runner {
    command: Vec<String>,
    timeout: Duration,
}

impl Carrier for Runner {
    fn deliver(&mut self, notification: &Notification) -> Verdict {
        for alert in &notification.alerts {
            if let Err(why) = run(&self.command, self.timeout, alert) {
                return Verdict::Again { after: None, channel: false, why };
            }
        }
        Verdict::Delivered
    }
}

/// Runs the command to its end or to its time limit; a failure is a sentence's second half.
fn run(command: &[String], timeout: Duration, alert: &AlertRecord) -> Result<(), String> {
    let mut json = serde_json::to_vec(alert).map_err(|e| e.to_string())?;
    json.push(b'\n');
    let child = start(command, alert).map_err(|e| format!("could not be started: {e}"))?;
    match finish(child, timeout, json) {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("failed: {status}")),
        Err(RecvTimeoutError::Timeout) => {
            Err(format!("took longer than {} and was killed", duration_text(timeout)))
        }
        Err(RecvTimeoutError::Disconnected) => Err("could not be waited for".to_owned()),
    }
}

fn start(command: &[String], alert: &AlertRecord) -> io::Result<Child> {
    let (program, arguments) =
        command.split_first().ok_or_else(|| io::Error::other("it has no command"))?;
    let mut command = Command::new(program);
    match &alert.id {
        Some(id) => command.env("FLEET_ID", id),
        // This tool may itself be a process of the fleet.
        None => command.env_remove("FLEET_ID"),
    };
    command
        .args(arguments)
        .env("FLEET_ALERT", &alert.alert)
        .env("FLEET_SEVERITY", &alert.severity)
        .env("FLEET_STATE", alert.state.word())
        .stdin(Stdio::piped())
        // Standard output is for records.
        .stdout(Stdio::null())
        .process_group(0)
        .spawn()
}

/// Feeds and awaits the child on threads of their own, so that neither a child that reads nothing
/// nor one that never ends holds us longer than the limit.
fn finish(
    mut child: Child,
    timeout: Duration,
    json: Vec<u8>,
) -> Result<ExitStatus, RecvTimeoutError> {
    let group = i32::try_from(child.id()).map(Pid::from_raw);
    let stdin = child.stdin.take();
    thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(&json)));
    let (send, ended) = mpsc::channel();
    thread::spawn(move || child.wait().map(|status| send.send(status)));
    let result = ended.recv_timeout(timeout);
    if let (Err(_), Ok(group)) = (&result, group) {
        // Gone already is what was wanted.
        let _ = killpg(group, Signal::SIGKILL);
        let _ = ended.recv_timeout(BURIAL);
    }
    result
}
