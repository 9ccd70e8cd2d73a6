//! `fleet-emit`: say something from within a process.
#![cfg_attr(not(test), no_main)]

fleet_cli::main!(|| fleet_cli::run("fleet-emit", fleet_emit::emit));
