//! Limits and priorities as they are wanted.

use std::collections::BTreeMap;

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::wish::{Size, Typed};

/// What it may use, and with what priority it runs.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Limits")]
pub struct LimitsWish {
    /// Memory of the whole tree; beyond it the kernel kills
    #[arg(long, value_name = "SIZE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Typed<Size>>,
    /// Processors of the whole tree: 0.5 is half of one
    #[arg(long, value_name = "NUMBER")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu: Option<Typed<f64>>,
    /// Processes and threads of the whole tree
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub pids: Option<u64>,
    /// Nice value, from -20 (first) to 19 (last)
    #[arg(long, value_name = "N", allow_negative_numbers = true,
          value_parser = clap::value_parser!(i32).range(-20..=19))]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -20, max = 19))]
    pub nice: Option<i32>,
    /// Priority of its input and output: idle, best-effort[:0-7], realtime[:0-7]
    #[arg(long, value_name = "CLASS[:LEVEL]")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ionice: Option<String>,
    /// How soon the kernel kills it when memory is short, from -1000 (never) to 1000 (first)
    #[arg(long, value_name = "N", allow_negative_numbers = true,
          value_parser = clap::value_parser!(i32).range(-1000..=1000))]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = -1000, max = 1000))]
    pub oom_score: Option<i32>,
    /// Bits of file modes that it does not give, in octal: 027
    #[arg(long, value_name = "MODE")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub umask: Option<Typed<String>>,
    /// A limit of each process (repeatable): nofile=4096, core=unlimited, stack=8M:64M (soft and
    /// hard); see getrlimit(2)
    #[arg(skip)]
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rlimits: BTreeMap<String, Typed<String>>,
}

impl LimitsWish {
    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        *self == LimitsWish::default()
    }
}
