//! `fleet-signal`: pause, resume and restart processes of a fleet, and send them signals.
#![cfg_attr(not(test), no_main)]

fleet_cli::main!(|| fleet_cli::run("fleet-signal", fleet_signal::signal));
