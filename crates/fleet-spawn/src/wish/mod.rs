//! What can be wanted of a process, on the command line and in a fleet file alike.
//!
//! Each option is declared once: the comment is its `--help` and its description in the schema of
//! the fleet file, the type reads what is typed and what is written. Everything may be left out,
//! so that a process can build on a profile, and the command line on both.

mod gpus;
mod health;
mod kpi;
mod limits;
mod logs;
mod place;
mod tables;
mod typed;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use clap::Args;
use fleet_core::{
    Backoff, Compression, CrashLimit, Dependency, GpuSet, Id, Label, Restart, Signal,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ports::{PortRange, Ports};
pub use health::{HealthWish, Prepared};
pub(crate) use kpi::{KpiWishes, kpis};
pub use limits::LimitsWish;
use limits::Memory;
pub use logs::Rotate;
pub use place::{Place, Status, Url, WithPorts};
use tables::{OneOrMore, env_table, label_table, one_or_more};
pub use typed::{Form, Size, Span, Typed};

/// A wish. What is absent was not said.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Wish {
    /// The command: a list of arguments, or a text that is split as a shell would, without
    /// one
    #[arg(skip)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command: Option<Words>,
    /// Give the command, a text, to 'sh -c'
    #[arg(skip)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shell: Option<bool>,
    /// Build on a profile of the fleet file (repeatable, later ones go over earlier ones)
    #[arg(long, value_name = "PROFILE", help_heading = "Fleet file")]
    #[serde(deserialize_with = "one_or_more", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "OneOrMore<String>")]
    pub profile: Vec<String>,
    /// So many processes of this kind, named NAME-0, NAME-1 …; {index} is the number
    #[arg(skip)]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 10000))]
    pub replicas: Option<u32>,
    /// A label (repeatable)
    #[arg(short = 'l', long = "label", value_name = "KEY=VALUE")]
    #[serde(with = "label_table", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "BTreeMap<String, String>")]
    pub labels: Vec<Label>,
    /// Reserve a port: a number, 'auto' for a free one, 'auto:K' for K in a row; given as
    /// FLEET_PORT (then FLEET_PORT_1 …) and for {port} ({port1} …) in the command
    #[arg(long, value_name = "PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<Typed<Ports>>,
    /// Where 'auto' looks [default: 9555-9999]
    #[arg(long, value_name = "FIRST-LAST")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port_range: Option<Typed<PortRange>>,
    /// Working folder [default: this one]
    #[arg(long, value_name = "DIR")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cwd: Option<PathBuf>,
    /// Set a variable (repeatable); everything else of this environment is passed on
    #[arg(long = "env", value_name = "KEY=VALUE")]
    #[serde(with = "env_table", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "BTreeMap<String, String>")]
    pub env: Vec<OsString>,
    /// Read KEY=VALUE lines from a file first (repeatable)
    #[arg(long, value_name = "FILE")]
    #[serde(deserialize_with = "one_or_more", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "OneOrMore<PathBuf>")]
    pub env_file: Vec<PathBuf>,
    /// Start it again when it ends: no, on-failure, always, unless-stopped [default: no]
    #[arg(long, value_name = "POLICY")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart: Option<Typed<Restart>>,
    /// Pause before that, doubled each time: first and longest [default: 1s-60s]
    #[arg(long, value_name = "FIRST-LONGEST")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backoff: Option<Typed<Backoff>>,
    /// Give up after so many deaths within such a time [default: 10/10m]
    #[arg(long, value_name = "N/TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub crash_limit: Option<Typed<CrashLimit>>,
    /// End it when it is unhealthy, and start it again
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true",
          value_name = "BOOL", hide_possible_values = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub restart_unhealthy: Option<bool>,
    /// What asks it to end [default: TERM]
    #[arg(long, value_name = "SIGNAL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<Typed<Signal>>,
    /// How long it may take to end before it is killed [default: 10s]
    #[arg(long, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace: Option<Typed<Span>>,
    /// The longest that one attempt may run [default: for ever]
    #[arg(long, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_runtime: Option<Typed<Span>>,
    /// Size at which a log file is set aside [default: 10M]
    #[arg(long, value_name = "SIZE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_max_size: Option<Typed<Size>>,
    /// Age at which a log file is set aside, even while nothing is printed; 'daily' means
    /// 1d, --log-keep-for 7d and --log-compress zstd, unless those say otherwise [default: never]
    #[arg(long, value_name = "TIME|daily")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_rotate: Option<Typed<Rotate>>,
    /// How many log files are kept besides the current one [default: 3, and with --log-keep-for
    /// or --log-total no limit]
    #[arg(long, value_name = "N")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_keep: Option<u32>,
    /// How long a log file is kept after its last line [default: no limit]
    #[arg(long, value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_keep_for: Option<Typed<Span>>,
    /// What all log files of a run may have together; the oldest go [default: no limit]
    #[arg(long, value_name = "SIZE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_total: Option<Typed<Size>>,
    /// How log files are packed once they are set aside: none, zstd, gzip [default: none]
    #[arg(long, value_name = "FORM")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log_compress: Option<Typed<Compression>>,
    /// Write a Jupyter connection file for five reserved ports; its path is put in for
    /// {connection_file}
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true",
          value_name = "BOOL", hide_possible_values = true)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub connection_file: Option<bool>,
    /// Reserve GPUs: so many, or those of these UUIDs (their first digits do), or shared:N; the
    /// command finds them in CUDA_VISIBLE_DEVICES or ROCR_VISIBLE_DEVICES. With --queue it waits
    /// until they are free
    #[arg(long, value_name = "N|UUID,…|shared:N", help_heading = "GPUs")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpus: Option<Typed<GpuSet>>,
    /// Only GPUs with so much memory free when they are given; nothing holds it to that later
    #[arg(long, value_name = "SIZE", help_heading = "GPUs")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gpu_memory: Option<Typed<Memory>>,
    /// Read its training curves from here instead of its log and its own folder: a file, a folder,
    /// or a glob, of tfevents, CSV or text (repeatable)
    #[arg(long, value_name = "PATH")]
    #[serde(deserialize_with = "one_or_more", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "OneOrMore<String>")]
    pub curves: Vec<String>,
    /// Start when another is 'started' (without a word), 'healthy', 'completed' (code 0) or
    /// 'ended' (repeatable); if that can no longer come, this one fails
    #[arg(long, value_name = "NAME[:WHEN]", help_heading = "Order")]
    #[serde(deserialize_with = "one_or_more", skip_serializing_if = "Vec::is_empty")]
    #[schemars(with = "OneOrMore<After>")]
    pub after: Vec<Dependency>,
    /// Stand in line for a slot of this group; --slots or --priority alone mean it, too [default
    /// group: default, and gpus with --gpus]
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "default",
          value_name = "GROUP", help_heading = "Order")]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", regex(pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*$"))]
    pub queue: Option<Id>,
    /// So many of the group may run at once [default with --queue: 1, and with --gpus no limit]
    #[arg(long, value_name = "N", help_heading = "Order",
          value_parser = clap::value_parser!(u32).range(1..))]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub slots: Option<u32>,
    /// Higher ones of the line go first [default: 0]
    #[arg(long, value_name = "N", allow_negative_numbers = true, help_heading = "Order")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub priority: Option<i32>,
    /// What it is judged by, each by its name
    #[arg(skip)]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub kpi: KpiWishes,
    /// How it is asked whether it is well.
    #[command(flatten)]
    #[serde(skip_serializing_if = "HealthWish::is_empty")]
    pub health: HealthWish,
    /// What it may use, and with what priority it runs.
    #[command(flatten)]
    #[serde(skip_serializing_if = "LimitsWish::is_empty")]
    pub limits: LimitsWish,
}

/// A dependency as it is written.
#[derive(JsonSchema)]
#[schemars(inline, transparent)]
#[allow(dead_code, reason = "it is there for its schema alone")]
struct After(
    #[schemars(regex(
        pattern = "^[A-Za-z0-9][A-Za-z0-9._-]*(:(started|healthy|completed|ended))?$"
    ))]
    String,
);

impl Wish {
    /// Where free ports are looked for.
    pub(crate) fn port_range(&self) -> PortRange {
        self.port_range.as_ref().map_or_else(PortRange::default, |range| range.value)
    }
}

/// A command as a fleet file writes it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
#[serde(untagged, expecting = "expected a text or a list of texts")]
pub enum Words {
    /// To be split, or for a shell.
    Text(String),
    /// An argument vector.
    List(Vec<String>),
}

impl FromStr for Words {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Words, Infallible> {
        Ok(Words::Text(text.to_owned()))
    }
}
