//! Looking at processes, and at strangers that no fleet must touch.

use std::fs;
use std::process::{Child, Command};

use fleet_core::{Incarnation, Signal};
use fleet_os::{PidFd, Proc, incarnation};

/// Whether a process lives; a zombie does not.
pub fn is_living(pid: i32) -> bool {
    Proc::default().stat(pid).is_ok_and(|stat| !stat.is_dead())
}

/// Sends a signal; nobody there is no error.
pub fn kill(pid: i32, signal: Signal) {
    if let Ok(held) = PidFd::open(pid) {
        let _ = held.signal(signal);
    }
}

/// One line of `/proc/<pid>/status`, without its name.
///
/// # Panics
/// The process is gone.
pub fn status_field(pid: i32, name: &str) -> String {
    let text = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    line.unwrap_or_default().trim().to_owned()
}

/// Ticks of processor time that a process has used.
///
/// # Panics
/// The process is gone.
pub fn cpu_ticks(pid: i32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let (_, rest) = text.rsplit_once(") ").unwrap();
    let fields: Vec<&str> = rest.split(' ').collect();
    // Fields 14 and 15 of proc_pid_stat(5), counted from the third.
    fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
}

/// A process that belongs to no fleet; it ends with this value.
pub struct Stranger(Child);

impl Stranger {
    /// Starts one that does nothing for long.
    ///
    /// # Panics
    /// It cannot be started.
    #[allow(clippy::new_without_default, reason = "it starts a process")]
    pub fn new() -> Stranger {
        Stranger(Command::new("sleep").arg("600").env_clear().spawn().unwrap())
    }

    /// Who it is to the kernel.
    ///
    /// # Panics
    /// It was ended by somebody.
    pub fn who(&self) -> Incarnation {
        incarnation(self.0.id() as i32).unwrap()
    }

    /// Whether nobody ended it.
    pub fn lives(&self) -> bool {
        is_living(self.0.id() as i32)
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
