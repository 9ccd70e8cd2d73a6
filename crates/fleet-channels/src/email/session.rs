//! One session with a mail server, and what its answers mean.
//!
//! | where | answer | verdict |
//! | --- | --- | --- |
//! | opening, STARTTLS | anything but yes, none in time | again, the channel waits |
//! | login | 4xx, none in time | again, the channel waits |
//! | login | 5xx (535: wrong password), no way to log in that both know | dead |
//! | sender, recipients | 4xx, none in time | again, the channel waits |
//! | sender, recipients | 5xx: neither changes from letter to letter | dead |
//! | the letter | 4xx, none in time | again, the others go on: it may be this letter's fault |
//! | the letter | 5xx | refused |
//! | anywhere | 421: the server closes | again, the channel waits |

use std::error::Error as _;
use std::io;
use std::sync::mpsc::Sender;
use std::time::{Duration, Instant};

use fleet_notify::Verdict;
use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{Certificate, SmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::ClientId;

use super::Tls;
use crate::excerpt;

/// Most characters of what a server says that are passed on.
const MOST_WORDS: usize = 200;

/// How long a server that has the letter may take to say goodbye.
const FAREWELL: Duration = Duration::from_secs(2);

/// A server and what it takes to be let in.
pub(super) struct Relay {
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) tls: Tls,
    pub(super) login: Option<Credentials>,
    pub(super) trusted: Option<Certificate>,
}

/// What became of a letter.
pub(super) struct Sent {
    pub(super) verdict: Verdict,
    /// Who gets it.
    pub(super) taken: Vec<Address>,
    /// Who will never get any, with the server's words.
    pub(super) refused: Vec<(Address, String)>,
}

/// How far a session came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Opening,
    Login,
    Envelope,
    Letter,
}

/// Why a session ended early.
struct Trouble {
    stage: Stage,
    code: Option<u16>,
    why: String,
}

/// What the server said of the recipients.
#[derive(Default)]
struct Recipients {
    taken: Vec<Address>,
    refused: Vec<(Address, String)>,
    /// Why one may be taken later.
    later: Option<String>,
    /// The last that was said of one who was not taken.
    last: Option<Trouble>,
}

/// Holds a session until the deadline at the latest, as far as the server answers at all; tells
/// the outcome as soon as it is known, before it says goodbye.
pub(super) fn hold(
    relay: &Relay,
    from: Address,
    to: Vec<Address>,
    letter: &[u8],
    deadline: Instant,
    tell: &Sender<Sent>,
) {
    let mut session = match Session::open(relay, deadline) {
        Ok(session) => session,
        Err(trouble) => {
            let sent = Sent { verdict: trouble.verdict(), taken: Vec::new(), refused: Vec::new() };
            // Nobody waits any more: the time is over.
            let _ = tell.send(sent);
            return;
        }
    };
    let sent = session.send(from, to, letter);
    let _ = tell.send(sent);
    let _ = session.connection.set_timeout(Some(FAREWELL));
    session.connection.abort();
}

struct Session {
    connection: SmtpConnection,
    deadline: Instant,
}

impl Session {
    /// A session in which letters may be sent.
    fn open(relay: &Relay, deadline: Instant) -> Result<Session, Trouble> {
        let opening = |error: Error| Trouble::new(Stage::Opening, &error);
        let name = ClientId::default();
        let tls = relay.parameters().map_err(opening)?;
        let wrapped = tls.as_ref().filter(|_| relay.tls == Tls::Wrapped);
        let server = (relay.host.as_str(), relay.port);
        let limit = Some(left(deadline));
        let connection = SmtpConnection::connect(server, limit, &name, wrapped, None);
        let mut session = Session { connection: connection.map_err(opening)?, deadline };
        if let Some(tls) = tls.filter(|_| relay.tls == Tls::Starttls) {
            session.step(Stage::Opening, |server| server.starttls(&tls, &name))?;
        }
        if let Some(login) = &relay.login {
            let ways = [Mechanism::Plain, Mechanism::Login];
            session.step(Stage::Login, |server| server.auth(&ways, login).map(drop))?;
        }
        Ok(session)
    }

    /// One question to the server and its answer, in what is left of the time.
    fn step<T>(
        &mut self,
        stage: Stage,
        step: impl FnOnce(&mut SmtpConnection) -> Result<T, Error>,
    ) -> Result<T, Trouble> {
        let late = |why: String| Trouble { stage, code: None, why };
        let limit = Some(left(self.deadline));
        self.connection.set_timeout(limit).map_err(|error| late(error.to_string()))?;
        step(&mut self.connection).map_err(|error| Trouble::new(stage, &error))
    }

    fn send(&mut self, from: Address, to: Vec<Address>, letter: &[u8]) -> Sent {
        let mut recipients = Recipients::default();
        let verdict = match self.post(from, to, letter, &mut recipients) {
            Err(trouble) => {
                recipients.taken.clear();
                trouble.verdict()
            }
            Ok(()) => match recipients.later.take() {
                None => Verdict::Delivered,
                Some(why) => Verdict::Again { after: None, channel: false, why },
            },
        };
        Sent { verdict, taken: recipients.taken, refused: recipients.refused }
    }

    /// Sends a letter to those recipients whom the server takes.
    fn post(
        &mut self,
        from: Address,
        to: Vec<Address>,
        letter: &[u8],
        recipients: &mut Recipients,
    ) -> Result<(), Trouble> {
        let envelope = Stage::Envelope;
        self.step(envelope, |server| server.command(Mail::new(Some(from), Vec::new())))?;
        for address in to {
            let name = Rcpt::new(address.clone(), Vec::new());
            match self.step(envelope, |server| server.command(name)) {
                Ok(_) => recipients.taken.push(address),
                Err(trouble) => recipients.missing(address, trouble)?,
            }
        }
        if let (true, Some(trouble)) = (recipients.taken.is_empty(), recipients.last.take()) {
            return Err(trouble);
        }
        self.step(Stage::Letter, |server| server.command(Data))?;
        self.step(Stage::Letter, |server| server.message(letter)).map(drop)
    }
}

impl Recipients {
    /// Notes who was not taken; an answer that is about the session ends it.
    fn missing(&mut self, address: Address, trouble: Trouble) -> Result<(), Trouble> {
        match trouble.code {
            Some(500..) => self.refused.push((address, trouble.why.clone())),
            Some(code) if code != CLOSING => {
                self.later = Some(format!("has not taken '{address}' yet: it {}", trouble.why));
            }
            _ => return Err(trouble),
        }
        // Where nobody is taken, one who may be later decides.
        let decides = |last: &Trouble| last.code.is_some_and(|code| code < 500);
        if !self.last.as_ref().is_some_and(decides) {
            self.last = Some(trouble);
        }
        Ok(())
    }
}

/// The server closes the session.
const CLOSING: u16 = 421;

impl Trouble {
    fn new(stage: Stage, error: &Error) -> Trouble {
        let code = error.status().and_then(|code| code.to_string().parse().ok());
        Trouble { stage, code, why: words(error, code) }
    }

    fn verdict(self) -> Verdict {
        let Trouble { stage, code, why } = self;
        let mechanism = stage == Stage::Login && why.contains(NO_MECHANISM);
        match (stage, code) {
            (Stage::Login | Stage::Envelope, Some(500..)) => Verdict::Dead { why },
            (Stage::Letter, Some(500..)) => Verdict::Refused { why },
            (Stage::Letter, code) if code != Some(CLOSING) => {
                Verdict::Again { after: None, channel: false, why }
            }
            _ if mechanism => Verdict::Dead { why },
            _ => super::again(why),
        }
    }
}

const NO_MECHANISM: &str = "no way to log in that we know";

/// What went wrong, as the second half of a sentence about the channel.
fn words(error: &Error, code: Option<u16>) -> String {
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    let cause = excerpt::line(&cause, MOST_WORDS);
    if let Some(code) = code {
        return format!("answered {code} {cause}").trim_end().to_owned();
    }
    let mut causes = std::iter::successors(error.source(), |cause| (*cause).source());
    let kind = causes.find_map(|cause| cause.downcast_ref::<io::Error>()).map(io::Error::kind);
    match kind {
        Some(io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {
            "did not answer in time".to_owned()
        }
        _ if cause.contains("certificate") => {
            format!("is not trusted: {cause}; ca_file names certificates to trust")
        }
        _ if cause.contains("No compatible authentication") => {
            format!("offers {NO_MECHANISM}")
        }
        _ if cause.is_empty() => excerpt::line(&format!("failed: {error}"), MOST_WORDS),
        _ => format!("failed: {cause}"),
    }
}

/// What is left of the time; never nothing, which would mean for ever.
fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
}

impl Relay {
    fn parameters(&self) -> Result<Option<TlsParameters>, Error> {
        if self.tls == Tls::None {
            return Ok(None);
        }
        let builder = TlsParameters::builder(self.host.clone());
        let trusted = self.trusted.iter().cloned();
        trusted.fold(builder, |builder, more| builder.add_root_certificate(more)).build().map(Some)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_an_answer_means_depends_on_where_it_comes() {
        use Stage::{Envelope, Letter, Login, Opening};
        let (again, held) = ("again", "again, the channel waits");
        for (stage, code, expected) in [
            (Opening, None, held),
            (Opening, Some(421), held),
            (Opening, Some(554), held),
            (Login, None, held),
            (Login, Some(454), held),
            (Login, Some(535), "dead"),
            (Login, Some(530), "dead"),
            (Envelope, Some(450), held),
            (Envelope, Some(550), "dead"),
            (Envelope, None, held),
            (Letter, None, again),
            (Letter, Some(451), again),
            (Letter, Some(421), held),
            (Letter, Some(554), "refused"),
        ] {
            let became = match (Trouble { stage, code, why: String::new() }).verdict() {
                Verdict::Delivered => "delivered",
                Verdict::Again { channel: true, .. } => held,
                Verdict::Again { .. } => again,
                Verdict::Refused { .. } => "refused",
                Verdict::Dead { .. } => "dead",
            };
            assert_eq!(became, expected, "{stage:?} {code:?}");
        }
    }

    #[test]
    fn without_a_common_way_to_log_in_there_is_none_later() {
        let why = format!("offers {NO_MECHANISM}");
        let trouble = Trouble { stage: Stage::Login, code: None, why: why.clone() };
        assert_eq!(trouble.verdict(), Verdict::Dead { why });
    }
}
