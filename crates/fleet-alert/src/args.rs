//! What may be typed.

use std::path::PathBuf;

use clap::Parser;
use fleet_cli::{HomeArgs, OutputArgs};

use crate::dry_args::DryArgs;

/// Hold the records on standard input against rules and raise alerts
///
/// Reads JSON lines as fleet-metrics, fleet-ps, fleet-logs and fleet-emit print them, and never
/// waits for their end. Prints an alert record for each alert that begins to fire or is resolved,
/// and tells the channels of the rules file. What is pending or firing is remembered in the
/// fleet's home, so that it works as well from cron.
#[derive(Clone, Debug, Parser)]
#[command(name = "fleet-alert", version, max_term_width = 100)]
#[command(after_help = "Examples:
  fleet-metrics --follow | fleet-alert
  fleet-metrics | fleet-alert --rules alerts.toml --exit-code
  fleet-alert --rules alerts.toml --check")]
pub struct Args {
    /// Rules file [default: $XDG_CONFIG_HOME/fleet/alerts.toml, else ~/.config/fleet/alerts.toml]
    #[arg(long, value_name = "FILE")]
    pub rules: Option<PathBuf>,
    /// Say on standard error what came of each record and why, and print pending alerts too
    #[arg(long)]
    pub explain: bool,
    /// End with status 1 if an alert fires when the input ends
    #[arg(long)]
    pub exit_code: bool,
    /// Print and remember, but tell nobody: no channels, no line on standard error
    #[arg(long)]
    pub no_notify: bool,
    /// Trying rules.
    #[command(flatten)]
    pub dry: DryArgs,
    /// Where the memory is.
    #[command(flatten)]
    pub home: HomeArgs,
    /// How the output looks.
    #[command(flatten)]
    pub output: OutputArgs,
}
