//! Asking by a command.
//!
//! It gets its own process group, and whatever of it lives when it has ended, when its time is
//! over or when it prints too much, is killed: the group, and what descends from the command
//! outside of it, but not processes of a fleet that it may have started. The same happens when
//! its team is dissolved. What it prints is taken as it comes, so that it never waits for us.

use std::io::{self, ErrorKind, PipeReader, Read};
use std::os::fd::AsFd;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use fleet_core::{Outcome, Signal, duration_text};
use fleet_os::{PidFd, Proc, descendants, end_with_this_thread, unsupervised};
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::killpg;
use nix::unistd::Pid;

use crate::MOST_BYTES;

/// So much of what it says on standard error is told, in bytes.
const LAST_WORDS: usize = 200;
/// One read.
const PIECE: usize = 16 << 10;
/// Rounds of killing: what forks while it is killed is found by the next one.
const ROUNDS: usize = 3;

/// Runs the command to its end, or to that of the other end of `dissolved`, and returns what it
/// printed.
///
/// # Errors
/// In words: it does not start, takes too long, prints too much, or ends badly.
pub(crate) fn run(
    name: &str,
    command: &[String],
    folder: &Path,
    timeout: Duration,
    dissolved: &PipeReader,
) -> Result<Vec<u8>, String> {
    let mut child = start(name, command, folder).map_err(|e| format!("it does not start: {e}"))?;
    let listened = listen(&mut child, timeout, dissolved);
    end(&child);
    let status = child.wait().map_err(|e| format!("it cannot be waited for: {e}"))?;
    let heard = listened.map_err(|e| format!("what it prints cannot be read: {e}"))?;
    match heard.over {
        Over::Late => Err(format!("it took longer than {} and was killed", duration_text(timeout))),
        Over::Dissolved => Err("it was killed, for nobody waits for it".to_owned()),
        Over::Flood => Err(format!("it printed more than {MOST_BYTES} bytes and was killed")),
        Over::Ended => match Outcome::from_wait_status(status.into_raw()) {
            Outcome::Code(0) => Ok(heard.printed),
            outcome => Err(format!("it {}{}", outcome.words(), heard.last_words())),
        },
    }
}

fn start(name: &str, command: &[String], folder: &Path) -> io::Result<Child> {
    let (program, arguments) = command.split_first().ok_or(ErrorKind::InvalidInput)?;
    let mut command = Command::new(program);
    command
        .args(arguments)
        .env("FLEET_COLLECTOR", name)
        .current_dir(folder)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0);
    end_with_this_thread(&mut command);
    command.spawn()
}

/// Why nothing more is heard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Over {
    Ended,
    Late,
    Flood,
    Dissolved,
}

/// What was heard of a command.
struct Heard {
    over: Over,
    printed: Vec<u8>,
    complaint: Vec<u8>,
}

impl Heard {
    fn last_words(&self) -> String {
        let text = String::from_utf8_lossy(&self.complaint);
        let words: Vec<&str> = text.split_whitespace().collect();
        if words.is_empty() { String::new() } else { format!(": {}", words.join(" ")) }
    }
}

/// Takes what the command prints until it ends. A process that it left behind and that still
/// holds its output is not waited for.
fn listen(child: &mut Child, timeout: Duration, dissolved: &PipeReader) -> io::Result<Heard> {
    let since = Instant::now();
    let held = PidFd::open(child.id() as i32)?;
    let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
    if let (Some(out), Some(err)) = (&out, &err) {
        fcntl(out, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        fcntl(err, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    }
    let mut heard = Heard { over: Over::Ended, printed: Vec::new(), complaint: Vec::new() };
    loop {
        // Asked before the last reading: what it printed before its end is in the pipe by then.
        let ended = held.has_exited();
        let take = |piece: &[u8]| heard.printed.extend_from_slice(piece);
        hear(&mut out, take, MOST_BYTES as usize)?;
        hear(&mut err, |piece| keep_end(&mut heard.complaint, piece), MOST_BYTES as usize)?;
        let left = timeout.saturating_sub(since.elapsed());
        heard.over = match () {
            () if heard.printed.len() as u64 > MOST_BYTES => Over::Flood,
            () if ended => Over::Ended,
            () if left.is_zero() => Over::Late,
            () if has_closed(dissolved) => Over::Dissolved,
            () => {
                let open = [out.as_ref().map(AsFd::as_fd), err.as_ref().map(AsFd::as_fd)];
                let all = open.into_iter().flatten().chain([held.as_fd(), dissolved.as_fd()]);
                let mut fds: Vec<_> = all.map(|fd| PollFd::new(fd, PollFlags::POLLIN)).collect();
                // Rounded up, so that the last wait does not become many of no time.
                let most = left.saturating_add(Duration::from_millis(1));
                match poll(&mut fds, PollTimeout::try_from(most).unwrap_or(PollTimeout::MAX)) {
                    Ok(_) | Err(nix::Error::EINTR) => continue,
                    Err(e) => return Err(e.into()),
                }
            }
        };
        return Ok(heard);
    }
}

/// Whether the other end of a pipe that nothing is written to has been closed.
fn has_closed(pipe: &PipeReader) -> bool {
    let mut fds = [PollFd::new(pipe.as_fd(), PollFlags::POLLIN)];
    poll(&mut fds, PollTimeout::ZERO).is_ok_and(|ready| ready > 0)
}

/// Takes what is there, at most about `most` bytes at a time; a pipe that was closed is dropped.
fn hear(pipe: &mut Option<impl Read>, mut take: impl FnMut(&[u8]), most: usize) -> io::Result<()> {
    let mut piece = [0; PIECE];
    let mut taken = 0;
    while let Some(open) = pipe.as_mut().filter(|_| taken <= most) {
        match open.read(&mut piece) {
            Ok(0) => *pipe = None,
            Ok(length) => {
                taken += length;
                take(&piece[..length]);
            }
            Err(e) if e.kind() == ErrorKind::Interrupted => {}
            Err(e) if e.kind() == ErrorKind::WouldBlock => return Ok(()),
            Err(e) => return Err(e),
        }
    }
    Ok(())
}

/// Keeps the last bytes of all.
fn keep_end(words: &mut Vec<u8>, piece: &[u8]) {
    words.extend_from_slice(&piece[piece.len().saturating_sub(LAST_WORDS)..]);
    words.drain(..words.len().saturating_sub(LAST_WORDS));
}

/// Kills whatever lives of the command. It was not waited for yet, so that its number is its own.
fn end(child: &Child) {
    let leader = child.id() as i32;
    let proc = Proc::default();
    let members = || unsupervised(&proc, descendants(&proc, leader));
    for _ in 0..ROUNDS {
        // Held before they are looked for again: what is found twice has not changed hands.
        let held: Vec<(i32, PidFd)> =
            members().into_iter().filter_map(|pid| Some((pid, PidFd::open(pid).ok()?))).collect();
        let still = members();
        let ours = held.iter().filter(|(pid, _)| still.contains(pid));
        let killed = ours.filter(|(_, held)| held.signal(Signal::KILL).is_ok()).count();
        if killed == 0 {
            break;
        }
    }
    // Gone already is what is wanted.
    let _ = killpg(Pid::from_raw(leader), nix::sys::signal::Signal::SIGKILL);
}
