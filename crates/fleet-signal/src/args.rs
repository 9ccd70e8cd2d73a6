//! What is typed.

use std::str::FromStr;
use std::time::Duration;

use clap::Parser;
use fleet_cli::{HomeArgs, OutputArgs, SelectArgs};
use fleet_core::{Signal, parse_duration};

/// Pause, resume and restart processes of a fleet, and send them signals
///
/// pause stops the whole tree, so that it uses no processor; the time until resume does not count
/// for --max-runtime. restart ends the tree as a stop does and starts the command again: name, run,
/// ports and history stay. reload sends HUP to the main process. A signal is sent as it is, and is
/// no stop: a process that dies of TERM or KILL has failed, and is started again where its restart
/// policy says so. To end it for good, use fleet-stop.
#[derive(Debug, Parser)]
#[command(
    name = "fleet-signal",
    version,
    max_term_width = 100,
    after_help = "\
Examples:
  fleet-signal pause 'trainer-*'
  fleet-signal resume 'trainer-*'
  fleet-signal restart web --grace 30s
  fleet-signal reload web
  fleet-signal usr1 worker-1
  fleet-signal INT --tree sweep

Exit status: 0 all were; 1 nothing matched, or one could not be as it is (it has ended, say); 2
could not."
)]
pub struct Args {
    /// pause, resume, restart, reload, or a signal: USR1, SIGUSR1, usr1, 10
    #[arg(value_name = "ACTION")]
    pub action: Action,
    /// Which processes.
    #[command(flatten)]
    pub select: SelectArgs,
    /// All that live
    #[arg(short, long)]
    pub all: bool,
    /// Send the signal to the whole tree, not to the main process alone
    #[arg(long)]
    pub tree: bool,
    /// With restart: how long they may take to end [default: what they were spawned with, 10s]
    #[arg(short, long, value_name = "TIME", value_parser = parse_duration)]
    pub grace: Option<Duration>,
    /// How the output looks.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Where the fleet lives.
    #[command(flatten)]
    pub home: HomeArgs,
}

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    /// Stop the tree for a while.
    Pause,
    /// Let it go on.
    Resume,
    /// End it and start it again.
    Restart,
    /// Send a signal.
    Send(Signal),
}

/// The text is no action.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is nothing that can be done; write pause, resume, restart, reload, or a signal, see \
     'kill -l'"
)]
pub struct BadAction(String);

impl FromStr for Action {
    type Err = BadAction;

    fn from_str(text: &str) -> Result<Action, BadAction> {
        match text {
            "pause" => Ok(Action::Pause),
            "resume" => Ok(Action::Resume),
            "restart" => Ok(Action::Restart),
            "reload" => Ok(Action::Send(Signal::HUP)),
            _ => text.parse().map(Action::Send).map_err(|_| BadAction(text.to_owned())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_declaration_is_sound() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }

    #[test]
    fn a_signal_is_typed_in_any_way() {
        for text in ["HUP", "hup", "SIGHUP", "sighup", "1", "reload"] {
            assert_eq!(text.parse(), Ok(Action::Send(Signal::HUP)), "{text}");
        }
        assert_eq!("pause".parse(), Ok(Action::Pause));
        for text in ["", "Paused", "0", "-9", "99", "SIG"] {
            assert!(text.parse::<Action>().is_err(), "{text}");
        }
    }
}
