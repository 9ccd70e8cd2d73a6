//! What is kept of logs.

use clap::Args;

/// What is kept of logs.
#[derive(Args, Clone, Debug, Default)]
pub struct KeepArgs {
    /// Apply the rules of keeping now: compress what is closed, remove what is too old or too much
    #[arg(long, conflicts_with_all = ["follow", "until_ended"])]
    pub prune: bool,

    /// Set the current files aside now and begin new ones
    #[arg(long, conflicts_with_all = ["follow", "until_ended", "prune"])]
    pub rotate: bool,
}
