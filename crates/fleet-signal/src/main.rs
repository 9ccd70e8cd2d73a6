//! `fleet-signal`: pause, resume and restart processes of a fleet, and send them signals.

use std::process::ExitCode;

fn main() -> ExitCode {
    fleet_cli::run("fleet-signal", fleet_signal::signal)
}
