//! Log files that are set aside on demand or for their age, and the care for those that were.
//!
//! A shim removes the oldest of too many files itself. To compress, to remove by age and to hold to
//! a size in all is the work of `fleet-logs --prune`, which it starts after a rotation: one at a time,
//! behind everything else that wants a processor or the disk, and no part of the process's
//! tree. Whether it works or not, the process never waits for it.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::fd::AsFd;
use std::time::SystemTime;

use fleet_core::{Limits, Outcome};
use fleet_logfile::oldest;
use fleet_os::{Launch, Terms, monotonic_nanos, program};
use serde_json::json;

use crate::board::Word;
use crate::supervise::{SECOND, Shim};

/// What cares for the files.
const TOOL: &str = "fleet-logs";
/// From one start of it to the next, at least.
const PAUSE: u64 = SECOND;
/// What could not be done is tried again after this time.
const AGAIN: u64 = 60 * SECOND;
/// Behind all others: nice value, and I/O class idle (ioprio_set(2)).
const NICE: i32 = 19;
const IDLE: u16 = 3 << 13;

/// What is to be done for files that were set aside.
#[derive(Debug, Default)]
pub(crate) struct Care {
    /// When it is to be begun (monotonic nanoseconds).
    at: Option<u64>,
    /// When it was begun last.
    began: u64,
    /// Whether it was said that it fails, and that files cannot be set aside.
    failure_said: bool,
    unrotated_said: bool,
}

impl Shim<'_> {
    /// Sets the log file aside if somebody asked for it.
    pub(crate) fn rotate_if_asked(&mut self) {
        let request = self.post.dir.rotate_request();
        if !fs::metadata(&request).is_ok_and(|meta| meta.len() == 0) {
            return;
        }
        // Whoever asked waits until the request is gone, or says why not.
        let _ = match self.capture.rotate(self.post) {
            Ok(()) => fs::remove_file(request),
            Err(why) => fs::write(request, why),
        };
        self.look_at_rotation();
    }

    /// Sets the log file aside if it is as old as it may become.
    pub(crate) fn rotate_by_age(&mut self) {
        if self.capture.is_too_old() && self.capture.rotate(self.post).is_err() {
            self.capture.rotate_at = Some(monotonic_nanos() + AGAIN);
        }
        self.look_at_rotation();
    }

    /// Whether files were set aside, or could not be.
    pub(crate) fn look_at_rotation(&mut self) {
        if std::mem::take(&mut self.capture.set_aside) && self.post.spec.log.want_care() {
            let earliest = monotonic_nanos().max(self.care.began + PAUSE);
            self.care.at = Some(self.care.at.map_or(earliest, |at| at.min(earliest)));
        }
        let said =
            std::mem::replace(&mut self.care.unrotated_said, self.capture.unrotated.is_some());
        if let Some(why) = self.capture.unrotated.as_ref().filter(|_| !said) {
            let words = format!("the log file cannot be set aside and grows on: {why}");
            self.event("log_not_rotated", words, json!({}));
        }
    }

    /// A predecessor may have died before it cared for what it had set aside.
    pub(crate) fn take_up_care(&mut self) {
        self.care.at = self.post.spec.log.want_care().then(monotonic_nanos);
    }

    /// When care is to be begun; while it is under way, not.
    pub(crate) fn care_due(&self) -> Option<u64> {
        self.care.at.filter(|_| self.post.board.get(Word::CarePid) == 0)
    }

    /// Begins to care for what was set aside.
    pub(crate) fn begin_care(&mut self) {
        (self.care.at, self.care.began) = (None, monotonic_nanos());
        let started = self.start_tool();
        let refused = self.post.board.care_report().failure();
        if let Some(error) = started.err().or(refused.map(|(_, error)| error)) {
            // One that could not become the tool is reaped as any other.
            self.care_failed(&format!("cannot be started: {error}"));
        }
    }

    fn start_tool(&self) -> io::Result<()> {
        let board = &self.post.board;
        board.set(Word::CareError, 0);
        board.set(Word::CareStatus, 0);
        let tool = program(TOOL).ok_or_else(|| io::Error::from(ErrorKind::NotFound))?;
        let key = self.record.key().to_string();
        let command: [OsString; 6] = [
            tool.into(),
            "--prune".into(),
            "--home".into(),
            self.post.home.path().into(),
            key.into(),
            "--helper".into(),
        ];
        let last = Limits { nice: Some(NICE), ionice: Some(IDLE), ..Limits::default() };
        let terms = Terms::new(&last, Vec::new())?;
        let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
        let files = [null.as_fd(), null.as_fd(), null.as_fd()];
        // Nothing of the process's environment: its marks would make this a part of its tree.
        let launch = Launch::new(&command, &[], "/".as_ref())?.under(terms);
        launch.start(&files, board.care_report()).map(|_| ())
    }

    /// Whether the tool has ended, and when it is to be started again.
    pub(crate) fn look_at_care(&mut self) {
        let Some(outcome) = self.post.board.care_outcome() else { return };
        self.post.board.set(Word::CareStatus, 0);
        self.post.board.set(Word::CarePid, 0);
        let refused = self.post.board.care_report().failure().is_some();
        match outcome {
            Outcome::Code(0) => self.care.failure_said = false,
            _ if refused => {}
            other => self.care_failed(&other.words()),
        }
        self.care_for_age();
    }

    /// The next file that becomes too old is removed without a rotation, too.
    fn care_for_age(&mut self) {
        let Some(seconds) = self.post.spec.log.keep_seconds else { return };
        let Ok(Some(last)) = oldest(&self.post.dir.log()) else { return };
        let age = SystemTime::now().duration_since(last).unwrap_or_default().as_secs_f64();
        let left = ((seconds - age) * SECOND as f64) as u64;
        let now = monotonic_nanos();
        let meanwhile = now.saturating_sub(self.care.began) as f64 / SECOND as f64;
        let wait = match left {
            // It became too old while the tool was at work.
            0 if age - meanwhile < seconds => PAUSE,
            // It could not be removed.
            0 => AGAIN,
            _ => left + PAUSE / 10,
        };
        let at = now.saturating_add(wait);
        self.care.at = Some(self.care.at.map_or(at, |sooner| sooner.min(at)));
    }

    /// Says once that closed log files are not cared for.
    fn care_failed(&mut self, why: &str) {
        if !std::mem::replace(&mut self.care.failure_said, true) {
            let key = self.record.key();
            let words = format!(
                "'fleet-logs --prune {key}' {why}; log files that were set aside stay as they are"
            );
            self.event("log_care_failed", words, json!({}));
        }
    }

    /// The run is over: what was set aside just now is cared for by a tool that lives on.
    pub(crate) fn care_at_last(&mut self) {
        let soon = monotonic_nanos() + PAUSE;
        if self.care_due().is_some_and(|at| at <= soon) {
            self.begin_care();
        }
    }
}
