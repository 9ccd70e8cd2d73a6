//! Connecting to where a process should listen, without waiting for it.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpStream};

use fleet_core::Address;
use fleet_os::begin_connect;

/// A connection that is being made.
#[derive(Debug)]
pub(crate) struct Connecting {
    pub(crate) stream: TcpStream,
    to: SocketAddr,
    /// Where to try next.
    next: Option<SocketAddr>,
    /// What the first try came to.
    first: Option<String>,
}

impl Connecting {
    /// Begins to connect.
    ///
    /// # Errors
    /// Words for why it cannot be reached.
    pub(crate) fn begin(address: &Address) -> Result<Connecting, String> {
        let (to, next) = places(address)?;
        match begin_connect(to) {
            Ok(stream) => Ok(Connecting { stream, to, next, first: None }),
            Err(e) => Connecting::at_next(next, words(&e, to)),
        }
    }

    /// Tries the next place; `first` is why the first one could not be reached.
    fn at_next(next: Option<SocketAddr>, first: String) -> Result<Connecting, String> {
        match next.map(|to| (to, begin_connect(to))) {
            Some((to, Ok(stream))) => Ok(Connecting { stream, to, next: None, first: Some(first) }),
            _ => Err(first),
        }
    }

    /// To be asked when the stream can be written: whether it is connected.
    ///
    /// # Errors
    /// Words for why it is not and never will be.
    pub(crate) fn is_connected(&mut self) -> Result<bool, String> {
        let error = self.stream.take_error().unwrap_or_else(Some).or_else(|| self.to_itself());
        let Some(error) = error else { return Ok(true) };
        let first = self.first.take().unwrap_or_else(|| words(&error, self.to));
        *self = Connecting::at_next(self.next.take(), first)?;
        Ok(false)
    }

    /// Where nobody listens, a socket whose own port was chosen to be just this one meets itself.
    fn to_itself(&self) -> Option<io::Error> {
        let own = self.stream.local_addr().ok()?;
        (own == self.to).then(|| io::ErrorKind::ConnectionRefused.into())
    }
}

/// Where an address leads: `localhost` to both families, the older one first.
fn places(address: &Address) -> Result<(SocketAddr, Option<SocketAddr>), String> {
    let at = |ip: IpAddr| SocketAddr::new(ip, address.port);
    if address.host == "localhost" {
        return Ok((at(Ipv4Addr::LOCALHOST.into()), Some(at(Ipv6Addr::LOCALHOST.into()))));
    }
    let ip = address.host.parse().map_err(|_| format!("'{}' is no address", address.host))?;
    Ok((at(ip), None))
}

/// `connection refused at 127.0.0.1:9555`.
fn words(error: &io::Error, to: SocketAddr) -> String {
    format!("{} at {to}", plain(error))
}

/// The system's words for an error, without its number and in lower case.
pub(crate) fn plain(error: &io::Error) -> String {
    let text = error.to_string();
    text.split(" (os error ").next().unwrap_or(&text).to_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn localhost_is_both_families() {
        let place = |host: &str| {
            places(&Address { host: host.to_owned(), port: 80 })
                .map(|(first, next)| (first.to_string(), next.map(|next| next.to_string())))
        };
        assert_eq!(place("localhost"), Ok(("127.0.0.1:80".into(), Some("[::1]:80".into()))));
        assert_eq!(place("::1"), Ok(("[::1]:80".into(), None)));
        assert!(place("example").is_err());
    }
}
