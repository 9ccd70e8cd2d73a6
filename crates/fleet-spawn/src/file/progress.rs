//! Waiting for many processes, and saying how far they are.

use std::collections::BTreeSet;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use fleet_census::Vigil;
use fleet_cli::{Exit, talk};
use fleet_core::{Health, ProcessRecord, RunKey, State};
use fleet_registry::{Home, read_record};

use crate::args::Wait;

/// A run, and how far it has to come.
pub(super) struct Awaited {
    pub(super) run: RunKey,
    pub(super) wait: Wait,
}

/// Waits until all runs are as asked, or can no longer be; the worst of what became of them.
///
/// # Errors
/// A run has no record.
pub(super) fn wait(
    home: &Home,
    runs: &[Awaited],
    wait: Option<Wait>,
    timeout: Option<Duration>,
) -> anyhow::Result<Exit> {
    let Some(wait) = wait.filter(|_| !runs.is_empty()) else { return Ok(Exit::Yes) };
    let records: Vec<ProcessRecord> =
        runs.iter().map(|one| read_record(&home.run_of(&one.run))).collect::<io::Result<_>>()?;
    let mut line = Line::new(wait, &records);
    let deadline = timeout.and_then(|timeout| Instant::now().checked_add(timeout));
    let mut vigil = Vigil::over(home, records);
    let in_time = vigil.until(deadline, |at, record| {
        let done = reached(runs[at].wait, record) || record.state.has_ended();
        if done {
            line.done(at);
        }
        done
    });
    line.end();
    vigil.said().iter().for_each(talk);
    let late: Vec<&str> = vigil.open().map(|(_, record)| record.id.as_str()).collect();
    if !in_time {
        let word = word(wait);
        talk(format!("not {word} in time, they go on: {}", super::some_of(&late)));
    }
    let mut worst = if in_time { Exit::Yes } else { Exit::TimedOut };
    for (at, one) in runs.iter().enumerate() {
        worst = worst.max(verdict(one.wait, vigil.record(at)));
    }
    Ok(worst)
}

fn reached(wait: Wait, record: &ProcessRecord) -> bool {
    match wait {
        Wait::Started => !matches!(record.state, State::Queued | State::Starting),
        Wait::Healthy => record.health == Some(Health::Healthy),
        Wait::Ended => false,
    }
}

/// What an end means: a process that was to be healthy has to live, others to end well.
fn verdict(wait: Wait, record: &ProcessRecord) -> Exit {
    let well =
        !record.state.has_ended() || wait != Wait::Healthy && record.state == State::Completed;
    if well {
        return Exit::Yes;
    }
    let reason = record.exit.as_ref().map(|exit| exit.reason.as_str()).unwrap_or_default();
    talk(format!("'{}' {}: {reason}", record.id, record.state));
    Exit::No
}

fn word(wait: Wait) -> &'static str {
    match wait {
        Wait::Started => "started",
        Wait::Healthy => "healthy",
        Wait::Ended => "ended",
    }
}

/// How far it is: for a person one line that is written anew, else a line for each change.
struct Line {
    wait: Wait,
    names: Vec<String>,
    open: BTreeSet<usize>,
    terminal: bool,
}

impl Line {
    fn new(wait: Wait, records: &[ProcessRecord]) -> Line {
        let names: Vec<String> = records.iter().map(|record| record.id.to_string()).collect();
        let open = (0..names.len()).collect();
        let line = Line { wait, names, open, terminal: io::stderr().is_terminal() };
        line.say();
        line
    }

    fn done(&mut self, at: usize) {
        if self.open.remove(&at) {
            self.say();
        }
    }

    fn say(&self) {
        let done = self.names.len() - self.open.len();
        let mut words = format!("{done} of {} {}", self.names.len(), word(self.wait));
        let open: Vec<&str> = self.open.iter().map(|&at| self.names[at].as_str()).collect();
        if !open.is_empty() {
            words = format!("{words}; waiting for {}", super::some_of(&open));
        }
        if self.terminal {
            // The terminal cuts what is too long: a line that wraps could not be written anew.
            let _ = write!(io::stderr(), "\r\x1b[K\x1b[?7l{words}\x1b[?7h");
        } else {
            talk(words);
        }
    }

    fn end(&self) {
        if self.terminal {
            let _ = writeln!(io::stderr());
        }
    }
}
