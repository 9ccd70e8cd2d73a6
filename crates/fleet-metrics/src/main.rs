//! `fleet-metrics`: what the processes of a fleet and their host use.

use std::process::ExitCode;

fn main() -> ExitCode {
    fleet_cli::run("fleet-metrics", fleet_metrics::sample)
}
