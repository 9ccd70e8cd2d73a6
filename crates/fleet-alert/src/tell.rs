//! Standard error and standard output.

use std::io;

use fleet_cli::{Format, Out, Records, talk};
use fleet_core::Timestamp;
use fleet_rules::{AlertRecord, Instance};

use crate::show;

pub(crate) struct Tellers {
    stdout: Stdout,
    /// Whether people are told: `--no-notify` leaves only standard output.
    notify: bool,
    /// Whether a line on standard error says what standard output does not say on the same
    /// screen.
    stderr: bool,
}

enum Stdout {
    /// The input passes through there.
    Nowhere,
    Lines(Out),
    Records(Records<Out>),
}

impl Tellers {
    /// Writes to `out`, or where that is taken by something else, nowhere.
    pub(crate) fn new(out: Option<Out>, format: Format, notify: bool) -> Tellers {
        let Some(out) = out else {
            return Tellers { stdout: Stdout::Nowhere, notify, stderr: true };
        };
        let same_screen = format == Format::Table
            && out.is_terminal()
            && io::IsTerminal::is_terminal(&io::stderr());
        let stdout = match format {
            Format::Table => Stdout::Lines(out),
            Format::Json => Stdout::Records(Records::array(out)),
            _ => Stdout::Records(Records::lines(out)),
        };
        Tellers { stdout, notify, stderr: !same_screen }
    }

    /// Tells of a change. Standard output comes last: its reader may leave, and that ends the tool.
    pub(crate) fn tell(&mut self, alert: &AlertRecord) -> io::Result<()> {
        if self.notify && self.stderr {
            talk(show::line(alert));
        }
        self.print(alert)
    }

    pub(crate) fn print(&mut self, alert: &AlertRecord) -> io::Result<()> {
        match &mut self.stdout {
            Stdout::Nowhere => Ok(()),
            Stdout::Lines(out) => show::change(out, alert),
            Stdout::Records(records) => records.write(alert),
        }
    }

    /// Ends the output, for people with a table of all that fires.
    pub(crate) fn finish(self, firing: &[&Instance], now: Timestamp) -> io::Result<()> {
        match self.stdout {
            Stdout::Nowhere => Ok(()),
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
