//! Reserving ports.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, Ipv6Addr, TcpListener};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::str::FromStr;

use fleet_core::Id;

/// Which ports are wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ports {
    /// This one.
    Exactly(u16),
    /// So many free ones in a row.
    Auto(u16),
}

/// Where free ports are looked for, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PortRange {
    first: u16,
    last: u16,
}

impl Default for PortRange {
    fn default() -> PortRange {
        PortRange { first: 9555, last: 9999 }
    }
}

impl FromStr for Ports {
    type Err = String;

    fn from_str(text: &str) -> Result<Ports, String> {
        let usage = || format!("{text:?} is no port; write a number, auto, or auto:5");
        let ports = match text.strip_prefix("auto") {
            Some("") => Ports::Auto(1),
            Some(count) => {
                let count = count.strip_prefix(':').ok_or_else(usage)?;
                Ports::Auto(count.parse().map_err(|_| usage())?)
            }
            None => Ports::Exactly(text.parse().map_err(|_| usage())?),
        };
        if matches!(ports, Ports::Exactly(0) | Ports::Auto(0)) { Err(usage()) } else { Ok(ports) }
    }
}

impl FromStr for PortRange {
    type Err = String;

    fn from_str(text: &str) -> Result<PortRange, String> {
        let usage = || format!("{text:?} is no range of ports; write 9555-9999");
        let (first, last) = text.split_once('-').ok_or_else(usage)?;
        let number = |part: &str| part.parse().map_err(|_| usage());
        let range = PortRange { first: number(first)?, last: number(last)? };
        if range.first == 0 || range.first > range.last { Err(usage()) } else { Ok(range) }
    }
}

/// Chooses the ports: none of those that are `reserved`, by whom is said there, and none that is
/// in use on this host. Call it under the registry's lock.
///
/// # Errors
/// A sentence: the port is taken, and by whom, or the range has too few.
pub(crate) fn choose(
    wanted: Ports,
    range: PortRange,
    reserved: &HashMap<u16, Id>,
) -> Result<Vec<u16>, String> {
    match wanted {
        Ports::Exactly(port) => {
            if let Some(owner) = reserved.get(&port) {
                return Err(format!("port {port} is reserved by '{owner}'"));
            }
            if !is_free(port) {
                return Err(format!("port {port} is in use by a program outside the fleet"));
            }
            Ok(vec![port])
        }
        Ports::Auto(count) => {
            let free = |port: u16| !reserved.contains_key(&port) && is_free(port);
            free_block(range, count, free).ok_or_else(|| {
                format!("no {count} free ports in a row from {} to {}", range.first, range.last)
            })
        }
    }
}

/// The lowest block of free ports, looking at each port once.
fn free_block(range: PortRange, count: u16, free: impl Fn(u16) -> bool) -> Option<Vec<u16>> {
    let mut block = Vec::new();
    for port in range.first..=range.last {
        if free(port) {
            block.push(port);
        } else {
            block.clear();
        }
        if block.len() == usize::from(count) {
            return Some(block);
        }
    }
    None
}

/// Tries the port on all addresses of both families; a family that the host lacks says nothing.
fn is_free(port: u16) -> bool {
    let taken = |bound: std::io::Result<TcpListener>| {
        bound.is_err_and(|e| matches!(e.kind(), ErrorKind::AddrInUse | ErrorKind::PermissionDenied))
    };
    !taken(TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)))
        && !taken(TcpListener::bind((Ipv6Addr::UNSPECIFIED, port)))
}

/// The argument with `{port}`, `{port1}` … replaced; any other brace stays as it is.
pub(crate) fn fill_in(argument: &OsStr, ports: &[u16]) -> OsString {
    let mut text = argument.as_bytes().to_vec();
    for (at, port) in ports.iter().enumerate() {
        let name = if at == 0 { "{port}".to_owned() } else { format!("{{port{at}}}") };
        text = replace(&text, name.as_bytes(), port.to_string().as_bytes());
    }
    OsString::from_vec(text)
}

/// The text with each occurrence of a placeholder replaced.
pub(crate) fn replace(text: &[u8], from: &[u8], to: &[u8]) -> Vec<u8> {
    let mut replaced = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.windows(from.len()).position(|window| window == from) {
        replaced.extend_from_slice(&rest[..at]);
        replaced.extend_from_slice(to);
        rest = &rest[at + from.len()..];
    }
    replaced.extend_from_slice(rest);
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_as_typed() {
        assert_eq!("9600".parse(), Ok(Ports::Exactly(9600)));
        assert_eq!("auto".parse(), Ok(Ports::Auto(1)));
        assert_eq!("auto:5".parse(), Ok(Ports::Auto(5)));
        for text in ["", "0", "70000", "auto:", "auto:0", "autox", "-1"] {
            assert!(text.parse::<Ports>().is_err(), "{text}");
        }
        for text in ["", "1", "9-1", "0-5", "a-b"] {
            assert!(text.parse::<PortRange>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_block_skips_what_is_taken() {
        let range = "10-20".parse().unwrap();
        let free = |port| port != 12 && port != 15;
        assert_eq!(free_block(range, 2, free), Some(vec![10, 11]));
        assert_eq!(free_block(range, 5, free), Some(vec![16, 17, 18, 19, 20]));
        assert_eq!(free_block(range, 6, free), None);
    }

    #[test]
    fn a_port_in_use_is_not_free() {
        let held = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        assert!(!is_free(held.local_addr().unwrap().port()));
    }

    #[test]
    fn placeholders_are_filled_in() {
        let ports = [9555, 9556];
        assert_eq!(fill_in("-p{port}:{port1}{port2}{x}".as_ref(), &ports), "-p9555:9556{port2}{x}");
    }
}
