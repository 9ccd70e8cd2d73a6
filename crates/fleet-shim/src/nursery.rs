//! A supervisor that is forked before there is anything to supervise.
//!
//! To execute a program costs more than all else that a spawn does, and a program that has parsed
//! its arguments has touched memory that its children would carry along. So fleet-spawn forks its
//! supervisor as its very first act: a small, idle copy that waits for an order, or for the news
//! that there will be none.

use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, IoSliceMut, PipeReader};
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::PathBuf;

use fleet_core::{Id, RunKey};
use fleet_os::{close_from, fork, leave_now, take_place};
use fleet_registry::Home;
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType,
    SockaddrStorage, recvmsg, sendmsg, socketpair,
};

use crate::serve;

/// Descriptors that a waiting supervisor keeps: standard ones, and its end of the socket.
const SOCKET: RawFd = 3;
/// Longest order: a path, an id and a number.
const MAX_ORDER: usize = 8192;

/// A waiting supervisor, as its parent holds it. Dropped without an order, it ends.
#[derive(Debug)]
pub struct Nursery {
    socket: OwnedFd,
}

impl Nursery {
    /// Forks a supervisor that waits. To be called first thing in `main`, while the program has
    /// one thread and little memory.
    ///
    /// # Errors
    /// No process or socket is to be had.
    pub fn open() -> io::Result<Nursery> {
        // Each order is a message of its own.
        let (kind, flags) = (SockType::SeqPacket, SockFlag::SOCK_CLOEXEC);
        let (ours, theirs) = socketpair(AddressFamily::Unix, kind, None, flags)?;
        match fork()? {
            Some(_) => Ok(Nursery { socket: ours }),
            None => {
                drop(ours);
                // Whatever happens here must not fall back into the caller's program.
                leave_now(attend(theirs).unwrap_or(2))
            }
        }
    }

    /// Orders it to supervise a run, and hands it the run's lock. Unless this is the `last` order
    /// it forks again for the work, so that it can take others.
    ///
    /// Returns where one line will say how the first attempt went: `ok PID`, `queued` or
    /// `err STATUS WORDS`.
    ///
    /// # Errors
    /// It was killed.
    pub fn order(
        &self,
        home: &Home,
        run: &RunKey,
        lock: &File,
        last: bool,
    ) -> io::Result<PipeReader> {
        let (answer, report) = io::pipe()?;
        let mut order = home.path().as_os_str().as_bytes().to_vec();
        order.extend_from_slice(format!("\0{}\0{}\0{last}", run.id, run.run).as_bytes());
        let descriptors = [lock.as_raw_fd(), report.as_raw_fd()];
        let passed = [ControlMessage::ScmRights(&descriptors)];
        let parts = [IoSlice::new(&order)];
        let flags = MsgFlags::MSG_NOSIGNAL;
        sendmsg::<()>(self.socket.as_raw_fd(), &parts, &passed, flags, None)?;
        Ok(answer)
    }
}

/// What a supervisor is to do.
struct Order {
    home: Home,
    run: RunKey,
    lock: OwnedFd,
    report: OwnedFd,
    last: bool,
}

/// The child's part: lets go of everything of its parent's, waits for orders, and serves.
fn attend(socket: OwnedFd) -> io::Result<i32> {
    let null = OpenOptions::new().read(true).write(true).open("/dev/null")?;
    let null = null.as_fd();
    let socket = take_place(&[null, null, null, socket.as_fd()], SOCKET)?;
    close_from(SOCKET as u32 + 1);
    let _ = nix::unistd::setsid();
    while let Some(order) = receive(&socket)? {
        if !order.last {
            if fork()?.is_some() {
                continue;
            }
            let _ = nix::unistd::setsid();
        }
        drop(socket);
        let Order { home, run, lock, report, .. } = order;
        return Ok(serve(home, &run, lock, Some(File::from(report)), false));
    }
    Ok(0)
}

/// The next order, or nothing if the parent has no more.
fn receive(socket: &OwnedFd) -> io::Result<Option<Order>> {
    let mut bytes = vec![0; MAX_ORDER];
    let mut control = nix::cmsg_space!([RawFd; 2]);
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let fd = socket.as_raw_fd();
    let flags = MsgFlags::MSG_CMSG_CLOEXEC;
    let message = recvmsg::<SockaddrStorage>(fd, &mut parts, Some(&mut control), flags)?;
    let length = message.bytes;
    let mut passed = message.cmsgs()?.flat_map(|passed| match passed {
        ControlMessageOwned::ScmRights(fds) => fds,
        _ => Vec::new(),
    });
    let (lock, report) = (passed.next(), passed.next());
    let mut fields = bytes[..length].splitn(4, |&b| b == 0);
    let home = fields.next().filter(|home| !home.is_empty());
    let text = |field: Option<&[u8]>| std::str::from_utf8(field?).ok().map(str::to_owned);
    let id: Option<Id> = text(fields.next()).and_then(|id| id.parse().ok());
    let run: Option<u32> = text(fields.next()).and_then(|run| run.parse().ok());
    let last: Option<bool> = text(fields.next()).and_then(|last| last.parse().ok());
    let (Some(home), Some(id), Some(run), Some(last)) = (home, id, run, last) else {
        return Ok(None);
    };
    let (Some(lock), Some(report)) = (lock, report) else { return Ok(None) };
    let home = Home::at(PathBuf::from(std::ffi::OsString::from_vec(home.to_vec())));
    let (lock, report) = (fleet_os::received(lock), fleet_os::received(report));
    Ok(Some(Order { home, run: RunKey { id, run }, lock, report, last }))
}
