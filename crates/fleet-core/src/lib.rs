//! What all of fleet agrees on: names, states, records, times and sizes.
//!
//! # Theory of operation
//!
//! A *process* of the fleet has an [`Id`], unique among the living. Each spawn of an id is a
//! *run* ([`RunKey`]), and each start of its command within a run, after a restart, is an
//! *attempt*. What is known of a run is one [`ProcessRecord`]; its [`State`] changes only by
//! [`State::after`], the one transition table. Three facts about a process are kept apart: what
//! was wanted ([`Spec`]), what was recorded ([`State`]) and what the kernel says now
//! ([`Observed`]).
//!
//! Every record is one JSON object on one line with `kind` and `ts`. The structs here are the
//! wire form: a renamed field is a breaking change for somebody's script.
//!
//! This crate reads no file and asks no kernel, so that everything may depend on it.

mod end;
mod event;
mod gpu;
mod health;
mod id;
mod kpi;
mod label;
mod limits;
mod log_limits;
mod measures;
mod number;
mod record;
mod sample;
mod signal;
mod spec;
mod state;
mod time;
mod units;
mod wait;

pub use end::{Cause, End, Outcome};
pub use event::EventRecord;
pub use gpu::{BadGpus, GpuSet, GpuShare, GpuWish, Which};
pub use health::{Address, Health, HealthCheck, Probe};
pub use id::{BadId, Id, RunKey};
pub use kpi::{BadDirection, Direction, Kpi, KpiReading, Kpis, Trend};
pub use label::{BadLabel, Label, Labels};
pub use limits::{
    Amendment, BadRlimit, Controller, Limits, Rlimit, RlimitUnit, can_change_in_place,
};
pub use log_limits::{BadCompression, Compression, LogLimits};
pub use measures::{Measure, MeasureKind, Measures};
pub use number::{as_number, number_value, value_number};
pub use record::{Incarnation, LogTotals, ProcessRecord, Shim, StopAsked, StopRequest};
pub use sample::{MemoryBasis, Sample, Subject};
pub use signal::{BadSignal, Signal};
pub use spec::{Backoff, BadBackoff, BadCrashLimit, BadRestart, CrashLimit, Origin, Restart, Spec};
pub use state::{Happening, Observed, Refused, State};
pub use time::{BadTime, Timestamp};
pub use units::{BadUnit, duration_text, parse_duration, parse_size, size_text};
pub use wait::{After, BadDependency, Dependency, Progress, Queue, Until};

/// Version of the records that this build writes; an absent `v` means 1.
pub const RECORD_VERSION: u32 = 1;
