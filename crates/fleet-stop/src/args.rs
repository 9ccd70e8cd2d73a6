//! What is typed.

use std::time::Duration;

use clap::Parser;
use fleet_cli::{HomeArgs, OutputArgs, SelectArgs};
use fleet_core::{Signal, parse_duration};

/// Stop processes of a fleet, whole trees, and report each
///
/// Each gets its stop signal, its grace period, and then SIGKILL, with everything that it started.
/// Returns when all are gone. What has ended already is reported and is no error.
#[derive(Debug, Parser)]
#[command(
    name = "fleet-stop",
    version,
    max_term_width = 100,
    after_help = "\
Examples:
  fleet-stop mission-a              with the grace that it was spawned with (10s)
  fleet-stop 'worker-*' --grace 1m
  fleet-stop -l team=vision --force
  fleet-ps --state failed | fleet-stop -
  fleet-stop --all

Exit status: 0 all are stopped; 1 nothing matched, or something could not be stopped; 2 could not."
)]
pub struct Args {
    /// Which processes.
    #[command(flatten)]
    pub select: SelectArgs,
    /// All of the fleet
    #[arg(short, long)]
    pub all: bool,
    /// What asks them to end [default: what they were spawned with, TERM]
    #[arg(short, long, value_name = "SIGNAL")]
    pub signal: Option<Signal>,
    /// How long they may take to end [default: what they were spawned with, 10s]
    #[arg(short, long, value_name = "TIME", value_parser = parse_duration)]
    pub grace: Option<Duration>,
    /// Kill at once
    #[arg(short, long, conflicts_with_all = ["signal", "grace"])]
    pub force: bool,
    /// How the output looks.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Where the fleet lives.
    #[command(flatten)]
    pub home: HomeArgs,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_declaration_is_sound() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }
}
