//! Where a health check asks: addresses and URLs, as they are typed.

use std::marker::PhantomData;
use std::net::IpAddr;
use std::process::Command;
use std::str::FromStr;

use fleet_cli::{Exit, Failure};
use fleet_core::Address;
use schemars::{Schema, json_schema};

use crate::ports;
use crate::wish::Form;

/// The host that is meant where none is said.
const LOCALHOST: &str = "localhost";

/// A text that is read once ports are put in for `{port}`, `{port1}` …
#[derive(Clone, Debug)]
pub struct WithPorts<T> {
    text: String,
    meaning: PhantomData<T>,
}

impl Form for WithPorts<Place> {
    fn form() -> Schema {
        json_schema!({ "type": ["string", "integer"], "examples": ["{port}", 8080, "db:5432"] })
    }
}

impl Form for WithPorts<Url> {
    fn form() -> Schema {
        let url = "http://localhost:{port}/health";
        json_schema!({ "type": "string", "pattern": "^http://", "examples": [url] })
    }
}

impl<T: FromStr<Err = String>> FromStr for WithPorts<T> {
    type Err = String;

    fn from_str(text: &str) -> Result<WithPorts<T>, String> {
        let read = WithPorts { text: text.to_owned(), meaning: PhantomData };
        ports::filled_for_trial(text).parse::<T>().map(|_| read)
    }
}

impl<T: FromStr<Err = String>> WithPorts<T> {
    /// What it means, whatever the ports will be.
    ///
    /// # Errors
    /// It means nothing.
    pub(crate) fn trial(&self) -> Result<T, Failure> {
        ports::filled_for_trial(&self.text).parse().map_err(refused)
    }

    /// What it means with these ports.
    ///
    /// # Errors
    /// A `{port}` is left, or what comes out means nothing.
    pub(crate) fn with(&self, ports: &[u16]) -> Result<T, Failure> {
        let text = ports::fill_text(&self.text, ports);
        ports::refuse_left_over("the health check", &text)?;
        text.parse().map_err(refused)
    }
}

fn refused(words: String) -> Failure {
    Failure::new(Exit::CouldNot, words)
}

/// A host and a port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// A name or an address.
    pub host: String,
    /// The port.
    pub port: u16,
}

impl FromStr for Place {
    type Err = String;

    fn from_str(text: &str) -> Result<Place, String> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host_of(host, text)?, port),
            None => (LOCALHOST.to_owned(), text),
        };
        Ok(Place { host, port: port_of(port, text)? })
    }
}

impl Place {
    /// Finds the address of the host: names are looked up once, here.
    ///
    /// # Errors
    /// There is none.
    pub(crate) fn locate(&self) -> Result<Located, Failure> {
        if self.host == LOCALHOST || self.host.parse::<IpAddr>().is_ok() {
            return Ok(Located { host: self.host.clone() });
        }
        match look_up(&self.host) {
            Ok(host) => Ok(Located { host }),
            Err(why) => {
                let words = format!(
                    "cannot find the address of '{}' for the health check: {why}",
                    self.host
                );
                Err(refused(words).hint("say an address instead of the name"))
            }
        }
    }
}

/// The first address of a name, by getent(1): a static program cannot load the name services that
/// this system uses (nss(5)).
fn look_up(name: &str) -> Result<String, String> {
    let asked = Command::new("getent").args(["ahosts", name]).output();
    let output = asked.map_err(|e| format!("getent cannot be run: {e}"))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let first = text.split_whitespace().next().filter(|ip| ip.parse::<IpAddr>().is_ok());
    first.map(str::to_owned).ok_or_else(|| "no name service knows it".to_owned())
}

/// A host whose address is known.
#[derive(Clone, Debug, Default)]
pub(crate) struct Located {
    host: String,
}

impl Located {
    pub(crate) fn address(&self, port: u16) -> Address {
        Address { host: self.host.clone(), port }
    }
}

/// A host without the brackets of an IPv6 address.
fn host_of(text: &str, whole: &str) -> Result<String, String> {
    if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let is_v6 = inner.parse::<std::net::Ipv6Addr>().is_ok();
        return is_v6.then(|| inner.to_owned()).ok_or_else(|| no_place(whole));
    }
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let is_name = !text.is_empty() && text.chars().all(fits);
    if is_name { Ok(text.to_ascii_lowercase()) } else { Err(no_place(whole)) }
}

fn port_of(text: &str, whole: &str) -> Result<u16, String> {
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|&port| digits && port > 0).ok_or_else(|| no_place(whole))
}

fn no_place(text: &str) -> String {
    format!("{text:?} is no place to ask; write PORT, HOST:PORT or [IPV6]:PORT")
}

/// An `http://` URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Url {
    /// Who is asked.
    pub place: Place,
    /// Host and port as they were written.
    pub authority: String,
    /// Path and query, beginning with a slash.
    pub path: String,
}

impl FromStr for Url {
    type Err = String;

    fn from_str(text: &str) -> Result<Url, String> {
        let (scheme, rest) = text
            .split_once("://")
            .ok_or_else(|| format!("{text:?} is no URL; write http://HOST:PORT/PATH"))?;
        match scheme.to_ascii_lowercase().as_str() {
            "http" => {}
            "https" => {
                return Err(format!(
                    "{text:?}: a supervisor asks by http only; write --health-exec 'curl -fsS {text}'"
                ));
            }
            _ => return Err(format!("{text:?}: only http:// can be asked")),
        }
        let rest = rest.split('#').next().unwrap_or_default();
        let end = rest.find(['/', '?']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if let Some(bad) = path.chars().find(|c| !c.is_ascii_graphic()) {
            return Err(format!("{text:?}: {bad:?} cannot stand in a path; write it as %XX"));
        }
        let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
        Ok(Url { place: place_of(authority, text)?, authority: authority.to_owned(), path })
    }
}

/// The place of an authority; without a port, 80.
fn place_of(authority: &str, text: &str) -> Result<Place, String> {
    if authority.contains('@') {
        return Err(format!("{text:?}: a user cannot be sent; use --health-exec with curl"));
    }
    let has_port = !authority.ends_with(']') && authority.contains(':');
    let place = match has_port {
        true => authority.parse::<Place>(),
        false => host_of(authority, text).map(|host| Place { host, port: 80 }),
    };
    place.map_err(|_| format!("{text:?} names no host; write http://HOST:PORT/PATH"))
}

/// Which statuses are good, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Status {
    /// The lowest.
    pub first: u16,
    /// The highest.
    pub last: u16,
}

impl Form for Status {
    fn form() -> Schema {
        json_schema!({
            "type": ["integer", "string"],
            "pattern": "^[1-9][0-9]{2}(-[1-9][0-9]{2})?$",
            "examples": [200, "200-299"],
        })
    }
}

impl Default for Status {
    fn default() -> Status {
        Status { first: 200, last: 399 }
    }
}

impl FromStr for Status {
    type Err = String;

    fn from_str(text: &str) -> Result<Status, String> {
        let (first, last) = text.split_once('-').unwrap_or((text, text));
        let number = |part: &str| {
            let digits = part.len() == 3 && part.bytes().all(|b| b.is_ascii_digit());
            part.parse::<u16>().ok().filter(|status| digits && *status >= 100)
        };
        match (number(first), number(last)) {
            (Some(first), Some(last)) if first <= last => Ok(Status { first, last }),
            _ => Err(format!("{text:?} is no status; write 200, or 200-299")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn url(text: &str) -> Result<(String, u16, String, String), String> {
        let url: Url = text.parse()?;
        Ok((url.place.host, url.place.port, url.authority, url.path))
    }

    #[test]
    fn places_as_typed() {
        let place = |text: &str| text.parse::<Place>().map(|place| (place.host, place.port));
        assert_eq!(place("80"), Ok(("localhost".into(), 80)));
        assert_eq!(place("db.Example:5432"), Ok(("db.example".into(), 5432)));
        assert_eq!(place("[::1]:80"), Ok(("::1".into(), 80)));
        for text in ["", "0", "70000", "a:", ":80", "::1:80", "a b:80", "[a]:80", "+80", "a:+80"] {
            assert!(place(text).is_err(), "{text}");
        }
    }

    #[test]
    fn urls_as_typed() {
        let whole = ("a".into(), 81, "a:81".into(), "/b?c=d".into());
        assert_eq!(url("http://a:81/b?c=d#e"), Ok(whole));
        assert_eq!(url("HTTP://[::1]"), Ok(("::1".into(), 80, "[::1]".into(), "/".into())));
        assert_eq!(url("http://a?b"), Ok(("a".into(), 80, "a".into(), "/?b".into())));
        for text in [
            "",
            "a",
            "http://",
            "http:///x",
            "ftp://a",
            "http://a:b",
            "http://u@a",
            "http://a/b c",
            "http://a/\r\nX: y",
            "http://a:80:80/",
        ] {
            assert!(url(text).is_err(), "{text}");
        }
        assert!(url("https://a/b").unwrap_err().contains("--health-exec 'curl -fsS https://a/b'"));
    }

    #[test]
    fn statuses_as_typed() {
        assert_eq!("204".parse(), Ok(Status { first: 204, last: 204 }));
        assert_eq!("200-499".parse(), Ok(Status { first: 200, last: 499 }));
        for text in ["", "20", "099", "1000", "300-200", "200-", "-200", "+20", "2xx"] {
            assert!(text.parse::<Status>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_name_is_looked_up_once() {
        let at = |host: &str| Place { host: host.into(), port: 80 }.locate();
        assert_eq!(at("127.0.0.1").unwrap().address(1).to_string(), "127.0.0.1:1");
        assert_eq!(at("localhost").unwrap().address(1).to_string(), "localhost:1");
        let error = at("no-such-host.invalid").unwrap_err();
        assert!(error.message.contains("'no-such-host.invalid'"), "{error}");
    }

    proptest! {
        #[test]
        fn any_place_is_read_or_refused(text in "\\PC{0,20}|[a-z.]{0,6}:[0-9]{0,6}") {
            if let Ok(place) = text.parse::<Place>() {
                prop_assert!(place.port > 0 && !place.host.is_empty());
            }
        }

        #[test]
        fn a_url_never_breaks_its_request(text in "(http://)?[\\PC\r\n]{0,30}") {
            if let Ok(url) = text.parse::<Url>() {
                prop_assert!(url.path.starts_with('/'));
                let line = format!("{}{}", url.authority, url.path);
                prop_assert!(line.chars().all(|c| c.is_ascii_graphic()), "{line:?}");
            }
        }

        #[test]
        fn any_status_is_read_or_refused(text in "\\PC{0,8}|[0-9]{2,4}-[0-9]{2,4}") {
            if let Ok(status) = text.parse::<Status>() {
                prop_assert!((100..1000).contains(&status.first) && status.first <= status.last);
            }
        }
    }
}
