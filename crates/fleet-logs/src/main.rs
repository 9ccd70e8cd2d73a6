//! `fleet-logs`: show and follow what the processes of a fleet print.

use std::process::ExitCode;

fn main() -> ExitCode {
    fleet_cli::run("fleet-logs", fleet_logs::show)
}
