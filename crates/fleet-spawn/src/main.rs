//! `fleet-spawn`: start a process of the fleet and leave it running.
#![cfg_attr(not(test), no_main)]

fleet_cli::main!(|| {
    // First of all, while this process is small: see `Nursery`.
    let nursery = fleet_shim::Nursery::open();
    fleet_cli::run("fleet-spawn", |args| fleet_spawn::spawn(args, nursery))
});
