//! `fleet-logs`: show and follow what the processes of a fleet print.
#![cfg_attr(not(test), no_main)]

fleet_cli::main!(|| fleet_cli::run("fleet-logs", fleet_logs::show));
