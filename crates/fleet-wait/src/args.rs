//! What is typed.

use std::time::Duration;

use clap::Parser;
use fleet_cli::{HomeArgs, OutputArgs, SelectArgs};
use fleet_core::{Until, parse_duration};

/// Wait until processes of a fleet have ended, or are healthy, and print their records
///
/// Waits for the processes that there are when it begins, the newest run of each name unless a run
/// is named. A record is printed as soon as it is final. Nothing is asked again and again: the
/// kernel wakes it.
#[derive(Debug, Parser)]
#[command(
    name = "fleet-wait",
    version,
    max_term_width = 100,
    after_help = "\
Examples:
  fleet-wait import && echo 'it ended with code 0'
  fleet-wait 'shard-*' --for completed --timeout 2h
  fleet-wait web --for healthy --timeout 30s
  fleet-wait a b c --any
  fleet-spawn -- make all | fleet-wait -

Exit status: of a single process that ended its own, 128 and the signal's number where a signal
ended it, 1 where it was stopped, is lost, or has no code that tells; otherwise 0 all (with --any:
one) are as wanted, 1 that can no longer be, or nothing matched; 2 could not; 124 waited too long."
)]
pub struct Args {
    /// Which processes.
    #[command(flatten)]
    pub select: SelectArgs,
    /// What to wait for: ended, completed (with code 0), healthy, started
    #[arg(long = "for", value_name = "WHEN", default_value_t = Until::Ended)]
    pub until: Until,
    /// Return as soon as one of them is so
    #[arg(long)]
    pub any: bool,
    /// Wait no longer than this [default: for ever]
    #[arg(short, long, value_name = "TIME", value_parser = parse_duration)]
    pub timeout: Option<Duration>,
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
