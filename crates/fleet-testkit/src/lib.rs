//! What the tests of the fleet's tools share: a fleet in a temporary folder that leaves nothing
//! behind, tools that are run as a person runs them, and waiting until something is true.
//!
//! ```no_run
//! # use fleet_testkit::TestFleet;
//! let fleet = TestFleet::new();
//! let web = fleet.spawn("web", "trap '' TERM; while :; do sleep 1; done");
//! fleet.run("fleet-stop").args(["--grace", "100ms", &web]).succeeds();
//! fleet.until(&web, |record| record.exit.is_some());
//! ```
//!
//! Nothing here sleeps for luck or tries a failing thing again: a wait has a condition and a bound.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod fleet;
mod gpus;
mod http;
mod log;
mod process;
mod room;
mod run;
mod until;

pub use fleet::TestFleet;
pub use gpus::StandIn;
pub use http::{Answer, Receiver, Request};
pub use log::{Line, Log};
pub use process::{Stranger, cpu_ticks, is_living, kill, status_field};
pub use run::{Ran, Run, tool};
pub use until::{PATIENCE, until};

pub use fleet_core::{
    Cause, Health, Incarnation, Observed, ProcessRecord, Restart, Signal, Spec, State, Timestamp,
};
pub use serde_json::{Value, json};
