//! What may be typed.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args as ArgGroup, Parser};
use fleet_cli::{HomeArgs, OutputArgs};
use fleet_core::parse_duration;

use crate::dry_args::DryArgs;
use crate::silence::args::Action;

/// Hold the records on standard input against rules and raise alerts
///
/// Reads JSON lines as fleet-metrics, fleet-ps, fleet-logs and fleet-emit print them, and never
/// waits for their end. Prints an alert record for each alert that begins to fire or is resolved,
/// and tells the channels of the rules file. What is pending or firing is remembered in the
/// fleet's home, so that it works as well from cron; what a channel did not take is kept there too
/// and tried again.
#[derive(Clone, Debug, Parser)]
#[command(name = "fleet-alert", version, max_term_width = 100)]
#[command(args_conflicts_with_subcommands = true)]
#[command(after_help = "Examples:
  fleet-metrics --follow | fleet-alert
  fleet-metrics | fleet-alert --rules alerts.toml --exit-code
  fleet-alert --rules alerts.toml --check
  fleet-alert --rules alerts.toml --test alerts.test.toml
  fleet-alert --replay --since -7d
  fleet-alert --why memory_usage_high
  fleet-alert --send-test all
  fleet-alert silence --rule gpu_idle --for 2h --why 'new driver'
  fleet-alert --spool")]
pub struct Args {
    /// Rules file [default: $XDG_CONFIG_HOME/fleet/alerts.toml, else ~/.config/fleet/alerts.toml]
    #[arg(long, value_name = "FILE")]
    pub rules: Option<PathBuf>,
    /// What else to do than to read records.
    #[command(flatten)]
    pub instead: InsteadArgs,
    /// How rules are tried.
    #[command(flatten)]
    pub dry: DryArgs,
    /// How records are read and alerts told.
    #[command(flatten)]
    pub stream: StreamArgs,
    /// What to do with the spool.
    #[command(flatten)]
    pub spool: SpoolArgs,
    /// Where the memory is.
    #[command(flatten)]
    pub home: HomeArgs,
    /// How the output looks.
    #[command(flatten)]
    pub output: OutputArgs,
    /// What to do instead.
    #[command(subcommand)]
    pub action: Option<Action>,
}

/// What else to do than to read records. Only one of these.
#[derive(ArgGroup, Clone, Debug)]
#[group(multiple = false, conflicts_with = "StreamArgs")]
pub struct InsteadArgs {
    /// List what is pending, firing or recovering, where it was told and what holds it back
    #[arg(long)]
    pub list: bool,
    /// List what waits to be delivered, and the dead letters: what could not be
    #[arg(long)]
    pub spool: bool,
    /// Send a test to this channel, or to all of them, and say what became of it
    #[arg(long, value_name = "CHANNEL|all")]
    pub send_test: Option<String>,
}

/// How records are read and alerts told.
#[derive(ArgGroup, Clone, Debug)]
#[command(next_help_heading = "Reading records")]
pub struct StreamArgs {
    /// Say on standard error what came of each record and why, who was told and what held others
    /// back, and print pending alerts too
    #[arg(long)]
    pub explain: bool,
    /// End with status 1 if an alert fires when the input ends
    #[arg(long)]
    pub exit_code: bool,
    /// Print and remember, but tell nobody: no channels, no line on standard error
    #[arg(long)]
    pub no_notify: bool,
    /// Pass the input through to standard output as it is; alert records go to --output-file or
    /// nowhere
    #[arg(long)]
    pub tee: bool,
    /// At the end of the input, wait at most so long for deliveries, of which none begins in the
    /// second half; what is left stays in the spool for the next run
    #[arg(long, value_name = "DURATION", default_value = "20s", value_parser = linger)]
    pub linger: Duration,
}

/// What to do with the spool.
#[derive(ArgGroup, Clone, Debug)]
#[group(multiple = false, requires = "spool")]
#[command(next_help_heading = "The spool")]
pub struct SpoolArgs {
    /// With --spool: put the dead letters back, to be delivered after all
    #[arg(long)]
    pub retry: bool,
    /// With --spool: remove the dead letters
    #[arg(long)]
    pub drop: bool,
}

fn linger(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|bad| bad.to_string())
}
