//! What is typed.

use std::ffi::OsString;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use fleet_cli::HomeArgs;
use fleet_core::{Id, parse_duration};

use crate::wish::Wish;

/// Start a process of the fleet and leave it running
///
/// Prints the id and nothing else. The command is executed as it is written, without a shell; it
/// keeps running when this terminal closes, its output goes to a log that fleet-logs reads, and
/// how it ends is written down.
#[derive(Debug, Parser)]
#[command(
    name = "fleet-spawn",
    version,
    max_term_width = 100,
    after_help = "\
Examples:
  fleet-spawn --name mission-a --restart on-failure -- python train.py --lr 3e-4
  fleet-spawn --name web --port auto -- python3 -m http.server {port}
  fleet-spawn -l team=vision --max-runtime 8h -- ./sweep.sh
  fleet-spawn --name train --after db:healthy --queue=gpu --slots 2 -- ./train.sh
  id=$(fleet-spawn --wait ended -- make all) || fleet-logs $id

Exit status: 0 started, or queued; 2 could not; 3 the name is taken; 124 not ready in time; 126 and
127 the command may not be executed or was not found; 1 with --wait: it ended before it was started
or healthy, or did not end well; 1 with --after: what it waits for can no longer come."
)]
pub struct Args {
    /// Its name, unique among the living [default: made from the command]
    #[arg(long, value_name = "NAME")]
    pub name: Option<Id>,
    /// If the name lives already, or without a name the same command with the same labels, print
    /// its id and start nothing
    #[arg(long)]
    pub reuse: bool,
    /// Return when it is started, healthy, or has ended [default: when it is started, or stands in
    /// line]
    #[arg(long, value_name = "WHEN", hide_possible_values = true)]
    pub wait: Option<Wait>,
    /// Wait no longer than this [default: for ever]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub wait_timeout: Option<Duration>,
    /// What is wanted of it.
    #[command(flatten)]
    pub wish: Wish,
    /// Where the fleet lives.
    #[command(flatten)]
    pub home: HomeArgs,
    /// The command and its arguments
    #[arg(last = true, required = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// When to return.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Wait {
    /// Its command is executed
    Started,
    /// Its checks succeed, or it said that it is ready
    Healthy,
    /// It has ended
    Ended,
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
