//! What a process may use, and with what priority it runs.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::units::parse_size;

/// What a cgroup can hold a whole tree to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Controller {
    /// Memory, swapped or not.
    Memory,
    /// Processor time.
    Cpu,
    /// Processes and threads.
    Pids,
}

impl Controller {
    /// All that fleet uses.
    pub const ALL: [Controller; 3] = [Controller::Memory, Controller::Cpu, Controller::Pids];

    /// The kernel's name for it.
    pub fn word(self) -> &'static str {
        match self {
            Controller::Memory => "memory",
            Controller::Cpu => "cpu",
            Controller::Pids => "pids",
        }
    }
}

impl fmt::Display for Controller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

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
    /// What no cgroup holds the tree to, though it was asked for: what is done instead, and why.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub weaker: BTreeMap<Controller, String>,
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

    /// What a cgroup is needed for.
    pub fn asked(&self) -> impl Iterator<Item = Controller> + '_ {
        Controller::ALL.into_iter().filter(|&controller| self.asks(controller))
    }

    fn asks(&self, controller: Controller) -> bool {
        match controller {
            Controller::Memory => self.memory_bytes.is_some(),
            Controller::Cpu => self.cpus.is_some(),
            Controller::Pids => self.pids.is_some(),
        }
    }

    /// Whether a cgroup holds the tree to this.
    pub fn is_held(&self, controller: Controller) -> bool {
        self.asks(controller) && !self.cgroups.is_empty() && !self.weaker.contains_key(&controller)
    }

    /// These limits where those of a running process hold: in its cgroup, as far as it has one.
    #[must_use]
    pub fn held_as(mut self, running: &Limits) -> Limits {
        self.cgroups.clone_from(&running.cgroups);
        self.weaker.clone_from(&running.weaker);
        self
    }
}

/// Whether limits of a running process can become others while it runs: only what its cgroup holds
/// it to may differ.
pub fn can_change_in_place(old: &Limits, new: &Limits) -> bool {
    let differs = |controller| match controller {
        Controller::Memory => old.memory_bytes != new.memory_bytes,
        Controller::Cpu => old.cpus != new.cpus,
        Controller::Pids => old.pids != new.pids,
    };
    let others = |limits: &Limits| Limits {
        memory_bytes: None,
        cpus: None,
        pids: None,
        ..limits.clone().held_as(old)
    };
    others(old) == others(new)
        && Controller::ALL.into_iter().all(|one| !differs(one) || old.is_held(one))
}

/// New limits of a run, in its `amended.json`, for its shim to put in force.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Amendment {
    /// The limits.
    pub limits: Limits,
    /// What a fleet file says of the process now, where it comes from one (`Origin::wish`).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wish: Option<serde_json::Value>,
    /// Set by the shim, which then put those limits here that hold: why others were refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refused: Option<String>,
}

/// What the numbers of an rlimit mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RlimitUnit {
    /// Bytes, written as sizes.
    Bytes,
    /// A number of something.
    Count,
}

impl Rlimit {
    /// The limits that a process can have, by name, as getrlimit(2) has them.
    pub const NAMES: [(&'static str, RlimitUnit); 16] = [
        ("as", RlimitUnit::Bytes),
        ("core", RlimitUnit::Bytes),
        ("cpu", RlimitUnit::Count),
        ("data", RlimitUnit::Bytes),
        ("fsize", RlimitUnit::Bytes),
        ("locks", RlimitUnit::Count),
        ("memlock", RlimitUnit::Bytes),
        ("msgqueue", RlimitUnit::Bytes),
        ("nice", RlimitUnit::Count),
        ("nofile", RlimitUnit::Count),
        ("nproc", RlimitUnit::Count),
        ("rss", RlimitUnit::Bytes),
        ("rtprio", RlimitUnit::Count),
        ("rttime", RlimitUnit::Count),
        ("sigpending", RlimitUnit::Count),
        ("stack", RlimitUnit::Bytes),
    ];

    /// Reads `4096`, `unlimited`, `8M:64M` (soft and hard) for the limit of this name.
    ///
    /// # Errors
    /// No limit has this name, or the text is something else.
    pub fn parse(name: &str, text: &str) -> Result<Rlimit, BadRlimit> {
        let Some((_, unit)) = Rlimit::NAMES.iter().find(|(known, _)| *known == name) else {
            return Err(BadRlimit::Name(name.to_owned()));
        };
        let value = |text: &str| match (text.trim(), unit) {
            ("unlimited" | "infinity", _) => Ok(None),
            (size, RlimitUnit::Bytes) => parse_size(size).map(Some).map_err(|_| ()),
            (count, RlimitUnit::Count) => count.parse().map(Some).map_err(|_| ()),
        };
        let (soft, hard) = text.split_once(':').unwrap_or((text, text));
        let bad = |()| BadRlimit::Value {
            name: name.to_owned(),
            text: text.to_owned(),
            example: if *unit == RlimitUnit::Bytes { "8M" } else { "4096" },
        };
        let rlimit = Rlimit { soft: value(soft).map_err(bad)?, hard: value(hard).map_err(bad)? };
        if rlimit.soft.unwrap_or(u64::MAX) > rlimit.hard.unwrap_or(u64::MAX) {
            return Err(BadRlimit::Order(name.to_owned(), text.to_owned()));
        }
        Ok(rlimit)
    }
}

/// Not a limit of a process.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadRlimit {
    /// There is none of that name.
    #[error("there is no rlimit {0:?}; there are {all}", all = names())]
    Name(String),
    /// Neither a number nor a pair of them.
    #[error(
        "{text:?} is no value for the rlimit {name}; write {example}, unlimited, or soft and hard as {example}:unlimited"
    )]
    Value {
        /// Which.
        name: String,
        /// What was written.
        text: String,
        /// What would be right.
        example: &'static str,
    },
    /// The wrong way round.
    #[error("{1:?} for the rlimit {0}: the soft limit cannot be above the hard one")]
    Order(String, String),
}

fn names() -> String {
    Rlimit::NAMES.map(|(name, _)| name).join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rlimits_as_typed() {
        let both = |n| Ok(Rlimit { soft: Some(n), hard: Some(n) });
        assert_eq!(Rlimit::parse("nofile", "4096"), both(4096));
        assert_eq!(Rlimit::parse("data", "8M"), both(8 << 20));
        assert_eq!(Rlimit::parse("core", "unlimited"), Ok(Rlimit::default()));
        let stack = Rlimit { soft: Some(8 << 20), hard: None };
        assert_eq!(Rlimit::parse("stack", "8M:unlimited"), Ok(stack));
        let wrong = |name, text| Rlimit::parse(name, text).unwrap_err().to_string();
        assert!(wrong("nofiles", "1").contains("nofile,"));
        assert!(wrong("nofile", "4k").contains("write 4096"));
        assert!(wrong("nofile", "9:8").contains("above"));
        assert!(wrong("core", "unlimited:1M").contains("above"));
    }

    #[test]
    fn only_what_a_cgroup_holds_changes_in_place() {
        let old = Limits {
            memory_bytes: Some(1),
            pids: Some(5),
            cgroups: vec!["/x".into()],
            weaker: [(Controller::Pids, String::new())].into(),
            ..Limits::default()
        };
        let new = |memory_bytes, pids| Limits { memory_bytes, pids, ..Limits::default() };
        assert!(can_change_in_place(&old, &new(Some(2), Some(5))));
        assert!(can_change_in_place(&old, &new(None, Some(5))), "it can be lifted");
        assert!(!can_change_in_place(&old, &new(Some(1), Some(6))), "an rlimit holds it");
        let with_cpu = Limits { cpus: Some(1.0), ..new(Some(1), Some(5)) };
        assert!(!can_change_in_place(&old, &with_cpu), "its cgroup may have no such controller");
        let nicer = Limits { nice: Some(1), ..new(Some(1), Some(5)) };
        assert!(!can_change_in_place(&old, &nicer));
        assert!(!can_change_in_place(&Limits::default(), &new(Some(1), None)));
    }

    #[test]
    fn limits_survive_json() {
        let weaker = [(Controller::Memory, "x".to_owned())].into();
        let limits = Limits { memory_bytes: Some(1), weaker, ..Limits::default() };
        let text = serde_json::to_string(&limits).unwrap();
        assert_eq!(text, r#"{"memory_bytes":1,"weaker":{"memory":"x"}}"#);
        assert_eq!(serde_json::from_str::<Limits>(&text).unwrap(), limits);
    }

    proptest! {
        #[test]
        fn no_text_panics(name in "[a-z]{0,9}", text in ".*") {
            for (known, _) in Rlimit::NAMES {
                let _ = Rlimit::parse(known, &text);
            }
            let _ = Rlimit::parse(&name, &text);
        }

        #[test]
        fn pairs_round_trip(soft in any::<u32>(), more in any::<u32>()) {
            let (soft, hard) = (u64::from(soft), u64::from(soft) + u64::from(more));
            let parsed = Rlimit::parse("nofile", &format!("{soft}:{hard}"));
            prop_assert_eq!(parsed, Ok(Rlimit { soft: Some(soft), hard: Some(hard) }));
        }
    }
}
