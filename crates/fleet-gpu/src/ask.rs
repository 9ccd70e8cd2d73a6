//! Asking for the GPUs without ever hanging or crashing with their drivers.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Child;
use std::time::{Duration, Instant};

use crate::child::Server;
use crate::presence::may_have_gpus;
use crate::request::Request;
use crate::{Answer, Gpu};

/// The program that loads the drivers' libraries.
pub const PROGRAM: &str = "fleet-gpus";

/// The pause after a first failure; each further one doubles it.
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// The longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A child that has not answered for so long hangs. A driver that has to wake up eight GPUs takes ten
/// seconds, and killing who wakes them would make it take for ever.
const HOPELESS: Duration = Duration::from_secs(30);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum GpuError {
    /// There is nobody to ask.
    #[error(
        "no driver of a GPU is loaded here: neither /dev/nvidiactl nor a card of amdgpu is there"
    )]
    NoDriver,
    /// The program is not installed.
    #[error("cannot find '{PROGRAM}' beside this program or in the PATH; install it there")]
    Missing,
    /// It cannot be executed.
    #[error("cannot execute '{}'", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// It cannot be spoken with.
    #[error("cannot speak with '{PROGRAM}'")]
    Pipe {
        /// What the system said.
        source: io::Error,
    },
    /// It died instead of answering.
    #[error("'{PROGRAM}' died while it asked the GPU driver: {how}")]
    Died {
        /// Code or signal.
        how: String,
    },
    /// What it said is no answer.
    #[error("'{PROGRAM}' gave no valid answer; is it of the same version?")]
    Garbled {
        /// What is wrong with it.
        source: serde_json::Error,
    },
    /// The driver hangs.
    #[error("the GPU driver did not answer within {} ms", after.as_millis())]
    Silent {
        /// How long it was waited for.
        after: Duration,
    },
    /// The driver answered that it cannot.
    #[error("{reason}")]
    Driver {
        /// Its reasons, one sentence.
        reason: String,
    },
    /// A try that failed is too recent for the next one.
    #[error("the GPU driver is asked again in {} s", left.as_secs() + 1)]
    Resting {
        /// The rest of the pause.
        left: Duration,
    },
    /// A child that was killed hangs in the driver.
    #[error("'{PROGRAM}' (pid {pid}) hangs in the GPU driver and cannot be killed")]
    Stuck {
        /// The child.
        pid: u32,
    },
}

/// The GPUs of this machine now.
///
/// Each time the driver's library is loaded, and where nobody else keeps the driver awake, the GPUs
/// are woken up, which may take seconds: who asks again and again keeps a [`Gpus`].
///
/// # Errors
/// There is no driver, it gives no GPU at all and says why, or does not answer within `deadline`.
pub fn ask_once(deadline: Duration) -> Result<Vec<Gpu>, GpuError> {
    answer_once(deadline).map(|answer| answer.gpus)
}

/// As [`ask_once`], with what the drivers had to complain about.
///
/// # Errors
/// As [`ask_once`].
pub fn answer_once(deadline: Duration) -> Result<Answer, GpuError> {
    let mut gpus = Gpus::find().ok_or(GpuError::NoDriver)?;
    gpus.begin(deadline, &[]);
    let answer = gpus.fresh()?;
    match answer.problems.first() {
        Some(_) if answer.gpus.is_empty() => {
            Err(GpuError::Driver { reason: answer.problems.join("; ") })
        }
        _ => Ok(answer),
    }
}

/// What is known of the GPUs, from now or from earlier.
#[derive(Debug)]
pub struct Reading {
    /// The last good answer.
    pub answer: Option<Answer>,
    /// Its age.
    pub age: Duration,
    /// How long was waited for an answer this time.
    pub duration: Duration,
    /// Why it is not from now.
    pub error: Option<GpuError>,
}

/// An open request.
#[derive(Clone, Copy, Debug)]
struct Asked {
    at: Instant,
    within: Duration,
    /// It was waited for in vain.
    late: bool,
}

/// Asks for the GPUs again and again through one child that stays.
///
/// [`Gpus::begin`] sends the request and [`Gpus::collect`] takes the answer, so that other work fits
/// in between. An answer that is late is waited for once, and then looked for at each further
/// request; a child that still owes it after half a minute hangs. One that hangs or dies is killed and
/// replaced, after a pause that doubles with each failure in a row. Who hangs in the driver cannot
/// be killed; it is left behind, and no other is started until it is gone, so that there is never
/// more than one.
#[derive(Debug)]
pub struct Gpus {
    /// What to start; `None`: to be found.
    program: Option<PathBuf>,
    server: Option<Server>,
    /// The request that is open.
    asked: Option<Asked>,
    /// Why no request could be made this time.
    refused: Option<GpuError>,
    left_behind: Option<Child>,
    failures: u32,
    /// No new child before.
    rest_until: Option<Instant>,
    last: Option<(Instant, Answer)>,
    hopeless: Duration,
}

impl Gpus {
    /// An asker where there may be GPUs; `None` costs only a look at a few paths.
    pub fn find() -> Option<Gpus> {
        may_have_gpus().then(|| Gpus::of(None))
    }

    /// An asker that starts this program.
    pub fn with_program(program: &Path) -> Gpus {
        Gpus::of(Some(program.to_owned()))
    }

    /// Takes a child that has not answered for so long to hang [default: 30 s].
    #[must_use]
    pub fn hopeless_after(mut self, time: Duration) -> Gpus {
        self.hopeless = time;
        self
    }

    fn of(program: Option<PathBuf>) -> Gpus {
        Gpus {
            program,
            server: None,
            asked: None,
            refused: None,
            left_behind: None,
            failures: 0,
            rest_until: None,
            last: None,
            hopeless: HOPELESS,
        }
    }

    /// Asks, and waits for nothing; the answer is due `within` this time. Who runs on AMD's cards is
    /// looked for among the processes `roots` and their descendants, and those that ROCm knows.
    pub fn begin(&mut self, within: Duration, roots: &[i32]) {
        self.refused = None;
        if self.asked.is_some_and(|asked| !asked.late || self.owes(asked)) {
            return;
        }
        match self.request(within, roots) {
            Ok(()) => self.asked = Some(Asked { at: Instant::now(), within, late: false }),
            Err(error) => self.refused = Some(error),
        }
    }

    /// Whether an answer is still out. One that came after all is old, and is dropped.
    fn owes(&mut self, asked: Asked) -> bool {
        let answer = self.server.as_mut().map(|server| server.answer::<Answer>(Instant::now()));
        match answer {
            Some(Ok(None)) if asked.at.elapsed() < self.hopeless => return true,
            Some(Ok(Some(_))) => self.asked = None,
            _ => self.drop_server(),
        }
        false
    }

    /// The answer to the last [`Gpus::begin`], or what is known from earlier where it does not come
    /// in time.
    pub fn collect(&mut self) -> Reading {
        let began = self.asked.map_or_else(Instant::now, |asked| asked.at);
        let fresh = self.fresh();
        let duration = began.elapsed();
        let error = match fresh {
            Ok(answer) => {
                self.last = Some((Instant::now(), answer));
                None
            }
            Err(error) => Some(error),
        };
        let answer = self.last.as_ref().map(|(_, answer)| answer.clone());
        let age = self.last.as_ref().map_or(Duration::ZERO, |(at, _)| at.elapsed());
        Reading { answer, age, duration, error }
    }

    fn request(&mut self, within: Duration, roots: &[i32]) -> Result<(), GpuError> {
        self.bury()?;
        if self.server.is_none() {
            if let Some(left) =
                self.rest_until.and_then(|until| until.checked_duration_since(Instant::now()))
            {
                return Err(GpuError::Resting { left });
            }
            let started = self.start();
            self.server = Some(started.inspect_err(|_| self.rest())?);
        }
        let request = Request::within(within, roots);
        let asked = self.server.as_mut().map_or(Ok(()), |server| server.request(&request));
        asked.inspect_err(|_| self.drop_server())
    }

    fn start(&self) -> Result<Server, GpuError> {
        let found = || fleet_os::program(PROGRAM).ok_or(GpuError::Missing);
        let program = self.program.clone().map_or_else(found, Ok)?;
        Server::start(&program)
    }

    fn fresh(&mut self) -> Result<Answer, GpuError> {
        if let Some(error) = self.refused.take() {
            return Err(error);
        }
        let (Some(server), Some(asked)) = (self.server.as_mut(), self.asked.take()) else {
            return Err(GpuError::Silent { after: Duration::ZERO });
        };
        let silent = || GpuError::Silent { after: asked.within };
        if asked.late {
            self.asked = Some(asked);
            return Err(silent());
        }
        match server.answer::<Answer>(asked.at + asked.within) {
            Ok(Some(answer)) if answer.ends => {
                self.drop_server();
                Err(GpuError::Driver { reason: answer.problems.join("; ") })
            }
            Ok(Some(answer)) => {
                self.failures = 0;
                Ok(answer)
            }
            Ok(None) => {
                self.asked = Some(Asked { late: true, ..asked });
                Err(silent())
            }
            Err(error) => {
                self.drop_server();
                Err(error)
            }
        }
    }

    fn drop_server(&mut self) {
        self.asked = None;
        self.left_behind = self.server.take().and_then(Server::end);
        self.rest();
    }

    fn rest(&mut self) {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(6)).min(LONGEST_PAUSE);
        self.failures = self.failures.saturating_add(1);
        self.rest_until = Some(Instant::now() + pause);
    }

    /// Waits for the child that was left behind, without waiting.
    fn bury(&mut self) -> Result<(), GpuError> {
        let Some(child) = &mut self.left_behind else { return Ok(()) };
        if matches!(child.try_wait(), Ok(None)) {
            return Err(GpuError::Stuck { pid: child.id() });
        }
        self.left_behind = None;
        Ok(())
    }
}

impl Drop for Gpus {
    fn drop(&mut self) {
        let _left = self.server.take().and_then(Server::end);
    }
}
