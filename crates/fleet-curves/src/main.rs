//! `fleet-curves`: training curves of processes and of files.
#![cfg_attr(not(test), no_main)]

fleet_cli::main!(|| fleet_cli::run("fleet-curves", fleet_curves::show));
