//! Tracebacks and crash reports in logs: where each begins and ends, and which are the same.
//!
//! # Theory of operation
//!
//! [`Grouper`] takes the lines of one process in the order of writing and gives them back, those
//! of a traceback in one piece. Nothing is lost or changed by it, and it holds only so many lines
//! for so long: a bound in lines and bytes, and a flush when it has been quiet.

mod group;

pub use group::{Frame, Grouped, Grouper, Language, Said, Traceback};
