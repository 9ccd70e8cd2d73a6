//! What all tools of fleet share, so that they look, fail and pipe alike.
//!
//! # Theory of operation
//!
//! A tool's [`main!`] is one call of [`run`]: parse the arguments, do the work, turn its [`Exit`] or
//! its error into an exit status, in one place. The work gets its standard output from
//! [`OutputArgs::open`] and writes records or a table to it; talk goes to standard error through
//! [`talk`]. A reader that leaves (`fleet-ps | head -1`) ends the tool quietly, wherever in the
//! error chain that is found, because only [`Out`] can make the marker that says so.

mod exit;
mod options;
mod out;
mod records;
mod selection;
mod table;

#[doc(hidden)]
pub use fleet_os::{bare_main, begin};

pub use exit::{Exit, Failure, run, talk};
pub use options::{Format, HomeArgs, OutputArgs};
pub use out::{Out, Paint};
pub use records::Records;
pub use selection::{SelectArgs, Selection};
pub use table::{Align, Cell, Column, Table};
