//! The registry of a fleet.
mod home;
mod select;
pub use home::{Home, HomeError, RunDir, make_dir};
pub use select::{BadSelector, Selector, has_labels};
