//! Errors and progress instead of lines.

use clap::Args;

/// Errors and progress instead of lines.
#[derive(Args, Clone, Debug, Default)]
pub struct ErrorArgs {
    /// Errors, those that are the same as one: how many, since when, of whom, with one traceback
    #[arg(long, conflicts_with_all = ["raw", "count", "count_by", "rate"])]
    pub errors: bool,

    /// With --errors, every one as it comes, with its whole traceback
    #[arg(long, requires = "errors")]
    pub traceback: bool,

    /// Progress bars alone, the latest state of each
    #[arg(long, conflicts_with_all = ["errors", "raw", "count", "count_by", "rate"])]
    pub progress: bool,
}
