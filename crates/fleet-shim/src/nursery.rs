//! A supervisor that is forked before there is anything to supervise.
//!
//! To execute a program costs more than all else that a spawn does, and a program that has parsed
//! its arguments has touched memory that its children would carry along. So fleet-spawn forks its
//! supervisor as its very first act: a small, idle copy that waits for an order, or for the news
//! that there will be none.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, IoSliceMut, Read};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use fleet_core::{Id, RunKey};
use fleet_os::{close_from, fork, leave_now, take_place};
use fleet_registry::Home;
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg,
};

use crate::serve;

/// Descriptors that a waiting supervisor keeps: standard ones, and its end of the socket.
const SOCKET: RawFd = 3;
/// Longest order: a path, an id and a number.
const MAX_ORDER: usize = 8192;

/// A waiting supervisor, as its parent holds it. Dropped without an order, it ends.
#[derive(Debug)]
pub struct Nursery {
    socket: UnixStream,
}

impl Nursery {
    /// Forks a supervisor that waits. To be called first thing in `main`, while the program has
    /// one thread and little memory.
    ///
    /// # Errors
    /// No process or socket is to be had.
    pub fn open() -> io::Result<Nursery> {
        let (ours, theirs) = UnixStream::pair()?;
        match fork()? {
            Some(_) => Ok(Nursery { socket: ours }),
            None => {
                drop(ours);
                // Whatever happens here must not fall back into the caller's program.
                leave_now(attend(theirs).unwrap_or(2))
            }
        }
    }

    /// Orders it to supervise a run, and hands it the run's lock.
    ///
    /// # Errors
    /// It was killed.
    pub fn order(&self, home: &Home, run: &RunKey, lock: &File) -> io::Result<()> {
        let mut order = home.path().as_os_str().as_bytes().to_vec();
        order.extend_from_slice(format!("\0{}\0{}", run.id, run.run).as_bytes());
        let descriptors = [lock.as_raw_fd()];
        let passed = [ControlMessage::ScmRights(&descriptors)];
        let parts = [IoSlice::new(&order)];
        let flags = MsgFlags::MSG_NOSIGNAL;
        sendmsg::<()>(self.socket.as_raw_fd(), &parts, &passed, flags, None)?;
        Ok(())
    }

    /// Where it answers with one line, `ok PID` or `err STATUS WORDS`.
    pub fn answer(self) -> impl Read {
        self.socket
    }
}

/// The child's part: lets go of everything of its parent's, waits for the order, and serves.
fn attend(socket: UnixStream) -> io::Result<i32> {
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    let null = null.as_fd();
    let socket = take_place(&[null, null, null, socket.as_fd()], SOCKET)?;
    close_from(SOCKET as u32 + 1);
    let _ = nix::unistd::setsid();
    let Some((home, run, lock)) = receive(&socket)? else { return Ok(0) };
    Ok(serve(home, &run, lock, Some(File::from(socket)), false))
}

/// The order, or nothing if the parent ended without one.
fn receive(socket: &OwnedFd) -> io::Result<Option<(Home, RunKey, OwnedFd)>> {
    let mut bytes = vec![0; MAX_ORDER];
    let mut control = nix::cmsg_space!([RawFd; 1]);
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let fd = socket.as_raw_fd();
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<SockaddrStorage>(fd, &mut parts, Some(&mut control), flags)?;
    let length = message.bytes;
    let lock = message.cmsgs()?.find_map(|passed| match passed {
        ControlMessageOwned::ScmRights(fds) => fds.first().copied(),
        _ => None,
    });
    let mut fields = bytes[..length].splitn(3, |&b| b == 0);
    let home = fields.next().filter(|home| !home.is_empty());
    let text = |field: Option<&[u8]>| std::str::from_utf8(field?).ok().map(str::to_owned);
    let id: Option<Id> = text(fields.next()).and_then(|id| id.parse().ok());
    let run: Option<u32> = text(fields.next()).and_then(|run| run.parse().ok());
    let (Some(home), Some(id), Some(run), Some(lock)) = (home, id, run, lock) else {
        return Ok(None);
    };
    let home = Home::at(PathBuf::from(std::ffi::OsString::from_vec(home.to_vec())));
    Ok(Some((home, RunKey { id, run }, fleet_os::received(lock))))
}
