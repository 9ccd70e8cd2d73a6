//! Health checks as they are wanted.

use clap::Args;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::wish::{Span, Typed, Words};

/// How it is asked whether it is well: by at most one of tcp, http, exec and log, and by the
/// watchdog beside it.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Health")]
pub struct HealthWish {
    /// It is healthy while something accepts a connection: [HOST:]PORT
    #[arg(id = "health_tcp", long = "health-tcp", value_name = "[HOST:]PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp: Option<Typed<String>>,
    /// It is healthy while a GET of this http:// address is answered as it should be
    #[arg(id = "health_http", long = "health-http", value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<String>,
    /// Status of a good answer: a number or a range [default: 200-399]
    #[arg(id = "health_status", long = "health-status", value_name = "STATUS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Typed<String>>,
    /// A regular expression that the body of a good answer matches
    #[arg(id = "health_body", long = "health-body", value_name = "REGEX")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// It is healthy while this command, split as a shell would, ends with code 0
    #[arg(id = "health_exec", long = "health-exec", value_name = "COMMAND")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exec: Option<Words>,
    /// It is healthy once a line of its output matches this regular expression
    #[arg(id = "health_log", long = "health-log", value_name = "REGEX")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// From one check to the next [default: 30s]
    #[arg(id = "health_interval", long = "health-interval", value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<Typed<Span>>,
    /// How long an answer may take [default: 3s]
    #[arg(id = "health_timeout", long = "health-timeout", value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Typed<Span>>,
    /// So many failures in a row make it unhealthy [default: 3]
    #[arg(id = "health_retries", long = "health-retries", value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..))]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub retries: Option<u32>,
    /// So long after its start failures do not count [default: 5s]
    #[arg(id = "health_start_period", long = "health-start-period", value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_period: Option<Typed<Span>>,
    /// It has to say WATCHDOG=1 (sd_notify) at least this often to be healthy
    #[arg(long = "watchdog", value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watchdog: Option<Typed<Span>>,
}

impl HealthWish {
    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        *self == HealthWish::default()
    }
}
