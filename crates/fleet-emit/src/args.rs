//! What can be typed.

use clap::{Args, Parser, Subcommand};
use fleet_cli::HomeArgs;
use fleet_core::{Id, Label};

const EXAMPLES: &str = "\
Examples:
  fleet-emit metric loss=1.23 step=100
  fleet-emit metric val/accuracy=0.87 step=100 -l split=test
  fleet-emit metric loss=nan
  ./train | fleet-emit metric --stdin           each line an object: {\"loss\": 1.2, \"step\": 3}
  fleet-emit metric --id trainer-0 loss=0.5      from outside of the process

Exit status: 0 said; 2 could not.";

/// Say something from within a process of the fleet
#[derive(Clone, Debug, Parser)]
#[command(name = "fleet-emit", version)]
pub struct EmitArgs {
    /// What is said.
    #[command(subcommand)]
    pub what: What,
}

/// What can be said.
#[derive(Clone, Debug, Subcommand)]
pub enum What {
    /// Values of curves: a loss, a rate, a reward
    Metric(MetricArgs),
}

/// Values of curves
///
/// They are written to the run that this is called in, and shown by fleet-curves and
/// fleet-metrics --curves. 'step' is the step, every other name a curve.
#[derive(Args, Clone, Debug)]
#[command(after_help = EXAMPLES)]
pub struct MetricArgs {
    /// Values: numbers, 'nan' and 'inf' among them
    #[arg(value_name = "NAME=NUMBER", required_unless_present = "stdin", conflicts_with = "stdin")]
    pub values: Vec<String>,
    /// Read objects from standard input, one on each line
    #[arg(long)]
    pub stdin: bool,
    /// Say it of the newest run of this process [default: the run that this is called in; outside
    /// of any, of none]
    #[arg(long, value_name = "NAME")]
    pub id: Option<Id>,
    /// A label of these values (repeatable)
    #[arg(short = 'l', long = "label", value_name = "KEY=VALUE")]
    pub labels: Vec<Label>,
    /// Where the fleet lives.
    #[command(flatten)]
    pub home: HomeArgs,
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_declaration_is_sound() {
        EmitArgs::command().debug_assert();
    }

    #[test]
    fn values_or_standard_input() {
        let ok = |line: &str| EmitArgs::try_parse_from(line.split(' ')).is_ok();
        assert!(ok("fleet-emit metric loss=-1 step=3 -l a=b"));
        assert!(ok("fleet-emit metric --stdin --id a"));
        assert!(!ok("fleet-emit metric"));
        assert!(!ok("fleet-emit metric loss=1 --stdin"));
        assert!(!ok("fleet-emit"));
    }
}
