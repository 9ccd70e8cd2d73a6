//! `fleet-spawn`: start a process of the fleet and leave it running.

use std::process::ExitCode;

fn main() -> ExitCode {
    fleet_cli::run("fleet-spawn", fleet_spawn::spawn)
}
