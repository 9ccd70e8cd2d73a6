//! `fleet-ps`: list the processes of a fleet and what each is doing now.
#![cfg_attr(not(test), no_main)]

fleet_cli::main!(|| fleet_cli::run("fleet-ps", fleet_ps::list));
