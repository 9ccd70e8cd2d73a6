//! Everything of fleet that is Linux.
mod proc;
pub use proc::{Proc, Stat};
