//! `fleet-wait`: wait until processes of a fleet have ended, or are healthy.
#![cfg_attr(not(test), no_main)]

fleet_cli::main!(|| fleet_cli::run("fleet-wait", fleet_wait::wait));
