//! What a process waits for before it starts.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::health::Health;
use crate::id::{BadId, Id, RunKey};
use crate::state::State;

/// How far a run must have come for who waits for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Until {
    /// Its command is executed.
    #[default]
    Started,
    /// It is healthy.
    Healthy,
    /// It ended with code 0.
    Completed,
    /// It ended, however.
    Ended,
}

impl Until {
    /// All of them.
    pub const ALL: [Until; 4] = [Until::Started, Until::Healthy, Until::Completed, Until::Ended];

    /// The word that is typed for it.
    pub fn word(self) -> &'static str {
        match self {
            Until::Started => "started",
            Until::Healthy => "healthy",
            Until::Completed => "completed",
            Until::Ended => "ended",
        }
    }

    /// What is waited for, in words: waits for it `to be healthy`.
    pub fn goal(self) -> &'static str {
        match self {
            Until::Started => "to start",
            Until::Healthy => "to be healthy",
            Until::Completed => "to complete",
            Until::Ended => "to end",
        }
    }

    /// How far a run has come on the way there.
    pub fn progress(self, state: State, health: Option<Health>) -> Progress {
        let runs = matches!(state, State::Running | State::Paused);
        let reached = match self {
            Until::Started => runs || state == State::Completed,
            Until::Healthy => runs && health == Some(Health::Healthy),
            Until::Completed => state == State::Completed,
            Until::Ended => state.has_ended(),
        };
        match reached {
            true => Progress::Reached,
            false if state.has_ended() => Progress::Never,
            false => Progress::Pending,
        }
    }
}

/// How far a run has come for who waits for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// As far as it has to.
    Reached,
    /// Not yet.
    Pending,
    /// It ended, and not as it had to.
    Never,
}

impl fmt::Display for Until {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// A dependency as it is typed: `db`, or `db:healthy`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Dependency {
    /// Who is waited for.
    pub id: Id,
    /// How far it must have come.
    pub until: Until,
}

/// Why a text is no dependency.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadDependency {
    /// What is before the colon is no name.
    #[error(transparent)]
    Name(#[from] BadId),
    /// What is behind it is no condition.
    #[error("{0:?} is nothing to wait for; write started, healthy, completed or ended")]
    Until(String),
}

impl FromStr for Until {
    type Err = BadDependency;

    fn from_str(text: &str) -> Result<Until, BadDependency> {
        let known = Until::ALL.into_iter().find(|until| until.word() == text);
        known.ok_or_else(|| BadDependency::Until(text.to_owned()))
    }
}

impl FromStr for Dependency {
    type Err = BadDependency;

    fn from_str(text: &str) -> Result<Dependency, BadDependency> {
        match text.split_once(':') {
            None => Ok(Dependency { id: text.parse()?, until: Until::default() }),
            Some((id, until)) => Ok(Dependency { id: id.parse()?, until: until.parse()? }),
        }
    }
}

impl TryFrom<String> for Dependency {
    type Error = BadDependency;

    fn try_from(text: String) -> Result<Dependency, BadDependency> {
        text.parse()
    }
}

impl From<Dependency> for String {
    fn from(dependency: Dependency) -> String {
        dependency.to_string()
    }
}

impl fmt::Display for Dependency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.id, self.until)
    }
}

/// A dependency on the very run that was the newest when the waiter was spawned.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    /// Who is waited for.
    pub id: Id,
    /// Which run of it.
    pub run: u32,
    /// How far it must have come.
    pub until: Until,
}

impl After {
    /// The run that is waited for.
    pub fn key(&self) -> RunKey {
        RunKey { id: self.id.clone(), run: self.run }
    }
}

/// A line in which processes stand for one of a number of slots.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Queue {
    /// Its name.
    pub group: Id,
    /// How many of the group may live, queued ones aside, for this one to start; absent where only
    /// GPUs are waited for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slots: Option<u32>,
    /// Higher ones go first; among equals, who was spawned first.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub priority: i32,
}

fn is_zero(value: &i32) -> bool {
    *value == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_dependency_is_a_name_and_a_condition() {
        let text = |text: &str| text.parse::<Dependency>().map(|d| d.to_string());
        assert_eq!(text("db").unwrap(), "db:started");
        assert_eq!(text("db:healthy").unwrap(), "db:healthy");
        assert_eq!(text("db:well"), Err(BadDependency::Until("well".into())));
        assert!(text("").is_err() && text(":healthy").is_err() && text("a:b:c").is_err());
    }

    #[test]
    fn progress_is_a_table() {
        use Progress::{Never, Pending, Reached};
        let (well, ill) = (Some(Health::Healthy), Some(Health::Unhealthy));
        let rows = [
            // (state, health): started, healthy, completed, ended
            (State::Queued, None, [Pending, Pending, Pending, Pending]),
            (State::Starting, None, [Pending, Pending, Pending, Pending]),
            (State::Running, None, [Reached, Pending, Pending, Pending]),
            (State::Running, well, [Reached, Reached, Pending, Pending]),
            (State::Running, ill, [Reached, Pending, Pending, Pending]),
            (State::Paused, well, [Reached, Reached, Pending, Pending]),
            (State::Backoff, well, [Pending, Pending, Pending, Pending]),
            (State::Stopping, well, [Pending, Pending, Pending, Pending]),
            (State::Completed, well, [Reached, Never, Reached, Reached]),
            (State::Failed, None, [Never, Never, Never, Reached]),
            (State::Stopped, None, [Never, Never, Never, Reached]),
            (State::Lost, None, [Never, Never, Never, Reached]),
        ];
        for (state, health, expected) in rows {
            let found = Until::ALL.map(|until| until.progress(state, health));
            assert_eq!(found, expected, "{state} {health:?}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_refused(text in ".*") {
            if let Ok(dependency) = text.parse::<Dependency>() {
                prop_assert_eq!(dependency.to_string().parse(), Ok(dependency));
            }
        }
    }
}
