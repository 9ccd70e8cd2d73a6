//! What may be typed to try rules instead of using them.

use std::path::PathBuf;

use clap::Args;
use fleet_core::Timestamp;

/// What a file of cases is; as the comment of an argument, links would be seen in it.
const CASES: &str = r#"Do the cases of this file, by a clock of their own, and say which fail

A case is records and the alerts that must come of them, and no others:

  rules = "alerts.toml"                # beside this file [default: --rules]

  [[case]]
  name = "memory is told of after a minute"
  rules = ["memory_usage_high"]        # only these [default: all that are enabled]
  start = "2026-11-22T06:00:00Z"       # [default: the time of the first record]

  [[case.steps]]
  at = "0s"
  every = "15s"
  until = "1m"
  record = { subject = "process", id = "a", memory_percent = 95 }

  [[case.steps]]
  at = "2m"
  silence = { id = "b*", for = "1h" }

  [[case.steps]]
  at = "3m"
  restart = true                       # the tool ends and starts again

  [[case.steps]]                       # or file = "PATH" of lines of JSON
  at = "4m"                            # or records = '''lines of JSON'''
  record = { subject = "process", id = "a", memory_percent = 20 }

  [[case.expect]]                      # or none = true of the case
  at = "1m"
  rule = "memory_usage_high"
  id = "a"
  severity = "critical"
  summary = "95 %"                     # a pattern
  told = ["slack"]

  [[case.expect]]
  rule = "memory_usage_high"
  state = "resolved"                   # [default: firing]
  held = []                            # silenced, grouped, ...

A record without 'kind' is a sample, one without 'ts' is of the moment of its step. All that is
said of an alert must be so."#;

/// Trying rules: nothing is remembered and nobody is told.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Trying rules")]
pub struct DryArgs {
    /// Check the rules file, print what is in it and what in it is odd, and read nothing
    ///
    /// Programs get a record for each finding: check, severity, file, line, column, message, hint.
    /// Ends with 1 if one of them is an error, so that a rule or a channel cannot do what it says.
    #[arg(long, group = "InsteadArgs")]
    pub check: bool,
    /// Do the cases of this file, by a clock of their own, and say which fail
    #[arg(long, value_name = "FILE", long_help = CASES, group = "InsteadArgs")]
    pub test: Option<PathBuf>,
    /// Print what would have fired, from the stored samples (of these processes: names, globs), or
    /// with - from the records on standard input
    #[arg(long, value_name = "SELECTOR", num_args = 0.., group = "InsteadArgs")]
    pub replay: Option<Vec<String>>,
    /// With --replay: from this time on: 2026-11-22T06:00:00Z, or -7d [default: -1d]
    #[arg(long, value_name = "TIME", value_parser = moment, allow_hyphen_values = true, requires = "replay")]
    pub since: Option<Timestamp>,
    /// With --replay: up to this time, which is not part of it [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment, allow_hyphen_values = true, requires = "replay")]
    pub until: Option<Timestamp>,
    /// Say what happened to the alerts of this rule or process, who was told, and why others were
    /// not: from what earlier runs wrote down
    #[arg(long, value_name = "RULE|ID", group = "InsteadArgs")]
    pub why: Option<String>,
}

fn moment(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text, Timestamp::now()).map_err(|e| e.to_string())
}
