//! The registry held against the kernel: what is true now, and mending what a dead shim left.
//!
//! # Theory of operation
//!
//! [`take`] replays the registry and asks the kernel about every run that should live: its main
//! process and its shim, by boot id, pid and start time. Where the shim does not live, it looks
//! closer: the run's lock is held as long as a shim or a keeper of it lives (a keeper may
//! be replacing the shim at this moment), and the run's own record may be newer than the
//! registry's. What is left after that is *orphaned* (the process lives, unsupervised) or *lost*.
//! Taking the census changes nothing.
//!
//! [`Census::heal`] mends: it starts a shim that adopts what is orphaned, and writes down the end
//! of what is lost.
//!
//! [`Vigil`] waits until runs are as wanted, woken by the kernel, and mends what loses its
//! supervisors meanwhile. [`Tree`] finds the processes of a run, [`Owners`] the run of a process.

mod amend;
mod ask;
mod heal;
mod owners;
mod prune;
mod supervisor;
mod tree;
mod truth;
mod vigil;

pub use amend::{AmendError, amend};
pub use ask::{AFTER_GRACE, ask, grace, signal_shim};
pub use owners::Owners;
pub use prune::prune;
pub use supervisor::{StartError, Supervisor, holds_lock, open_shim_lock};
pub use tree::Tree;
pub use truth::{Census, CensusError, Seen, is_living, take};
pub use vigil::Vigil;
