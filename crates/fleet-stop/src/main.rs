//! `fleet-stop`: stop processes of a fleet, whole trees, and report each.

use std::process::ExitCode;

fn main() -> ExitCode {
    fleet_cli::run("fleet-stop", fleet_stop::stop)
}
