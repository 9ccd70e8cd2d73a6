//! A channel as it is configured.

use std::time::Duration;

use fleet_config::{Fault, did_you_mean};
use fleet_notify::{Carrier, ChannelPlan};
use toml::Spanned;

use crate::bell::Bell;
use crate::email::Email;
use crate::error::ChannelError;
use crate::exec::Exec;
use crate::file::Append;
use crate::keys::{Keys, RawChannel};
use crate::stderr::Speaker;

/// How long one try may take unless the file says otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);

/// The same for mail: servers look at a letter for viruses before they say yes, and some make
/// strangers wait on purpose.
const MAIL_TIMEOUT: Duration = Duration::from_secs(30);

/// The types of channels.
const KINDS: [&str; 5] = ["bell", "email", "exec", "file", "stderr"];

/// A channel as it is configured.
#[derive(Clone, Debug)]
pub struct Channel {
    /// What it is told.
    pub plan: ChannelPlan,
    /// How long one try may take.
    pub timeout: Duration,
    /// What it is.
    pub kind: Kind,
}

/// What a channel is.
#[derive(Clone, Debug)]
pub enum Kind {
    /// A terminal or desktop that rings.
    Bell(Bell),
    /// A letter by way of a mail server.
    Email(Box<Email>),
    /// A command that gets the notification on its standard input.
    Exec(Exec),
    /// A file that grows.
    File(Append),
    /// Standard error.
    Stderr,
}

impl Channel {
    /// Reads a `[channel.NAME]`.
    ///
    /// # Errors
    /// Anything in it is wrong.
    pub fn load(name: Spanned<String>, raw: RawChannel) -> Result<Channel, Fault> {
        let mut keys = Keys::new(name.span().start, raw);
        let name = name.into_inner();
        let kind = keys.text("type")?.ok_or_else(|| {
            Fault::new(keys.at(), format!("channel '{name}' needs a type"))
                .hint(format!("write type = one of {}", KINDS.join(", ")))
        })?;
        let plan = ChannelPlan {
            name,
            severity: keys.texts("severity")?.map(Spanned::into_inner).unwrap_or_default(),
            resolved: keys.flag("resolved")?.unwrap_or(true),
            refresh: None,
            max_per_hour: keys
                .number("max_per_hour")?
                .map(|n| u32::try_from(*n.get_ref()).unwrap_or(u32::MAX)),
        };
        let (word, at) = (kind.get_ref().as_str(), kind.span().start);
        let usual = if word == "email" { MAIL_TIMEOUT } else { TIMEOUT };
        let timeout = keys.duration("timeout")?.unwrap_or(usual);
        let made = match word {
            "bell" => Kind::Bell(Bell::load(&mut keys)?),
            "email" => Kind::Email(Box::new(Email::load(&mut keys)?)),
            "exec" => Kind::Exec(Exec::load(&mut keys)?),
            "file" => Kind::File(Append::load(&mut keys)?),
            "stderr" => Kind::Stderr,
            _ => {
                let fault = Fault::new(at, format!("there is no channel type '{word}'"));
                let there_is = || format!("there are: {}", KINDS.join(", "));
                return Err(
                    fault.hint(did_you_mean(word, KINDS.into_iter()).unwrap_or_else(there_is))
                );
            }
        };
        keys.finish(word)?;
        Ok(Channel { plan, timeout, kind: made })
    }

    /// What takes notifications there.
    ///
    /// # Errors
    /// A secret cannot be read.
    pub fn carrier(&self) -> Result<Box<dyn Carrier>, ChannelError> {
        match &self.kind {
            Kind::Bell(bell) => Ok(Box::new(bell.carrier(self.timeout))),
            Kind::Email(email) => Ok(Box::new(email.carrier(self.timeout)?)),
            Kind::Exec(exec) => Ok(Box::new(exec.carrier(self.timeout))),
            Kind::File(file) => Ok(Box::new(file.carrier())),
            Kind::Stderr => Ok(Box::new(Speaker)),
        }
    }
}
