//! The states of a process and the one table of their changes.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What was last recorded of a process. Written by its shim; `Lost` alone by the census.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Waits for its turn, a dependency or a GPU.
    Queued,
    /// Its shim is about to run the command.
    Starting,
    /// The command runs.
    Running,
    /// The command was suspended by a signal.
    Paused,
    /// It failed and waits to be started again.
    Backoff,
    /// A stop was asked for and something of the tree still lives.
    Stopping,
    /// It ended by itself with code 0.
    Completed,
    /// It ended by itself otherwise, or never started.
    Failed,
    /// It ended because somebody asked.
    Stopped,
    /// Neither process nor shim lives, and no end was recorded.
    Lost,
}

/// What can happen to a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Happening {
    /// Its turn came.
    Turn,
    /// What it waited for can no longer come.
    DependencyFailed,
    /// exec(3) worked.
    Executed,
    /// exec(3) did not work.
    ExecFailed,
    /// It was suspended.
    Suspended,
    /// It was continued.
    Continued,
    /// Somebody asked for a stop, or for a restart, which begins with one.
    StopAsked,
    /// The tree is gone, and code 0 was its answer.
    Succeeded,
    /// The tree is gone after any other end.
    Died,
    /// It died and is to be started again after a pause.
    DiedWillRetry,
    /// The pause is over, or the stop was the first half of a restart.
    StartAgain,
    /// Found dead with no shim to say how.
    FoundDead,
}

/// A change that the table does not have.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a process that is {from} cannot see {happening:?}")]
pub struct Refused {
    /// The state it was in.
    pub from: State,
    /// What was said to happen.
    pub happening: Happening,
}

impl State {
    /// The state that follows when `happening` meets a process in this state.
    ///
    /// # Errors
    /// The table of design has no such change; the caller's view is stale or wrong.
    pub fn after(self, happening: Happening) -> Result<State, Refused> {
        use Happening as H;
        use State as S;
        match (self, happening) {
            (S::Queued, H::Turn) | (S::Backoff | S::Stopping, H::StartAgain) => Ok(S::Starting),
            (S::Queued, H::DependencyFailed) | (S::Starting, H::ExecFailed) => Ok(S::Failed),
            (S::Queued | S::Backoff, H::StopAsked) => Ok(S::Stopped),
            (S::Starting, H::Executed) | (S::Paused, H::Continued) => Ok(S::Running),
            (S::Running, H::Suspended) => Ok(S::Paused),
            (S::Starting | S::Running | S::Paused | S::Stopping, H::StopAsked) => Ok(S::Stopping),
            // A stop that was asked for ends as stopped, whatever the code was.
            (S::Stopping, H::Succeeded | H::Died | H::ExecFailed) => Ok(S::Stopped),
            (S::Running | S::Paused, H::Succeeded) => Ok(S::Completed),
            (S::Running | S::Paused | S::Backoff, H::Died) => Ok(S::Failed),
            (S::Running | S::Paused, H::DiedWillRetry) => Ok(S::Backoff),
            (from, H::FoundDead) if !from.has_ended() => Ok(S::Lost),
            (from, happening) => Err(Refused { from, happening }),
        }
    }

    /// Whether nothing more will happen in this run.
    pub fn has_ended(self) -> bool {
        matches!(self, State::Completed | State::Failed | State::Stopped | State::Lost)
    }

    /// All states, in the order of a life.
    pub const ALL: [State; 10] = [
        State::Queued,
        State::Starting,
        State::Running,
        State::Paused,
        State::Backoff,
        State::Stopping,
        State::Completed,
        State::Failed,
        State::Stopped,
        State::Lost,
    ];

    /// The word for it in records and tables.
    pub fn word(self) -> &'static str {
        match self {
            State::Queued => "queued",
            State::Starting => "starting",
            State::Running => "running",
            State::Paused => "paused",
            State::Backoff => "backoff",
            State::Stopping => "stopping",
            State::Completed => "completed",
            State::Failed => "failed",
            State::Stopped => "stopped",
            State::Lost => "lost",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

/// What is true now: the record held against the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Observed {
    /// The record is right.
    AsRecorded(State),
    /// The process lives (last recorded in this state) but nothing supervises it.
    Orphaned(State),
    /// Neither process nor shim lives and no end was recorded.
    Lost {
        /// The machine was started anew since.
        reboot: bool,
    },
}

impl Observed {
    /// The word for it in records and tables.
    pub fn word(self) -> &'static str {
        match self {
            Observed::AsRecorded(state) => state.word(),
            Observed::Orphaned(_) => "orphaned",
            Observed::Lost { .. } => State::Lost.word(),
        }
    }

    /// Whether something of it lives or is about to.
    pub fn is_living(self) -> bool {
        match self {
            Observed::AsRecorded(state) => !state.has_ended(),
            Observed::Orphaned(_) => true,
            Observed::Lost { .. } => false,
        }
    }
}

impl fmt::Display for Observed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.word())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole table, one row a state, one column a happening; `.` is refused.
    const TABLE: &str = "
                    Turn DepF Exec ExecF Susp Cont Stop Succ Died Retry Again FoundDead
        queued      star fail .    .     .    .    stpd .    .    .     .     lost
        starting    .    .    runn fail  .    .    stpg .    .    .     .     lost
        running     .    .    .    .     paus .    stpg comp fail back  .     lost
        paused      .    .    .    .     .    runn stpg comp fail back  .     lost
        backoff     .    .    .    .     .    .    stpd .    fail .     star  lost
        stopping    .    .    .    stpd  .    .    stpg stpd stpd .     star  lost
        completed   .    .    .    .     .    .    .    .    .    .     .     .
        failed      .    .    .    .     .    .    .    .    .    .     .     .
        stopped     .    .    .    .     .    .    .    .    .    .     .     .
        lost        .    .    .    .     .    .    .    .    .    .     .     .
    ";

    const HAPPENINGS: [Happening; 12] = [
        Happening::Turn,
        Happening::DependencyFailed,
        Happening::Executed,
        Happening::ExecFailed,
        Happening::Suspended,
        Happening::Continued,
        Happening::StopAsked,
        Happening::Succeeded,
        Happening::Died,
        Happening::DiedWillRetry,
        Happening::StartAgain,
        Happening::FoundDead,
    ];

    fn short(state: State) -> &'static str {
        match state {
            State::Stopped => "stpd",
            State::Stopping => "stpg",
            other => &other.word()[..4],
        }
    }

    #[test]
    fn transitions_are_the_table() {
        let rows: Vec<&str> = TABLE.lines().map(str::trim).filter(|l| !l.is_empty()).collect();
        assert_eq!(rows.len(), State::ALL.len() + 1);
        for (state, row) in State::ALL.iter().zip(&rows[1..]) {
            let mut cells = row.split_whitespace();
            assert_eq!(cells.next(), Some(state.word()));
            for (happening, cell) in HAPPENINGS.iter().zip(cells) {
                let next = state.after(*happening).map_or(".", short);
                assert_eq!(next, cell, "{state} and {happening:?}");
            }
        }
    }

    #[test]
    fn words_are_the_json_form() {
        for state in State::ALL {
            assert_eq!(serde_json::to_string(&state).unwrap(), format!("\"{state}\""));
        }
    }
}
