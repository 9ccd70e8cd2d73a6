//! Asking a web server, once, within a time limit.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use fleet_config::Fault;
use fleet_core::duration_text;
use fleet_notify::Verdict;
use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use ureq::http::header::CONTENT_LENGTH;
use ureq::http::{Method, Request, Response};
use ureq::tls::{Certificate, PemItem, RootCerts, TlsConfig, parse_pem};
use ureq::{Agent, Body, Error, SendBody};

use crate::answer::Answer;
use crate::error::ChannelError;
use crate::keys::Keys;

/// Most of an answer that is read, in bytes.
const MOST: u64 = 64 << 10;

/// Shorter secrets are not looked for in what is shown: they stand in any text.
const SHORTEST: usize = 4;

/// The product as it names itself to receivers.
pub(crate) const USER_AGENT: &str = concat!("fleet-alert/", env!("CARGO_PKG_VERSION"));

/// Whom a channel takes for the receiver.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Trust {
    /// Certificates of the user's own authorities, instead of those of browsers.
    ca_file: Option<PathBuf>,
}

impl Trust {
    /// Reads `ca_file`.
    pub(crate) fn load(keys: &mut Keys) -> Result<Trust, Fault> {
        let ca_file = keys.text("ca_file")?;
        Ok(Trust { ca_file: ca_file.map(|path| PathBuf::from(path.into_inner())) })
    }

    fn roots(&self) -> Result<RootCerts, ChannelError> {
        self.ca_file.as_deref().map_or(Ok(RootCerts::WebPki), certificates)
    }
}

fn certificates(path: &Path) -> Result<RootCerts, ChannelError> {
    let pem =
        fs::read(path).map_err(|source| ChannelError::File { path: path.to_owned(), source })?;
    let certificates: Vec<_> = parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate).filter(is_whole),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(ChannelError::NoCertificate { path: path.to_owned() });
    }
    Ok(RootCerts::new_with_certs(&certificates))
}

fn is_whole(certificate: &Certificate<'_>) -> bool {
    RootCertStore::empty().add(CertificateDer::from(certificate.der())).is_ok()
}

/// Asks web servers.
pub(crate) struct Client {
    agent: Agent,
    timeout: Duration,
    /// What must not be shown, wherever it turns up.
    secrets: Vec<String>,
}

/// A request.
pub(crate) struct Ask<'a> {
    pub(crate) method: Method,
    pub(crate) url: &'a str,
    /// Names and values.
    pub(crate) headers: Vec<(&'a str, &'a str)>,
    pub(crate) body: &'a [u8],
}

impl<'a> Ask<'a> {
    /// Sends JSON by a POST.
    pub(crate) fn json(url: &'a str, body: &'a [u8]) -> Ask<'a> {
        let headers = vec![("content-type", "application/json")];
        Ask { method: Method::POST, url, headers, body }
    }

    /// Adds a header where there is a value.
    pub(crate) fn with(mut self, name: &'a str, value: Option<&'a str>) -> Ask<'a> {
        self.headers.extend(value.map(|value| (name, value)));
        self
    }
}

/// There was no answer.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unanswered {
    /// Why, as the second half of a sentence.
    pub(crate) why: String,
    /// Whether the receiver cannot have got the request.
    pub(crate) unsent: bool,
}

impl Client {
    /// A client that holds no connection while it has nothing to ask. It goes through the proxy of the
    /// environment (`HTTPS_PROXY`, `NO_PROXY` and their like).
    pub(crate) fn open(trust: &Trust, timeout: Duration) -> Result<Client, ChannelError> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .user_agent(USER_AGENT)
            .max_idle_connections(0)
            .tls_config(TlsConfig::builder().root_certs(trust.roots()?).build());
        let agent = Agent::new_with_config(config.build());
        Ok(Client { agent, timeout, secrets: Vec::new() })
    }

    /// Learns what must not be shown, and gives it back.
    pub(crate) fn hide(&mut self, secret: String) -> String {
        if secret.len() >= SHORTEST {
            self.secrets.push(secret.clone());
        }
        secret
    }

    /// As [`Client::hide`] for an address, of which the path alone tells enough.
    pub(crate) fn hide_url(&mut self, (url, hidden): (String, bool)) -> String {
        if hidden {
            let path = url.splitn(4, '/').nth(3).unwrap_or_default().to_owned();
            self.hide(url.clone());
            self.hide(path);
        }
        url
    }

    /// When a try that begins now must have ended.
    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + self.timeout
    }

    /// Asks once. What comes back late or never is an error, but an answer whose body ends early
    /// is an answer: its status says what became of the request.
    pub(crate) fn ask(&self, ask: &Ask<'_>, deadline: Instant) -> Result<Answer, Unanswered> {
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(Unanswered { why: self.late(), unsent: true });
        }
        let mut outgoing = Outgoing { left: ask.body, begun: false };
        let response = self.send(ask, &mut outgoing, left);
        let response = response.map_err(|error| Unanswered {
            why: self.scrub(&self.words(error, outgoing.begun)),
            unsent: !outgoing.begun,
        })?;
        let (parts, body) = response.into_parts();
        let mut bytes = Vec::new();
        // See above.
        let _ = body.into_reader().take(MOST).read_to_end(&mut bytes);
        let body = self.scrub(&String::from_utf8_lossy(&bytes));
        Ok(Answer::new(parts.status.as_u16(), &parts.headers, body))
    }

    fn send(
        &self,
        ask: &Ask<'_>,
        outgoing: &mut Outgoing<'_>,
        left: Duration,
    ) -> Result<Response<Body>, Error> {
        let mut request = Request::builder()
            .method(&ask.method)
            .uri(ask.url)
            .header(CONTENT_LENGTH, ask.body.len());
        for (name, value) in &ask.headers {
            request = request.header(*name, *value);
        }
        let request = request.body(SendBody::from_reader(outgoing))?;
        let request = self.agent.configure_request(request).timeout_global(Some(left)).build();
        self.agent.run(request)
    }

    fn late(&self) -> String {
        format!("gave no answer within {}", duration_text(self.timeout))
    }

    /// Why there is no answer. The words are our own where those of the library may repeat the
    /// address.
    fn words(&self, error: Error, begun: bool) -> String {
        match error {
            Error::Timeout(_) => self.late(),
            Error::HostNotFound => "has a name that is not known".to_owned(),
            Error::ConnectionFailed => "could not be connected to".to_owned(),
            Error::ConnectProxyFailed(_) | Error::InvalidProxyUrl => {
                "could not be reached through the proxy that the environment names".to_owned()
            }
            Error::Io(error) => {
                let words =
                    if begun { "broke the connection" } else { "could not be connected to" };
                untrusted(&error).unwrap_or_else(|| format!("{words}: {error}"))
            }
            Error::BadUri(_) | Error::Http(_) | Error::RequireHttpsOnly(_) => {
                "cannot be asked, the address or a header holds what none may".to_owned()
            }
            Error::Tls(why) => format!("failed in TLS: {why}"),
            _ => "answered what is no HTTP".to_owned(),
        }
    }

    /// A text without what must not be shown.
    pub(crate) fn scrub(&self, text: &str) -> String {
        self.secrets.iter().fold(text.to_owned(), |text, secret| text.replace(secret, "…"))
    }
}

/// The body of a request on its way out.
struct Outgoing<'a> {
    left: &'a [u8],
    /// Whether any of it was asked for: then the receiver was connected to and may have got it.
    begun: bool,
}

impl Read for Outgoing<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.begun = true;
        self.left.read(buffer)
    }
}

/// Says that the receiver's certificate is not trusted, if the error is that.
fn untrusted(error: &io::Error) -> Option<String> {
    let tls = error.get_ref()?.downcast_ref::<rustls::Error>()?;
    let rustls::Error::InvalidCertificate(why) = tls else { return None };
    Some(format!(
        "shows a TLS certificate that is not to be trusted ({why}); where an authority of your \
         own signed it, name the certificate of that authority as ca_file"
    ))
}

impl From<Unanswered> for Verdict {
    fn from(unanswered: Unanswered) -> Verdict {
        Verdict::Again { after: None, channel: true, why: unanswered.why }
    }
}
