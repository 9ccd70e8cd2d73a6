//! Numbers instead of lines.

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

    /// Only lines of this category: crash, out_of_memory, timeout, auth_failure
    #[arg(long, value_name = "CATEGORY", value_delimiter = ',')]
    pub category: Vec<String>,

    /// Only what is unlike what it was before: a rate, a duration or a value
    #[arg(long)]
    pub anomalies: bool,
}

fn duration(text: &str) -> Result<Duration, BadUnit> {
    parse_duration(text)
}
