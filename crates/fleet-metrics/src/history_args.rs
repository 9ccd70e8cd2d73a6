//! What can be typed about stored samples.

use std::time::Duration;

use clap::Args;
use fleet_core::{Timestamp, parse_duration, parse_size};
use fleet_history::{Agg, By, Recorder, Settings};
use fleet_registry::Home;

/// Storing samples, and reading them back.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "History")]
pub struct HistoryArgs {
    /// Store the samples in the fleet's home instead of printing them (with -o both): all of them,
    /// whatever --type and --top show
    #[arg(long, requires = "rounds")]
    pub record: bool,
    /// How long stored samples are kept
    #[arg(long, value_name = "DURATION", default_value = "30d", value_parser = parse_duration, requires = "record")]
    pub keep: Duration,
    /// Size that all stored samples may have; the oldest go first
    #[arg(long, value_name = "SIZE", default_value = "2G", value_parser = parse_size, requires = "record")]
    pub max_size: u64,
    /// Print stored samples from this time on: 2026-11-22T06:00:00Z, or -30d
    #[arg(long, value_name = "TIME", value_parser = moment, allow_hyphen_values = true, conflicts_with_all = ["rounds", "record", "shown_now"])]
    pub since: Option<Timestamp>,
    /// Up to this time, which is not part of it [default: now]
    #[arg(long, value_name = "TIME", value_parser = moment, allow_hyphen_values = true, requires = "since")]
    pub until: Option<Timestamp>,
    /// One record for each window of this length, at least 1s: 1m, 5m, 1h, 1d
    #[arg(long, value_name = "DURATION", value_parser = window, requires = "since")]
    pub window: Option<Duration>,
    /// What the values of a window are brought to: avg, min, max, last, p50, p95, p99, and rate
    /// (of counters, per second)
    #[arg(
        long,
        value_name = "LIST",
        default_value = "avg,max",
        value_delimiter = ',',
        requires = "window"
    )]
    pub agg: Vec<Agg>,
    /// What is put together: id, run, name, host, subject, labels.KEY [default: each process and
    /// device by itself]
    #[arg(long, value_name = "LIST", value_delimiter = ',', requires = "window")]
    pub by: Vec<By>,
    /// Which measures, or patterns of them [default: cpu_percent,memory_bytes; with rate also
    /// cpu_seconds_total,io_read_bytes,io_write_bytes]
    #[arg(long, value_name = "LIST", value_delimiter = ',', requires = "window")]
    pub metric: Vec<String>,
}

const MEASURES: &[&str] = &["cpu_percent", "memory_bytes"];

const COUNTERS: &[&str] = &["cpu_seconds_total", "io_read_bytes", "io_write_bytes"];

impl HistoryArgs {
    /// Who stores the samples, if they are to be stored.
    pub(crate) fn recorder(&self, home: &Home) -> Option<Recorder> {
        let settings = Settings { keep: self.keep, max_bytes: self.max_size };
        self.record.then(|| Recorder::new(&home.metrics(), settings))
    }

    /// The measures that are asked for, as they were typed or by default.
    pub(crate) fn measures(&self) -> Vec<String> {
        if !self.metric.is_empty() {
            return self.metric.clone();
        }
        let counters = if self.agg.contains(&Agg::Rate) { COUNTERS } else { &[] };
        MEASURES.iter().chain(counters).map(|name| (*name).to_owned()).collect()
    }
}

fn moment(text: &str) -> Result<Timestamp, String> {
    Timestamp::parse(text, Timestamp::now()).map_err(|e| e.to_string())
}

fn window(text: &str) -> Result<Duration, String> {
    let window = parse_duration(text).map_err(|e| e.to_string())?;
    if window < Duration::from_secs(1) {
        return Err("the least is 1s".to_owned());
    }
    Ok(window)
}
