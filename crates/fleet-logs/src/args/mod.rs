//! What may be typed.

mod count;
mod errors;
mod keep;
mod search;
mod source;

use std::str::FromStr;

use clap::{Parser, ValueEnum};
use fleet_cli::{HomeArgs, OutputArgs, SelectArgs};
use fleet_core::{BadTime, Timestamp};

pub use count::CountArgs;
pub use errors::ErrorArgs;
pub use keep::KeepArgs;
pub use search::SearchArgs;
pub use source::SourceArgs;

const EXAMPLES: &str = "\
Examples:
  fleet-logs mission-a                     its last lines
  fleet-logs -f 'mission-*' -l team=vision follow several at once, new ones too
  fleet-logs --since 10m --errors          what went wrong in ten minutes, each error once
  fleet-logs -f --level error.. -C 2       errors as they come, and what stands around them
  fleet-logs -g 'loss=nan' -i --count      how often each process said so
  fleet-logs --progress -f                 how far every progress bar is
  fleet-logs --count-by level --rate 1m    lines of each level in each minute
  fleet-logs --raw mission-a#2 > out.txt   an old run, exactly as it was printed
  fleet-logs mission-a | jq -r .message    JSON lines in a pipe
  fleet-logs --file /var/log/nginx -g 500  logs of other programs
  fleet-logs -f -o jsonl | fleet-alert --rules configs/alerts.toml

Exit status: 0 shown; 1 a selector matched nothing or a search found nothing; 2 something could
not be read.";

/// Show and follow what processes print
///
/// Lines of several processes are merged by time; the lines of one are never reordered. Without a
/// selector: all processes that live or ended within a day. Standard output and standard error
/// come both; what fleet itself notes in a log is shown as stream 'fleet'.
#[derive(Parser, Clone, Debug)]
#[command(name = "fleet-logs", version, after_help = EXAMPLES)]
pub struct Args {
    /// Which processes.
    #[command(flatten)]
    pub select: SelectArgs,

    /// Lines of each process to show, counted from the end, or 'all' [default: 10 with --follow;
    /// 100 on a terminal; all in a pipe and with --since, --until or --attempt]
    #[arg(short = 'n', long, value_name = "N")]
    pub lines: Option<Lines>,

    /// Go on with what is printed from now on: across restarts, by new runs, and by new
    /// processes that match
    #[arg(short, long, conflicts_with = "output_file")]
    pub follow: bool,

    /// Follow until all that were selected have ended and all of it is shown
    #[arg(long)]
    pub until_ended: bool,

    /// Only what was written to this
    #[arg(long, value_name = "STREAM")]
    pub stream: Option<StreamName>,

    /// Only from this moment on: RFC 3339, or back from now (90s, -1h, '10m ago')
    #[arg(long, value_name = "TIME", value_parser = moment, allow_hyphen_values = true)]
    pub since: Option<Timestamp>,

    /// Only up to this moment
    #[arg(
        long,
        value_name = "TIME",
        value_parser = moment,
        allow_hyphen_values = true,
        conflicts_with_all = ["follow", "until_ended"]
    )]
    pub until: Option<Timestamp>,

    /// Only of this attempt: 1 is the first, 2 that after the first restart of a run
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    pub attempt: Option<u32>,

    /// No name before each line of text
    #[arg(long)]
    pub no_id: bool,

    /// Time before each line of text; 'relative' counts seconds from the start of the run
    #[arg(
        short,
        long,
        value_name = "FORM",
        num_args = 0..=1,
        require_equals = true,
        default_value = "none",
        default_missing_value = "local"
    )]
    pub timestamps: Timestamps,

    /// The bytes as the processes wrote them and nothing else
    #[arg(long, conflicts_with_all = ["output", "no_id", "timestamps", "count", "count_by", "rate"])]
    pub raw: bool,

    /// Which lines.
    #[command(flatten)]
    pub search: SearchArgs,

    /// Errors and progress instead of lines.
    #[command(flatten)]
    pub errors: ErrorArgs,

    /// Numbers instead of lines.
    #[command(flatten)]
    pub count: CountArgs,

    /// From where.
    #[command(flatten)]
    pub source: SourceArgs,

    /// What is kept.
    #[command(flatten)]
    pub keep: KeepArgs,

    /// Where the fleet lives.
    #[command(flatten)]
    pub home: HomeArgs,

    /// How the output looks.
    #[command(flatten)]
    pub output: OutputArgs,
}

fn moment(text: &str) -> Result<Timestamp, BadTime> {
    Timestamp::parse(text, Timestamp::now())
}

/// How many lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// Every line that is kept.
    All,
    /// So many, counted from the end.
    Last(usize),
}

impl FromStr for Lines {
    type Err = String;

    fn from_str(text: &str) -> Result<Lines, String> {
        if text == "all" {
            return Ok(Lines::All);
        }
        let count = text.strip_prefix('-').unwrap_or(text).parse();
        count.map(Lines::Last).map_err(|_| "write a number of lines, or 'all'".to_owned())
    }
}

/// A stream of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum StreamName {
    /// Standard output
    Stdout,
    /// Standard error
    Stderr,
}

/// How the time of a line is written in text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Timestamps {
    /// In the zone of this machine
    Local,
    /// In UTC
    Utc,
    /// Seconds since the run was asked for
    Relative,
    /// Not at all
    None,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_declaration_is_sound() {
        Args::command().debug_assert();
    }

    #[test]
    fn lines_and_times_as_typed() {
        let args = Args::parse_from(["fleet-logs", "-n", "5", "--since", "-1h", "-t", "a"]);
        assert_eq!(args.lines, Some(Lines::Last(5)));
        assert_eq!(args.timestamps, Timestamps::Local);
        assert_eq!(args.select.selectors, ["a"]);
        assert!(Args::try_parse_from(["fleet-logs", "-n", "x"]).is_err());
        assert!(Args::try_parse_from(["fleet-logs", "--raw", "-o", "json"]).is_err());
        assert!(Args::try_parse_from(["fleet-logs", "--raw", "a"]).is_ok());
    }
}
