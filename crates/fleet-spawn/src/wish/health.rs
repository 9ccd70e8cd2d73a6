//! Health checks as they are wanted.

use anyhow::Context;
use clap::Args;
use fleet_cli::{Exit, Failure};
use fleet_core::{HealthCheck, Probe};
use fleet_shim::Pattern;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ports;
use crate::wish::place::{Located, Place, Status, Url, WithPorts};
use crate::wish::{Span, Typed, Words};

/// What is not said, in seconds and times.
const INTERVAL: f64 = 30.0;
const TIMEOUT: f64 = 3.0;
const RETRIES: u32 = 3;
const START_PERIOD: f64 = 5.0;

/// How it is asked whether it is well: by at most one of tcp, http, exec and log, and by the
/// watchdog beside it.
#[derive(Args, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
#[command(next_help_heading = "Health")]
pub struct HealthWish {
    /// It is healthy while something accepts a connection at this port, or at HOST:PORT
    #[arg(id = "health_tcp", long = "health-tcp", value_name = "[HOST:]PORT")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tcp: Option<Typed<WithPorts<Place>>>,
    /// It is healthy while a GET of this http:// address is answered as it should be
    #[arg(id = "health_http", long = "health-http", value_name = "URL")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub http: Option<Typed<WithPorts<Url>>>,
    /// Status of a good answer: a number or a range [default: 200-399]
    #[arg(id = "health_status", long = "health-status", value_name = "STATUS")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<Typed<Status>>,
    /// A regular expression that the body of a good answer matches
    #[arg(id = "health_body", long = "health-body", value_name = "REGEX")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// It is healthy while this command, split as a shell would, ends with code 0
    #[arg(id = "health_exec", long = "health-exec", value_name = "COMMAND")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exec: Option<Words>,
    /// It is healthy once a line of its output matches this regular expression
    #[arg(id = "health_log", long = "health-log", value_name = "REGEX")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub log: Option<String>,
    /// From one check to the next [default: 30s]
    #[arg(id = "health_interval", long = "health-interval", value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interval: Option<Typed<Span>>,
    /// How long an answer may take [default: 3s]
    #[arg(id = "health_timeout", long = "health-timeout", value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout: Option<Typed<Span>>,
    /// So many failures in a row make it unhealthy [default: 3]
    #[arg(id = "health_retries", long = "health-retries", value_name = "N",
          value_parser = clap::value_parser!(u32).range(1..))]
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub retries: Option<u32>,
    /// So long after its start failures do not count [default: 5s]
    #[arg(id = "health_start_period", long = "health-start-period", value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_period: Option<Typed<Span>>,
    /// It has to say WATCHDOG=1 (sd_notify) at least this often to be healthy
    #[arg(long = "watchdog", value_name = "TIME")]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub watchdog: Option<Typed<Span>>,
}

/// A check as it is wanted, sound but for the ports, which are chosen when the name is claimed.
#[derive(Clone, Debug)]
pub struct Prepared {
    wish: HealthWish,
    /// The host of the address or URL, found before anything is locked.
    host: Located,
}

impl HealthWish {
    /// Whether nothing was said.
    pub fn is_empty(&self) -> bool {
        *self == HealthWish::default()
    }

    /// Checks all that was said, and looks up the host that is to be asked.
    ///
    /// # Errors
    /// What was said cannot be meant: a sentence and what to do.
    pub fn prepare(&self) -> anyhow::Result<Option<Prepared>> {
        self.refuse_contradictions()?;
        self.refuse_lonely_options()?;
        for (option, text) in [("--health-body", &self.body), ("--health-log", &self.log)] {
            if let Some(text) = text {
                compile(option, &ports::filled_for_trial(text))?;
            }
        }
        let spans = [
            ("--health-interval", &self.interval),
            ("--health-timeout", &self.timeout),
            ("--watchdog", &self.watchdog),
        ];
        if let Some((option, _)) =
            spans.iter().find(|(_, span)| span.as_ref().is_some_and(|s| s.value.0.is_zero()))
        {
            return Err(refused(format!("{option} cannot be no time at all")).into());
        }
        let place = match (&self.tcp, &self.http) {
            (Some(tcp), _) => Some(tcp.value.trial()?),
            (None, Some(http)) => Some(http.value.trial()?.place),
            (None, None) => None,
        };
        if let Some(exec) = &self.exec {
            command(exec, &[])?;
        }
        let host = place.map_or(Ok(Located::default()), |place| place.locate())?;
        let asks = self.tcp.is_some() || self.http.is_some() || self.exec.is_some();
        Ok((asks || self.log.is_some()).then(|| Prepared { wish: self.clone(), host }))
    }

    fn refuse_contradictions(&self) -> Result<(), Failure> {
        let probes = [
            ("--health-tcp", self.tcp.is_some()),
            ("--health-http", self.http.is_some()),
            ("--health-exec", self.exec.is_some()),
            ("--health-log", self.log.is_some()),
        ];
        let said: Vec<&str> = probes.iter().filter(|(_, is)| *is).map(|(name, _)| *name).collect();
        match said.as_slice() {
            [] | [_] => Ok(()),
            [first, second, ..] => {
                let words = format!("{first} and {second}: a process has one health check");
                Err(refused(words).hint("a --health-exec command can ask for several things"))
            }
        }
    }

    /// Options of a check that there is not.
    fn refuse_lonely_options(&self) -> Result<(), Failure> {
        let of_http =
            [("--health-status", self.status.is_some()), ("--health-body", self.body.is_some())];
        let of_all = [
            ("--health-interval", self.interval.is_some()),
            ("--health-timeout", self.timeout.is_some()),
            ("--health-retries", self.retries.is_some()),
            ("--health-start-period", self.start_period.is_some()),
        ];
        let said =
            |options: &[(&'static str, bool)]| options.iter().find(|(_, is)| *is).map(|o| o.0);
        if let Some(option) = said(&of_http).filter(|_| self.http.is_none()) {
            return Err(refused(format!(
                "{option} says how --health-http is answered, which is missing"
            )));
        }
        let asks = self.tcp.is_some() || self.http.is_some() || self.exec.is_some();
        match said(&of_all).filter(|_| !asks && self.log.is_none()) {
            Some(option) => Err(refused(format!("{option} is said of no health check"))
                .hint("add --health-tcp, --health-http, --health-exec or --health-log")),
            None => Ok(()),
        }
    }
}

impl Prepared {
    /// The check, with these ports.
    ///
    /// # Errors
    /// A `{port}` is left that no port was reserved for.
    pub fn with_ports(&self, ports: &[u16]) -> anyhow::Result<HealthCheck> {
        let wish = &self.wish;
        let seconds = |span: &Option<Typed<Span>>, usual: f64| {
            span.as_ref().map_or(usual, |span| span.value.0.as_secs_f64())
        };
        Ok(HealthCheck {
            probe: self.probe(ports)?,
            interval_seconds: seconds(&wish.interval, INTERVAL),
            timeout_seconds: seconds(&wish.timeout, TIMEOUT),
            retries: wish.retries.unwrap_or(RETRIES),
            start_period_seconds: seconds(&wish.start_period, START_PERIOD),
        })
    }

    fn probe(&self, ports: &[u16]) -> anyhow::Result<Probe> {
        let wish = &self.wish;
        if let Some(tcp) = &wish.tcp {
            return Ok(Probe::Tcp(self.host.address(tcp.value.with(ports)?.port)));
        }
        if let Some(http) = &wish.http {
            let url = http.value.with(ports)?;
            let status = wish.status.as_ref().map_or_else(Status::default, |status| status.value);
            return Ok(Probe::Http {
                address: self.host.address(url.place.port),
                host: url.authority,
                path: url.path,
                status_first: status.first,
                status_last: status.last,
                body: self.pattern("--health-body", &wish.body, ports)?,
            });
        }
        match (&wish.exec, self.pattern("--health-log", &wish.log, ports)?) {
            (Some(words), _) => Ok(Probe::Exec { command: command(words, ports)? }),
            (None, Some(pattern)) => Ok(Probe::Log { pattern }),
            (None, None) => Err(refused("no health check was said".to_owned()).into()),
        }
    }

    fn pattern(
        &self,
        option: &str,
        text: &Option<String>,
        ports: &[u16],
    ) -> Result<Option<String>, Failure> {
        let Some(text) = text else { return Ok(None) };
        let text = ports::fill_text(text, ports);
        ports::refuse_left_over(option, &text)?;
        compile(option, &text)?;
        Ok(Some(text))
    }
}

fn compile(option: &str, text: &str) -> Result<(), Failure> {
    match Pattern::new(text) {
        Ok(_) => Ok(()),
        Err(bad) => {
            let mark = " ".repeat(bad.place.saturating_sub(1)) + "^";
            let words =
                format!("{option} is no regular expression: {}\n    {text}\n    {mark}", bad.why);
            Err(refused(words))
        }
    }
}

/// The argument vector of a health command.
fn command(words: &Words, ports: &[u16]) -> anyhow::Result<Vec<String>> {
    let list = match words {
        Words::List(list) => list.clone(),
        Words::Text(text) => shlex::split(text)
            .with_context(|| format!("--health-exec {text:?} has a quote that is not closed"))?,
    };
    if list.is_empty() {
        return Err(refused("--health-exec is empty".to_owned()).into());
    }
    Ok(list.iter().map(|word| ports::fill_text(word, ports)).collect())
}

fn refused(words: String) -> Failure {
    Failure::new(Exit::CouldNot, words)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(change: impl Fn(&mut HealthWish), ports: &[u16]) -> Result<Probe, String> {
        let mut wish = HealthWish::default();
        change(&mut wish);
        let prepared = wish.prepare().map_err(|e| e.to_string())?.expect("a check is wanted");
        prepared.with_ports(ports).map(|check| check.probe).map_err(|e| e.to_string())
    }

    #[test]
    fn a_port_is_put_in_once_it_is_chosen() {
        let tcp = |text: &str, ports: &[u16]| match check(
            |wish| wish.tcp = Some(text.parse().unwrap()),
            ports,
        ) {
            Ok(Probe::Tcp(address)) => Ok(address.to_string()),
            Ok(other) => panic!("{other:?}"),
            Err(e) => Err(e),
        };
        assert_eq!(tcp("{port}", &[9555]), Ok("localhost:9555".into()));
        assert_eq!(tcp("[::1]:{port1}", &[9555, 9556]), Ok("[::1]:9556".into()));
        assert_eq!(tcp("127.0.0.1:80", &[]), Ok("127.0.0.1:80".into()));
        assert!(tcp("{port1}", &[9555]).unwrap_err().contains("no port is reserved for '{port1}'"));
    }

    #[test]
    fn patterns_and_commands_may_hold_ports() {
        let log = check(|wish| wish.log = Some("on port {port}$".into()), &[80]);
        assert_eq!(log, Ok(Probe::Log { pattern: "on port 80$".into() }));
        let exec = check(|wish| wish.exec = Some(Words::Text("a 'b {port}' {x}".into())), &[80]);
        let words = ["a", "b 80", "{x}"].map(str::to_owned).to_vec();
        assert_eq!(exec, Ok(Probe::Exec { command: words }));
        assert!(check(|wish| wish.exec = Some(Words::Text("a 'b".into())), &[]).is_err());
        assert!(check(|wish| wish.exec = Some(Words::Text("".into())), &[]).is_err());
    }

    #[test]
    fn a_mistake_in_a_pattern_is_marked() {
        let error = check(|wish| wish.log = Some("ready (on".into()), &[]).unwrap_err();
        assert!(error.ends_with("\n    ready (on\n          ^"), "{error}");
    }

    #[test]
    fn a_url_becomes_a_question() {
        let http = check(
            |wish| {
                wish.http = Some("http://localhost:{port}/health?x={port}".parse().unwrap());
                wish.status = Some("204".parse().unwrap());
            },
            &[81],
        );
        let Ok(Probe::Http { address, host, path, status_first, status_last, body }) = http else {
            panic!("{http:?}");
        };
        assert_eq!((address.to_string(), host), ("localhost:81".into(), "localhost:81".to_owned()));
        assert_eq!(
            (path.as_str(), status_first, status_last, body),
            ("/health?x=81", 204, 204, None)
        );
    }
}
