//! The `exec` channel: a command that gets the alert on its standard input.

use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use fleet_core::duration_text;
use fleet_rules::AlertRecord;
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

/// How long a killed command may take to be gone.
const BURIAL: Duration = Duration::from_secs(1);

/// Runs the command to its end or to its time limit; a failure is a sentence's second half.
pub(crate) fn tell(
    command: &[String],
    timeout: Duration,
    alert: &AlertRecord,
    json: &[u8],
) -> Result<(), String> {
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
    json: &[u8],
) -> Result<ExitStatus, RecvTimeoutError> {
    let group = i32::try_from(child.id()).map(Pid::from_raw);
    let (stdin, json) = (child.stdin.take(), json.to_vec());
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
