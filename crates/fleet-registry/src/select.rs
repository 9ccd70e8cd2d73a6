//! Selectors: how a person names processes.

use std::fmt;
use std::str::FromStr;

use fleet_core::{Id, Label, ProcessRecord};
use glob::{MatchOptions, Pattern};

/// One selector: `mission-a`, `mission-a#2`, `mission-*`, `:9555` or `pid:1234`.
#[derive(Clone, Debug)]
pub enum Selector {
    /// The process of this name.
    Id(Id),
    /// One run of it.
    Run(Id, u32),
    /// All processes whose name fits the pattern.
    Glob(Pattern),
    /// The process that reserved this port.
    Port(u16),
    /// The process with this main pid.
    Pid(i32),
}

/// Why a text selects nothing.
#[derive(Debug, thiserror::Error)]
pub enum BadSelector {
    /// Not a name.
    #[error(transparent)]
    Id(#[from] fleet_core::BadId),
    /// Not a pattern.
    #[error("{text:?} is no pattern")]
    Glob {
        /// What was typed.
        text: String,
        /// What is wrong with it.
        source: glob::PatternError,
    },
    /// Not a number where one belongs.
    #[error("{0:?} needs a number: a port is written :9555, a pid pid:1234, a run name#2")]
    Number(String),
}

impl FromStr for Selector {
    type Err = BadSelector;

    fn from_str(text: &str) -> Result<Selector, BadSelector> {
        let number = || BadSelector::Number(text.to_owned());
        if let Some(port) = text.strip_prefix(':') {
            return port.parse().map(Selector::Port).map_err(|_| number());
        }
        if let Some(pid) = text.strip_prefix("pid:") {
            return pid.parse().map(Selector::Pid).map_err(|_| number());
        }
        if text.contains(['*', '?', '[']) {
            let pattern = Pattern::new(text)
                .map_err(|source| BadSelector::Glob { text: text.to_owned(), source })?;
            return Ok(Selector::Glob(pattern));
        }
        match text.split_once('#') {
            Some((id, run)) => Ok(Selector::Run(id.parse()?, run.parse().map_err(|_| number())?)),
            None => Ok(Selector::Id(text.parse()?)),
        }
    }
}

impl Selector {
    /// Whether it selects this run. `newest` says that no later run of the same id exists: all
    /// but `name#run` mean the newest run alone.
    pub fn matches(&self, record: &ProcessRecord, newest: bool) -> bool {
        match self {
            Selector::Run(id, run) => record.id == *id && record.run == *run,
            _ if !newest => false,
            Selector::Id(id) => record.id == *id,
            Selector::Glob(glob) => glob.matches_with(record.id.as_str(), MatchOptions::new()),
            Selector::Port(port) => record.ports.contains(port),
            Selector::Pid(pid) => record.pid == Some(*pid),
        }
    }

    /// Whether it selects what is stored of this run by name. A name means all of its runs: the
    /// history of a job goes on from run to run. Ports and pids name only what lives.
    pub fn names(&self, id: &Id, run: Option<u32>) -> bool {
        match self {
            Selector::Id(own) => own == id,
            Selector::Run(own, number) => own == id && run == Some(*number),
            Selector::Glob(glob) => glob.matches_with(id.as_str(), MatchOptions::new()),
            Selector::Port(_) | Selector::Pid(_) => false,
        }
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Selector::Id(id) => write!(f, "{id}"),
            Selector::Run(id, run) => write!(f, "{id}#{run}"),
            Selector::Glob(glob) => write!(f, "{}", glob.as_str()),
            Selector::Port(port) => write!(f, ":{port}"),
            Selector::Pid(pid) => write!(f, "pid:{pid}"),
        }
    }
}

/// Whether a process has all these labels.
pub fn has_labels(record: &ProcessRecord, labels: &[Label]) -> bool {
    labels.iter().all(|l| record.labels.get(&l.key) == Some(&l.value))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn selectors_are_told_apart() {
        assert!(matches!("a-1".parse(), Ok(Selector::Id(_))));
        assert!(matches!("a-1#3".parse(), Ok(Selector::Run(_, 3))));
        assert!(matches!("a-*".parse(), Ok(Selector::Glob(_))));
        assert!(matches!(":9555".parse(), Ok(Selector::Port(9555))));
        assert!(matches!("pid:12".parse(), Ok(Selector::Pid(12))));
        for text in ["", ":", ":99999", "pid:x", "a#x", "a b", "[", "-x"] {
            assert!(text.parse::<Selector>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_selector_prints_as_it_was_typed(text in "[a-z*?:#0-9.]{1,12}") {
            if let Ok(selector) = text.parse::<Selector>() {
                let again: Selector = selector.to_string().parse().unwrap();
                prop_assert_eq!(again.to_string(), selector.to_string());
            }
        }
    }
}
