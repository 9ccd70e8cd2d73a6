//! What is typed.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as Group, Parser, ValueEnum};
use fleet_cli::{HomeArgs, OutputArgs};
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
  fleet-spawn --file fleet.toml --wait healthy
  fleet-spawn --file fleet.toml --apply --remove-orphans 'trainer-*'

Exit status: 0 started, or queued; 2 could not; 3 the name is taken; 124 not ready in time; 126 and
127 the command may not be executed or was not found; 1 with --wait: it ended before it was started
or healthy, or did not end well; 1 with --after: what it waits for can no longer come; 1 with
--diff: something differs. Of several processes the worst counts."
)]
pub struct Args {
    /// Its name, unique among the living [default: made from the command]
    #[arg(long, value_name = "NAME", requires = "command")]
    pub name: Option<Id>,
    /// If the name lives already, or without a name the same command with the same labels, print
    /// its id and start nothing
    #[arg(long, requires = "command")]
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
    /// A fleet in a file.
    #[command(flatten)]
    pub file: FileArgs,
    /// Where the fleet lives.
    #[command(flatten)]
    pub home: HomeArgs,
    /// How what is said of a file looks.
    #[command(flatten)]
    pub output: OutputArgs,
    /// The command and its arguments
    #[arg(last = true, value_name = "COMMAND")]
    pub command: Vec<OsString>,
}

/// A fleet in a file, and what to do with it.
#[derive(Debug, Group)]
#[command(next_help_heading = "Fleet file")]
pub struct FileArgs {
    /// Start what is missing of the processes of this file; with a command, look for the
    /// profiles there [default for profiles: $XDG_CONFIG_HOME/fleet/fleet.toml, else
    /// ~/.config/fleet/fleet.toml]
    #[arg(short, long, value_name = "FILE")]
    pub file: Option<PathBuf>,
    /// Start nothing: say whether the file is good, and what is in it
    #[arg(long, requires = "file", group = "deed", conflicts_with = "command")]
    pub check: bool,
    /// Start nothing: say what differs from what runs; exit with 1 if anything does
    #[arg(
        long,
        visible_alias = "dry-run",
        requires = "file",
        group = "deed",
        conflicts_with = "command"
    )]
    pub diff: bool,
    /// Start what is missing, and restart what runs otherwise than the file says
    #[arg(long, requires = "file", group = "deed", conflicts_with = "command")]
    pub apply: bool,
    /// Stop what came from this file and is no longer in it, too
    #[arg(long, requires = "file", conflicts_with_all = ["check", "diff", "command"])]
    pub remove_orphans: bool,
    /// Print the JSON Schema of the file, for editors
    #[arg(long, group = "deed", conflicts_with_all = ["file", "command"])]
    pub schema: bool,
    /// Only these processes of the file, and what they wait for: names or globs; -l chooses by
    /// label
    #[arg(value_name = "SELECTOR")]
    pub selectors: Vec<String>,
}

impl FileArgs {
    /// What to do with the file.
    pub fn deed(&self) -> Deed {
        match self {
            FileArgs { check: true, .. } => Deed::Check,
            FileArgs { diff: true, .. } => Deed::Diff,
            FileArgs { apply: true, .. } => Deed::Apply,
            _ => Deed::Start,
        }
    }
}

/// What to do with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Start what is missing.
    Start,
    /// Say what is in it.
    Check,
    /// Say what differs from what runs.
    Diff,
    /// Make what runs as the file says.
    Apply,
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
