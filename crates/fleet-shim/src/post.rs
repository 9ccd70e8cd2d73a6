//! What shim and keeper hold together, and hand on.

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixDatagram;

use fleet_core::{RunKey, Spec};
use fleet_logfile::Stream;
use fleet_os::{Proc, open_fifo, resize_pipe, waiting};
use fleet_registry::{Home, RunDir, read_spec};
use nix::sys::eventfd::{EfdFlags, EventFd};

use crate::board::{BATCH, BATCH_AT, Board, Word};

/// A supervisor's place: everything that stays when the shim that fills it is replaced.
pub(crate) struct Post {
    pub(crate) home: Home,
    pub(crate) dir: RunDir,
    pub(crate) spec: Spec,
    pub(crate) board: Board,
    pub(crate) stdout: File,
    pub(crate) stderr: File,
    /// Where the process says sd_notify(3); absent where the home's path is too long.
    pub(crate) notify: Option<UnixDatagram>,
    /// Rung by the keeper when it has reaped a child.
    pub(crate) bell: EventFd,
    pub(crate) proc: Proc,
    /// Pid of the process that keeps watch over the shim.
    pub(crate) keeper: i32,
    pub(crate) boot: String,
    /// Held as long as a shim or keeper of this run lives.
    _lock: OwnedFd,
}

impl Post {
    /// Takes up the post of a run.
    pub(crate) fn open(home: Home, run: &RunKey, lock: OwnedFd) -> io::Result<Post> {
        let dir = home.run_of(run);
        let spec = read_spec(&dir)?;
        let stdout = open_fifo(&dir.stdout_fifo())?;
        let stderr = open_fifo(&dir.stderr_fifo())?;
        // An ordinary user may hold 16,384 pages in pipes (pipe(7)); beyond that every pipe of
        // that user shrinks. 20 pages each leave room for hundreds of processes, 5 for thousands.
        resize_pipe(&stderr, if spec.small_pipes { 4 << 10 } else { 16 << 10 });
        if spec.small_pipes {
            resize_pipe(&stdout, 16 << 10);
        }
        Ok(Post {
            notify: listen(&dir),
            bell: EventFd::from_flags(EfdFlags::EFD_CLOEXEC | EfdFlags::EFD_NONBLOCK)?,
            board: Board::new()?,
            proc: Proc::default(),
            keeper: 0,
            boot: fleet_os::boot_id()?,
            home,
            dir,
            spec,
            stdout,
            stderr,
            _lock: lock,
        })
    }

    fn pipe(&self, stream: Stream) -> &File {
        match stream {
            Stream::Stdout => &self.stdout,
            Stream::Stderr => &self.stderr,
        }
    }

    /// Whether anything waits in a stream's pipe.
    pub(crate) fn has_output(&self, stream: Stream) -> bool {
        waiting(self.pipe(stream)) > 0
    }

    /// Moves what waits in a stream's pipe into the shared memory, for the batch in flight.
    pub(crate) fn take_from_pipe(&mut self, stream: Stream) -> io::Result<usize> {
        let pipe = match stream {
            Stream::Stdout => &self.stdout,
            Stream::Stderr => &self.stderr,
        };
        let range = BATCH_AT..BATCH_AT + BATCH;
        self.board.shared.take_from_pipe(pipe, range, Word::Taken as usize)
    }

    /// Removes what only a living run needs.
    pub(crate) fn clear(&self) {
        if let Some(cgroup) = self.cgroup() {
            // Where a fleet within this one lives on in it, prune removes it later.
            let _ = cgroup.remove();
        }
        self.dir.remove_channels();
    }
}

fn listen(dir: &RunDir) -> Option<UnixDatagram> {
    let path = dir.notify_socket()?;
    // One that a dead supervisor left would refuse the name.
    let socket = UnixDatagram::bind(&path)
        .or_else(|_| fs::remove_file(&path).and_then(|()| UnixDatagram::bind(&path)))
        .ok()?;
    socket.set_nonblocking(true).ok()?;
    Some(socket)
}
