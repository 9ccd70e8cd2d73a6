//! Asking for what an allotment has to know, and for no more.

use std::time::{Duration, Instant};

use serde::Deserialize;

use crate::ask::PROGRAM;
use crate::child::Server;
use crate::{Device, GpuError, Request, may_have_gpus};

/// What can be given, at one moment.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
pub struct Devices {
    /// All of them, those that take no work included.
    #[serde(default, rename = "gpus")]
    pub all: Vec<Device>,
    /// What could not be had, each a sentence.
    #[serde(default)]
    problems: Vec<String>,
    /// The pids of the holders are those of another PID namespace than this.
    #[serde(default)]
    pub foreign_pids: bool,
}

impl Devices {
    /// A sentence about what is missing, with what could not be had in brackets: a GPU whose driver
    /// does not answer is not among these, and is there.
    pub fn explain(&self, words: &str) -> String {
        match self.problems.is_empty() {
            true => words.to_owned(),
            false => format!("{words} ({})", self.problems.join("; ")),
        }
    }
}

/// As [`crate::ask_once`], in the form that [`crate::choose`] takes. It needs so much less code that
/// a supervisor can afford it.
///
/// # Errors
/// As [`crate::ask_once`].
pub fn devices_once(deadline: Duration) -> Result<Devices, GpuError> {
    if !may_have_gpus() {
        return Err(GpuError::NoDriver);
    }
    let program = fleet_os::program(PROGRAM).ok_or(GpuError::Missing)?;
    let mut server = Server::start(&program)?;
    let asked = server.request(&Request::within(deadline, &[]));
    let answer = asked.and_then(|()| server.answer::<Devices>(Instant::now() + deadline));
    // Who hangs in the driver is left behind: it goes when the driver lets it.
    let _left = server.end();
    let devices = answer?.ok_or(GpuError::Silent { after: deadline })?;
    if devices.all.is_empty() {
        let none = || "the GPU driver is loaded and knows no GPU".to_owned();
        let reason = Some(devices.problems.join("; ")).filter(|words| !words.is_empty());
        return Err(GpuError::Driver { reason: reason.unwrap_or_else(none) });
    }
    Ok(devices)
}
