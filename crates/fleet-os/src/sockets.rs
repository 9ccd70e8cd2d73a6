//! Sockets: the forms of `/proc/<pid>/net/{tcp,tcp6,udp,udp6}` (proc_pid_net(5)) and of the links
//! that name them.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A protocol with its address family.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// TCP over IPv4.
    Tcp,
    /// TCP over IPv6, which may reach IPv4.
    Tcp6,
    /// UDP over IPv4.
    Udp,
    /// UDP over IPv6, which may reach IPv4.
    Udp6,
}

impl Protocol {
    pub(crate) const ALL: [Protocol; 4] =
        [Protocol::Tcp, Protocol::Tcp6, Protocol::Udp, Protocol::Udp6];

    /// The kernel's word for it.
    pub fn word(self) -> &'static str {
        match self {
            Protocol::Tcp => "tcp",
            Protocol::Tcp6 => "tcp6",
            Protocol::Udp => "udp",
            Protocol::Udp6 => "udp6",
        }
    }

    /// Whether it is TCP, which has connections.
    pub fn is_tcp(self) -> bool {
        matches!(self, Protocol::Tcp | Protocol::Tcp6)
    }

    pub(crate) fn is_ipv6(self) -> bool {
        matches!(self, Protocol::Tcp6 | Protocol::Udp6)
    }
}

/// How a socket is (linux/tcp_states.h). One of UDP is established when it has a fixed peer, and
/// closed when it has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the names are those of RFC 9293")]
pub enum SocketState {
    Established,
    SynSent,
    SynReceived,
    FinWait1,
    FinWait2,
    TimeWait,
    Closed,
    CloseWait,
    LastAck,
    Listening,
    Closing,
}

impl SocketState {
    fn of(code: u8) -> Option<SocketState> {
        Some(match code {
            1 => SocketState::Established,
            2 => SocketState::SynSent,
            // 12: the kernel's own, of a connection that is half open.
            3 | 12 => SocketState::SynReceived,
            4 => SocketState::FinWait1,
            5 => SocketState::FinWait2,
            6 => SocketState::TimeWait,
            7 => SocketState::Closed,
            8 => SocketState::CloseWait,
            9 => SocketState::LastAck,
            10 => SocketState::Listening,
            11 => SocketState::Closing,
            _ => return None,
        })
    }

    /// The word for it in records.
    pub fn word(self) -> &'static str {
        match self {
            SocketState::Established => "established",
            SocketState::SynSent => "syn_sent",
            SocketState::SynReceived => "syn_received",
            SocketState::FinWait1 => "fin_wait1",
            SocketState::FinWait2 => "fin_wait2",
            SocketState::TimeWait => "time_wait",
            SocketState::Closed => "closed",
            SocketState::CloseWait => "close_wait",
            SocketState::LastAck => "last_ack",
            SocketState::Listening => "listening",
            SocketState::Closing => "closing",
        }
    }
}

/// A socket of TCP or UDP.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Socket {
    /// What the descriptors that are open on it link to; 0 when nobody has it open any more.
    pub inode: u64,
    /// What it speaks.
    pub protocol: Protocol,
    /// How it is.
    pub state: SocketState,
    /// Its own end.
    pub local: SocketAddr,
    /// The other end; port 0 where there is none.
    pub remote: SocketAddr,
}

/// The inode in the link `socket:[4711]` of a descriptor.
pub(crate) fn socket_inode(link: &[u8]) -> Option<u64> {
    let number = link.strip_prefix(b"socket:[")?.strip_suffix(b"]")?;
    std::str::from_utf8(number).ok()?.parse().ok()
}

/// The sockets in the text of one of the files; lines of another form are passed over.
pub(crate) fn parse_sockets(protocol: Protocol, text: &[u8]) -> impl Iterator<Item = Socket> {
    text.split(|&b| b == b'\n').skip(1).filter_map(move |line| parse_line(protocol, line))
}

fn parse_line(protocol: Protocol, line: &[u8]) -> Option<Socket> {
    let mut fields = std::str::from_utf8(line).ok()?.split_ascii_whitespace();
    let local = address(fields.nth(1)?)?;
    let remote = address(fields.next()?)?;
    let state = SocketState::of(u8::from_str_radix(fields.next()?, 16).ok()?)?;
    let inode = fields.nth(5)?.parse().ok()?;
    Some(Socket { inode, protocol, state, local, remote })
}

/// An address as the kernel prints it: words of 32 bits, each in the order of this machine, then
/// the port.
fn address(text: &str) -> Option<SocketAddr> {
    let (host, port) = text.split_once(':')?;
    let port = u16::from_str_radix(port, 16).ok()?;
    let word = |at: usize| {
        let digits = host.get(at * 8..at * 8 + 8)?;
        Some(u32::from_str_radix(digits, 16).ok()?.to_ne_bytes())
    };
    let ip = match host.len() {
        8 => IpAddr::from(word(0)?),
        32 => {
            let mut octets = [0; 16];
            for (at, part) in octets.chunks_exact_mut(4).enumerate() {
                part.copy_from_slice(&word(at)?);
            }
            plain(Ipv6Addr::from(octets))
        }
        _ => return None,
    };
    Some(SocketAddr::new(ip, port))
}

/// An IPv4 address that an IPv6 socket reaches, as such.
fn plain(address: Ipv6Addr) -> IpAddr {
    address.to_ipv4_mapped().map_or(IpAddr::V6(address), |v4: Ipv4Addr| IpAddr::V4(v4))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const TCP: &[u8] = b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n   0: 00000000:07E8 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1069 1 000000007f6f05ed 100 0 0 10 0\n   1: 0100007F:C440 0100007F:0050 06 00000000:00000000 03:0000164A 00000000     0        0 0 3 00000000b75724e9\n";

    #[test]
    #[cfg(target_endian = "little")]
    fn the_kernels_own_lines_are_read() {
        let sockets: Vec<_> = parse_sockets(Protocol::Tcp, TCP).collect();
        assert_eq!((sockets[0].inode, sockets[0].state), (1069, SocketState::Listening));
        assert_eq!(sockets[0].local, "0.0.0.0:2024".parse().unwrap());
        assert_eq!(sockets[1].remote, "127.0.0.1:80".parse().unwrap());
        assert_eq!((sockets[1].inode, sockets[1].state), (0, SocketState::TimeWait));
        let v6 = address("0000000000000000FFFF00000100007F:0050");
        assert_eq!(v6, "127.0.0.1:80".parse().ok());
        let v6 = address("00000000000000000000000001000000:0050");
        assert_eq!(v6, "[::1]:80".parse().ok());
    }

    #[test]
    fn a_link_names_a_socket_or_something_else() {
        assert_eq!(socket_inode(b"socket:[4711]"), Some(4711));
        for other in ["pipe:[4711]", "socket:[x]", "/tmp/socket:[1]", "socket:["] {
            assert_eq!(socket_inode(other.as_bytes()), None, "{other}");
        }
    }

    proptest! {
        #[test]
        fn no_bytes_panic(bytes: Vec<u8>, text in "[0-9A-F: \\n]{0,200}") {
            for text in [&bytes[..], text.as_bytes()] {
                let _ = (socket_inode(text), parse_sockets(Protocol::Tcp6, text).count());
            }
        }
    }
}
