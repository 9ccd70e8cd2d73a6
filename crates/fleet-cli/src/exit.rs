//! From work to exit status.

use std::io::{self, Write};
use std::sync::OnceLock;

use clap::Parser;

use crate::out::ReaderLeft;

/// How a tool ends: the one table of exit statuses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum Exit {
    /// Yes.
    Yes = 0,
    /// An honest no: nothing matched, something did not stop, an alert fires.
    No = 1,
    /// It could not be done.
    CouldNot = 2,
    /// The name is taken.
    Taken = 3,
    /// It did not happen in time.
    TimedOut = 124,
    /// The command may not be executed.
    NotExecutable = 126,
    /// The command was not found.
    NotFound = 127,
}

impl From<Exit> for i32 {
    fn from(exit: Exit) -> i32 {
        exit as i32
    }
}

/// An error with its own exit status or a hint what to do about it.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Failure {
    /// What failed, on which thing, why.
    pub message: String,
    /// The exit status.
    pub exit: Exit,
    /// What to do, printed on a line of its own.
    pub hint: Option<String>,
}

impl Failure {
    /// An error with this exit status and no hint.
    pub fn new(exit: Exit, message: impl Into<String>) -> Failure {
        Failure { message: message.into(), exit, hint: None }
    }

    /// Adds what to do about it.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Failure {
        self.hint = Some(hint.into());
        self
    }
}

/// Defines `main` of a tool: it does `$work` and ends with the exit status that this returns.
#[macro_export]
macro_rules! main {
    ($work:expr) => {
        $crate::bare_main!(|| {
            $crate::begin();
            $work()
        });
    };
}

static TOOL: OnceLock<&'static str> = OnceLock::new();

/// Says something to the person on standard error, under the tool's name. Nobody listening is
/// no error.
pub fn talk<T: std::fmt::Display>(message: T) {
    let tool = TOOL.get().copied().unwrap_or("fleet");
    let _ = writeln!(io::stderr(), "{tool}: {message}");
}

/// Runs a tool: parses its arguments, does its work and returns its exit status.
///
/// The work ends with an [`Exit`], or, where it passes on another program's status, with that.
pub fn run<A: Parser, E: Into<i32>>(
    tool: &'static str,
    work: impl FnOnce(A) -> anyhow::Result<E>,
) -> i32 {
    let _ = TOOL.set(tool);
    let args = match A::try_parse() {
        Ok(args) => args,
        Err(error) => {
            // Help and version go to standard output and are no failure; `| head` may close it.
            let _ = error.print();
            return error.exit_code();
        }
    };
    match work(args) {
        Ok(exit) => exit.into(),
        Err(error) if error.chain().any(ReaderLeft::caused) => Exit::Yes as i32,
        Err(error) => {
            talk(sentence(&error));
            let failure = error.chain().find_map(|e| e.downcast_ref::<Failure>());
            if let Some(hint) = failure.and_then(|f| f.hint.as_ref()) {
                let _ = writeln!(io::stderr(), "  hint: {hint}");
            }
            failure.map_or(Exit::CouldNot, |f| f.exit) as i32
        }
    }
}

/// The chain of causes as one sentence; a cause that its successor already quotes is said once.
fn sentence(error: &anyhow::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        if text.is_empty() {
            text = cause;
        } else if !text.ends_with(&cause) {
            text = format!("{text}: {cause}");
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use anyhow::Context;

    #[test]
    fn a_chain_reads_as_one_sentence() {
        let error = Err::<(), _>(io::Error::other("disk on fire"))
            .context("disk on fire")
            .context("cannot write 'x'")
            .unwrap_err();
        assert_eq!(sentence(&error), "cannot write 'x': disk on fire");
    }
}
