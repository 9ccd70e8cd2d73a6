//! `fleet-stop`: stop processes of a fleet, whole trees, and report each.
#![cfg_attr(not(test), no_main)]

fleet_cli::main!(|| fleet_cli::run("fleet-stop", fleet_stop::stop));
