//! Waiting until a folder changes: inotify(7), one instance for any number of folders.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::time::Duration;

use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify, WatchDescriptor};

use crate::pidfd::PidFd;

/// Watched folders, each under a number of the caller's choice.
///
/// An event is a hint to look, no more: events can be lost (the queue has a bound), so whoever
/// waits also looks now and then without one.
pub struct Watch {
    inotify: Option<Inotify>,
    tokens: HashMap<WatchDescriptor, u64>,
}

/// Which changes of a folder wake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Changes {
    /// Files that are written, made, renamed or removed in it.
    Contents,
    /// Files that are complete: renamed into it, or closed by who wrote them. What is printed into
    /// a FIFO of the folder wakes nobody, and costs who prints nothing.
    Completed,
}

impl Changes {
    fn flags(self) -> AddWatchFlags {
        let what = match self {
            Changes::Contents => {
                AddWatchFlags::IN_MODIFY | AddWatchFlags::IN_CREATE | AddWatchFlags::IN_DELETE
            }
            Changes::Completed => AddWatchFlags::IN_CLOSE_WRITE | AddWatchFlags::IN_DELETE_SELF,
        };
        what | AddWatchFlags::IN_MOVED_TO | AddWatchFlags::IN_ONLYDIR
    }
}

/// What ended a wait.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Woken {
    /// Folders in which something changed, with the name of what did.
    pub changed: Vec<(u64, OsString)>,
    /// Events were lost: look at everything.
    pub overflow: bool,
    /// The reader of the output that was watched, too, has left.
    pub reader_left: bool,
    /// Which of the processes that were watched, too, have ended.
    pub ended: Vec<usize>,
}

impl Watch {
    /// A watch over nothing. Where the system has no instance to spare (128 for each user) it
    /// wakes by time alone.
    pub fn new() -> Watch {
        let flags = InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC;
        Watch { inotify: Inotify::init(flags).ok(), tokens: HashMap::new() }
    }

    /// Whether changes wake it at all.
    pub fn works(&self) -> bool {
        self.inotify.is_some()
    }

    /// Watches a folder.
    ///
    /// # Errors
    /// The folder is not there, or the system watches as many as it can.
    pub fn add(&mut self, dir: &Path, what: Changes, token: u64) -> io::Result<()> {
        let Some(inotify) = &self.inotify else { return Err(Errno::EMFILE.into()) };
        self.tokens.insert(inotify.add_watch(dir, what.flags())?, token);
        Ok(())
    }

    /// Ends watching the folder of this number.
    pub fn remove(&mut self, token: u64) {
        let Some(inotify) = &self.inotify else { return };
        self.tokens.retain(|&watched, &mut of| {
            if of == token {
                // The kernel forgot it already where the folder was removed.
                let _ = inotify.rm_watch(watched);
            }
            of != token
        });
    }

    /// Sleeps until something changes, the reader of `output` leaves, one of `processes` ends, or
    /// the time is over.
    ///
    /// # Errors
    /// The kernel refuses to wait.
    pub fn wait(
        &mut self,
        most: Duration,
        output: Option<BorrowedFd<'_>>,
        processes: &[&PidFd],
    ) -> io::Result<Woken> {
        let most = PollTimeout::try_from(most).unwrap_or(PollTimeout::MAX);
        let mut fds: Vec<PollFd<'_>> = Vec::with_capacity(2 + processes.len());
        // Nothing is asked of it: what is reported all the same is an error or a hang-up.
        fds.extend(output.map(|fd| PollFd::new(fd, PollFlags::empty())));
        fds.extend(self.inotify.as_ref().map(|i| PollFd::new(i.as_fd(), PollFlags::POLLIN)));
        fds.extend(processes.iter().map(|p| PollFd::new(p.as_fd(), PollFlags::POLLIN)));
        match poll(&mut fds, most) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(e) => return Err(e.into()),
        }
        let left = |fd: &PollFd<'_>| fd.revents().is_some_and(|r| !r.is_empty());
        let reader_left = output.is_some() && fds.first().is_some_and(left);
        let processes = fds.split_off(fds.len() - processes.len());
        let ended = (0..processes.len()).filter(|&at| left(&processes[at])).collect();
        drop((fds, processes));
        let mut woken = self.take()?;
        (woken.reader_left, woken.ended) = (reader_left, ended);
        Ok(woken)
    }

    fn take(&mut self) -> io::Result<Woken> {
        let mut woken = Woken::default();
        let Some(inotify) = &self.inotify else { return Ok(woken) };
        loop {
            let events = match inotify.read_events() {
                Ok(events) => events,
                Err(Errno::EAGAIN) => break,
                Err(Errno::EINTR) => continue,
                Err(e) => return Err(e.into()),
            };
            for event in events {
                woken.overflow |= event.mask.contains(AddWatchFlags::IN_Q_OVERFLOW);
                let token = self.tokens.get(&event.wd).copied();
                if event.mask.contains(AddWatchFlags::IN_IGNORED) {
                    self.tokens.remove(&event.wd);
                }
                woken.changed.extend(token.map(|t| (t, event.name.unwrap_or_default())));
            }
        }
        woken.changed.sort_unstable();
        woken.changed.dedup();
        Ok(woken)
    }
}

impl Default for Watch {
    fn default() -> Watch {
        Watch::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn a_change_wakes_and_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let mut watch = Watch::new();
        assert!(watch.add(&dir.path().join("none"), Changes::Contents, 6).is_err());
        watch.add(dir.path(), Changes::Contents, 7).unwrap();
        std::fs::write(dir.path().join("x"), "y").unwrap();
        assert_eq!(watch.wait(LONG, None, &[]).unwrap().changed, [(7, "x".into())]);
        watch.remove(7);
        std::fs::write(dir.path().join("x"), "z").unwrap();
        assert!(watch.wait(Duration::ZERO, None, &[]).unwrap().changed.is_empty());
    }

    #[test]
    fn a_reader_that_leaves_wakes() {
        let (reader, writer) = std::io::pipe().unwrap();
        let mut watch = Watch::new();
        assert!(!watch.wait(Duration::ZERO, Some(writer.as_fd()), &[]).unwrap().reader_left);
        drop(reader);
        assert!(watch.wait(LONG, Some(writer.as_fd()), &[]).unwrap().reader_left);
    }

    #[test]
    fn a_fifo_wakes_only_who_asks_for_contents() {
        use std::io::Write;
        let dir = tempfile::tempdir().unwrap();
        let mut fifo = crate::open_fifo(&dir.path().join("fifo")).unwrap();
        let mut watch = Watch::new();
        watch.add(dir.path(), Changes::Completed, 1).unwrap();
        fifo.write_all(b"x").unwrap();
        assert!(watch.wait(Duration::ZERO, None, &[]).unwrap().changed.is_empty());
        std::fs::write(dir.path().join("new"), "y").unwrap();
        std::fs::rename(dir.path().join("new"), dir.path().join("old")).unwrap();
        let woken = watch.wait(LONG, None, &[]).unwrap();
        assert!(woken.changed.contains(&(1, "old".into())), "{woken:?}");
    }

    #[test]
    fn a_process_that_ends_wakes() {
        let mut child = std::process::Command::new("true").spawn().unwrap();
        let held = PidFd::open(child.id() as i32).unwrap();
        let since = std::time::Instant::now();
        let me = PidFd::open(std::process::id() as i32).unwrap();
        assert_eq!(Watch::new().wait(LONG, None, &[&me, &held]).unwrap().ended, [1]);
        assert!(since.elapsed() < LONG && held.has_exited());
        child.wait().unwrap();
    }
}
