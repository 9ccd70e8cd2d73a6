//! Numbers instead of lines.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use fleet_core::{BadUnit, parse_duration};

/// Numbers instead of lines.
#[derive(Args, Clone, Debug, Default)]
pub struct CountArgs {
    /// How many lines of each process are wanted, not the lines
    #[arg(long, conflicts_with_all = ["count_by", "rate"])]
    pub count: bool,

    /// How many lines there are of each level, id, stream, category, fingerprint, minute, or value
    /// of a field; several with commas
    #[arg(long, value_name = "KEY", value_delimiter = ',')]
    pub count_by: Vec<String>,

    /// The same for each window of time, and how many a second
    #[arg(long, value_name = "DURATION", value_parser = duration)]
    pub rate: Option<Duration>,

    /// Only lines of these categories: crash, out_of_memory, connection_refused, permission_denied,
    /// timeout, disk_full, and those of a process's log_class (auth_failure, integration_error)
    #[arg(
        long,
        value_name = "CATEGORY",
        value_delimiter = ',',
        conflicts_with_all = ["after", "before", "context", "max_count"]
    )]
    pub category: Vec<String>,

    /// Only what is unlike what it was before: a number, how many lines of a level or category come,
    /// and with -g or --category the pause between lines
    #[arg(long, conflicts_with_all = ["after", "before", "context", "max_count"])]
    pub anomalies: bool,

    /// Classes of logs of your own [default: $XDG_CONFIG_HOME/fleet/logs.toml, else
    /// ~/.config/fleet/logs.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    pub logs_config: Option<PathBuf>,
}

impl CountArgs {
    /// Whether numbers by key or window are wanted.
    pub(crate) fn makes_table(&self) -> bool {
        !self.count_by.is_empty() || self.rate.is_some()
    }

    /// Whether it hangs on its class whether a line is wanted.
    pub(crate) fn is_of_classes(&self) -> bool {
        !self.category.is_empty() || self.anomalies
    }
}

fn duration(text: &str) -> Result<Duration, BadUnit> {
    let bad = || BadUnit::Duration(text.to_owned());
    parse_duration(text).and_then(|every| if every.is_zero() { Err(bad()) } else { Ok(every) })
}
