//! The `email` channel: a letter to people by way of a mail server.
//!
//! | key | |
//! | --- | --- |
//! | `host`, `port` | the mail server; the port follows from `tls` where it is not said |
//! | `tls` | `starttls` (587, the default), `tls` (465) or `none` (25) |
//! | `user`, `password_env` or `password_file` | how to log in, where that is asked for |
//! | `ca_file` | certificates in PEM form to trust beside the public ones |
//! | `from`, `to` | the sender, and a list of recipients |
//! | `subject` | a template of the user's own, with the same places as that of a webhook |
//!
//! # Theory of operation
//!
//! A notification becomes one [`page`] of plain words, which is written twice, as text and as
//! HTML, and goes out as one letter to all recipients (`letter`). A repeat has the same
//! `Message-ID`, so that mail readers show it once, and what tells of the same alert, its end too,
//! names the same `References`, so that they show it as one thread.
//!
//! The session with the server (`session`) has the channel's time limit as a whole. It runs on a
//! thread of its own: a server that says a byte now and then, or a resolver that hangs, holds that
//! thread, not us, and where that happens again and again the channel stops starting more.
//!
//! One recipient whom the server does not take must not cost the others their letter. Who was
//! refused for good is said once; who was refused for now is tried again alone.

mod html;
mod letter;
mod page;
mod session;
mod text;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use fleet_config::Fault;
use fleet_core::duration_text;
use fleet_notify::{Carrier, Notification, Verdict};
use fleet_rules::template::Template;
use lettre::Address;
use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::Certificate;
use toml::Spanned;

use crate::error::ChannelError;
use crate::keys::Keys;
use crate::secret::Secret;
use session::{Relay, Sent};

/// Most notifications of which it is remembered who got them already.
const MOST_HALF_DONE: usize = 1000;

/// Most sessions that outlive their time limit at once.
const MOST_HANGING: usize = 4;

/// How the session is encrypted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tls {
    /// It begins in the clear and must change before anything is said.
    Starttls,
    /// From the first byte.
    Wrapped,
    /// Not at all.
    None,
}

/// A mail server and whom it is asked to write to.
#[derive(Clone, Debug)]
pub struct Email {
    host: String,
    port: u16,
    tls: Tls,
    /// User and password.
    login: Option<(String, Secret)>,
    /// Certificates to trust beside those that all trust.
    ca_file: Option<PathBuf>,
    from: Mailbox,
    to: Vec<Mailbox>,
    /// What its subjects say, where that is not the usual.
    subject: Option<Template>,
}

impl Email {
    pub(crate) fn load(keys: &mut Keys) -> Result<Email, Fault> {
        let at = keys.at();
        let needs = |what: &str, hint: &str| {
            Fault::new(at, format!("an email channel needs {what}")).hint(hint)
        };
        let host = keys
            .text("host")?
            .ok_or_else(|| needs("the host of a mail server", "write host = \"smtp.example.com\""))?
            .into_inner();
        let tls = tls(keys)?;
        let from = keys.text("from")?.ok_or_else(|| {
            needs("a sender", "write from = \"fleet@example.com\" or \"Fleet <fleet@example.com>\"")
        })?;
        let to = keys
            .texts("to")?
            .filter(|to| !to.get_ref().is_empty())
            .ok_or_else(|| needs("recipients", "write to = [\"you@example.com\"]"))?;
        let place = to.span().start;
        let to: Result<_, _> = to.get_ref().iter().map(|text| mailbox(text, place)).collect();
        Ok(Email {
            port: port(keys, tls)?,
            login: login(keys, tls, &host)?,
            ca_file: keys.text("ca_file")?.map(|path| path.into_inner().into()),
            subject: subject(keys)?,
            from: mailbox(from.get_ref(), from.span().start)?,
            to: to?,
            host,
            tls,
        })
    }

    pub(crate) fn carrier(&self, timeout: Duration) -> Result<Mailer, ChannelError> {
        let login = self.login.as_ref().map(|(user, password)| {
            Ok::<_, ChannelError>(Credentials::new(user.clone(), password.read()?))
        });
        let relay = Relay {
            host: self.host.clone(),
            port: self.port,
            tls: self.tls,
            login: login.transpose()?,
            trusted: self.ca_file.as_ref().map(certificates).transpose()?,
        };
        Ok(Mailer {
            relay: Arc::new(relay),
            from: self.from.clone(),
            to: self.to.clone(),
            subject: self.subject.clone(),
            timeout,
            half_done: BTreeMap::new(),
            said: BTreeSet::new(),
            hanging: Vec::new(),
        })
    }
}

fn tls(keys: &mut Keys) -> Result<Tls, Fault> {
    let Some(word) = keys.text("tls")? else { return Ok(Tls::Starttls) };
    match word.get_ref().as_str() {
        "starttls" => Ok(Tls::Starttls),
        "tls" => Ok(Tls::Wrapped),
        "none" => Ok(Tls::None),
        other => Err(Fault::new(word.span().start, format!("there is no tls = \"{other}\""))
            .hint("there are: starttls (port 587), tls (port 465), none (port 25)")),
    }
}

/// The port that was given, or the usual one.
fn port(keys: &mut Keys, tls: Tls) -> Result<u16, Fault> {
    let usual = match tls {
        Tls::Starttls => 587,
        Tls::Wrapped => 465,
        Tls::None => 25,
    };
    let Some(port) = keys.number("port")? else { return Ok(usual) };
    u16::try_from(*port.get_ref())
        .map_err(|_| Fault::new(port.span().start, "a port is a number up to 65535"))
}

fn login(keys: &mut Keys, tls: Tls, host: &str) -> Result<Option<(String, Secret)>, Fault> {
    let user = keys.text("user")?;
    let at = user.as_ref().map_or(keys.at(), |user| user.span().start);
    let clear = tls == Tls::None && !["localhost", "127.0.0.1", "::1"].contains(&host);
    match (user.map(Spanned::into_inner), Secret::find(keys, "password")?) {
        (None, None) => Ok(None),
        (Some(_), Some(_)) if clear => {
            Err(Fault::new(at, format!("the password would go to {host} in the clear"))
                .hint("write tls = \"starttls\" or tls = \"tls\""))
        }
        (Some(user), Some(password)) => Ok(Some((user, password))),
        (Some(_), None) => Err(Fault::new(at, "a user needs a password")
            .hint("write password_env = \"VARIABLE\" or password_file = \"path\"")),
        (None, Some(_)) => Err(Fault::new(at, "a password needs a user")),
    }
}

/// Places in it are named as in the template of a webhook.
fn subject(keys: &mut Keys) -> Result<Option<Template>, Fault> {
    let Some(text) = keys.text("subject")? else { return Ok(None) };
    let parsed = Template::parse(text.get_ref());
    parsed.map(Some).map_err(|bad| Fault::new(text.span().start, bad.to_string()))
}

fn mailbox(text: &str, at: usize) -> Result<Mailbox, Fault> {
    let mailbox =
        text.parse::<Mailbox>().ok().filter(|mailbox| mailbox.email.to_string().is_ascii());
    mailbox.ok_or_else(|| {
        Fault::new(at, format!("'{text}' is no mail address"))
            .hint("write \"you@example.com\" or \"Your Name <you@example.com>\"")
    })
}

fn certificates(path: &PathBuf) -> Result<Certificate, ChannelError> {
    let pem = fs::read(path).map_err(|source| ChannelError::File { path: path.clone(), source })?;
    Certificate::from_pem(&pem)
        .ok()
        .filter(|_| pem.windows(10).any(|piece| piece == b"-----BEGIN"))
        .ok_or_else(|| ChannelError::NoCertificate { path: path.clone() })
}

/// Writes letters.
pub(crate) struct Mailer {
    relay: Arc<Relay>,
    from: Mailbox,
    to: Vec<Mailbox>,
    subject: Option<Template>,
    timeout: Duration,
    /// Who got a notification already that others are still to get, by its id.
    half_done: BTreeMap<String, Vec<Address>>,
    /// Recipients of whom it was said that the server refuses them.
    said: BTreeSet<Address>,
    /// Sessions that outlived their time limit.
    hanging: Vec<JoinHandle<()>>,
}

impl Carrier for Mailer {
    fn deliver(&mut self, notification: &Notification) -> Verdict {
        self.hanging.retain(|thread| !thread.is_finished());
        if self.hanging.len() >= MOST_HANGING {
            return again(format!("hangs in {MOST_HANGING} sessions already"));
        }
        let letter = match letter::write(notification, &self.from, &self.to, self.subject.as_ref())
        {
            Ok(letter) => letter,
            Err(error) => {
                return Verdict::Refused { why: format!("cannot make a letter of it: {error}") };
            }
        };
        let got = self.half_done.remove(&notification.id).unwrap_or_default();
        let to = self.to.iter().map(|to| &to.email).filter(|to| !got.contains(to));
        match self.send(to.cloned().collect(), letter) {
            Err(why) => self.unfinished(notification, got, again(why)),
            Ok(sent) => self.sent(notification, got, sent),
        }
    }
}

impl Mailer {
    /// Holds a session, at most as long as the time limit; a failure is a sentence's second half.
    fn send(&mut self, to: Vec<Address>, letter: Vec<u8>) -> Result<Sent, String> {
        let (send, sent) = mpsc::channel();
        let (relay, from) = (Arc::clone(&self.relay), self.from.email.clone());
        let deadline = Instant::now() + self.timeout;
        let work = move || session::hold(&relay, from, to, &letter, deadline, &send);
        let thread = thread::Builder::new().name("mail".to_owned()).spawn(work);
        let thread = thread.map_err(|error| format!("could not start a thread: {error}"))?;
        sent.recv_timeout(self.timeout).map_err(|_| {
            self.hanging.push(thread);
            format!("did not finish within {}", duration_text(self.timeout))
        })
    }

    /// What became of a session that ended.
    fn sent(&mut self, notification: &Notification, mut got: Vec<Address>, sent: Sent) -> Verdict {
        got.extend(sent.taken);
        // Where nobody gets any, the verdict says it.
        let refused = if got.is_empty() { Vec::new() } else { sent.refused };
        for (address, why) in refused {
            if self.said.insert(address.clone()) {
                fleet_cli::talk(format_args!(
                    "channel '{}' refuses the recipient '{address}': it {why}",
                    notification.channel
                ));
            }
        }
        self.unfinished(notification, got, sent.verdict)
    }

    /// Remembers who got it where it is to be tried again.
    fn unfinished(&mut self, of: &Notification, got: Vec<Address>, verdict: Verdict) -> Verdict {
        if matches!(verdict, Verdict::Again { .. }) && !got.is_empty() {
            if self.half_done.len() >= MOST_HALF_DONE {
                self.half_done.pop_first();
            }
            self.half_done.insert(of.id.clone(), got);
        }
        verdict
    }
}

/// The trouble is the server's.
fn again(why: String) -> Verdict {
    Verdict::Again { after: None, channel: true, why }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys::tests::keys;

    const GOOD: &str =
        "host = 'mail.example.com'\nfrom = 'a@example.com'\nto = ['b@example.com']\n";

    fn load(text: &str) -> Result<Email, String> {
        Email::load(&mut keys(text)).map_err(|fault| fault.message)
    }

    #[test]
    fn the_port_follows_from_the_encryption() {
        let port = |more: &str| load(&format!("{GOOD}{more}")).map(|email| email.port);
        assert_eq!(port(""), Ok(587));
        assert_eq!(port("tls = 'tls'"), Ok(465));
        assert_eq!(port("tls = 'none'"), Ok(25));
        assert_eq!(port("port = 2525"), Ok(2525));
        assert!(port("port = 65536").is_err());
    }

    #[test]
    fn what_cannot_work_is_refused() {
        let login = "user = 'u'\npassword_env = 'P'\n";
        for (text, expected) in [
            ("", "needs the host"),
            ("host = 'h'", "needs a sender"),
            ("host = 'h'\nfrom = 'a@b.c'\nto = []", "needs recipients"),
            ("host = 'h'\nfrom = 'a@b.c'\nto = ['nobody']", "'nobody' is no mail address"),
            ("host = 'h'\nfrom = 'ä@b.c'\nto = ['a@b.c']", "'ä@b.c' is no mail address"),
            ("host = 'h'\nfrom = 'a@b.c\\nBcc: x@y.z'\nto = ['a@b.c']", "is no mail address"),
            (&format!("{GOOD}subject = '{{{{x'"), "not closed"),
            (&format!("{GOOD}tls = 'ssl'"), "there is no tls = \"ssl\""),
            (&format!("{GOOD}user = 'u'"), "a user needs a password"),
            (&format!("{GOOD}password_env = 'P'"), "a password needs a user"),
            (&format!("{GOOD}user = 'u'\npassword = 'p'"), "is a secret"),
            (&format!("{GOOD}{login}tls = 'none'"), "in the clear"),
        ] {
            let message = load(text).unwrap_err();
            assert!(message.contains(expected), "{text}: {message}");
        }
        let local = "host = '127.0.0.1'\nfrom = 'a@b.c'\nto = ['a@b.c']\ntls = 'none'\n";
        assert!(load(&format!("{local}{login}")).is_ok());
    }
}
