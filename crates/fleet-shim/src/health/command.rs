//! Asking by a command.
//!
//! It runs in a session of its own, with the environment and the folder of the process. What it
//! prints goes into a pipe of which the end is kept; how it ends comes to the board, as with the
//! main process. It is no part of the process's tree: whatever it started is ended with it.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{ErrorKind, PipeReader, Read};
use std::os::fd::{AsFd, BorrowedFd};

use fleet_core::{Outcome, Signal};
use fleet_os::{Launch, descendants, marked, unsupervised};
use nix::fcntl::{FcntlArg, OFlag, fcntl};

use crate::board::Word;
use crate::health::Verdict;
use crate::health::connect::plain;
use crate::supervise::Shim;

/// So much of its last words is kept, in bytes.
const MAX_WORDS: usize = 200;
/// One read, and reads in a row, before others have their turn.
const PIECE: usize = 4 << 10;
const PIECES: usize = 64;
/// Rounds of killing: what forks while it is killed is found by the next one.
const ROUNDS: usize = 5;

/// What tells a health command from the process that it asks.
pub(crate) const CHECK: &str = "FLEET_CHECK";

/// A command under way.
#[derive(Debug)]
pub(crate) struct Command {
    output: Option<PipeReader>,
    words: Vec<u8>,
}

impl Command {
    /// Its output, as long as anybody may write to it.
    pub(crate) fn watched(&self) -> Option<BorrowedFd<'_>> {
        self.output.as_ref().map(AsFd::as_fd)
    }

    /// Takes what it printed; keeps the end of it.
    pub(crate) fn hear(&mut self) {
        let mut piece = [0; PIECE];
        for _ in 0..PIECES {
            let Some(output) = &mut self.output else { return };
            match output.read(&mut piece) {
                Ok(0) => self.output = None,
                Ok(length) => keep_end(&mut self.words, &piece[..length]),
                Err(e) if e.kind() == ErrorKind::Interrupted => {}
                Err(e) if e.kind() == ErrorKind::WouldBlock => return,
                Err(_) => self.output = None,
            }
        }
    }

    /// What its end means.
    fn verdict(&mut self, outcome: Outcome) -> Verdict {
        self.hear();
        if outcome == Outcome::Code(0) {
            return Ok(());
        }
        let text = String::from_utf8_lossy(&self.words);
        let said: Vec<&str> = text.split_whitespace().collect();
        let said = if said.is_empty() { String::new() } else { format!(": {}", said.join(" ")) };
        Err(format!("the health command {}{said}", outcome.words()))
    }
}

/// Keeps the last bytes of all.
fn keep_end(words: &mut Vec<u8>, piece: &[u8]) {
    words.extend_from_slice(&piece[piece.len().saturating_sub(MAX_WORDS)..]);
    let surplus = words.len().saturating_sub(MAX_WORDS);
    words.drain(..surplus);
}

impl Shim<'_> {
    /// Runs the command.
    ///
    /// # Errors
    /// Words for why it does not run.
    pub(crate) fn begin_command(&self, command: &[String]) -> Result<Command, String> {
        if !self.end_command() {
            return Err("the last health command cannot be killed".to_owned());
        }
        let board = &self.post.board;
        board.set(Word::ProbeError, 0);
        board.set(Word::ProbeStatus, 0);
        let name = command.first().map_or("", String::as_str);
        let failed =
            |e: std::io::Error| format!("cannot run the health command '{name}': {}", plain(&e));
        let output = self.launch_command(command).map_err(failed)?;
        match board.probe_report().failure() {
            None => Ok(Command { output: Some(output), words: Vec::new() }),
            Some((_, e)) => {
                self.end_command();
                Err(failed(e))
            }
        }
    }

    fn launch_command(&self, command: &[String]) -> std::io::Result<PipeReader> {
        let command: Vec<OsString> = command.iter().map(OsString::from).collect();
        let mut environment = self.environment();
        environment.push(format!("{CHECK}=1").into());
        let launch = Launch::new(&command, &environment, &self.post.spec.cwd)?;
        let (output, input) = std::io::pipe()?;
        fcntl(&output, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        let null = OpenOptions::new().read(true).open("/dev/null")?;
        let files = [null.as_fd(), input.as_fd(), input.as_fd()];
        launch.start(&files, self.post.board.probe_report())?;
        Ok(output)
    }

    /// The verdict on a command that has ended.
    pub(crate) fn command_verdict(&self, command: &mut Command) -> Option<Verdict> {
        let outcome = self.post.board.probe_outcome()?;
        self.end_command();
        Some(command.verdict(outcome))
    }

    /// Ends the command and all that it started; whether nothing of it lives any more.
    pub(crate) fn end_command(&self) -> bool {
        for _ in 0..ROUNDS {
            let members = self.command_members();
            if members.is_empty() {
                self.post.board.set(Word::ProbePid, 0);
                return true;
            }
            self.signal_all(&members, Signal::KILL);
        }
        false
    }

    /// Ends the command of supervisors that have both died: nobody's child, it is known by its
    /// environment alone, and would else pass for a part of the tree.
    pub(crate) fn end_lost_command(&self) {
        let mut marks = self.post.home.marks(&self.record.key()).to_vec();
        marks.push(format!("{CHECK}=1"));
        let found = unsupervised(&self.post.proc, marked(&self.post.proc, &marks));
        self.signal_all(&found, Signal::KILL);
    }

    /// The command, what descends from it, and what shares its session: that comes to the shim
    /// when its parents have ended.
    pub(crate) fn command_members(&self) -> Vec<i32> {
        let leader = self.post.board.get(Word::ProbePid) as i32;
        if leader == 0 {
            return Vec::new();
        }
        let proc = &self.post.proc;
        let ours = [std::process::id() as i32, self.post.keeper];
        let mut found: Vec<i32> = ours
            .iter()
            .flat_map(|&parent| proc.children(parent).unwrap_or_default())
            .filter(|&pid| proc.stat(pid).is_ok_and(|stat| stat.session == leader))
            .collect();
        let below: Vec<i32> = found.iter().flat_map(|&pid| descendants(proc, pid)).collect();
        found.extend(below);
        let mut seen = HashSet::new();
        found.retain(|&pid| seen.insert(pid) && self.is_living(pid));
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_words_are_kept() {
        let mut words = Vec::new();
        for n in 0..1000 {
            keep_end(&mut words, format!("line {n}\n").as_bytes());
        }
        assert_eq!(words.len(), MAX_WORDS);
        assert!(words.ends_with(b"line 998\nline 999\n"));
        keep_end(&mut words, &[b'x'; 5000]);
        assert_eq!(words, [b'x'; MAX_WORDS]);
        let mut command = Command { output: None, words: b"no\n  route \xff".to_vec() };
        let why = command.verdict(Outcome::Code(3)).unwrap_err();
        assert_eq!(why, "the health command exited with code 3: no route \u{fffd}");
        assert_eq!(command.verdict(Outcome::Code(0)), Ok(()));
    }
}
