//! What is kept of logs.

use clap::Args;
use fleet_core::parse_size;

/// What is kept of logs.
#[derive(Args, Clone, Debug, Default)]
pub struct KeepArgs {
    /// Do now what was wanted when they were spawned: compress log files that were set aside,
    /// remove what is too old or too much; say what was done
    #[arg(long, conflicts_with_all = ["follow", "until_ended"])]
    pub prune: bool,

    /// With --prune: how much all chosen logs may have together; the oldest files go, whosever they
    /// are [default with --all: keep.total of logs.toml]
    #[arg(long, value_name = "SIZE", value_parser = parse_size, requires = "prune")]
    pub total: Option<u64>,

    /// Set the current files aside now and begin new ones
    #[arg(long, conflicts_with_all = ["follow", "until_ended", "prune"])]
    pub rotate: bool,

    /// With --prune and --rotate: all processes, ended ones too
    #[arg(long, conflicts_with = "selectors")]
    pub all: bool,

    /// A shim asks: one run by its key, and nobody reads what is said.
    #[arg(long, hide = true, requires = "prune")]
    pub helper: bool,
}

impl KeepArgs {
    /// Whether logs are cared for, not shown.
    pub(crate) fn is_wanted(&self) -> bool {
        self.prune || self.rotate
    }
}
