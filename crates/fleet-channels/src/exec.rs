//! The `exec` channel: a command that gets the notification on its standard input.
//!
//! # Theory of operation
//!
//! The command runs once for a notification, without a shell, in a process group of its own. Its
//! standard input has one `alert` record a line (a notification that is about no alert, such as a
//! test, is one line itself), its standard output goes nowhere, its standard error is ours. What
//! most commands need stands in the environment:
//!
//! | variable | |
//! | --- | --- |
//! | `FLEET_NOTIFICATION` | the notification's id, the same for each try |
//! | `FLEET_CHANNEL`, `FLEET_REASON`, `FLEET_HOST` | its channel, why it is told now, the machine |
//! | `FLEET_STATUS`, `FLEET_SEVERITY` | `firing` or `resolved`, the worst severity |
//! | `FLEET_ALERTS` | how many alerts it tells |
//! | `FLEET_SUMMARY` | what it tells, a line for each alert |
//! | `FLEET_ALERT`, `FLEET_STATE`, `FLEET_ID` | rule, state and process of the first alert, the worst; unset where there is none |
//!
//! Status 0 means that it was delivered, 65 (`EX_DATAERR` of sysexits.h) that it will never be
//! taken. With 75 (`EX_TEMPFAIL`) the whole channel waits before the next try, and so where
//! the command cannot be started or takes too long; any other status is tried again too, but
//! holds up only this notification: a command that fails has told nobody, whatever it meant by it.

use std::env;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::thread;
use std::time::Duration;

use fleet_config::Fault;
use fleet_core::duration_text;
use fleet_notify::{Carrier, Notification, Status, Verdict};
use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;

use crate::error::ChannelError;
use crate::keys::Keys;
use crate::{records, terminal};

/// How long a killed command may take to be gone.
const BURIAL: Duration = Duration::from_secs(1);

/// `EX_DATAERR` of sysexits.h.
const NEVER: i32 = 65;

/// `EX_TEMPFAIL` of sysexits.h.
const LATER: i32 = 75;

/// Most bytes of `FLEET_SUMMARY`: the kernel takes 128 KiB.
const MOST_SUMMARY: usize = 32 << 10;

/// Variables of a command; those without a value are taken away.
type Variables = [(&'static str, Option<String>)];

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

    /// Looks for the command where it would be looked for to run it.
    pub(crate) fn look(&self) -> Result<(), ChannelError> {
        let command = self.command.first().map_or("", String::as_str);
        let found = if command.contains('/') {
            is_program(Path::new(command))
        } else {
            let path = env::var_os("PATH").unwrap_or_else(|| "/bin:/usr/bin".into());
            env::split_paths(&path).any(|folder| is_program(&folder.join(command)))
        };
        let missing = || ChannelError::NoCommand { command: command.to_owned() };
        if found { Ok(()) } else { Err(missing()) }
    }

    pub(crate) fn carrier(&self, timeout: Duration) -> Runner {
        Runner { command: self.command.clone(), timeout }
    }
}

fn is_program(path: &Path) -> bool {
    path.metadata().is_ok_and(|data| data.is_file() && data.permissions().mode() & 0o111 != 0)
}

/// Runs the command for a notification.
pub(crate) struct Runner {
    command: Vec<String>,
    timeout: Duration,
}

impl Carrier for Runner {
    fn deliver(&mut self, notification: &Notification) -> Verdict {
        let again = |channel, why| Verdict::Again { after: None, channel, why };
        let stdin = match records::lines(notification) {
            Ok(stdin) => stdin,
            Err(error) => return Verdict::Refused { why: error.to_string() },
        };
        match run(&self.command, &variables(notification), stdin, self.timeout) {
            Ok(status) if status.success() => Verdict::Delivered,
            Ok(status) => {
                let why = format!("failed: {status}");
                match status.code() {
                    Some(NEVER) => Verdict::Refused { why },
                    code => again(code == Some(LATER), why),
                }
            }
            Err(why) => again(true, why),
        }
    }
}

fn variables(notification: &Notification) -> [(&'static str, Option<String>); 11] {
    let status = match notification.status() {
        Status::Firing => "firing",
        Status::Resolved => "resolved",
    };
    let worst = notification.alerts.first();
    let mut summary = terminal::lines(notification).join("\n");
    summary.truncate(summary.floor_char_boundary(MOST_SUMMARY));
    let some = |text: &str| Some(text.replace('\0', ""));
    [
        ("FLEET_NOTIFICATION", some(&notification.id)),
        ("FLEET_CHANNEL", some(&notification.channel)),
        ("FLEET_REASON", some(notification.reason.word())),
        ("FLEET_HOST", some(&notification.host)),
        ("FLEET_STATUS", some(status)),
        ("FLEET_SEVERITY", some(notification.severity())),
        ("FLEET_ALERTS", Some(notification.alerts.len().to_string())),
        ("FLEET_SUMMARY", Some(summary)),
        ("FLEET_ALERT", worst.and_then(|alert| some(&alert.alert))),
        ("FLEET_STATE", worst.and_then(|alert| some(alert.state.word()))),
        // This tool may itself be a process of the fleet.
        ("FLEET_ID", worst.and_then(|alert| some(alert.id.as_deref()?))),
    ]
}

/// Runs a command to its end or to its time limit; a failure is a sentence's second half.
pub(crate) fn run(
    command: &[String],
    variables: &Variables,
    stdin: Vec<u8>,
    timeout: Duration,
) -> Result<ExitStatus, String> {
    let child = start(command, variables).map_err(|e| format!("could not be started: {e}"))?;
    finish(child, timeout, stdin).map_err(|error| match error {
        RecvTimeoutError::Timeout => {
            format!("took longer than {} and was killed", duration_text(timeout))
        }
        RecvTimeoutError::Disconnected => "could not be waited for".to_owned(),
    })
}

fn start(command: &[String], variables: &Variables) -> io::Result<Child> {
    let (program, arguments) =
        command.split_first().ok_or_else(|| io::Error::other("it has no command"))?;
    let mut command = Command::new(program);
    for (name, value) in variables {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command
        .args(arguments)
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
    input: Vec<u8>,
) -> Result<ExitStatus, RecvTimeoutError> {
    let group = i32::try_from(child.id()).map(Pid::from_raw);
    let stdin = child.stdin.take();
    thread::spawn(move || stdin.map(|mut stdin| stdin.write_all(&input)));
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{alert, notification};
    use std::fs;

    /// What became of a script that got two alerts, `$0` being a folder.
    fn deliver(script: &str, timeout: Duration) -> (Verdict, tempfile::TempDir) {
        let dir = tempfile::tempdir().unwrap();
        let command =
            ["sh", "-c", script, dir.path().to_str().unwrap()].map(str::to_owned).to_vec();
        let mut runner = Runner { command, timeout };
        (runner.deliver(&notification([alert("r", "a"), alert("r", "b")])), dir)
    }

    fn ending(script: &str) -> Verdict {
        deliver(script, Duration::from_secs(10)).0
    }

    #[test]
    fn a_command_gets_lines_and_variables() {
        let script = "cat >$0/stdin; echo \"$FLEET_NOTIFICATION $FLEET_CHANNEL $FLEET_REASON \
                      $FLEET_STATUS $FLEET_SEVERITY $FLEET_ALERTS $FLEET_ALERT $FLEET_STATE \
                      $FLEET_ID $FLEET_HOST\" >$0/env; echo \"$FLEET_SUMMARY\" >$0/summary";
        let (verdict, dir) = deliver(script, Duration::from_secs(10));
        assert_eq!(verdict, Verdict::Delivered);
        let read = |name: &str| fs::read_to_string(dir.path().join(name)).unwrap();
        assert_eq!(
            read("env"),
            "00112233445566aa mail first firing high 2 r firing a workstation\n"
        );
        assert_eq!(read("summary"), "firing high r a: a is high\nfiring high r b: b is high\n");
        let kinds: Vec<String> = read("stdin")
            .lines()
            .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap()["id"].to_string())
            .collect();
        assert_eq!(kinds, ["\"a\"", "\"b\""]);
    }

    #[test]
    fn what_a_status_means() {
        let again = |channel, why: &str| Verdict::Again { after: None, channel, why: why.into() };
        assert_eq!(ending("exit 0"), Verdict::Delivered);
        assert_eq!(ending("exit 75"), again(true, "failed: exit status: 75"));
        assert_eq!(ending("exit 3"), again(false, "failed: exit status: 3"));
        assert_eq!(ending("exit 65"), Verdict::Refused { why: "failed: exit status: 65".into() });
        let killed = again(false, "failed: signal: 9 (SIGKILL)");
        assert_eq!(ending("kill -9 $$"), killed);
    }

    #[test]
    fn one_that_hangs_is_killed() {
        let (verdict, _dir) = deliver("sleep 1000 & wait", Duration::from_millis(100));
        let why = "took longer than 100ms and was killed".to_owned();
        assert_eq!(verdict, Verdict::Again { after: None, channel: true, why });
    }

    #[test]
    fn a_command_that_is_not_there_holds_the_channel() {
        let mut runner =
            Runner { command: vec!["/no/such".to_owned()], timeout: Duration::from_secs(1) };
        let verdict = runner.deliver(&notification([alert("r", "a")]));
        assert!(matches!(verdict, Verdict::Again { channel: true, .. }), "{verdict:?}");
    }

    #[test]
    fn a_test_is_a_line_of_its_own() {
        let mut test = notification([]);
        test.text = "does it arrive?".to_owned();
        let line = String::from_utf8(records::lines(&test).unwrap()).unwrap();
        assert!(line.starts_with("{\"kind\":\"notification\"") && line.ends_with("}\n"), "{line}");
        let variables = variables(&test);
        assert!(variables.contains(&("FLEET_SUMMARY", Some("does it arrive?".to_owned()))));
        assert!(variables.contains(&("FLEET_ID", None)));
    }
}
