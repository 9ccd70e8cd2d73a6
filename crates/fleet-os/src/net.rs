//! Connecting without waiting.

use std::io;
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;

use nix::errno::Errno;
use nix::sys::socket::{
    AddressFamily, SockFlag, SockProtocol, SockType, SockaddrStorage, connect, socket,
};

/// Begins to connect. The stream never waits; once it can be written, `TcpStream::take_error`
/// tells whether it is connected (connect(2), `EINPROGRESS`).
///
/// # Errors
/// Out of descriptors, or it is known at once that the place cannot be reached.
pub fn begin_connect(to: SocketAddr) -> io::Result<TcpStream> {
    let family = if to.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 };
    let flags = SockFlag::SOCK_NONBLOCK | SockFlag::SOCK_CLOEXEC;
    let socket = socket(family, SockType::Stream, flags, SockProtocol::Tcp)?;
    match connect(socket.as_raw_fd(), &SockaddrStorage::from(to)) {
        Ok(()) | Err(Errno::EINPROGRESS) => Ok(TcpStream::from(socket)),
        Err(errno) => Err(errno.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
    use std::net::TcpListener;
    use std::os::fd::AsFd;

    /// The answer to a connection, once it is there.
    fn outcome(to: SocketAddr) -> io::Result<()> {
        let stream = begin_connect(to)?;
        let mut fds = [PollFd::new(stream.as_fd(), PollFlags::POLLOUT)];
        assert_eq!(poll(&mut fds, PollTimeout::from(10_000u16)).unwrap(), 1);
        stream.take_error()?.map_or(Ok(()), Err)
    }

    #[test]
    fn a_listener_is_reached_and_nobody_is_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        outcome(address).unwrap();
        drop(listener);
        assert_eq!(outcome(address).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    }
}
