//! Every kind of condition with a virtual clock and a state file: in stories, and in whatever order
//! records, runs and damage come.

#![expect(clippy::unwrap_used, reason = "a panic is how a test fails")]

mod bench;
mod one_shot;
mod stories;
