//! Progress bars in logs: what a terminal would show of them, and how far each is.
//!
//! # Theory of operation
//!
//! Programs draw bars for a terminal: with carriage returns, backspaces and escape sequences that
//! move the cursor, ten times a second. A [`Folder`] is the lower end of that terminal: it takes
//! what a program writes to one stream and gives back lines, each bar as one line in its last
//! state; lines that draw nothing never come near it ([`draws`]). [`screen`] does the same for
//! one line alone.
//!
//! [`drawings`] are the states that a line went through, and [`parse`] says what one of them
//! tells: a table of shapes (`shapes`), one for each of the usual programs. [`bars`]
//! are those that a line drew, each in its last state.
//!
//! All are bounded in memory, whatever is written.

mod bar;
mod bars;
mod fold;
mod frame;
mod number;
mod row;
mod shapes;

pub use bar::{Bar, parse, parse_drawn};
pub use bars::bars;
pub use fold::{Folder, Shown, draws, screen};
pub use frame::drawings;
