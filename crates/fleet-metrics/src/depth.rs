//! How deep to look.

use clap::Args;

/// What is told one by one, beside the totals.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct DepthArgs {
    /// One more record for each member of a process's tree
    #[arg(long, conflicts_with = "host_only")]
    pub tree: bool,
    /// Name each TCP and UDP socket of a process, at most 1000
    #[arg(long, conflicts_with = "host_only")]
    pub connections: bool,
    /// One more record for each processor of the host
    #[arg(long, conflicts_with_all = ["no_host", "selectors", "labels"])]
    pub per_core: bool,
}
