//! Reading /proc: one process at a time, by number, never a scan.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use fleet_core::Incarnation;

/// A /proc file system. Tests build a small one in a folder.
#[derive(Clone, Debug)]
pub struct Proc(PathBuf);

impl Default for Proc {
    fn default() -> Proc {
        Proc(PathBuf::from("/proc"))
    }
}

/// What proc_pid_stat(5) says, as far as fleet asks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stat {
    /// Process id.
    pub pid: i32,
    /// State letter: `R` running, `S` sleeping, `D` in the kernel, `T` stopped, `Z` zombie …
    pub state: char,
    /// Parent.
    pub ppid: i32,
    /// Process group.
    pub group: i32,
    /// Session.
    pub session: i32,
    /// CPU ticks in user mode.
    pub user_ticks: u64,
    /// CPU ticks in the kernel.
    pub system_ticks: u64,
    /// CPU ticks in user mode of children that were waited for.
    pub children_user_ticks: u64,
    /// CPU ticks in the kernel of children that were waited for.
    pub children_system_ticks: u64,
    /// Page faults that needed no storage.
    pub minor_faults: u64,
    /// The same of children that were waited for.
    pub children_minor_faults: u64,
    /// Page faults that waited for storage.
    pub major_faults: u64,
    /// The same of children that were waited for.
    pub children_major_faults: u64,
    /// Nice value, -20 to 19.
    pub nice: i64,
    /// Number of threads.
    pub threads: u64,
    /// Clock ticks from boot to its start.
    pub start: u64,
}

impl Stat {
    /// Whether it is dead, be it reaped or not; threads of it besides the first may still run.
    pub fn is_dead(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }

    /// Whether it is stopped, by a signal or by a debugger.
    pub fn is_stopped(&self) -> bool {
        matches!(self.state, 'T' | 't')
    }
}

impl Proc {
    /// A /proc at another place.
    pub fn at(root: impl Into<PathBuf>) -> Proc {
        Proc(root.into())
    }

    /// The root of it.
    pub fn root(&self) -> &Path {
        &self.0
    }

    /// The path of a file of a process.
    pub fn path(&self, pid: i32, file: &str) -> PathBuf {
        self.0.join(format!("{pid}/{file}"))
    }

    /// Reads `/proc/<pid>/stat`.
    ///
    /// # Errors
    /// There is no such process, or the kernel's answer has another form than proc_pid_stat(5).
    pub fn stat(&self, pid: i32) -> io::Result<Stat> {
        let text = fs::read(self.path(pid, "stat"))?;
        parse_stat(&text).ok_or_else(|| {
            io::Error::new(io::ErrorKind::InvalidData, format!("cannot read /proc/{pid}/stat"))
        })
    }

    /// Whether exactly this process lives. Between the answer and its use the pid may be used
    /// anew: to signal, take hold by [`crate::PidFd::of`].
    pub fn is_living(&self, who: Incarnation) -> bool {
        self.stat(who.pid).is_ok_and(|stat| stat.start == who.start && !stat.is_dead())
    }

    /// The children of a process, from its main thread's and other threads' `children` files
    /// (kernels with CONFIG_PROC_CHILDREN, which all distributions set).
    ///
    /// # Errors
    /// There is no such process, or this kernel has no such file.
    pub fn children(&self, pid: i32) -> io::Result<Vec<i32>> {
        let mut children = Vec::new();
        for task in fs::read_dir(self.path(pid, "task"))? {
            let text = fs::read_to_string(task?.path().join("children"))?;
            children.extend(text.split_ascii_whitespace().filter_map(|n| n.parse::<i32>().ok()));
        }
        Ok(children)
    }
}

/// The command name stands in parentheses and may itself hold any byte, so the fields are counted
/// from the last `)`.
pub(crate) fn parse_stat(text: &[u8]) -> Option<Stat> {
    let open = text.iter().position(|&b| b == b'(')?;
    let close = text.iter().rposition(|&b| b == b')')?;
    let pid = std::str::from_utf8(&text[..open]).ok()?.trim().parse().ok()?;
    let fields = std::str::from_utf8(text.get(close + 1..)?).ok()?;
    // Field 3 of the manual page is the first one here.
    let mut found = [""; 20];
    for (slot, field) in found.iter_mut().zip(fields.split_ascii_whitespace()) {
        *slot = field;
    }
    let field = |number: usize| found.get(number - 3).copied();
    let ticks = |number: usize| field(number)?.parse::<u64>().ok();
    Some(Stat {
        pid,
        state: field(3)?.chars().next()?,
        ppid: field(4)?.parse().ok()?,
        group: field(5)?.parse().ok()?,
        session: field(6)?.parse().ok()?,
        minor_faults: ticks(10)?,
        children_minor_faults: ticks(11)?,
        major_faults: ticks(12)?,
        children_major_faults: ticks(13)?,
        user_ticks: ticks(14)?,
        system_ticks: ticks(15)?,
        children_user_ticks: ticks(16)?,
        children_system_ticks: ticks(17)?,
        nice: field(19)?.parse().ok()?,
        threads: ticks(20)?,
        start: ticks(22)?,
    })
}

/// The command name in the text of proc_pid_stat(5): at most 15 bytes, of any value.
pub(crate) fn parse_name(text: &[u8]) -> Option<&[u8]> {
    let open = text.iter().position(|&b| b == b'(')?;
    let close = text.iter().rposition(|&b| b == b')')?;
    text.get(open + 1..close)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_command_name_does_not_shift_the_fields() {
        let line = b"42 (a) R 1 (b) S 7 42 41 0 -1 4194560 1 2 3 4 10 20 30 40 20 0 5 0 777 9 9";
        let stat = parse_stat(line).unwrap();
        assert_eq!((stat.pid, stat.state, stat.ppid, stat.session), (42, 'S', 7, 41));
        assert_eq!((stat.user_ticks, stat.children_system_ticks), (10, 40));
        assert_eq!((stat.threads, stat.start), (5, 777));
        assert_eq!((stat.minor_faults, stat.children_major_faults, stat.nice), (1, 4, 0));
        assert_eq!(parse_name(line), Some(&b"a) R 1 (b"[..]));
    }

    #[test]
    fn torn_text_is_no_stat() {
        for text in ["", "42", "42 (a)", "42 (a) S 7", ") 42 ("] {
            assert_eq!(parse_stat(text.as_bytes()), None, "{text}");
            let _ = parse_name(text.as_bytes());
        }
    }

    #[test]
    fn this_process_is_its_own_witness() {
        let me = std::process::id() as i32;
        let stat = Proc::default().stat(me).unwrap();
        assert_eq!(stat.pid, me);
        assert!(stat.start > 0);
    }
}
