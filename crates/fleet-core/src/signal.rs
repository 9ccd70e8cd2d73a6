//! Signals by name.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// A signal, written as in kill(1): `TERM`, `SIGTERM` or `15`; printed as `SIGTERM`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Signal(nix::sys::signal::Signal);

/// The text names no signal.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no signal; write TERM, SIGTERM or 15, see 'kill -l'")]
pub struct BadSignal(String);

impl Signal {
    /// The request to end.
    pub const TERM: Signal = Signal(nix::sys::signal::Signal::SIGTERM);
    /// The terminal is gone; to most services: read the configuration anew. To a shim: restart.
    pub const HUP: Signal = Signal(nix::sys::signal::Signal::SIGHUP);
    /// The pause that cannot be refused.
    pub const STOP: Signal = Signal(nix::sys::signal::Signal::SIGSTOP);
    /// Something happened to a child.
    pub const CHLD: Signal = Signal(nix::sys::signal::Signal::SIGCHLD);
    /// The end that cannot be refused.
    pub const KILL: Signal = Signal(nix::sys::signal::Signal::SIGKILL);
    /// Go on after a stop.
    pub const CONT: Signal = Signal(nix::sys::signal::Signal::SIGCONT);

    /// The signal with this number, if Linux has a name for it.
    pub fn from_number(number: i32) -> Option<Signal> {
        nix::sys::signal::Signal::try_from(number).ok().map(Signal)
    }

    /// Its number on this machine.
    pub fn number(self) -> i32 {
        self.0 as i32
    }

    /// Its full name.
    pub fn name(self) -> &'static str {
        self.0.as_str()
    }
}

impl From<Signal> for nix::sys::signal::Signal {
    fn from(signal: Signal) -> Self {
        signal.0
    }
}

impl From<Signal> for String {
    fn from(signal: Signal) -> String {
        signal.name().to_owned()
    }
}

impl TryFrom<String> for Signal {
    type Error = BadSignal;

    fn try_from(text: String) -> Result<Signal, BadSignal> {
        text.parse()
    }
}

impl FromStr for Signal {
    type Err = BadSignal;

    fn from_str(text: &str) -> Result<Signal, BadSignal> {
        let by_number = text.parse().ok().and_then(Signal::from_number);
        let upper = text.to_ascii_uppercase();
        let full = if upper.starts_with("SIG") { upper } else { format!("SIG{upper}") };
        by_number
            .or_else(|| full.parse().ok().map(Signal))
            .ok_or_else(|| BadSignal(text.to_owned()))
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_has_three_spellings() {
        for text in ["TERM", "sigterm", "SIGTERM", "15"] {
            assert_eq!(text.parse::<Signal>().unwrap(), Signal::TERM);
        }
        assert!("0".parse::<Signal>().is_err());
        assert!("TERMINATE".parse::<Signal>().is_err());
        assert_eq!(Signal::KILL.to_string(), "SIGKILL");
    }
}
