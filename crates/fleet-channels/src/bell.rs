//! The `bell` channel: rings a terminal and shows a line on it, or shows a bubble on the desktop.
//!
//! A bell is for who sits there now. Where there is no terminal, as under cron, the notification
//! is refused at once: to ring hours later would tell nobody anything.

use std::fs::{File, OpenOptions};
use std::io::{self, IsTerminal, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use fleet_config::Fault;
use fleet_notify::{Carrier, Notification, Status, Verdict};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use toml::Spanned;

use crate::exec;
use crate::keys::Keys;
use crate::terminal;

/// Most lines of one notification: a terminal is somebody's work.
const MOST_LINES: usize = 5;

/// What rings.
#[derive(Clone, Debug)]
pub enum Bell {
    /// This terminal.
    Terminal(PathBuf),
    /// The desktop, by way of `notify-send`.
    Desktop,
}

impl Bell {
    pub(crate) fn load(keys: &mut Keys) -> Result<Bell, Fault> {
        let tty = keys.text("tty")?;
        match (keys.flag("desktop")?.unwrap_or(false), tty) {
            (true, Some(tty)) => {
                Err(Fault::new(tty.span().start, "a bell has either a tty or desktop = true"))
            }
            (true, None) => Ok(Bell::Desktop),
            (false, tty) => Ok(Bell::Terminal(
                tty.map_or_else(|| "/dev/tty".into(), Spanned::into_inner).into(),
            )),
        }
    }

    pub(crate) fn carrier(&self, timeout: Duration) -> Ringer {
        Ringer { bell: self.clone(), timeout }
    }
}

/// Rings.
pub(crate) struct Ringer {
    bell: Bell,
    timeout: Duration,
}

impl Carrier for Ringer {
    fn deliver(&mut self, notification: &Notification) -> Verdict {
        let lines = shown(notification);
        match &self.bell {
            Bell::Desktop => bubble(notification, lines, self.timeout),
            Bell::Terminal(path) => match ring(path, &lines) {
                Ok(()) => Verdict::Delivered,
                Err(error) => {
                    let why = format!("cannot ring the terminal '{}': {error}", path.display());
                    Verdict::Refused { why }
                }
            },
        }
    }
}

fn shown(notification: &Notification) -> Vec<String> {
    let mut lines = terminal::lines(notification);
    let more = lines.len().saturating_sub(MOST_LINES);
    if more > 0 {
        lines.truncate(MOST_LINES);
        lines.push(format!("and {more} more"));
    }
    lines
}

/// Rings once and shows the lines, whatever column the cursor is in.
fn ring(path: &Path, lines: &[String]) -> io::Result<()> {
    // A terminal that was stopped with Ctrl-S must not hold us, and must not become ours.
    let flags = (OFlag::O_NONBLOCK | OFlag::O_NOCTTY).bits();
    let mut tty: File = OpenOptions::new().write(true).custom_flags(flags).open(path)?;
    if !tty.is_terminal() {
        return Err(Errno::ENOTTY.into());
    }
    let text: String = lines.iter().map(|line| format!("\r\nfleet-alert: {line}")).collect();
    tty.write_all(format!("\x07{text}\r\n").as_bytes())
}

fn bubble(notification: &Notification, lines: Vec<String>, timeout: Duration) -> Verdict {
    let urgency = match (notification.status(), notification.severity()) {
        (Status::Firing, "critical") => "critical",
        (Status::Firing, _) => "normal",
        (Status::Resolved, _) => "low",
    };
    let mut lines = lines.into_iter();
    let title = lines.next().unwrap_or_default();
    let body = lines.collect::<Vec<_>>().join("\n");
    let words = ["notify-send", "--app-name=fleet-alert", "--urgency", urgency, "--"];
    let command = words.map(str::to_owned).into_iter().chain([title, body]).collect::<Vec<_>>();
    match exec::run(&command, &[], Vec::new(), timeout) {
        Ok(status) if status.success() => Verdict::Delivered,
        Ok(status) => {
            Verdict::Refused { why: format!("cannot show it: notify-send failed: {status}") }
        }
        Err(why) => Verdict::Refused { why: format!("cannot show it: notify-send {why}") },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::{alert, notification};
    use std::io::Read;

    #[test]
    fn a_terminal_rings_and_shows_a_line() {
        let pty = nix::pty::openpty(None, None).unwrap();
        let path = nix::unistd::ttyname(&pty.slave).unwrap();
        let mut evil = alert("r", "a");
        evil.summary = "up\x1b[2J\nand down".to_owned();
        let mut ringer = Bell::Terminal(path).carrier(Duration::from_secs(1));
        assert_eq!(ringer.deliver(&notification([evil])), Verdict::Delivered);
        let mut shown = [0; 200];
        let length = File::from(pty.master).read(&mut shown).unwrap();
        let text = str::from_utf8(&shown[..length]).unwrap();
        assert!(text.starts_with('\x07') && text.contains("firing high r a: up"), "{text:?}");
        assert!(!text.contains('\x1b') && text.contains("[2J | and down"), "{text:?}");
    }

    #[test]
    fn no_terminal_is_a_refusal() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        std::fs::write(&path, "").unwrap();
        let mut ringer = Bell::Terminal(path.clone()).carrier(Duration::from_secs(1));
        let verdict = ringer.deliver(&notification([alert("r", "a")]));
        assert!(matches!(verdict, Verdict::Refused { .. }), "{verdict:?}");
        assert_eq!(std::fs::read(&path).unwrap(), b"", "nothing is written to what is no terminal");
    }

    #[test]
    fn many_alerts_are_few_lines() {
        let lines = shown(&notification((0..9).map(|n| alert("r", &format!("p{n}")))));
        assert_eq!(lines.len(), MOST_LINES + 1);
        assert_eq!(lines.last().unwrap(), "and 4 more");
    }
}
