//! Training curves out of log lines, tfevents files, CSV and what programs emit.
//!
//! # Theory of operation
//!
//! A *curve* is a named series of numbers that a program says of itself: a loss, a rate, a reward. A
//! [`Point`] is what one line or one event says: some values, perhaps a step, and when. The step
//! is data, not order: it may go back after a restart, and nothing is dropped for that, nor because a
//! value is NaN.
//!
//! Lines of text are read by an [`Extractor`], which knows the forms of the common libraries and the
//! user's own [`Patterns`]. It is careful: a number becomes a value only where the line looks like
//! training (see `words`), so that ports, versions and times of day make no curves. What cannot hold
//! a number with a name costs one pass of memchr.
//!
//! A *feed* reads one file, or one folder of log files, from its beginning and goes on where it
//! grows: [`LogFeed`], [`LineFeed`], [`EmitFeed`], [`EventFeed`], [`TableFeed`]. Each hands out every
//! point once, across rotations and rewriting, holds no more than a block and a line, and keeps
//! its place at a torn end until the rest is written. [`Curves`] finds the files of one process and
//! asks all of its feeds.

mod bars;
mod dict;
mod emitted;
mod event;
mod events;
mod extract;
mod feed;
mod files;
mod framing;
mod lines;
mod log;
mod number;
mod owner;
mod pairs;
mod patterns;
mod point;
mod process;
mod table;
mod words;

pub use emitted::EmitFeed;
pub use events::EventFeed;
pub use extract::{Extractor, Mark, one_line};
pub use feed::Feed;
pub use framing::{Framing, Record};
pub use lines::{LineFeed, of_stream};
pub use log::LogFeed;
pub use number::Number;
pub use owner::Owner;
pub use patterns::{BadPattern, Patterns, PatternsError};
pub use point::{Found, Point, Source};
pub use process::Curves;
pub use table::TableFeed;
