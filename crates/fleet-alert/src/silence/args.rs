//! What may be typed after `fleet-alert silence`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use fleet_cli::{HomeArgs, OutputArgs};
use fleet_core::{Label, Timestamp, parse_duration};

/// What to do instead of reading records.
#[derive(Clone, Debug, Subcommand)]
pub enum Action {
    /// Hold alerts back for a while, list what is held back, or tell it again
    ///
    /// A silence is on the disk when the command ends and holds for all that run on this home from
    /// then on, also for a stream that runs already. What it is about goes on being evaluated,
    /// printed and remembered; only channels are not told. When it ends, what fires still is told.
    /// The end of an alert that was told before is told in spite of it.
    ///
    /// Prints the name of the silence. All of --rule, --id and -l must fit an alert; globs do.
    #[command(
        args_conflicts_with_subcommands = true,
        after_help = "Examples:
  fleet-alert silence --rule 'gpu_*' --id train-7 --for 2h --why 'new driver'
  fleet-alert silence -l team=vision --starts 2026-11-22T22:00:00Z --for 4h --why 'move'
  fleet-alert silence list
  fleet-alert silence expire 3f2a"
    )]
    Silence(SilenceArgs),
}

/// A new silence, or what is done with old ones.
#[derive(Args, Clone, Debug)]
pub struct SilenceArgs {
    /// What is done with those that there are.
    #[command(subcommand)]
    pub then: Option<Then>,
    /// The new one.
    #[command(flatten)]
    pub new: NewArgs,
    /// Where it is kept.
    #[command(flatten)]
    pub home: HomeArgs,
    /// How the output looks.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// What is done with silences that there are.
#[derive(Clone, Debug, Subcommand)]
pub enum Then {
    /// List the silences that hold or will, those that end first first
    List {
        /// Where they are kept.
        #[command(flatten)]
        home: HomeArgs,
        /// How the output looks.
        #[command(flatten)]
        output: OutputArgs,
    },
    /// End silences now: what they held back and fires still is told
    Expire {
        /// Names of silences, or how they begin
        #[arg(required = true, value_name = "SILENCE")]
        names: Vec<String>,
        /// Where they are kept.
        #[command(flatten)]
        home: HomeArgs,
    },
}

/// A new silence.
#[derive(Args, Clone, Debug)]
pub struct NewArgs {
    /// Only alerts of rules that are called so
    #[arg(long, value_name = "GLOB")]
    pub rule: Option<String>,
    /// Only alerts about processes that are called so
    #[arg(long, value_name = "GLOB")]
    pub id: Option<String>,
    /// Only alerts with this label (repeatable, all must fit)
    #[arg(short = 'l', long = "label", value_name = "KEY=GLOB")]
    pub labels: Vec<Label>,
    /// All alerts, where none of --rule, --id and -l is given
    #[arg(long, conflicts_with_all = ["rule", "id", "labels"])]
    pub all: bool,
    /// For how long from its beginning on: 30m, 2h, 3d
    #[arg(long = "for", value_name = "DURATION", value_parser = duration)]
    pub lasts: Option<Duration>,
    /// Until when, instead of --for: 2026-11-22T18:00:00Z
    #[arg(long, value_name = "TIME", conflicts_with = "lasts", value_parser = moment)]
    pub until: Option<Timestamp>,
    /// From when on: a time, or a duration from now [default: at once]
    #[arg(long, value_name = "TIME|DURATION", value_parser = moment)]
    pub starts: Option<Timestamp>,
    /// Why; whoever is not paged will ask
    #[arg(long, value_name = "TEXT")]
    pub why: Option<String>,
    /// Who wants it [default: the user]
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Rules file to warn from where a rule passes by silences [default: as without `silence`]
    #[arg(long, value_name = "FILE")]
    pub rules: Option<PathBuf>,
}

fn duration(text: &str) -> Result<Duration, String> {
    parse_duration(text).map_err(|bad| bad.to_string())
}

/// RFC 3339, or a duration from now.
fn moment(text: &str) -> Result<Timestamp, String> {
    let now = Timestamp::now();
    match parse_duration(text) {
        Ok(wait) => Ok(later(now, wait)),
        Err(_) if text.contains('T') => {
            Timestamp::parse(text, now).map_err(|_| format!("{text:?} is no time"))
        }
        Err(_) => Err(format!("{text:?} is no time; write 2026-11-22T18:00:00Z, or 2h for in 2h")),
    }
}

/// The moment so much later.
pub(super) fn later(at: Timestamp, wait: Duration) -> Timestamp {
    let wait = i64::try_from(wait.as_nanos()).unwrap_or(i64::MAX);
    Timestamp::from_nanos(at.nanos().saturating_add(wait))
}
