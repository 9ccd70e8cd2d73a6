//! The desk as those who use it see it: alerts in, notifications and reasons out.
#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod bench;
mod channels;
mod clock;
mod crashes;
mod first;
mod holds;
/// The alerts of the unit tests.
#[path = "../../src/sample.rs"]
mod sample;
