//! Tracebacks and crash reports in logs: where each begins and ends, and which are the same.
//!
//! # Theory of operation
//!
//! [`Grouper`] takes the lines of one process in the order of writing and gives them back, those
//! of a traceback in one piece. Nothing is lost or changed by it, and it holds only so many lines
//! for so long: a bound in lines and bytes, and a flush when it has been quiet.
//!
//! What a traceback looks like is known to its language alone: a shape (`shape`) is begun by a
//! head (`begin`), says of each further line whether it is part of it, and reads type, message and
//! frames out of the whole. Heads that are ordinary lines unless something certain follows
//! (`java.io.IOException: x`) are held as *perhaps*; where they come to nothing, the first line is
//! let go and the others are looked at anew.
//!
//! Lines are judged without colours and rank prefixes ([`fleet_logline::plain`]). Those of
//! different lanes, or of different ranks within a lane, may stand between each other.
//!
//! Where the end cannot be known (a message of several lines is no different from what the program
//! prints next) it is a line with its own time or level, a blank line, or a pause. Further lines
//! belong to the message if they look so, if a chain goes on behind them, or if the program has
//! ended: a multi-line message is mostly the last that it says, and what it prints in good health
//! is none of its errors.

mod begin;
mod fingerprint;
mod fresh;
mod go;
mod group;
mod java;
mod named;
mod native;
mod node;
mod python;
mod rust;
mod shape;
mod text;
mod traceback;

pub use begin::{Beginnings, may_begin};
pub use fingerprint::fingerprint_of_line;
pub use group::{Grouped, Grouper, Said};
pub use traceback::{Frame, Language, Traceback};
