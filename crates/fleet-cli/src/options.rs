//! Options that tools have in common.

use std::env;
use std::io::IsTerminal;
use std::path::PathBuf;

use clap::{Args, ValueEnum};
use fleet_registry::{Home, HomeError};

use crate::exit::{Exit, Failure};
use crate::out::{Out, Paint};

/// Where the fleet lives.
#[derive(Args, Clone, Debug)]
pub struct HomeArgs {
    /// Folder of the fleet [default: $FLEET_HOME, else $XDG_STATE_HOME/fleet, else
    /// ~/.local/state/fleet]
    #[arg(long, value_name = "DIR", help_heading = "Common options")]
    pub home: Option<PathBuf>,
}

impl HomeArgs {
    /// The home, whether or not it is there yet.
    ///
    /// # Errors
    /// No variable says where it is.
    pub fn locate(&self) -> Result<Home, HomeError> {
        Home::locate(self.home.as_deref())
    }
}

/// A form of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// Aligned columns for a person
    Table,
    /// The same with more columns
    Wide,
    /// One JSON object a line
    Jsonl,
    /// One JSON array; of fleet-metrics one document for each round
    Json,
    /// Comma-separated values with a header
    Csv,
    /// Prometheus text format 0.0.4, of fleet-metrics
    Prometheus,
    /// OpenMetrics 1.0, of fleet-metrics
    Openmetrics,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum When {
    #[default]
    Auto,
    Always,
    Never,
}

/// How the output looks and where it goes.
#[derive(Args, Clone, Debug)]
pub struct OutputArgs {
    /// Form of the output [default: table on a terminal, jsonl otherwise]
    #[arg(short, long, value_name = "FORMAT", help_heading = "Common options")]
    output: Option<Format>,
    /// Write to this file, which takes the place of an old one only when it is complete
    #[arg(long, value_name = "FILE", help_heading = "Common options")]
    output_file: Option<PathBuf>,
    /// Colours [default: on a terminal, unless NO_COLOR is set]
    #[arg(
        long,
        value_name = "WHEN",
        default_value = "auto",
        hide_default_value = true,
        help_heading = "Common options"
    )]
    color: When,
}

impl OutputArgs {
    /// The form that was asked for, or the one that fits the reader.
    ///
    /// # Errors
    /// The tool has no such form; `known` are those it has.
    pub fn format(&self, known: &[Format]) -> Result<Format, Failure> {
        let people = self.output_file.is_none() && std::io::stdout().is_terminal();
        let default = if people { Format::Table } else { Format::Jsonl };
        let format = self.output.unwrap_or(default);
        if known.contains(&format) {
            return Ok(format);
        }
        let name =
            |f: &Format| f.to_possible_value().map_or(String::new(), |v| v.get_name().into());
        let names: Vec<String> = known.iter().map(name).collect();
        Err(Failure::new(
            Exit::CouldNot,
            format!("this tool has no output '{}', it has: {}", name(&format), names.join(", ")),
        ))
    }

    /// Whether somebody said what is to be written, or where.
    pub fn is_chosen(&self) -> bool {
        self.output.is_some() || self.output_file.is_some()
    }

    /// Whether the output goes to a file that appears only when it is complete: what never ends
    /// would never appear.
    pub fn needs_end(&self) -> bool {
        self.output_file.is_some()
    }

    /// Opens the output; `lines` asks for a flush at every line, as `--follow` does.
    ///
    /// # Errors
    /// The output file cannot be made.
    pub fn open(&self, lines: bool) -> Result<Out, Failure> {
        let Some(file) = &self.output_file else { return Ok(Out::stdout(lines, self.paint())) };
        Out::file(file.clone()).map_err(|e| {
            Failure::new(Exit::CouldNot, format!("cannot write '{}': {e}", file.display()))
        })
    }

    fn paint(&self) -> Paint {
        let set = |name: &str| env::var_os(name).is_some_and(|v| !v.is_empty());
        let dumb = env::var_os("TERM").is_some_and(|v| v == "dumb");
        Paint(match self.color {
            When::Always => true,
            When::Never => false,
            When::Auto => std::io::stdout().is_terminal() && !set("NO_COLOR") && !dumb,
        })
    }
}
