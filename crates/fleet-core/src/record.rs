//! The `process` record: what the registry keeps and the tools pipe.

use serde::{Deserialize, Serialize};

use crate::end::End;
use crate::gpu::GpuShare;
use crate::health::Health;
use crate::id::{Id, RunKey};
use crate::kpi::Kpis;
use crate::label::Labels;
use crate::limits::Limits;
use crate::signal::Signal;
use crate::spec::{Restart, Spec};
use crate::state::State;
use crate::time::Timestamp;
use crate::wait::{After, Queue};

/// One process as the kernel knows it within one boot.
///
/// Pids are used again, so a pid alone may name a stranger; with its start time it cannot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incarnation {
    /// The process id.
    pub pid: i32,
    /// Clock ticks from boot to its start: field 22 of proc_pid_stat(5).
    pub start: u64,
    /// Inode of its pidfd, unique among all processes of a boot where the kernel has pidfs
    /// (Linux 6.9 and later); far quicker to compare than `start`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub inode: Option<u64>,
}

/// The supervisor of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "ShimFields", into = "ShimFields")]
pub struct Shim {
    /// The shim itself: signals to it are requests.
    pub who: Incarnation,
    /// Pid of its keeper, the parent that replaces it.
    pub keeper: Option<i32>,
}

/// A supervisor as it is written: the fields of both side by side. (What serde has for that keeps
/// each value in between, which is a fifth of the time that a registry takes to read.)
#[derive(Serialize, Deserialize)]
struct ShimFields {
    pid: i32,
    start: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    inode: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    keeper: Option<i32>,
}

impl From<ShimFields> for Shim {
    fn from(fields: ShimFields) -> Shim {
        let ShimFields { pid, start, inode, keeper } = fields;
        Shim { who: Incarnation { pid, start, inode }, keeper }
    }
}

impl From<Shim> for ShimFields {
    fn from(shim: Shim) -> ShimFields {
        let Incarnation { pid, start, inode } = shim.who;
        ShimFields { pid, start, inode, keeper: shim.keeper }
    }
}

/// A stop that was asked for: the intent is recorded before the first signal is sent.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StopAsked {
    /// When.
    pub at: Timestamp,
    /// By whom: `root:4121 (fleet-stop)`, `max-runtime`.
    pub by: String,
    /// Whether the tree is to be started again once it has ended.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub restart: bool,
    /// Pids that could not be killed within the limit, with their state letter (`D`: in the
    /// kernel).
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub unkillable: Vec<String>,
}

/// What became of the output so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogTotals {
    /// Bytes that the process printed.
    pub bytes: u64,
    /// Lines among them.
    pub lines: u64,
    /// Bytes that could not be stored, because the disk was full for example.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropped_bytes: u64,
    /// Lines that could not be stored.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dropped_lines: u64,
    /// Bytes of progress bars that a later state of the bar replaced.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub folded_bytes: u64,
}

fn is_zero(value: &u64) -> bool {
    *value == 0
}

/// One run of a process at one moment: a line of the registry, and `record.json` of the run.
///
/// The first four fields stay first: readers find the last line of each run by them alone.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProcessRecord {
    /// Always `process`.
    pub kind: String,
    /// When this line was written.
    pub ts: Timestamp,
    /// The process.
    pub id: Id,
    /// Which spawn of it.
    pub run: u32,
    /// Which start within the run, from 1.
    pub attempt: u32,
    /// Version of the record's form; absent means 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub v: Option<u32>,
    /// What was last known.
    pub state: State,
    /// The main process, once there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid: Option<i32>,
    /// Its start time in clock ticks since boot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid_start: Option<u64>,
    /// Inode of its pidfd, where the kernel has them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pid_inode: Option<u64>,
    /// Boot id of the kernel that ran it.
    pub boot: String,
    /// Host that ran it.
    pub host: String,
    /// Its supervisor.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shim: Option<Shim>,
    /// Ports reserved for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<u16>,
    /// GPUs reserved for it, from its turn to its end.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub gpus: Vec<GpuShare>,
    /// The command, for people: bytes that are not UTF-8 are replaced.
    pub command: Vec<String>,
    /// Where it runs.
    pub cwd: String,
    /// The user's marks.
    #[serde(default, skip_serializing_if = "Labels::is_empty")]
    pub labels: Labels,
    /// Restart policy, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<String>,
    /// How often it was started again.
    pub restarts: u32,
    /// How it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// What the last failed check said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health_reason: Option<String>,
    /// When it was last checked because somebody asked, or its health changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub checked_at: Option<Timestamp>,
    /// What it says it is doing (`STATUS=` of sd_notify(3)).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<String>,
    /// What it waits for, or waited for before its first attempt.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub after: Vec<After>,
    /// The line that it stands in, or whose slot it holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub queue: Option<Queue>,
    /// Why it does not start yet, in words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waiting: Option<String>,
    /// Whether it stands in its line: all that it waits for besides has come, for good.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub in_line: bool,
    /// What it may use.
    #[serde(default, skip_serializing_if = "Limits::is_empty")]
    pub limits: Limits,
    /// What it is judged by.
    #[serde(default, skip_serializing_if = "Kpis::is_empty")]
    pub kpis: Kpis,
    /// The Jupyter connection file that was written for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection_file: Option<String>,
    /// Files, folders and globs that its training curves are read from; none: from its log and its
    /// own folder.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub curves: Vec<String>,
    /// The fleet file that names it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub file: Option<String>,
    /// When it was asked for.
    pub spawned_at: Timestamp,
    /// When the current attempt started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub started_at: Option<Timestamp>,
    /// Since when the main process is suspended, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_at: Option<Timestamp>,
    /// How long the current attempt was suspended before that; limits on its time do not count it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub paused_seconds: Option<f64>,
    /// When the run ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ended_at: Option<Timestamp>,
    /// When the next attempt starts, during a pause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
    /// The stop that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop: Option<StopAsked>,
    /// What became of its output.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<LogTotals>,
    /// How the run, or during a pause its last attempt, ended. Boxed: it is large, and the living
    /// have none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit: Option<Box<End>>,
}

/// How a stop is to go, put beside the run before its shim is asked for it by a signal, which can
/// carry no more than its number.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct StopRequest {
    /// Who asks.
    pub by: String,
    /// How long it may take to end before it is killed; absent: as it was spawned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grace_seconds: Option<f64>,
    /// What asks it to end; absent: as it was spawned.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signal: Option<Signal>,
}

impl ProcessRecord {
    /// The value of `kind`.
    pub const KIND: &'static str = "process";

    /// The first record of a run: wanted, and about to start or to wait for its turn.
    pub fn wanted(spec: &Spec, boot: String, host: String) -> ProcessRecord {
        ProcessRecord {
            kind: ProcessRecord::KIND.to_owned(),
            ts: spec.spawned_at,
            id: spec.id.clone(),
            run: spec.run,
            attempt: 1,
            v: None,
            state: if spec.waits() { State::Queued } else { State::Starting },
            pid: None,
            pid_start: None,
            pid_inode: None,
            boot,
            host,
            shim: None,
            ports: spec.ports.clone(),
            gpus: spec.gpus.clone(),
            command: spec.command.iter().map(|a| a.to_string_lossy().into_owned()).collect(),
            cwd: spec.cwd.to_string_lossy().into_owned(),
            labels: spec.labels.clone(),
            restart: (spec.restart != Restart::No).then(|| spec.restart.to_string()),
            restarts: 0,
            health: None,
            health_reason: None,
            checked_at: None,
            status: None,
            after: spec.after.clone(),
            queue: spec.queue.clone(),
            waiting: None,
            in_line: false,
            limits: spec.limits.clone(),
            kpis: spec.kpis.clone(),
            connection_file: spec.connection_file.clone(),
            curves: spec.curves.clone(),
            file: spec.file.as_ref().map(|origin| origin.path.clone()),
            spawned_at: spec.spawned_at,
            started_at: None,
            paused_at: None,
            paused_seconds: None,
            ended_at: None,
            retry_at: None,
            stop: None,
            log: None,
            exit: None,
        }
    }

    /// The key of its history.
    pub fn key(&self) -> RunKey {
        RunKey { id: self.id.clone(), run: self.run }
    }

    /// The main process, where it was recorded with its start time.
    pub fn main(&self) -> Option<Incarnation> {
        Some(Incarnation { pid: self.pid?, start: self.pid_start?, inode: self.pid_inode })
    }

    /// What a shell would say of its end: its own code, or 128 and the number of the signal that
    /// ended it; 1 where it was stopped, or where there is neither or a code 0 that is no success
    /// (it was too late, say). `None` while it lives.
    pub fn exit_status(&self) -> Option<u8> {
        let end = self.exit.as_ref();
        let code = end.and_then(|end| end.code);
        let signal = end.and_then(|end| end.signal).map(|signal| 128 + signal.number());
        match self.state {
            State::Completed => Some(0),
            State::Failed => {
                let status = code.or(signal).and_then(|status| u8::try_from(status).ok());
                Some(status.filter(|&status| status != 0).unwrap_or(1))
            }
            State::Stopped | State::Lost => Some(1),
            _ => None,
        }
    }

    /// Whether another attempt follows where the processes of this one and its supervisors are all
    /// found dead.
    pub fn is_to_start_again(&self) -> bool {
        let policy = self.restart.as_deref().and_then(|text| text.parse::<Restart>().ok());
        match &self.stop {
            Some(stop) => stop.restart,
            // In the pause before an attempt that is decided already.
            None => self.state == State::Backoff || policy.unwrap_or_default().wants(false),
        }
    }

    /// Whether the form is newer than this build understands.
    pub fn is_newer(&self) -> bool {
        self.v.is_some_and(|v| v > crate::RECORD_VERSION)
    }

    /// Sets the main process, or takes it away.
    pub fn set_main(&mut self, main: Option<Incarnation>) {
        self.pid = main.map(|m| m.pid);
        self.pid_start = main.map(|m| m.start);
        self.pid_inode = main.and_then(|m| m.inode);
    }
}
