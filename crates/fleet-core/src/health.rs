//! How a process is asked whether it is well.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What is known of how a process is, beyond that it lives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Health {
    /// No check has succeeded yet, and it still has time.
    Starting,
    /// Its checks succeed, or it said by sd_notify(3) that it is ready.
    Healthy,
    /// Its checks fail, or it did not say in time that it lives.
    Unhealthy,
    /// Something of it is not as it should be (a fleet).
    Degraded,
    /// Nothing of it works any more (a fleet).
    Failed,
}

impl Health {
    /// The word for it in records and tables.
    pub fn word(self) -> &'static str {
        match self {
            Health::Starting => "starting",
            Health::Healthy => "healthy",
            Health::Unhealthy => "unhealthy",
            Health::Degraded => "degraded",
            Health::Failed => "failed",
        }
    }
}

/// A question that is asked again and again, and what its answers mean.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct HealthCheck {
    /// The question.
    pub probe: Probe,
    /// From one question to the next.
    pub interval_seconds: f64,
    /// How long an answer may take.
    pub timeout_seconds: f64,
    /// So many failures in a row make it unhealthy.
    pub retries: u32,
    /// So long after its start failures do not count, unless it was healthy before.
    pub start_period_seconds: f64,
}

/// One way to ask.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Probe {
    /// Something accepts a connection.
    Tcp(Address),
    /// A GET of HTTP/1.1 is answered as it should be.
    Http {
        /// Who is asked.
        address: Address,
        /// The name by which it is asked (`Host:`): name and port as they were written.
        host: String,
        /// Path and query, beginning with a slash.
        path: String,
        /// Lowest status that is good.
        status_first: u16,
        /// Highest status that is good.
        status_last: u16,
        /// A regular expression that the beginning of the body must match.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        body: Option<String>,
    },
    /// A command ends with code 0.
    Exec {
        /// Its argument vector.
        command: Vec<String>,
    },
    /// A line of its output matches; asked until one does.
    Log {
        /// A regular expression.
        pattern: String,
    },
}

/// A place to connect to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// An address, or `localhost`, which means that of both families. Other names were replaced by
    /// their address when the process was spawned: a supervisor asks no resolver.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host.contains(':') {
            true => write!(f, "[{}]:{}", self.host, self.port),
            false => write!(f, "{}:{}", self.host, self.port),
        }
    }
}
