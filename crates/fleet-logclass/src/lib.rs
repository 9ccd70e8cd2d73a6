//! Classes of logs: parsers that give lines a category and fields.
//!
//! # Theory of operation
//!
//! Some categories any process can have: it crashed, ran out of memory, timed out. More come with
//! the class that a process is labelled with (`log_class=training`), of which five are built in
//! and others are the user's own, in `logs.toml`.

mod class;

pub use class::{Class, Classes, Reading};
