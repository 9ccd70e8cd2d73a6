//! `fleet-metrics`: what the processes of a fleet and their host use.
#![cfg_attr(not(test), no_main)]

fleet_cli::main!(|| fleet_cli::run("fleet-metrics", fleet_metrics::sample));
