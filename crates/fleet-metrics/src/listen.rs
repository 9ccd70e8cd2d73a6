//! `--listen`: rounds for scrapers.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use clap::Args;
use fleet_cli::talk;
use fleet_core::Sample;
use fleet_exposition::{Exporter, ServeError, Server};

use crate::args::MetricsArgs;
use crate::told::Told;

/// For whom it listens.
#[derive(Args, Clone, Debug)]
pub struct ListenArgs {
    /// Go on sampling and serve /metrics to Prometheus here, 127.0.0.1:9551 for example, or a port
    /// alone; prints nothing unless -o says what
    #[arg(long, value_name = "ADDRESS", group = "rounds", value_parser = address)]
    pub listen: Option<SocketAddr>,
}

/// A port alone is one of this machine's own: there is no password.
fn address(text: &str) -> Result<SocketAddr, String> {
    let host = |port| SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), port);
    let port = text.strip_prefix("localhost:").unwrap_or(text);
    if let Ok(port) = port.parse() {
        return Ok(host(port));
    }
    text.parse().map_err(|_| {
        "an address is a number and a port: 127.0.0.1:9551, [::1]:9551, or the port alone"
            .to_owned()
    })
}

/// Serves rounds, if that was asked for.
pub(crate) struct Listening {
    server: Option<Server>,
    exporter: Exporter,
    told: Told,
}

impl Listening {
    /// Starts to listen.
    ///
    /// # Errors
    /// The address is not to be had, other than because it is taken.
    pub(crate) fn start(args: &MetricsArgs) -> Result<Listening, ServeError> {
        let start = |address| Server::start(address, args.interval(), talk::<String>);
        let server = args.listen.listen.map(start).transpose()?;
        Ok(Listening { server, exporter: Exporter::default(), told: Told::default() })
    }

    /// From now on scrapers get this round.
    pub(crate) fn round(&mut self, samples: &[Sample]) {
        let Some(server) = &self.server else { return };
        let (exposition, problems) = self.exporter.round(samples);
        problems.into_iter().for_each(|problem| self.told.say(problem));
        server.publish(exposition);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_and_ports() {
        for text in ["9551", "localhost:9551", "127.0.0.1:9551"] {
            assert_eq!(address(text).unwrap().to_string(), "127.0.0.1:9551");
        }
        assert_eq!(address("[::]:1").unwrap().to_string(), "[::]:1");
        for text in ["", "99999", "example.org:80", "127.0.0.1"] {
            assert!(address(text).is_err(), "{text}");
        }
    }
}
