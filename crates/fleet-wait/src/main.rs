//! `fleet-wait`: wait until processes of a fleet have ended, or are healthy.

use std::process::ExitCode;

fn main() -> ExitCode {
    fleet_cli::run("fleet-wait", fleet_wait::wait)
}
