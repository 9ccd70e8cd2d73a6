//! How a run ended.

use serde::{Deserialize, Serialize};

use crate::signal::Signal;

/// What the kernel said of the main process: a code *or* a signal, never one number for both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It exited with this code.
    Code(i32),
    /// A signal ended it.
    Signal {
        /// Which signal.
        signal: i32,
        /// Whether a core was dumped.
        core: bool,
    },
    /// Nobody was told: the parent died first and this kernel does not tell strangers.
    Unknown,
}

/// Why a run is over, in one word for programs; `reason` says it in words for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The main process exited.
    Exited,
    /// A signal that fleet did not send ended it.
    Signalled,
    /// It was killed for memory.
    OutOfMemory,
    /// It ran longer than its limit.
    TimedOut,
    /// It was no longer healthy.
    Unhealthy,
    /// What it waited for can no longer come.
    DependencyFailed,
    /// It died too often in a short time.
    CrashLoop,
    /// The command could not be executed.
    ExecFailed,
    /// Somebody asked for it.
    Stopped,
    /// It ended while nobody could see how.
    Unknown,
    /// Process and shim are gone and left no word.
    Lost,
    /// The machine was started anew.
    Reboot,
}

/// How a run ended: the evidence, and a sentence that a person can act on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct End {
    /// Exit code of the main process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<i32>,
    /// Signal that ended the main process.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<Signal>,
    /// Whether the kernel dumped a core.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub core: bool,
    /// Who killed it for memory: `cgroup` (its own limit) or `host`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oom: Option<String>,
    /// The cause in one word.
    pub cause: Cause,
    /// Who asked for the end, as `user:pid (tool)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The end in words.
    pub reason: String,
    /// From the start of the last attempt to its end, on the monotonic clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub duration_seconds: Option<f64>,
    /// CPU time of the main process and the children it waited for (wait4(2)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_seconds: Option<f64>,
    /// Largest resident size of one process of them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub max_resident_bytes: Option<u64>,
    /// Limit on the memory of its tree, where a cgroup held it to one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_limit_bytes: Option<u64>,
    /// The most memory that its tree used, as that cgroup counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_peak_bytes: Option<u64>,
    /// Processes of the tree that lived on after the main process and had to be ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leftovers: Option<u32>,
    /// The last lines of stderr; a traceback among them is whole.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stderr_tail: Vec<String>,
}

impl End {
    /// An end with a cause and a sentence and nothing else known yet.
    pub fn new(cause: Cause, reason: impl Into<String>) -> End {
        End {
            code: None,
            signal: None,
            core: false,
            oom: None,
            cause,
            by: None,
            reason: reason.into(),
            duration_seconds: None,
            cpu_seconds: None,
            max_resident_bytes: None,
            memory_limit_bytes: None,
            memory_peak_bytes: None,
            leftovers: None,
            stderr_tail: Vec::new(),
        }
    }

    /// Adds what the kernel said.
    #[must_use]
    pub fn with_outcome(mut self, outcome: Outcome) -> End {
        match outcome {
            Outcome::Code(code) => self.code = Some(code),
            Outcome::Signal { signal, core } => {
                self.signal = Signal::from_number(signal);
                self.core = core;
            }
            Outcome::Unknown => {}
        }
        self
    }
}

impl Outcome {
    /// The raw wait(2) status, decoded.
    pub fn from_wait_status(status: i32) -> Outcome {
        match status & 0x7f {
            0 => Outcome::Code((status >> 8) & 0xff),
            signal => Outcome::Signal { signal, core: status & 0x80 != 0 },
        }
    }

    /// In words: `exited with code 3`, `was ended by SIGSEGV (core dumped)`.
    pub fn words(self) -> String {
        match self {
            Outcome::Code(code) => format!("exited with code {code}"),
            Outcome::Signal { signal, core } => {
                let name = Signal::from_number(signal)
                    .map_or_else(|| format!("signal {signal}"), |s| s.to_string());
                format!("was ended by {name}{}", if core { " (core dumped)" } else { "" })
            }
            Outcome::Unknown => "ended, and this kernel does not tell how".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wait_statuses_are_code_or_signal() {
        assert_eq!(Outcome::from_wait_status(3 << 8), Outcome::Code(3));
        assert_eq!(
            Outcome::from_wait_status(0x80 | 11),
            Outcome::Signal { signal: 11, core: true }
        );
        assert_eq!(Outcome::from_wait_status(9).words(), "was ended by SIGKILL");
        // A real-time signal has no name on Linux, but it does have a number.
        assert_eq!(Outcome::from_wait_status(34).words(), "was ended by signal 34");
    }
}
