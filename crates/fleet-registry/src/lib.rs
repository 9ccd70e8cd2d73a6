//! The registry of a fleet: one append-only file of JSON lines that all tools meet in.
//!
//! # Theory of operation
//!
//! Each line of `registry.jsonl` is the whole record of one run at one moment, so the last line
//! of a run is what is known of it, and `tail -f registry.jsonl | jq` is a working monitor.
//!
//! *Writers* hold [`RegistryLock`], an exclusive flock(2) on `registry.lock`, which is never
//! removed. An append is one write(2) of a whole line. Before it, the last byte is looked at: a
//! tail that a power loss tore is closed with a newline, so that it costs one line and not two. A
//! write that a full disk cut short is taken back. Every append opens the file anew, so that no
//! writer ever holds a file that compaction has replaced.
//!
//! *Readers* take no lock. [`replay`] reads the file once and parses the last line of each run; a
//! torn last line, a line that is no record and a record of a newer version each cost that line
//! alone and are said by number.
//!
//! The registry is an index, not the truth: each run's folder holds its newest record as well,
//! replaced by rename ([`write_record`]), and [`replay`] falls back on the folders when the file
//! is gone. Nothing here may end or block a process: a shim whose append fails goes on.

mod append;
mod compact;
mod home;
mod line;
mod queue;
mod record_file;
mod replay;
mod select;

pub use append::{RegistryError, RegistryLock};
pub use compact::{Keep, Pruned, compact, is_large};
pub use home::{Home, HomeError, RunDir, make_dir};
pub use line::Line;
pub use queue::{Ticket, ahead_of, gpu_holders, next_in_line, slot_holders, waiters};
pub use record_file::{
    read_amendment, read_record, read_spec, replace_file, write_amendment, write_record,
};
pub use replay::{Entry, Replay, replay};
pub use select::{BadSelector, Selector, has_labels};
