//! `fleet-alert`: hold a stream of records against rules and raise alerts.

use std::process::ExitCode;

fn main() -> ExitCode {
    fleet_cli::run("fleet-alert", fleet_alert::watch)
}
