//! Asking by a GET of HTTP/1.1.

use std::io::{ErrorKind, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use fleet_core::{Address, Probe};
use fleet_os::Pages;
use nix::poll::PollFlags;

use crate::health::Verdict;
use crate::health::answer::{Answer, MAX_BODY};
use crate::health::connect::{Connecting, plain};
use crate::health::pattern::Pattern;

/// One read. The buffer lies on the stack.
const PIECE: usize = 4 << 10;
/// Reads in a row, before others have their turn.
const PIECES: usize = 16;

/// What a good answer is.
#[derive(Debug)]
struct Wanted {
    status: std::ops::RangeInclusive<u16>,
    body: Option<Pattern>,
    /// The URL, for words.
    url: String,
}

/// A GET under way.
#[derive(Debug)]
pub(crate) struct Get {
    connecting: Connecting,
    connected: bool,
    /// What is to be sent; empty once it was.
    request: Vec<u8>,
    answer: Answer,
    wanted: Wanted,
    ended: bool,
}

impl Get {
    /// Begins to ask. `None`: the probe is another one.
    pub(crate) fn begin(probe: &Probe) -> Option<Result<Get, String>> {
        let Probe::Http { address, host, path, status_first, status_last, body } = probe else {
            return None;
        };
        let wanted = Pattern::maybe(body.as_deref()).map(|body| Wanted {
            status: *status_first..=*status_last,
            body,
            url: format!("http://{host}{path}"),
        });
        Some(wanted.and_then(|wanted| Get::ask(address, host, path, wanted)))
    }

    fn ask(address: &Address, host: &str, path: &str, wanted: Wanted) -> Result<Get, String> {
        let room = wanted.body.as_ref().map(|_| Pages::new(MAX_BODY)).transpose();
        let room = room.map_err(|e| plain(&e))?;
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: fleet\r\nAccept: */*\r\n\
             Connection: close\r\n\r\n"
        );
        Ok(Get {
            connecting: Connecting::begin(address)?,
            connected: false,
            request: request.into_bytes(),
            answer: Answer::new(room),
            wanted,
            ended: false,
        })
    }

    /// What to wait for.
    pub(crate) fn watched(&self) -> (BorrowedFd<'_>, PollFlags) {
        let reads = self.connected && self.request.is_empty();
        let flags = if reads { PollFlags::POLLIN } else { PollFlags::POLLOUT };
        (self.connecting.stream.as_fd(), flags)
    }

    /// Goes on as far as it can without waiting, and judges what has come.
    pub(crate) fn go_on(&mut self) -> Option<Verdict> {
        match self.send_and_read() {
            Ok(()) => self.verdict(),
            Err(why) => Some(Err(format!("{why} at {}", self.wanted.url))),
        }
    }

    /// Whether the whole answer has come. Until then a server that is cut off would complain.
    pub(crate) fn is_over(&self) -> bool {
        self.ended || self.answer.is_whole()
    }

    /// In words, why there is no answer although its time is over.
    pub(crate) fn late(&self) -> &'static str {
        match (self.connected, self.answer.status()) {
            (false, _) => "no connection",
            (true, None) => "no answer",
            (true, Some(_)) => "no whole answer",
        }
    }

    fn send_and_read(&mut self) -> Result<(), String> {
        if !self.connected {
            self.connected = self.connecting.is_connected()?;
        }
        if self.connected && !self.request.is_empty() {
            let sent = self.connecting.stream.write(&self.request);
            self.request.drain(..ready(sent)?.unwrap_or(0));
        }
        let mut piece = [0; PIECE];
        for _ in 0..PIECES {
            if !self.connected || !self.request.is_empty() || self.is_over() {
                break;
            }
            match ready(self.connecting.stream.read(&mut piece))? {
                None => break,
                Some(0) => self.ended = true,
                Some(length) => self.answer.take(&piece[..length])?,
            }
        }
        Ok(())
    }

    fn verdict(&self) -> Option<Verdict> {
        let Some(status) = self.answer.status() else {
            let why = format!("the connection was closed without an answer at {}", self.wanted.url);
            return self.ended.then_some(Err(why));
        };
        if !self.wanted.status.contains(&status) {
            return Some(Err(format!("status {status} at {}", self.wanted.url)));
        }
        match &self.wanted.body {
            Some(_) if !self.is_over() => None,
            Some(pattern) if !pattern.matches(self.answer.body()) => {
                Some(Err(format!("the body does not match at {}", self.wanted.url)))
            }
            _ => Some(Ok(())),
        }
    }
}

/// What a socket that never waits did: nothing, if it would have to wait.
fn ready(done: std::io::Result<usize>) -> Result<Option<usize>, String> {
    match done {
        Ok(length) => Ok(Some(length)),
        Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => Ok(None),
        Err(e) => Err(plain(&e)),
    }
}
