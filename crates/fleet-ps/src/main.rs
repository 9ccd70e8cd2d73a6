//! `fleet-ps`: list the processes of a fleet and what each is doing now.

use std::process::ExitCode;

fn main() -> ExitCode {
    fleet_cli::run("fleet-ps", fleet_ps::list)
}
