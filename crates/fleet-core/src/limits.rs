//! What a process may use, and with what priority it runs.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Limits and priorities of a process tree. What is absent is not limited.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Limits {
    /// Memory of the whole tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Processors' worth of time of the whole tree: 1.5 is one and a half.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpus: Option<f64>,
    /// Processes and threads of the whole tree.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pids: Option<u64>,
    /// Nice value, -20 to 19 (nice(2)).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub nice: Option<i32>,
    /// I/O priority as `ioprio_set(2)` takes it: class in the upper bits, level below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ionice: Option<u16>,
    /// `oom_score_adj`, -1000 to 1000 (proc_pid_oom_score_adj(5)).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub oom_score: Option<i32>,
    /// File mode creation mask (umask(2)).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub umask: Option<u32>,
    /// Soft and hard limits of each process by name, `nofile` for RLIMIT_NOFILE (getrlimit(2));
    /// absent numbers mean without a limit.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub rlimits: BTreeMap<String, Rlimit>,
    /// Folders of the cgroup that holds the tree to `memory_bytes`, `cpus` and `pids`: one under
    /// version 2, one for each controller under version 1. Empty where none may be made.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cgroups: Vec<String>,
}

/// A resource limit of each process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rlimit {
    /// What holds now; the process may raise it up to `hard`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub soft: Option<u64>,
    /// What it cannot pass.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hard: Option<u64>,
}

impl Limits {
    /// Whether nothing is limited.
    pub fn is_empty(&self) -> bool {
        *self == Limits::default()
    }
}
