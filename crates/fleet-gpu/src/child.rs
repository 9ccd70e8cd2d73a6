//! One running `fleet-gpus --serve`.

use std::io::{self, Read, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use fleet_os::readable_until;
use serde::de::DeserializeOwned;

use crate::GpuError;
use crate::request::Request;

/// The longest answer: dozens of GPUs with thousands of processes are far below.
const LONGEST: usize = 8 << 20;

/// How long a killed child has to go; who is still there then hangs in the driver.
const GOING: Duration = Duration::from_millis(200);

/// A child that is asked by a line and answers by a line.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    requests: ChildStdin,
    answers: ChildStdout,
    received: Vec<u8>,
}

impl Server {
    pub(crate) fn start(program: &Path) -> Result<Server, GpuError> {
        let failed = |source| GpuError::Start { program: program.to_owned(), source };
        let mut command = Command::new(program);
        // Drivers' libraries print what no person asked for; what is to be said is in the answer.
        command.arg("--serve").stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().map_err(failed)?;
        let (Some(requests), Some(answers)) = (child.stdin.take(), child.stdout.take()) else {
            return Err(failed(io::ErrorKind::BrokenPipe.into()));
        };
        Ok(Server { child, requests, answers, received: Vec::new() })
    }

    /// Asks. A pipe has room for the one request that may be open.
    pub(crate) fn request(&mut self, request: &Request) -> Result<(), GpuError> {
        let mut line =
            serde_json::to_vec(request).map_err(|source| GpuError::Garbled { source })?;
        line.push(b'\n');
        match self.requests.write_all(&line) {
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => {
                Err(GpuError::Died { how: self.how_it_ended() })
            }
            written => written.map_err(|source| GpuError::Pipe { source }),
        }
    }

    /// The answer, if it comes in time.
    pub(crate) fn answer<T: DeserializeOwned>(
        &mut self,
        deadline: Instant,
    ) -> Result<Option<T>, GpuError> {
        let failed = |source| GpuError::Pipe { source };
        let mut part = [0; 16 << 10];
        let mut searched = 0;
        loop {
            if let Some(end) = self.received[searched..].iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.received.drain(..=searched + end).collect();
                let answer = serde_json::from_slice(&line);
                return answer.map(Some).map_err(|source| GpuError::Garbled { source });
            }
            searched = self.received.len();
            if searched > LONGEST {
                return Err(failed(io::ErrorKind::FileTooLarge.into()));
            }
            if !readable_until(&self.answers, deadline).map_err(failed)? {
                return Ok(None);
            }
            match self.answers.read(&mut part).map_err(failed)? {
                0 => return Err(GpuError::Died { how: self.how_it_ended() }),
                n => self.received.extend_from_slice(&part[..n]),
            }
        }
    }

    /// What became of a child that closed its output, in words.
    fn how_it_ended(&mut self) -> String {
        let _ = self.child.kill();
        // Its output is closed, so that it is past where it could hang for ever.
        match self.child.wait() {
            Ok(status) => words(status),
            Err(e) => e.to_string(),
        }
    }

    /// Kills it. Who hangs in a driver cannot be killed, and is given back.
    pub(crate) fn end(self) -> Option<Child> {
        let Server { mut child, requests, answers, .. } = self;
        drop(requests);
        let _ = child.kill();
        let deadline = Instant::now() + GOING;
        // The kernel closes the output of a process that goes.
        let closed = drained(answers, deadline);
        if closed { child.wait().err().map(|_| child) } else { Some(child) }
    }
}

fn drained(mut answers: ChildStdout, deadline: Instant) -> bool {
    let mut part = [0; 4 << 10];
    while readable_until(&answers, deadline).unwrap_or(false) {
        if !answers.read(&mut part).is_ok_and(|n| n > 0) {
            return true;
        }
    }
    false
}

fn words(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (_, Some(signal)) => format!("signal {signal}"),
        _ => "for reasons unknown".to_owned(),
    }
}
