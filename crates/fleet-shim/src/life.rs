//! The life of a run: attempts, how they end, and what follows.

use std::ffi::OsString;
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use fleet_core::{Cause, End, Happening, Outcome, Signal, State, Timestamp, duration_text};
use fleet_logfile::stderr_tail;
use fleet_os::{Launch, PidFd, Step, Terms, incarnation, monotonic_nanos, output_end};
use serde_json::json;

use crate::board::{Phase, Why, Word};
use crate::gpus::variables;
use crate::health::CHECK;
use crate::oom::Killed;
use crate::supervise::{SECOND, Shim};

/// Last lines of stderr that an end tells.
const TAIL_LINES: usize = 40;
/// And their size in bytes.
const TAIL_BYTES: usize = 8 << 10;
/// Nanoseconds in a second.
const NANOS: f64 = SECOND as f64;

impl Shim<'_> {
    /// Runs the command.
    pub(crate) fn start_attempt(&mut self) {
        self.post.board.begin_attempt();
        let now = monotonic_nanos();
        self.post.board.set(Word::StartedAt, now);
        self.post.board.count_from(now);
        let started = self.terms().and_then(|terms| {
            self.post.note_kills();
            self.launch(terms).map_err(|e| (Step::Exec, e))
        });
        self.launched(started);
    }

    fn launch(&self, terms: Terms) -> io::Result<()> {
        let spec = &self.post.spec;
        let launch = Launch::new(&spec.command, &self.environment(), &spec.cwd)?.under(terms);
        let null = OpenOptions::new().read(true).open("/dev/null")?;
        let (stdout, stderr) = (output_end(&self.post.stdout)?, output_end(&self.post.stderr)?);
        let files = [null.as_fd(), stdout.as_fd(), stderr.as_fd()];
        launch.start(&files, self.post.board.report()).map(|_| ())
    }

    /// What the command finds in its environment: the caller's, and where it is in the fleet.
    pub(crate) fn environment(&self) -> Vec<OsString> {
        let spec = &self.post.spec;
        let mut ours: Vec<(String, OsString)> = vec![
            ("FLEET_ID".into(), spec.id.as_str().into()),
            ("FLEET_RUN".into(), spec.run.to_string().into()),
            ("FLEET_HOME".into(), self.post.home.path().into()),
            ("FLEET_DIR".into(), self.post.home.data(&spec.id).into()),
            ("FLEET_ATTEMPT".into(), self.record.attempt.to_string().into()),
        ];
        for (at, port) in spec.ports.iter().enumerate() {
            let name = if at == 0 { "FLEET_PORT".into() } else { format!("FLEET_PORT_{at}") };
            ours.push((name, port.to_string().into()));
        }
        if let Some(file) = &spec.connection_file {
            ours.push(("FLEET_CONNECTION_FILE".into(), file.into()));
        }
        if let Some(socket) = self.post.notify.as_ref().and(self.post.dir.notify_socket()) {
            ours.push(("NOTIFY_SOCKET".into(), socket.into()));
        }
        if let Some(seconds) = spec.watchdog_seconds {
            // Without WATCHDOG_PID it is meant for whoever finds it (sd_watchdog_enabled(3)).
            let micros = (seconds * 1e6) as u64;
            ours.push(("WATCHDOG_USEC".into(), micros.to_string().into()));
        }
        ours.extend(variables(&self.record.gpus));
        let is = |entry: &OsString, name: &str| {
            entry.as_bytes().strip_prefix(name.as_bytes()).is_some_and(|v| v.first() == Some(&b'='))
        };
        let mut env: Vec<OsString> = spec
            .env
            .iter()
            .filter(|entry| !ours.iter().any(|(name, _)| is(entry, name)) && !is(entry, CHECK))
            .cloned()
            .collect();
        if !env.iter().any(|entry| is(entry, "PYTHONUNBUFFERED")) {
            env.push("PYTHONUNBUFFERED=1".into());
        }
        if !self.record.gpus.is_empty() && !env.iter().any(|e| is(e, "CUDA_DEVICE_ORDER")) {
            env.push("CUDA_DEVICE_ORDER=PCI_BUS_ID".into());
        }
        env.extend(ours.into_iter().map(|(name, value)| {
            let mut entry = OsString::from(name + "=");
            entry.push(value);
            entry
        }));
        env
    }

    /// The child runs, or it told why not, or there is none.
    pub(crate) fn launched(&mut self, started: Result<(), (Step, io::Error)>) {
        let failure = started.err().or_else(|| self.post.board.report().failure());
        match failure {
            None => self.runs(),
            Some((step, error)) => self.could_not_start(step, &error),
        }
    }

    pub(crate) fn runs(&mut self) {
        let pid = self.post.board.get(Word::ChildPid) as i32;
        self.post.board.set_phase(Phase::Alive);
        // A process that ended already is a zombie until it is reaped, so this cannot miss; the
        // keeper may have reaped one whose shim died, and then the pid may be a stranger's.
        let reaped = self.post.board.outcome().is_some();
        self.main = PidFd::open(pid).ok().filter(|_| !reaped);
        self.record.set_main(incarnation(pid).ok().filter(|_| !reaped));
        self.record.started_at = Some(Timestamp::now());
        self.record.retry_at = None;
        self.happened(Happening::Executed);
        self.begin_health();
        self.publish_awaited();
        let words = format!("attempt {} runs as pid {pid}", self.record.attempt);
        let event = if self.record.attempt == 1 { "started" } else { "restarted" };
        self.event(event, words, json!({"pid": pid}));
        self.tell_spawner(format!("ok {pid}"));
    }

    fn could_not_start(&mut self, step: Step, error: &io::Error) {
        let spec = &self.post.spec;
        let command = spec.command.first().map(|c| c.to_string_lossy()).unwrap_or_default();
        let what = match step {
            Step::Chdir => format!("cannot enter '{}'", spec.cwd.display()),
            step => {
                self.refused_term(step).unwrap_or_else(|| format!("cannot execute '{command}'"))
            }
        };
        let words = format!("{what}: {}{}", plain(error), self.too_tight(step, error));
        let missing = step == Step::Exec && error.kind() == io::ErrorKind::NotFound;
        let code = if missing { 127 } else { 126 };
        let answer = format!("err {code} {words}");
        let mut end = End::new(Cause::ExecFailed, words);
        end.code = Some(code);
        self.post.board.set_phase(Phase::MainGone);
        if self.record.attempt == 1 {
            self.happened(Happening::ExecFailed);
            self.over(end);
        } else {
            // The command was there before: treat it as any other death.
            self.happened(Happening::Executed);
            self.decide(end, false);
        }
        // Told last: who hears it may at once try again with the same name.
        self.tell_spawner(answer);
    }

    /// The main process ended. What is left of its tree is ended too when it failed, so that it
    /// holds no GPU and no port; after a success it is looked after until it is gone, since the
    /// command may have meant to leave it.
    pub(crate) fn main_gone(&mut self) {
        self.post.board.set_phase(Phase::MainGone);
        self.main = None;
        self.end_of_suspension();
        self.drop_question();
        if self.is_empty() {
            return self.attempt_over();
        }
        let left = self.members().len() as u64;
        self.post.board.set(Word::Leftovers, left);
        let outcome = self.post.board.outcome().unwrap_or(Outcome::Unknown);
        let words = format!("the main process {}; {left} others live on", outcome.words());
        self.event("main_exited", words.clone(), json!({"left": left}));
        if self.post.board.why() == Why::Not {
            if outcome == Outcome::Code(0) {
                self.record.status = Some(words);
                self.publish();
            } else {
                self.begin_stop(Why::Leftovers, None, None, None);
            }
        }
    }

    /// Nothing of the tree lives any more.
    pub(crate) fn attempt_over(&mut self) {
        self.record.status = None;
        self.capture.drain(self.post);
        let outcome = self.post.board.outcome().unwrap_or(Outcome::Unknown);
        let why = self.post.board.why();
        let ended_by_us = matches!(why, Why::TimedOut | Why::Unhealthy);
        let succeeded = outcome == Outcome::Code(0) && !ended_by_us;
        let mut end = self.describe(outcome, why);
        self.end_health();
        if !succeeded && why != Why::Asked {
            let since = self.record.started_at.map_or(0, Timestamp::nanos);
            end.stderr_tail = stderr_tail(&self.post.dir.log(), since, TAIL_LINES, TAIL_BYTES);
        }
        self.free_gpus(&mut end, !succeeded || matches!(why, Why::Asked | Why::Restart));
        match why {
            Why::Asked => {
                self.happened(Happening::Died);
                self.over(end);
            }
            Why::Restart => self.start_again(),
            _ => self.decide(end, succeeded),
        }
    }

    /// An attempt ended by itself: is there to be another one?
    fn decide(&mut self, mut end: End, succeeded: bool) {
        let unhealthy = self.post.board.why() == Why::Unhealthy;
        if !unhealthy && !self.post.spec.restart.wants(succeeded) {
            let unknown = end.cause == Cause::Unknown;
            self.happened(match (succeeded, unknown) {
                (true, _) => Happening::Succeeded,
                (false, true) => Happening::FoundDead,
                (false, false) => Happening::Died,
            });
            return self.over(end);
        }
        let now = monotonic_nanos();
        let (limit, board) = (self.post.spec.crash_limit, &self.post.board);
        let window = (limit.within_seconds * NANOS) as u64;
        let deaths = board.died(now, now.saturating_sub(window));
        if deaths >= limit.deaths {
            let within = duration_text(Duration::from_secs_f64(limit.within_seconds));
            end.reason =
                format!("crash loop: died {deaths} times within {within}; last {}", end.reason);
            end.cause = Cause::CrashLoop;
            self.happened(Happening::Died);
            return self.over(end);
        }
        let lived = board.counted(now) as f64 / NANOS;
        let backoff = self.post.spec.backoff;
        let row = if lived >= backoff.reset_seconds { 0 } else { board.get(Word::DeathsInARow) };
        board.set(Word::DeathsInARow, row + 1);
        let jitter = (Timestamp::now().nanos() % 1000) as f64 / 1000.0;
        let pause = backoff.pause(row as u32 + 1, jitter);
        board.set(Word::RetryAt, now.saturating_add(pause.as_nanos() as u64));
        board.set_phase(Phase::Pausing);
        self.pause(end, pause);
    }

    fn pause(&mut self, end: End, pause: Duration) {
        self.happened(Happening::DiedWillRetry);
        self.record.set_main(None);
        self.record.retry_at = Some(Timestamp::from_nanos(
            Timestamp::now().nanos().saturating_add(pause.as_nanos() as i64),
        ));
        let words = format!("{}; next attempt in {}", end.reason, duration_text(pause));
        self.record.exit = Some(Box::new(end));
        self.publish();
        self.event("exited", words, json!({"pause_seconds": pause.as_secs_f64()}));
    }

    /// The pause is over, or the stop was the first half of a restart.
    pub(crate) fn start_again(&mut self) {
        self.happened(Happening::StartAgain);
        self.record.attempt += 1;
        self.record.restarts += 1;
        self.record.stop = None;
        self.record.paused_seconds = None;
        self.record.status = None;
        self.record.exit = None;
        self.record.set_main(None);
        self.note_attempt();
        // A successor must know which attempt it is, should this shim die before it is started.
        self.publish();
        self.start_attempt();
    }

    fn note_attempt(&self) {
        let line = json!({"attempt": self.record.attempt, "ts": Timestamp::now()});
        let file =
            OpenOptions::new().append(true).create(true).mode(0o600).open(self.post.dir.attempts());
        let _ = file.and_then(|mut file| file.write_all(format!("{line}\n").as_bytes()));
    }

    /// A stop came while there was nothing to stop.
    pub(crate) fn end_of_pause_by_stop(&mut self) {
        let words = match self.record.state {
            State::Queued => "stopped while it waited for its turn; it was never started",
            _ => "stopped during the pause before its next attempt",
        };
        self.happened(Happening::StopAsked);
        let by = self.record.stop.as_ref().map(|s| s.by.clone());
        let mut end =
            self.record.exit.take().map_or_else(|| End::new(Cause::Stopped, words), |end| *end);
        (end.cause, end.by, end.reason) = (Cause::Stopped, by, words.to_owned());
        self.over(end);
    }

    /// The run is over.
    pub(crate) fn over(&mut self, end: End) {
        if !self.record.state.has_ended() {
            // The table refused what happened; that it is over is true all the same.
            self.record.state = State::Failed;
        }
        self.record.ended_at = Some(Timestamp::now());
        self.record.retry_at = None;
        (self.record.waiting, self.record.in_line) = (None, false);
        let words = format!("{}: {}", self.record.state, end.reason);
        self.record.exit = Some(Box::new(end));
        self.publish_end();
        if self.post.spec.waits() {
            self.leave_queue();
        }
        let exit = serde_json::to_value(&self.record.exit).unwrap_or_default();
        self.event("ended", words, json!({"state": self.record.state, "exit": exit}));
        self.leave();
    }

    /// How the attempt ended, with the evidence.
    fn describe(&self, outcome: Outcome, why: Why) -> End {
        let board = &self.post.board;
        let ran = monotonic_nanos().saturating_sub(board.get(Word::StartedAt));
        let largest = Some(board.get(Word::MainMaxResident)).filter(|&b| b > 0);
        let killed = self.post.killed(outcome, why);
        let after = duration_text(Duration::from_nanos(ran));
        let words = outcome.words();
        let (cause, reason) = match (why, outcome) {
            (Why::Asked, _) => (Cause::Stopped, self.stop_words(&words)),
            (Why::TimedOut, _) => {
                let limit = self.post.spec.max_runtime_seconds.unwrap_or_default();
                let limit = duration_text(Duration::from_secs_f64(limit));
                (Cause::TimedOut, format!("ran longer than its limit of {limit} and {words}"))
            }
            (Why::Unhealthy, _) => {
                let reason = self.record.health_reason.as_deref().unwrap_or("no reason is known");
                (Cause::Unhealthy, format!("was unhealthy ({reason}) and {words}"))
            }
            _ => self.own_end(outcome, &killed, &format!("{words} after {after}"), largest),
        };
        let mut end = End::new(cause, reason).with_outcome(outcome);
        end.by = self.record.stop.as_ref().map(|s| s.by.clone());
        if let Killed::Ours { scope, .. } = killed {
            end.oom = Some(scope.to_owned());
        }
        if let Some(own) = self.post.memory_cgroup() {
            end.memory_limit_bytes = self.post.spec.limits.memory_bytes;
            end.memory_peak_bytes = own.memory_peak();
        }
        end.duration_seconds = Some(ran as f64 / NANOS);
        end.cpu_seconds = largest.map(|_| board.get(Word::MainCpuMicros) as f64 / 1e6);
        end.max_resident_bytes = largest;
        end.leftovers = Some(board.get(Word::Leftovers) as u32).filter(|&n| n > 0);
        end
    }

    fn stop_words(&self, words: &str) -> String {
        let by = self.record.stop.as_ref().map_or("somebody", |s| s.by.as_str());
        // Who asks for a kill at once, as fleet-stop --force does, gives no grace.
        let at_once = self.post.board.get(Word::StopSignal) == Signal::KILL.number() as u64;
        let killed = self.post.board.get(Word::KilledAt) != 0 && !at_once;
        let how = if killed { ", killed after its grace period" } else { "" };
        format!("stopped by {by}{how}; {words}")
    }

    /// The cause and the words of an end that nobody here asked for.
    fn own_end(
        &self,
        outcome: Outcome,
        killed: &Killed,
        words: &str,
        largest: Option<u64>,
    ) -> (Cause, String) {
        let cause = match outcome {
            Outcome::Unknown => return (Cause::Unknown, outcome.words()),
            Outcome::Signal { .. } => Cause::Signalled,
            Outcome::Code(_) => Cause::Exited,
        };
        match *killed {
            Killed::Ours { scope, main } => {
                let whose = self.post.memory_words(scope, largest);
                let words = match main {
                    true => format!("was killed for memory by the kernel {whose}"),
                    false => format!(
                        "{words}; the kernel had killed a process of its tree for memory {whose}"
                    ),
                };
                (Cause::OutOfMemory, words)
            }
            Killed::Perhaps => {
                let meanwhile = "the kernel killed a process of its cgroup for memory meanwhile";
                (cause, format!("{words}; {meanwhile}"))
            }
            Killed::Nothing => (cause, format!("{words}{}", self.fork_words(outcome))),
        }
    }
}

/// The system's words without its number.
fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    let (words, number) = text.split_once(" (os error ").unwrap_or((&text, ""));
    if number.is_empty() { text } else { format!("{words} (errno {number}") }
}
