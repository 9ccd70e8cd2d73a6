//! Everybody who is told of alerts: the channels, standard error, standard output.

use std::io;

use fleet_cli::{Format, Out, Records, talk};
use fleet_core::Timestamp;
use fleet_rules::{AlertRecord, Channel, ChannelKind, Instance};

use crate::exec;
use crate::show;

/// Standard error among the channels; no name in a rules file is written so.
const STDERR: &str = "(stderr)";
/// Standard output. It comes last: its reader may leave, and that ends the tool.
const STDOUT: &str = "(stdout)";

pub(crate) struct Tellers {
    channels: Vec<Channel>,
    stdout: Stdout,
    /// Whether people are told: `--no-notify` leaves only standard output.
    notify: bool,
    /// Whether a line on standard error says what standard output does not say on the same
    /// screen.
    stderr: bool,
}

enum Stdout {
    Lines(Out),
    Records(Records<Out>),
}

impl Tellers {
    pub(crate) fn new(channels: Vec<Channel>, out: Out, format: Format, notify: bool) -> Tellers {
        let same_screen = format == Format::Table
            && out.is_terminal()
            && io::IsTerminal::is_terminal(&io::stderr());
        let stdout = match format {
            Format::Table => Stdout::Lines(out),
            Format::Json => Stdout::Records(Records::array(out)),
            _ => Stdout::Records(Records::lines(out)),
        };
        Tellers { channels, stdout, notify, stderr: !same_screen }
    }

    /// Who is to be told of an alert, in order.
    pub(crate) fn audience(&self, alert: &AlertRecord) -> Vec<String> {
        let channels = self.channels.iter().filter(|c| self.notify && c.takes(&alert.severity));
        let stderr = (self.notify && self.stderr).then(|| STDERR.to_owned());
        channels.map(|c| c.name.clone()).chain(stderr).chain([STDOUT.to_owned()]).collect()
    }

    /// Those of the owed who may be told now; with `--no-notify` the others wait for a run
    /// without it.
    pub(crate) fn tellable(&self, owed: &[String]) -> Vec<String> {
        owed.iter().filter(|name| self.notify || *name == STDOUT).cloned().collect()
    }

    /// Tells one of them. What a channel's command could not do is said, and no error.
    pub(crate) fn tell(&mut self, name: &str, alert: &AlertRecord) -> io::Result<()> {
        match name {
            STDOUT => self.print(alert),
            STDERR => {
                talk(show::line(alert));
                Ok(())
            }
            name => {
                if let Err(failure) = self.channel(name, alert) {
                    talk(format_args!("alert '{}': channel '{name}' {failure}", alert.alert));
                }
                Ok(())
            }
        }
    }

    fn channel(&self, name: &str, alert: &AlertRecord) -> Result<(), String> {
        let Some(channel) = self.channels.iter().find(|channel| channel.name == name) else {
            return Err("is no longer in the rules file".to_owned());
        };
        let ChannelKind::Exec { command, timeout } = &channel.kind;
        let mut json = serde_json::to_vec(alert).map_err(|e| e.to_string())?;
        json.push(b'\n');
        exec::tell(command, *timeout, alert, &json)
    }

    pub(crate) fn print(&mut self, alert: &AlertRecord) -> io::Result<()> {
        match &mut self.stdout {
            Stdout::Lines(out) => show::change(out, alert),
            Stdout::Records(records) => records.write(alert),
        }
    }

    /// Ends the output, for people with a table of all that fires.
    pub(crate) fn finish(self, firing: &[&Instance], now: Timestamp) -> io::Result<()> {
        match self.stdout {
            Stdout::Records(records) => records.finish()?.finish(),
            Stdout::Lines(mut out) => {
                if !firing.is_empty() {
                    show::firing(&mut out, firing, now)?;
                }
                out.finish()
            }
        }
    }
}
