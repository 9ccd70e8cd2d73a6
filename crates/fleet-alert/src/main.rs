//! `fleet-alert`: hold a stream of records against rules and raise alerts.
#![cfg_attr(not(test), no_main)]

fleet_cli::main!(|| fleet_cli::run("fleet-alert", fleet_alert::watch));
