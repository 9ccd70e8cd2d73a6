//! What is typed.

use std::time::Duration;

use clap::Parser;
use fleet_cli::{HomeArgs, OutputArgs, SelectArgs};
use fleet_core::parse_duration;

/// List the processes of a fleet and what each is doing now
///
/// Shows what lives and what ended within a day, the newest run of each name. What the registry
/// says is held against the kernel: a process whose supervisor died is given a new one, and one
/// that vanished is listed as lost.
#[derive(Debug, Parser)]
#[command(
    name = "fleet-ps",
    version,
    max_term_width = 100,
    after_help = "\
Examples:
  fleet-ps                          what lives, and what ended today
  fleet-ps 'mission-*' -o wide      with labels, folders and times
  fleet-ps --state failed -o jsonl | jq -r '.id + \": \" + .exit.reason'
  fleet-ps --state failed | fleet-stop -
  fleet-ps --prune --keep 50        forget all but the last 50 ended runs

Exit status: 0; 1 nothing matched, or with --health something is not well; 2 could not."
)]
pub struct Args {
    /// Which processes.
    #[command(flatten)]
    pub select: SelectArgs,
    /// Only processes in this state (repeatable): queued, starting, running, paused, backoff,
    /// stopping, completed, failed, stopped, orphaned, lost
    #[arg(long, value_name = "STATE", value_parser = known_state)]
    pub state: Vec<String>,
    /// All runs that are remembered, however old
    #[arg(short, long)]
    pub all: bool,
    /// Check now how each is, and show it; exit with 1 unless all are well
    #[arg(long, conflicts_with = "prune")]
    pub health: bool,
    /// Forget ended runs beyond the limits, with their logs; a living process is never touched
    #[arg(long, conflicts_with_all = ["watch", "selectors", "labels", "state"])]
    pub prune: bool,
    /// With --prune: keep so many ended runs
    #[arg(long, value_name = "N", default_value_t = 200, requires = "prune")]
    pub keep: usize,
    /// With --prune: keep none that ended longer ago
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = parse_duration,
          requires = "prune")]
    pub older_than: Duration,
    /// Show it again and again, every TIME
    #[arg(short, long, value_name = "TIME", num_args = 0..=1, default_missing_value = "2s",
          require_equals = true, value_parser = parse_duration)]
    pub watch: Option<Duration>,
    /// Only show; start no shim for what has lost its own, and write nothing
    #[arg(long)]
    pub no_heal: bool,
    /// How the output looks.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Where the fleet lives.
    #[command(flatten)]
    pub home: HomeArgs,
}

fn known_state(text: &str) -> Result<String, String> {
    let known = fleet_core::State::ALL.iter().any(|state| state.word() == text);
    if known || text == "orphaned" {
        Ok(text.to_owned())
    } else {
        Err("no such state; see --help for the list".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_declaration_is_sound() {
        use clap::CommandFactory;
        Args::command().debug_assert();
        assert!(known_state("orphaned").is_ok() && known_state("failed").is_ok());
        assert!(known_state("asleep").is_err());
    }
}
