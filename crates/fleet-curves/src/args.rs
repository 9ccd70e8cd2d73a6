//! What can be typed.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Parser, ValueEnum};
use fleet_cli::{HomeArgs, OutputArgs, SelectArgs};
use fleet_core::{BadTime, Timestamp};
use fleet_curve::Source;

const EXAMPLES: &str = "\
Examples:
  fleet-curves train                        all curves of its newest run
  fleet-curves -f --metric loss 'mission-*' as they go on, new processes too
  fleet-curves --last                       the newest value of each curve of each process
  fleet-curves --file runs/7 -o csv         a folder of tfevents, for a spreadsheet
  cat train.log | fleet-curves --file -     the log of any program
  fleet-curves --file x.log --pattern 'mine=it (?<step>\\d+) L=(?<loss>\\S+)'

Read are the log of a process, what it emitted (fleet-emit metric), and tfevents files and
metrics.csv in its own folder; or what --curves of fleet-spawn names. Patterns that are wanted
always are put into ~/.config/fleet/curves.toml:

  [pattern.mine]
  regex = 'it (?<step>\\d+) L=(?<loss>\\S+)'

Exit status: 0 shown; 1 there is no curve, or a selector matched nothing; 2 could not.";

/// Show the training curves of processes, and of the files of any program
///
/// Every named number is a curve: losses, rates, rewards. Steps are data: they may go back, and
/// nothing is dropped then, nor because a value is NaN.
#[derive(Parser, Clone, Debug)]
#[command(name = "fleet-curves", version, after_help = EXAMPLES)]
pub struct CurvesArgs {
    /// Which processes; their newest runs unless a run is named.
    #[command(flatten)]
    pub select: SelectArgs,
    /// Read a file or a folder instead of processes: a log, tfevents, CSV; '-' is a log on standard
    /// input (repeatable)
    #[arg(long, value_name = "PATH", conflicts_with_all = ["selectors", "labels"])]
    pub file: Vec<PathBuf>,
    /// Go on with what comes from now on, after all that is there
    #[arg(short, long, conflicts_with_all = ["output_file", "last", "rows"])]
    pub follow: bool,
    /// Only these curves, also where a line is not known to be of a training
    #[arg(long, value_name = "NAME,NAME", value_delimiter = ',')]
    pub metric: Vec<String>,
    /// Only from this source
    #[arg(long, value_name = "SOURCE")]
    pub source: Option<SourceName>,
    /// Only from this moment on: RFC 3339, or back from now (90s, -1h, '10m ago')
    #[arg(long, value_name = "TIME", value_parser = moment, allow_hyphen_values = true)]
    pub since: Option<Timestamp>,
    /// Only the newest value of each curve
    #[arg(long)]
    pub last: bool,
    /// Rows of a table, counted from the end [default: 40 on a terminal, else all]
    #[arg(short = 'n', long, value_name = "N")]
    pub rows: Option<usize>,
    /// Also lines of this form: a regular expression whose named groups are the values (repeatable)
    #[arg(long, value_name = "NAME=REGEX")]
    pub pattern: Vec<Pattern>,
    /// File of patterns [default: ~/.config/fleet/curves.toml]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where the fleet lives.
    #[command(flatten)]
    pub home: HomeArgs,
    /// How the output looks.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// A pattern as it is typed.
#[derive(Clone, Debug, PartialEq)]
pub struct Pattern {
    /// What it is called.
    pub name: String,
    /// The expression.
    pub regex: String,
}

impl FromStr for Pattern {
    type Err = String;

    fn from_str(text: &str) -> Result<Pattern, String> {
        let (name, regex) = text.split_once('=').ok_or("write NAME=REGEX")?;
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || !name.chars().all(plain) {
            return Err(format!("{name:?} is no name for a pattern; write NAME=REGEX"));
        }
        Ok(Pattern { name: name.to_owned(), regex: regex.to_owned() })
    }
}

/// Where points come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum SourceName {
    /// Lines of a log
    Log,
    /// Files for TensorBoard
    Tfevents,
    /// Tables
    Csv,
    /// fleet-emit metric
    Emit,
}

impl From<SourceName> for Source {
    fn from(name: SourceName) -> Source {
        match name {
            SourceName::Log => Source::Log,
            SourceName::Tfevents => Source::Events,
            SourceName::Csv => Source::Csv,
            SourceName::Emit => Source::Emit,
        }
    }
}

fn moment(text: &str) -> Result<Timestamp, BadTime> {
    Timestamp::parse(text, Timestamp::now())
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_declaration_is_sound() {
        CurvesArgs::command().debug_assert();
    }

    #[test]
    fn curves_as_typed() {
        let args = CurvesArgs::parse_from(["fleet-curves", "--metric", "loss,lr", "a", "-n", "5"]);
        assert_eq!((args.metric.len(), args.rows), (2, Some(5)));
        let ok = |words: &[&str]| CurvesArgs::try_parse_from(words).is_ok();
        assert!(ok(&["fleet-curves", "--file", "-", "--pattern", "a=b=c"]));
        assert!(!ok(&["fleet-curves", "--file", "x", "a"]));
        assert!(!ok(&["fleet-curves", "--pattern", "(x)"]));
        assert!(!ok(&["fleet-curves", "-f", "--last"]));
    }
}
