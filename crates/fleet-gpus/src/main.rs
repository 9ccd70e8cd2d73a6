//! `fleet-gpus`: list the GPUs of this machine, who uses them and who has reserved them.
#![cfg_attr(not(test), no_main)]

fleet_cli::main!(|| fleet_cli::run("fleet-gpus", fleet_gpus::gpus));
