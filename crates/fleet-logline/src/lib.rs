//! What one line of a log says: its level, its fields, its own time, and who prefixed it.
//!
//! # Theory of operation
//!
//! All are pure functions of the bytes of one line, without its newline and without what a
//! container runtime put before it. A log is looked through by the gigabyte, so that each decides
//! from the first bytes whether there is anything for it to find. What is not known stays unknown:
//! a line without a level is no `info`.

mod field_test;
mod fields;
mod json;
mod level;
mod logfmt;
mod plain;
mod time;

pub use field_test::{BadFieldTest, FieldTest};
pub use fields::{Fields, fields};
pub use level::{BadLevel, Level, LevelRange, level};
pub use plain::{Plain, plain, rank};
pub use time::{number, time, time_near};

/// Logs from Windows end their lines with two characters, of which one is left.
fn without_cr(text: &[u8]) -> &[u8] {
    text.strip_suffix(b"\r").unwrap_or(text)
}
