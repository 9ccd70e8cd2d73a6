//! What can be typed.

use std::time::Duration;

use clap::{ArgGroup, Parser, ValueEnum};
use fleet_cli::{HomeArgs, OutputArgs, SelectArgs};
use fleet_core::parse_duration;
use fleet_sampler::Basis;

use crate::collect::CollectArgs;
use crate::depth::DepthArgs;
use crate::gpus::Wish;
use crate::history_args::HistoryArgs;
use crate::listen::ListenArgs;
use crate::shape::ShapeArgs;

const EXAMPLES: &str = "\
Examples:
  fleet-metrics                              the host, the fleet and all processes, once
  fleet-metrics -f --interval 1s 'mission-*' each second, new missions too
  fleet-metrics -l team=vision -o csv        the processes with this label, for a spreadsheet
  fleet-metrics --tree -o table mission-a    each process of a tree by itself
  fleet-metrics --top 5 --sort memory_bytes -o table
  fleet-metrics | jq 'select(.memory_percent > 50)'
  fleet-metrics --listen 9551                for Prometheus: http://127.0.0.1:9551/metrics
  fleet-metrics -f -o prometheus --output-file /var/lib/prometheus/node-exporter/fleet.prom
  fleet-spawn --name monitor -- fleet-metrics --follow --record     what is always on
  fleet-metrics --since -1d --window 1h --agg avg,p95,max 'mission-*'
  */1 * * * *  fleet-metrics | fleet-alert --rules ~/.config/fleet/alerts.toml

CPU% of a process is 100 for each core that is busy, CPU% of the host is 100 when all are. It is
counted from an earlier sample: of this run, or of whoever sampled this fleet before. MEM is the
proportional size where a tree has several processes, else the resident one (see --memory).";

/// What shapes rounds that are taken now and would do nothing to stored ones.
const OF_ROUNDS: &[&str] = &[
    "view",
    "sort",
    "top",
    "tree",
    "connections",
    "per_core",
    "curves",
    "memory",
    "ended_for",
    "collectors",
    "no_collectors",
    "check",
];

/// Between two rounds that somebody watches.
const WATCHED: Duration = Duration::from_secs(5);

/// Between two rounds that are stored.
const RECORDED: Duration = Duration::from_secs(15);

/// What the processes of a fleet, the fleet as a whole and their host use: CPU, memory, threads, descriptors, storage
/// traffic
#[derive(Clone, Debug, Parser)]
#[command(
    name = "fleet-metrics",
    version,
    after_help = EXAMPLES,
    group = ArgGroup::new("rounds").multiple(true),
    group = ArgGroup::new("shown_now").multiple(true).args(OF_ROUNDS)
)]
pub struct MetricsArgs {
    /// Which processes; when some are chosen, host and fleet are left out.
    #[command(flatten)]
    pub select: SelectArgs,
    /// Leave the host out, as is done anyway when processes are selected
    #[arg(long, conflicts_with = "host_only")]
    pub no_host: bool,
    /// Leave the fleet as a whole out, as is done anyway when processes are selected
    #[arg(long)]
    pub no_fleet: bool,
    /// Only the host
    #[arg(long, conflicts_with_all = ["selectors", "labels"])]
    pub host_only: bool,
    /// Leave GPUs out, and what processes use of them; they are not asked for on a machine without a
    /// GPU's driver
    #[arg(long)]
    pub no_gpu: bool,
    /// Go on sampling until the reader leaves; new processes join
    #[arg(short, long, group = "rounds")]
    pub follow: bool,
    /// Sample so many times, then end
    #[arg(long, value_name = "N", group = "rounds", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Time between two samples, at least 100ms; needs --follow, --count or --listen [default: 5s,
    /// with --record 15s]
    #[arg(long, value_name = "DURATION", value_parser = interval, requires = "rounds")]
    pub interval: Option<Duration>,
    /// How long the record of an ended process goes on, with its state and exit
    #[arg(long, value_name = "DURATION", default_value = "1d", value_parser = parse_duration)]
    pub ended_for: Duration,
    /// Also the points of training curves: once the newest of each, while following all that come
    #[arg(long)]
    pub curves: bool,
    /// Which size of memory to read
    #[arg(long, value_name = "SIZE", default_value = "auto")]
    pub memory: Memory,
    /// Measures of the user's own.
    #[command(flatten)]
    pub collect: CollectArgs,
    /// What is told one by one.
    #[command(flatten)]
    pub depth: DepthArgs,
    /// What is shown of it.
    #[command(flatten)]
    pub shape: ShapeArgs,
    /// For whom it listens.
    #[command(flatten)]
    pub listen: ListenArgs,
    /// What is stored, and what was.
    #[command(flatten)]
    pub history: HistoryArgs,
    /// Where the fleet lives.
    #[command(flatten)]
    pub home: HomeArgs,
    /// How the output looks.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// A size of memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Memory {
    /// Proportional for a tree of several processes, resident for a single one
    Auto,
    /// Proportional: exact where memory is shared, but slow for large processes
    Pss,
    /// Resident: quick, but counts what processes of a tree share once for each
    Rss,
}

impl From<Memory> for Basis {
    fn from(memory: Memory) -> Basis {
        match memory {
            Memory::Auto => Basis::Auto,
            Memory::Pss => Basis::Proportional,
            Memory::Rss => Basis::Resident,
        }
    }
}

fn interval(text: &str) -> Result<Duration, String> {
    let interval = parse_duration(text).map_err(|e| e.to_string())?;
    if interval < Duration::from_millis(100) {
        return Err("the kernel counts CPU in ticks of 10ms, so the least is 100ms".to_owned());
    }
    Ok(interval)
}

impl MetricsArgs {
    /// Time between two rounds.
    pub fn interval(&self) -> Duration {
        self.interval.unwrap_or(if self.history.record { RECORDED } else { WATCHED })
    }

    /// How many rounds; `None` is without end.
    pub fn rounds(&self) -> Option<u64> {
        match (self.count, self.follow || self.listen.listen.is_some()) {
            (Some(count), _) => Some(count),
            (None, true) => None,
            (None, false) => Some(1),
        }
    }

    /// Whether the fleet as a whole is sampled.
    pub fn fleet(&self) -> bool {
        !self.host_only && !self.no_fleet && self.select.is_empty()
    }

    /// What is wanted of the GPUs.
    pub(crate) fn gpus(&self) -> Wish {
        match (self.no_gpu, self.select.is_empty()) {
            (true, _) => Wish::Nothing,
            (false, true) => Wish::All,
            (false, false) => Wish::Use,
        }
    }

    /// Whether the host is sampled.
    pub fn host(&self) -> bool {
        self.host_only || (!self.no_host && self.select.is_empty())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    fn parsed(line: &str) -> Result<MetricsArgs, clap::Error> {
        MetricsArgs::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_declaration_is_sound() {
        MetricsArgs::command().debug_assert();
    }

    #[test]
    fn one_shot_follow_and_count() {
        assert_eq!(parsed("fleet-metrics").unwrap().rounds(), Some(1));
        assert_eq!(parsed("fleet-metrics -f --interval 100ms").unwrap().rounds(), None);
        assert_eq!(parsed("fleet-metrics --count 3 --interval 1s").unwrap().rounds(), Some(3));
        assert_eq!(parsed("fleet-metrics --listen 9551 --interval 1s").unwrap().rounds(), None);
        for line in ["--interval 1s", "-f --interval 99ms", "--count 0", "--host-only a", "--top 0"]
        {
            assert!(parsed(&format!("fleet-metrics {line}")).is_err(), "{line}");
        }
    }

    #[test]
    fn what_shapes_rounds_is_refused_with_stored_samples() {
        assert!(parsed("fleet-metrics --since -1h -o csv --no-host a").is_ok());
        for option in ["-f", "--record --count 2", "--top 1", "--sort id", "--type cpu", "--tree"] {
            assert!(parsed(&format!("fleet-metrics --since -1h {option}")).is_err(), "{option}");
        }
        for option in ["--curves", "--memory pss", "--ended-for 1h", "--collectors x", "--check"] {
            assert!(parsed(&format!("fleet-metrics --since -1h {option}")).is_err(), "{option}");
        }
    }

    #[test]
    fn who_names_processes_gets_those_alone() {
        assert!(parsed("fleet-metrics").unwrap().host());
        assert!(!parsed("fleet-metrics a").unwrap().host());
        assert!(!parsed("fleet-metrics -l a=b").unwrap().host());
        assert!(!parsed("fleet-metrics --no-host").unwrap().host());
        assert!(parsed("fleet-metrics --host-only").unwrap().host());
        for (line, fleet) in [("", true), ("--no-host", true), ("--no-fleet", false), ("a", false)]
        {
            assert_eq!(parsed(&format!("fleet-metrics {line}")).unwrap().fleet(), fleet, "{line}");
        }
        assert!(!parsed("fleet-metrics --host-only").unwrap().fleet());
        assert_eq!(parsed("fleet-metrics").unwrap().gpus(), Wish::All);
        assert_eq!(parsed("fleet-metrics a").unwrap().gpus(), Wish::Use);
        assert_eq!(parsed("fleet-metrics --no-gpu").unwrap().gpus(), Wish::Nothing);
    }
}
