//! What is typed.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use fleet_cli::HomeArgs;
use fleet_core::{Backoff, CrashLimit, Id, Label, Restart, Signal, parse_duration, parse_size};

use crate::ports::{PortRange, Ports};

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
  id=$(fleet-spawn --wait ended -- make all) || fleet-logs $id

Exit status: 0 started; 2 could not; 3 the name is taken; 124 not ready in time; 126 and 127 the
command may not be executed or was not found; 1 with --wait: it ended before it was healthy, or
did not end well."
)]
pub struct Args {
    /// Its name, unique among the living [default: made from the command]
    #[arg(long, value_name = "NAME")]
    pub name: Option<Id>,
    /// A label (repeatable)
    #[arg(short = 'l', long = "label", value_name = "KEY=VALUE")]
    pub labels: Vec<Label>,
    /// Reserve a port: a number, 'auto' for a free one, 'auto:K' for K in a row; given as
    /// FLEET_PORT (then FLEET_PORT_1 …) and for {port} ({port1} …) in the command
    #[arg(long, value_name = "PORT")]
    pub port: Option<Ports>,
    /// Where 'auto' looks
    #[arg(long, value_name = "FIRST-LAST", default_value = "9555-9999")]
    pub port_range: PortRange,
    /// Working folder [default: this one]
    #[arg(long, value_name = "DIR")]
    pub cwd: Option<PathBuf>,
    /// Set a variable (repeatable); everything else of this environment is passed on
    #[arg(long = "env", value_name = "KEY=VALUE")]
    pub env: Vec<OsString>,
    /// Read KEY=VALUE lines from a file first
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
    /// Start it again when it ends: no, on-failure, always, unless-stopped
    #[arg(long, value_name = "POLICY", default_value = "no")]
    pub restart: Restart,
    /// Pause before that, doubled each time: first and longest
    #[arg(long, value_name = "FIRST-LONGEST", default_value = "1s-60s", value_parser = parse_backoff)]
    pub backoff: Backoff,
    /// Give up after so many deaths within such a time
    #[arg(long, value_name = "N/TIME", default_value = "10/10m", value_parser = parse_crash_limit)]
    pub crash_limit: CrashLimit,
    /// What asks it to end
    #[arg(long, value_name = "SIGNAL", default_value = "TERM")]
    pub stop_signal: Signal,
    /// How long it may take to end before it is killed
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = parse_duration)]
    pub grace: Duration,
    /// The longest that one attempt may run [default: for ever]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub max_runtime: Option<Duration>,
    /// Size at which a log file is set aside
    #[arg(long, value_name = "SIZE", default_value = "10M", value_parser = parse_size)]
    pub log_max_size: u64,
    /// How many log files are kept besides the current one
    #[arg(long, value_name = "N", default_value_t = 3)]
    pub log_keep: u32,
    /// If the name lives already, or without a name the same command with the same labels, print
    /// its id and start nothing
    #[arg(long)]
    pub reuse: bool,
    /// Return when it is started, says READY=1 (sd_notify), or has ended
    #[arg(long, value_name = "WHEN", default_value = "started")]
    pub wait: Wait,
    /// Wait no longer than this [default: for ever]
    #[arg(long, value_name = "TIME", value_parser = parse_duration)]
    pub wait_timeout: Option<Duration>,
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
    /// It said that it is ready
    Healthy,
    /// It has ended
    Ended,
}

fn parse_backoff(text: &str) -> Result<Backoff, String> {
    let usage = || "write the first and the longest pause as 1s-60s".to_owned();
    let (first, longest) = text.split_once('-').ok_or_else(usage)?;
    let seconds = |part| parse_duration(part).map(|d| d.as_secs_f64()).map_err(|e| e.to_string());
    let (initial_seconds, max_seconds) = (seconds(first)?, seconds(longest)?);
    if max_seconds < initial_seconds {
        return Err("the longest pause is shorter than the first".to_owned());
    }
    Ok(Backoff { initial_seconds, max_seconds, ..Backoff::default() })
}

fn parse_crash_limit(text: &str) -> Result<CrashLimit, String> {
    let usage =
        || format!("write deaths and time as 10/10m, with 1 to {} deaths", CrashLimit::MOST);
    let (deaths, within) = text.split_once('/').ok_or_else(usage)?;
    let deaths = deaths.parse().map_err(|_| usage())?;
    if !(1..=CrashLimit::MOST).contains(&deaths) {
        return Err(usage());
    }
    let within_seconds = parse_duration(within).map_err(|e| e.to_string())?.as_secs_f64();
    Ok(CrashLimit { deaths, within_seconds })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_and_limits_as_typed() {
        let backoff = parse_backoff("100ms-5s").unwrap();
        assert_eq!((backoff.initial_seconds, backoff.max_seconds), (0.1, 5.0));
        assert!(parse_backoff("5s").is_err() && parse_backoff("5s-1s").is_err());
        assert_eq!(parse_crash_limit("3/1m").unwrap().deaths, 3);
        for text in ["3", "0/1m", "33/1m", "x/1m", "3/x"] {
            assert!(parse_crash_limit(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_declaration_is_sound() {
        use clap::CommandFactory;
        Args::command().debug_assert();
    }
}
