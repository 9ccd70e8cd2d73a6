//! Which lines are wanted, by what they say.

use clap::Args;
use fleet_logline::LevelRange;

/// Which lines are wanted, by what they say.
#[derive(Args, Clone, Debug, Default)]
pub struct SearchArgs {
    /// Only lines that match this regular expression; with several, any of them
    #[arg(short = 'g', long = "grep", value_name = "REGEX", allow_hyphen_values = true)]
    pub patterns: Vec<String>,

    /// Only lines that match none of the patterns
    #[arg(short = 'v', long, requires = "patterns")]
    pub invert: bool,

    /// Patterns match whatever the case
    #[arg(short, long, requires = "patterns")]
    pub ignore_case: bool,

    /// Patterns are plain text
    #[arg(short = 'F', long, requires = "patterns")]
    pub fixed: bool,

    /// So many lines of the same process after each that was found
    #[arg(short = 'A', long, value_name = "N")]
    pub after: Option<usize>,

    /// So many lines of the same process before each that was found
    #[arg(short = 'B', long, value_name = "N")]
    pub before: Option<usize>,

    /// So many lines before and after
    #[arg(short = 'C', long, value_name = "N", conflicts_with_all = ["after", "before"])]
    pub context: Option<usize>,

    /// At most so many lines of each process
    #[arg(long, value_name = "N")]
    pub max_count: Option<u64>,

    /// Only of these levels: error, error.. and graver, warning..error, unknown
    #[arg(long, value_name = "LEVELS")]
    pub level: Option<LevelRange>,

    /// Only JSON and logfmt lines whose field is so; with several, all of them
    #[arg(long = "field", value_name = "KEY=VALUE")]
    pub fields: Vec<String>,
}
