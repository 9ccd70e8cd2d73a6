//! Classes of logs: parsers that give lines a category and fields, and what is unlike before.
//!
//! # Theory of operation
//!
//! Some categories any process can have: it crashed, ran out of memory, timed out. More come with
//! the class that a process is labelled with (`log_class=training`), of which five are built in
//! and others are the user's own, in `logs.toml`. Both are written in the same form
//! ([`Classes::parse`]): patterns with sample lines, which are their tests, and a file whose
//! samples do not match is refused.
//!
//! **Speed.** Nearly every line says nothing to a class. From each expression the texts are
//! taken of which a line must hold one for it to match (`literals`); all of them are looked for at
//! once (`texts`), and an expression is compiled when the first line comes that may match it.
//!
//! **Anomalies** ([`Detector`]) need no pattern: a number, a rate or a pause that is far from the
//! median of what the same process had before, in units of the median deviation from it.

mod anomaly;
mod class;
mod classes;
mod literals;
mod load;
mod pattern;
mod texts;
mod value;

pub use anomaly::{Anomaly, Detector, Happened};
pub use class::{Class, Reading};
pub use classes::{Classes, ClassesError, LABEL};
