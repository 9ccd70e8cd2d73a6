//! Progress bars in logs: what a terminal would show of them, and how far each is.
//!
//! # Theory of operation
//!
//! Programs draw bars for a terminal: with carriage returns, backspaces and escape sequences that
//! move the cursor, ten times a second. [`screen`] says what would be seen in the end of such a
//! line, [`parse`] what a drawing says.

mod bar;
mod screen;

pub use bar::{Bar, parse};
pub use screen::screen;
