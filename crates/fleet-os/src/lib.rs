//! Everything of fleet that is Linux.
mod proc;
mod tree;
pub use proc::{Proc, Stat};
pub use tree::descendants;
